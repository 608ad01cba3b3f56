"""What figure 15 shows of the paper's promise of anomaly detection, and where it loses."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

from paper_figures.claims import Claim, Verdict, checked, judged, median_and_range, number
from paper_figures.figures.figure_15_anomalies.compute import (
    areas_of,
    areas_of_setting,
    groups_of,
    interval,
    methods_of,
    settings_of,
    tails_of,
    uniform,
)
from paper_figures.figures.figure_15_anomalies.detectors import METHODS, OURS, PEERS, SETTINGS
from paper_figures.options import Numbers

#: At which a run's tail probabilities are said not to be uniform; so are one in a hundred of a law
#: that they come from, and more runs than that by chance with this probability.
_LEVEL, _CHANCE = 0.01, 0.001
_HOW = (
    f"every method has {SETTINGS} settings, of which the area under the ROC curve chooses on a "
    "part with new normal data and ten anomalies, the middle one of equals; all learn from the "
    "same normal data, scaled alike. KernelDensity is summed in one leaf: its tree is wrong far "
    "from data"
)
_WHAT = {
    "MNIST": "fours are normal, nines that trained no decoder are not; 14 x 14 pixels",
    "digits": "each class of scikit-learn's digits in turn against the rest, their mean",
    "breast cancer": "benign is normal",
    "wine": "each class in turn against the rest, their mean",
}
#: What is to be known of our own.
_OWN = {
    "network": "its log p(x), S = 1, or 5 without a hidden layer",
    "decoder": "log p(x) of one that was trained as a VAE on fours and on other nines (of which it "
    "knows more than other methods do), as it is or after up to five iterations of exact EM on "
    "fours; as it is",
}


def claims(numbers: Numbers) -> list[Claim]:
    """By data set: our detectors against others, and what tells why; then tail probabilities."""
    groups = list(groups_of(numbers))
    contests = [
        _contest(numbers, group, own)
        for group in groups
        for own in methods_of(numbers, group)
        if own in OURS
    ]
    return [
        *contests,
        *(_why(numbers, group) for group in groups),
        _shapes(numbers),
        _tails(numbers, "own"),
        _tails(numbers, "tail"),
    ]


def _contest(numbers: Numbers, group: str, own: str) -> Claim:
    mine = areas_of(numbers, group, own)
    known = _OWN[own]
    if own == "decoder":
        known += f" {median_and_range(areas_of_setting(numbers, group, own, 0))}"
    words, won = [f"{METHODS[own]} ({known}) {median_and_range(mine)}"], []
    for peer in PEERS:
        other = areas_of(numbers, group, peer)
        wins = int((mine > other).sum())
        won.append((wins, len(mine)))
        words.append(
            f"{METHODS[peer]} {median_and_range(other)}, lower on {wins}, by "
            f"{paired(interval(mine - other))}"
        )
    return Claim(
        "more reliable anomaly detection (abstract): log p(x) tells anomalies from new normal data "
        "better than other methods",
        f"area under the ROC curve, {_WHAT[group]}: {'; '.join(words)}, of {len(mine)} splits "
        f"(means of paired differences, intervals of 95 % over splits). How: {_HOW}",
        judged(won),
        f"{group}, {METHODS[own]}",
    )


def paired(found: tuple[float, float, float]) -> str:
    """A mean difference with its interval, in words.

    Parameters
    ----------
    found : (float, float, float)
        As of `interval`.

    Returns
    -------
    str
        With a sign.
    """
    mean, low, high = found
    return f"{mean:+.3f}" + ("" if np.isnan(low) else f" ({low:+.3f} to {high:+.3f})")


def _why(numbers: Numbers, group: str) -> Claim:
    """What a loss may come from: one latent dimension, fits that follow single data, or a choice
    by few anomalies."""
    curve = areas_of_setting(numbers, group, "network", 1)
    line = areas_of_setting(numbers, group, "components", 0)
    tried = numbers[f"{groups_of(numbers)[group][0]}|network.areas"].shape[1]
    best = np.max([areas_of_setting(numbers, group, "network", k) for k in range(tried)], axis=0)
    known, new = np.mean([numbers[f"{n}|log_p"] for n in groups_of(numbers)[group]], axis=0).T
    settings = settings_of(numbers, group, "network")
    return Claim(
        "not in the paper: what losses come from",
        f"one latent dimension and equal noise of all features reach {median_and_range(curve)} "
        f"along a curve of 16 units, and {median_and_range(line)} along PCA's line; "
        f"PCA as it was chosen {median_and_range(areas_of(numbers, group, 'components'))}. The "
        f"chosen network has {median_and_range(known - new)} nats a datum more of what it learned "
        f"from than of new normal data. The one setting that the judging part likes most reaches "
        f"{median_and_range(best)}, which no choice knows. Chosen: "
        + "; ".join(f"{words} ({count})" for words, count in settings.items()),
        Verdict.OWN,
        group,
    )


def _shapes(numbers: Numbers) -> Claim:
    """A curve reaches out to single data, and so to anomalies."""
    line, curve = np.moveaxis(numbers["shapes"], 1, 0)
    higher, worse = curve[:, 2] > line[:, 2], curve[:, 0] < line[:, 0]
    return Claim(
        "not in the paper: the better density is the worse detector",
        f"S = 1, equal noise: log p of new benign data {median_and_range(line[:, 2])} nats of a "
        f"line and {median_and_range(curve[:, 2])} of a curve of 16 units, area "
        f"{median_and_range(line[:, 0])} and {median_and_range(curve[:, 0])}; both at once on "
        f"{int((higher & worse).sum())} of {len(line)} splits. The curve's steepest end has "
        f"{median_and_range(curve[:, 3])} deviations a unit of z, the line "
        f"{median_and_range(line[:, 3])}: it turns to single data, and passes by anomalies. Of "
        f"what it learned from it has {median_and_range(curve[:, 1] - curve[:, 2])} nats more "
        f"than of new data, the line {median_and_range(line[:, 1] - line[:, 2])}",
        Verdict.OWN,
        "breast cancer",
    )


def _tails(numbers: Numbers, what: str) -> Claim:
    words, verdict, all_runs = [], 0, 0
    for group in groups_of(numbers):
        rows = tails_of(numbers, group, what)
        failed = sum(uniform(row) < _LEVEL for row in rows)
        low = float(np.mean(np.concatenate(rows) <= 0.05))
        words.append(f"{group}: {number(100 * low)} % are below 5 %, {failed} of {len(rows)} runs")
        verdict, all_runs = verdict + failed, all_runs + len(rows)
    whom = {
        "own": "draws of the network itself (as a check of the tool)",
        "tail": "new normal data: the network describes them",
    }[what]
    return Claim(
        f"not in the paper: P(log p(X') <= log p(x)) is uniform for {whom}",
        f"share of small ones, and runs that a test of Kolmogorov and Smirnov refuses at "
        f"{100 * _LEVEL:g} %: {'; '.join(words)}",
        checked(bool(binom.sf(verdict - 1, all_runs, _LEVEL) > _CHANCE)),
    )
