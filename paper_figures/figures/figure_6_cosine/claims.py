"""What figure 6 says of the paper's claims."""

from __future__ import annotations

from paper_figures.claims import Claim
from paper_figures.comparison import experiments
from paper_figures.comparison.numbers import Comparison
from paper_figures.comparison.verdicts import bound_holds, lower_ends, sooner
from paper_figures.options import Numbers


def claims(numbers: Numbers) -> list[Claim]:
    """Of the one experiment."""
    (one,), (experiment,) = Comparison.all_of(numbers), experiments.COSINE
    return [*lower_ends(one, experiment), sooner(one), bound_holds(one, experiment.checked)]
