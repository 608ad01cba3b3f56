"""What figure 14 shows, beyond the paper."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paper_figures.claims import Claim, checked, judged, median_and_range, number
from paper_figures.figures.figure_14_selection.compute import (
    CRITERIA,
    Found,
    below_the_truth,
    found,
    interval,
)
from paper_figures.options import Numbers
from reference.model import Array, Mask

_PAPER = "exact likelihoods enable the use of standard tools such as AIC and BIC (abstract)"


def claims(numbers: Numbers) -> list[Claim]:
    """What every criterion finds and loses, of which size its errors are, and how good fits are."""
    all_found = {
        criterion: [found(numbers, criterion, place) for place in range(len(numbers["names"]))]
        for criterion in CRITERIA
    }
    of_criteria = [one for one in CRITERIA if one != "fresh"]
    return [
        *(_latent(numbers, all_found, one) for one in of_criteria),
        *(_whole(numbers, all_found, one) for one in of_criteria),
        *(_small(all_found[one], CRITERIA[one]) for one in ("bic", "aic")),
        *(_against(all_found, one) for one in ("bic", "aic")),
        _at_the_maximum(numbers),
    ]


def _latent(numbers: Numbers, all_found: dict[str, list[Found]], criterion: str) -> Claim:
    """Whether S is found, of each S by itself."""
    said, won = _shares(numbers, all_found[criterion], "latent")
    cheating = _shares(numbers, all_found["fresh"], "latent")[0]
    fewer, more = (_total(all_found[criterion], key) for key in ("fewer", "more"))
    loss = _joined(all_found[criterion], "loss")
    asked = "asked here" if criterion == "cv" else _PAPER
    return Claim(
        f"{asked}: {CRITERIA[criterion]} finds the number of latent dimensions",
        f"{said}; too few on {fewer}, too many on {more}. What was chosen loses "
        f"{_losses(loss)} nats a fresh datum against the best candidate, which has the true "
        f"number on {cheating}",
        judged(won),
    )


def _whole(numbers: Numbers, all_found: dict[str, list[Found]], criterion: str) -> Claim:
    """Whether the width is found too."""
    said, won = _shares(numbers, all_found[criterion], "whole")
    cheating = _shares(numbers, all_found["fresh"], "whole")[0]
    return Claim(
        f"asked here: {CRITERIA[criterion]} finds the width as well",
        f"both on {said}; the candidate that is best on fresh data has both on {cheating}",
        judged(won),
    )


def _small(of_truths: list[Found], label: str) -> Claim:
    """Whether a criterion errs to small models, as theory of singular ones has it."""
    extra = _joined(of_truths, "parameters")
    smaller, larger = int((extra < 0).sum()), int((extra > 0).sum())
    return Claim(
        f"theory of singular models (Watanabe 2009): {label} counts too many parameters, and "
        "chooses models that are too small",
        f"fewer parameters than the truth on {smaller} of {len(extra)} data sets, as many on "
        f"{len(extra) - smaller - larger}, more on {larger}",
        judged([(smaller, smaller + larger)]),
    )


def _against(all_found: dict[str, list[Found]], criterion: str) -> Claim:
    """Whether cross-validation chooses better, where it chooses otherwise."""
    ours, other = (_joined(all_found[one], "loss") for one in ("cv", criterion))
    won, lost = int((ours < other).sum()), int((ours > other).sum())
    return Claim(
        f"asked here: cross-validation loses less of fresh data's log p than {CRITERIA[criterion]}",
        f"less on {won} of {len(ours)} data sets, more on {lost}, the same choice on "
        f"{len(ours) - won - lost}; in the mean {number(float(ours.mean()))} against "
        f"{number(float(other.mean()))} nats a datum",
        judged([(won, won + lost)]),
    )


def _at_the_maximum(numbers: Numbers) -> Claim:
    """Whether fits are what criteria take them for. Of one that is, no truth is more likely."""
    below = [below_the_truth(numbers, place) for place in range(len(numbers["names"]))]
    short, count = int(np.concatenate(below).sum()), sum(map(len, below))
    converged = np.concatenate([numbers[f"{name}|converged"].ravel() for name in numbers["names"]])
    return Claim(
        "what BIC and AIC assume: fits end at the maximum of the likelihood",
        f"the fit of the true architecture is less likely than the truth, by the data that it was "
        f"fitted to, on {short} of {count} data sets: there it surely misses the maximum. "
        f"{int(converged.sum())} of {len(converged)} fits had converged",
        checked(short == 0 and bool(converged.all())),
    )


def _shares(
    numbers: Numbers, of_truths: list[Found], what: str
) -> tuple[str, list[tuple[int, int]]]:
    """On how many data sets something was found, by S, with exact intervals."""
    words, won = [], []
    for latent in np.unique(numbers["latent"]):
        places = np.flatnonzero(numbers["latent"] == latent)
        right: Mask = np.concatenate([getattr(of_truths[place], what) for place in places])
        count = int(right.sum())
        low, high = interval(count, len(right))
        words.append(f"{count} of {len(right)} for S = {latent} ({low:.0%} to {high:.0%})")
        won.append((count, len(right)))
    return ", ".join(words), won


def _losses(loss: Array) -> str:
    return f"{number(float(loss.mean()))} in the mean, {median_and_range(loss)} in the median,"


def _joined(of_truths: Sequence[Found], what: str) -> Array:
    return np.concatenate([getattr(one, what) for one in of_truths])


def _total(of_truths: Sequence[Found], what: str) -> int:
    return int(_joined(of_truths, what).sum())
