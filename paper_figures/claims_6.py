"""What figure 6 says of the paper's claims."""

from __future__ import annotations

from paper_figures import compute_6
from paper_figures.claims import Claim
from paper_figures.comparison import Comparison
from paper_figures.comparison_claims import bound_holds, lower_ends, sooner
from paper_figures.options import Numbers


def claims(numbers: Numbers) -> list[Claim]:
    """Of the one experiment."""
    (one,), (experiment,) = Comparison.all_of(numbers), compute_6.EXPERIMENTS
    return [*lower_ends(one, experiment), sooner(one), bound_holds(one, experiment.checked)]
