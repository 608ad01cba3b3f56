"""What figure 8 shows, beyond the paper."""

from __future__ import annotations

from paper_figures.claims import Claim, Verdict, median_and_range, number
from paper_figures.options import Numbers


def claims(numbers: Numbers) -> list[Claim]:
    """Of each data set."""
    return [_claim(numbers, name) for name in numbers["names"].tolist()]


def _claim(numbers: Numbers, name: str) -> Claim:
    words = [
        f"{label} {median_and_range(losses[:, 0])} / {median_and_range(losses[:, 1])}"
        for label, losses in (
            ("EM", numbers[f"{name}_em"]),
            ("then exact likelihood", numbers[f"{name}_mle"]),
        )
    ]
    gaussian = [number(loss) for loss in numbers[f"{name}_gaussian"]]
    return Claim(
        "not in the paper, which trains S = 1",
        f"NLL of training data / held out: a full Gaussian {' / '.join(gaussian)}, "
        f"{', '.join(words)} nats",
        Verdict.OWN,
        name.replace("_3", ", S = 3"),
    )
