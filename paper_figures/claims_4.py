"""What figure 4 says of the paper's claims."""

from __future__ import annotations

from paper_figures.claims import Claim
from paper_figures.comparison import Comparison
from paper_figures.comparison_claims import bound_holds, lower_ends, same_bound, sooner
from paper_figures.compute_4 import EXPERIMENTS
from paper_figures.options import Numbers


def claims(numbers: Numbers) -> list[Claim]:
    """For each start of the noise."""
    return [
        claim
        for one in Comparison.all_of(numbers)
        for claim in (
            *lower_ends(one),
            sooner(one),
            same_bound(one),
            bound_holds(one, EXPERIMENTS[0].checked),
        )
    ]
