"""What figure 2 says of the paper's claims."""

from __future__ import annotations

from paper_figures.claims import Claim, checked
from paper_figures.options import Numbers

# Of a mass: some hundred roundings of it.
_ROUNDING = 1e-14


def claims(numbers: Numbers) -> list[Claim]:
    """Of the one region and its triangle."""
    total = float(numbers["region_mass"])
    triangles = float(numbers["triangle_masses"].sum())
    signed = float(numbers["signs"] @ numbers["masses"])
    triangle = float(numbers["triangle_masses"][int(numbers["chosen"])])
    return [
        Claim(
            "a region is the union of simplices that do not overlap (9)",
            f"masses of {len(numbers['triangle_masses'])} triangles under N(0, I) add up to "
            f"{triangles:.15f}; the region's by another algorithm (fast) is {total:.15f}",
            checked(abs(triangles - total) < _ROUNDING),
        ),
        Claim(
            "an integral over a simplex is a signed sum over polyhedra of up to S faces (Lemma 4)",
            f"{len(numbers['signs'])} signed masses add up to {signed:.15f} (the sign is as "
            "printed); on the grid of the picture every point of the triangle is counted once, and "
            "every other point not at all",
            checked(abs(signed - triangle) < _ROUNDING),
        ),
    ]
