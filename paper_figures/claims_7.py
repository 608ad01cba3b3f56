"""What figure 7 says of the paper's claims."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

from paper_figures.claims import Claim, Verdict, judged, median_and_range
from paper_figures.comparison import Comparison
from paper_figures.comparison_claims import bound_holds, lower_ends, name, setting, sooner
from paper_figures.compute_7 import EXPERIMENTS
from paper_figures.options import Numbers


def claims(numbers: Numbers) -> list[Claim]:
    """For each network."""
    return [
        claim
        for one in Comparison.all_of(numbers)
        for claim in (
            *lower_ends(one),
            sooner(one),
            _fours(one, float(numbers["real_fours"].mean())),
            _beyond_a_line(one, numbers),
            bound_holds(one, EXPERIMENTS[0].checked),
        )
    ]


def _fours(one: Comparison, real: float) -> Claim:
    """Judged by the nearest of 500 fours and 500 nines that were held out; of ten real fours as
    many as `enough` or more are nearest to a four with a probability of 95% at least."""
    counts = {method: one.of(method, "fours").sum(axis=1) for method in one.methods}
    images = one.of("em", "fours").shape[1]
    words = [f"{name(method)} {median_and_range(c, 2)}" for method, c in counts.items()]
    enough = int(binom.ppf(0.05, images, real))
    wins = int((counts["em"] >= enough).sum())
    return Claim(
        "EM fits the manifold: images along it are fours",
        f"of {images} images at equal shares of the prior, those whose nearest "
        "held-out image is a four, not a nine: "
        + "; ".join(words)
        + f". Of real fours these are {100 * real:.1f}%, and of ten at least {enough} with a "
        "probability of 95%: so EM is judged",
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
