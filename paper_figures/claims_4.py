"""What figure 4 says of the paper's claims."""

from __future__ import annotations

from collections.abc import Sequence

from paper_figures import compute_4
from paper_figures.claims import Claim
from paper_figures.comparison import Comparison
from paper_figures.comparison_claims import bound_holds, lower_ends, same_bound, sooner
from paper_figures.experiment import Experiment
from paper_figures.options import Numbers


def claims(numbers: Numbers) -> list[Claim]:
    """For each start of the noise."""
    return of_circles(numbers, compute_4.EXPERIMENTS)


def of_circles(numbers: Numbers, experiments: Sequence[Experiment]) -> list[Claim]:
    """The same for other networks."""
    return [
        claim
        for one, experiment in zip(Comparison.all_of(numbers), experiments, strict=True)
        for claim in (
            *lower_ends(one, experiment),
            sooner(one),
            same_bound(one),
            bound_holds(one, experiment.checked),
        )
    ]
