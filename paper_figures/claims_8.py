"""What figure 8 shows, beyond the paper."""

from __future__ import annotations

import numpy as np

from paper_figures.claims import Claim, Verdict, number
from paper_figures.options import Numbers


def claims(numbers: Numbers) -> list[Claim]:
    """Of each data set, the start with the least training NLL."""
    return [_claim(numbers, name) for name in numbers["names"].tolist()]


def _claim(numbers: Numbers, name: str) -> Claim:
    best = int(np.argmin(numbers[f"{name}_mle"][:, 0]))
    train, test = numbers[f"{name}_mle"][best]
    em_train, em_test = numbers[f"{name}_em"][best]
    gaussian = numbers[f"{name}_gaussian"]
    return Claim(
        "not in the paper, which trains S = 1",
        f"NLL of training data / held out: a full Gaussian "
        f"{number(gaussian[0])} / {number(gaussian[1])}, EM {number(em_train)} / "
        f"{number(em_test)}, then exact likelihood {number(train)} / {number(test)} nats",
        Verdict.OWN,
        name.replace("_3", ", S = 3"),
    )
