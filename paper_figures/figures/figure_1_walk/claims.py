"""What figure 1 says of the paper's claims."""

from __future__ import annotations

from paper_figures.claims import Claim, checked
from paper_figures.options import Numbers


def claims(numbers: Numbers) -> list[Claim]:
    """Of the one network."""
    walked, found = len(numbers["rings"]), int(numbers["found_by_fast"])
    unbounded = int(numbers["unbounded"].sum())
    return [
        Claim(
            "walking over faces from one region discovers the whole partition (Sec. 3.2)",
            f"the walk found {walked} regions in {int(numbers['rings'].max()) + 1} steps; cutting "
            f"the plane neuron by neuron (fast) finds {found}",
            checked(walked == found),
        ),
        Claim(
            "regions are closed polytopes with at least S + 1 faces (Sec. 3.2)",
            f"{unbounded} of {walked} regions are unbounded",
            checked(unbounded == 0),
        ),
    ]
