"""What figure 5 says of the paper's claims."""

from __future__ import annotations

import numpy as np

from paper_figures.claims import Claim, judged, median_and_range
from paper_figures.comparison.numbers import Comparison
from paper_figures.comparison.verdicts import PUBLISHED, name, setting
from paper_figures.options import Numbers


def claims(numbers: Numbers) -> list[Claim]:
    """For each start of the noise."""
    return [c for one in Comparison.all_of(numbers) for c in (_growing(one), _explained(one))]


def _growing(one: Comparison) -> Claim:
    """KL at the end against KL at a tenth of the updates."""
    words, contests = [], []
    for method in PUBLISHED:
        steps, divergence = one.of(method, "step")[0], one.of(method, "kl")
        tenth = int(np.argmin(np.abs(steps - steps[-1] / 10)))
        wins = int((divergence[:, -1] > divergence[:, tenth]).sum())
        contests.append((wins, len(divergence)))
        words.append(
            f"{name(method)}: {median_and_range(divergence[:, tenth])} after a tenth of the "
            f"updates, {median_and_range(divergence[:, -1])} at the end, higher on {wins} of "
            f"{len(divergence)} starts"
        )
    return Claim(
        "as learning progresses, the posterior becomes harder to approximate: KL grows",
        "; ".join(words),
        judged(contests),
        setting(one),
    )


def _explained(one: Comparison) -> Claim:
    """What the exact likelihood gains from an autoencoder's end, against the KL there.

    The KL explains the gain if neither is more than twice the other.
    """
    words, contests = [], []
    for method in one.autoencoders:
        divergence = one.final(method, "kl")
        gain = one.final(method) - one.of(method, "continued")
        alike = int(((gain <= 2 * divergence) & (divergence <= 2 * gain)).sum())
        if method in PUBLISHED:
            contests.append((alike, len(gain)))
        words.append(
            f"{name(method)}: KL {median_and_range(divergence)}, gain {median_and_range(gain)}, "
            f"alike within a factor of 2 on {alike} of {len(gain)} starts"
        )
    return Claim(
        "the gap between VAE and EM is due to q: the NLL at which VAEs stop is explained by KL",
        "from where each VAE ended, the exact likelihood's gradient goes on (the "
        "same weights, with the true posterior in place of q): " + "; ".join(words),
        judged(contests),
        setting(one),
    )
