"""What figure 7 says of the paper's claims."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

from paper_figures.claims import Claim, Verdict, judged, median_and_range
from paper_figures.comparison import experiments
from paper_figures.comparison.numbers import Comparison
from paper_figures.comparison.verdicts import bound_holds, lower_ends, name, setting, sooner
from paper_figures.options import Numbers


def claims(numbers: Numbers) -> list[Claim]:
    """For each network."""
    return [
        claim
        for one, experiment in zip(Comparison.all_of(numbers), experiments.DIGITS, strict=True)
        for claim in (
            *lower_ends(one, experiment),
            sooner(one),
            _fours(one, numbers),
            _beyond_a_line(one, numbers),
            bound_holds(one, experiment.checked),
        )
    ]


def _fours(one: Comparison, numbers: Numbers) -> Claim:
    """Whether EM's ten images are fours, by two criteria.

    First, of 500 fours and 500 nines that were held out, the nearest must be a four for at least
    `enough` of the ten images. Of ten real fours it is for so many, with a probability of 95%.
    One image repeated ten times would pass this. So, second, the ten must be nearer to held-out
    fours than the mean image is.
    """
    real = float(numbers["real_fours"].mean())
    counts = {method: one.of(method, "fours").sum(axis=1) for method in one.methods}
    images = one.of("em", "fours").shape[1]
    words = [f"{name(method)} {median_and_range(c, 2)}" for method, c in counts.items()]
    enough = int(binom.ppf(0.05, images, real))
    explained = {method: one.of(method, "explained") for method in one.methods}
    shares = [f"{name(method)} {median_and_range(e, 2)}" for method, e in explained.items()]
    wins = int(((counts["em"] >= enough) & (explained["em"] > 0)).sum())
    return Claim(
        "EM fits the manifold: images along it are fours",
        f"of {images} images at equal shares of the prior, those whose nearest "
        "held-out image is a four, not a nine: "
        + "; ".join(words)
        + f". Of real fours these are {100 * real:.1f}%, and of ten at least {enough} with a "
        "probability of 95%. Of held-out fours' squared distance to the mean image, the share that "
        "the nearest of the ten takes away: " + "; ".join(shares) + ". EM is judged by both",
        judged([(wins, len(counts["em"]))]),
        setting(one),
    )


def _beyond_a_line(one: Comparison, numbers: Numbers) -> Claim:
    """What bending is worth, on fresh data."""
    line = float(numbers["line_held_out"])
    gains = {m: line - one.final(m, "held_out") for m in ("em", "mle", "vae tuned")}
    words = [f"{name(method)} {median_and_range(gain)}" for method, gain in gains.items()]
    best = max(float(np.max(gain)) for gain in gains.values())
    return Claim(
        "not in the paper: how much better than a straight line (PPCA)",
        "nats per held-out image: " + "; ".join(words) + f"; at best {best:.2f}",
        Verdict.OWN,
        setting(one),
    )
