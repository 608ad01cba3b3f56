"""What figure 4b says of the paper's claims."""

from __future__ import annotations

from paper_figures.claims import Claim
from paper_figures.comparison import experiments
from paper_figures.figures.figure_4_circle.claims import of_circles
from paper_figures.options import Numbers


def claims(numbers: Numbers) -> list[Claim]:
    """For each start of the noise."""
    return of_circles(numbers, experiments.DEEPER_CIRCLE)
