"""What figure 4 says of the paper's claims."""

from __future__ import annotations

from collections.abc import Sequence

from paper_figures.claims import Claim
from paper_figures.comparison import experiments
from paper_figures.comparison.experiment import Experiment
from paper_figures.comparison.numbers import Comparison
from paper_figures.comparison.verdicts import bound_holds, lower_ends, same_bound, sooner
from paper_figures.options import Numbers


def claims(numbers: Numbers) -> list[Claim]:
    """For each start of the noise."""
    return of_circles(numbers, experiments.CIRCLE)


def of_circles(numbers: Numbers, shown: Sequence[Experiment]) -> list[Claim]:
    """The same for other networks."""
    return [
        claim
        for one, experiment in zip(Comparison.all_of(numbers), shown, strict=True)
        for claim in (
            *lower_ends(one, experiment),
            sooner(one),
            same_bound(one),
            bound_holds(one, experiment.checked),
        )
    ]
