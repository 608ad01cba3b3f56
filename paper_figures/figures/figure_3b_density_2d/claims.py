"""What figure 3b says of the paper's claims."""

from __future__ import annotations

from paper_figures.claims import Claim, checked
from paper_figures.figures.figure_3b_density_2d.compute import summary
from paper_figures.options import Numbers


def claims(numbers: Numbers) -> list[Claim]:
    """Of the one network and its observation."""
    found = summary(numbers)
    mass = found["mass_of_p_z_given_x_on_the_grid"]
    marginal = found["mass_of_p_x_on_the_grid"]
    shares = abs(found["sum_of_e0"] - 1.0)
    return [
        Claim(
            "(5) and (6) hold in any latent dimension",
            f"S = 2: the shares e0 of {found['n_regions']} regions add up to 1 within "
            f"{shares:.0e}; on the pictures' grids p(z|x) sums to {mass:.4f}, p(x) to "
            f"{marginal:.4f}",
            checked(shares < 1e-12 and abs(mass - 1.0) < 0.02 and abs(marginal - 1.0) < 0.05),
        ),
    ]
