"""What figure 11 says of the paper's claims."""

from __future__ import annotations

from paper_figures.claims import Claim, Verdict, checked, number
from paper_figures.figures.figure_11_printed_m_step.compute import largest_rises
from paper_figures.options import Numbers


def claims(numbers: Numbers) -> list[Claim]:
    """The printed step on each data set, and the guarded one on all."""
    trials, settings = numbers["trials"].tolist(), numbers["settings"].tolist()
    rises = {name: largest_rises(numbers[f"{name}|nll"]) for name in trials}
    found = []
    places = zip(numbers["data"].tolist(), numbers["architectures"].tolist(), strict=True)
    for name, place in zip(trials, places, strict=True):
        words = [
            f"damping {damping:g}: the NLL rose on {int((rises[name][:, i] > 0).sum())} of "
            f"{len(rises[name])} runs, in one iteration by up to "
            f"{number(float(rises[name][:, i].max()))} nats"
            for i, damping in enumerate(settings)
            if damping
        ]
        printed = [i for i, damping in enumerate(settings) if damping]
        found.append(
            Claim(
                "EM with the printed M-step has guaranteed convergence",
                "; ".join(words),
                checked(not (rises[name][:, printed] > 0).any()),
                ", ".join(place),
            )
        )
    guarded = sum(int((values[:, 0] > 0).sum()) for values in rises.values())
    runs = sum(len(values) for values in rises.values())
    return [
        *found,
        Claim(
            "not in the paper: guarded steps never raise the NLL",
            f"raised on {guarded} of {runs} runs",
            Verdict.OWN,
        ),
    ]
