"""What figure 10 shows, beyond the paper."""

from __future__ import annotations

import numpy as np

from paper_figures.claims import Claim, Verdict, number
from paper_figures.options import Numbers


def claims(numbers: Numbers) -> list[Claim]:
    """Of every network and start of the noise."""
    return [
        _claim(numbers, name, f"{data}, {widths}", i)
        for name, data, widths in zip(
            *(numbers[what].tolist() for what in ("searches", "data", "architectures")), strict=True
        )
        for i in range(len(numbers[f"{name}|starts"]))
    ]


def _claim(numbers: Numbers, name: str, place: str, i: int) -> Claim:
    ends = numbers[f"{name}|train"][:, i]
    medians = np.median(np.where(np.isnan(ends), np.inf, ends), axis=0)
    order = np.argsort(medians, kind="stable")
    recipes = numbers[f"{name}|recipes"].tolist()
    best = "; ".join(f"{recipes[j]} {number(medians[j])}" for j in order[:3])
    em, mle = (float(np.median(numbers[f"{name}|{key}"][:, i])) for key in ("em", "mle"))
    return Claim(
        "not in the paper: the VAE's settings",
        f"medians of final NLL: best of "
        f"{len(recipes)} settings {best}; worst {number(medians[order[-1]])}; EM {number(em)}, "
        f"exact likelihood {number(mle)} nats",
        Verdict.OWN,
        f"{place}, σx starting at {numbers[f'{name}|starts'][i]:g}",
    )
