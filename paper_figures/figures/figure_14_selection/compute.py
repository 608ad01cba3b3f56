"""Numbers of figure 14: what cv, BIC and AIC choose for data of known models. Beyond the paper."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest

from paper_figures.figures.figure_14_selection.one_start import Truth, run
from paper_figures.options import Numbers, Options, Record
from paper_figures.records.runs_by_seed import named_runs
from reference.model import Array, Indices, Mask

_QUICK_SEEDS, _FULL_SEEDS = 1, 25
_TRUTHS = tuple(Truth(latent=s, width=width) for s, width in product((1, 2), (3, 5)))
#: How they are called. The last one cheats: it is shown what the fits are judged by.
CRITERIA = {"cv": "cross-validation", "bic": "BIC", "aic": "AIC", "fresh": "fresh data"}


class Found(NamedTuple):
    """What a criterion chose for the data sets of one kind of truth.

    Attributes
    ----------
    chosen : Indices, shape (n,)
        The number of the candidate.
    latent, whole : Mask, shape (n,)
        Whether its number of latent dimensions is the truth's; and its width too.
    fewer, more : Mask, shape (n,)
        Whether it has fewer latent dimensions than the truth, and more.
    parameters : Indices, shape (n,)
        How many more it has than the truth.
    loss : Array, shape (n,)
        What the mean log p of fresh data is below that of the candidate that is best there, nats.
    """

    chosen: Indices
    latent: Mask
    whole: Mask
    fewer: Mask
    more: Mask
    parameters: Indices
    loss: Array


def parameters(options: Options) -> Record:
    """What determines the numbers."""
    return {
        "seeds": options.seeds(_QUICK_SEEDS, _FULL_SEEDS),
        "truths": [truth.record() for truth in _truths(options)],
    }


def _truths(options: Options) -> tuple[Truth, ...]:
    """Of the two widths the smaller, in quick mode."""
    return _TRUTHS if options.full else _TRUTHS[::2]


def compute(options: Options) -> Numbers:
    """The arrays of `one_start.run`, named "truth|what" with a row a data set.

    names, latent, width (T,): of the truths.
    """
    truths, seeds = _truths(options), options.seeds(_QUICK_SEEDS, _FULL_SEEDS)
    return named_runs(run, truths, seeds, options.folder) | {
        "names": np.array([truth.name for truth in truths]),
        "latent": np.array([truth.latent for truth in truths]),
        "width": np.array([truth.width for truth in truths]),
        "seeds": np.array(seeds),
    }


def found(numbers: Numbers, criterion: str, place: int) -> Found:
    """What a criterion chose for the data of one kind of truth.

    Parameters
    ----------
    numbers : Numbers
        What `compute` returned.
    criterion : str
        One of `CRITERIA`.
    place : int
        The number of the truth.

    Returns
    -------
    Found
        A row a data set.
    """
    of = {key: numbers[f"{numbers['names'][place]}|{key}"] for key in _USED}
    sign = -1 if criterion in {"bic", "aic"} else 1
    chosen = np.argmax(sign * of[criterion], axis=1)
    rows = np.arange(len(chosen))
    latent, width = (of[key][rows, chosen] for key in ("latent", "width"))
    true = true_candidate(numbers, place)
    same = latent == numbers["latent"][place]
    return Found(
        chosen=chosen,
        latent=same,
        whole=same & (width == numbers["width"][place]),
        fewer=latent < numbers["latent"][place],
        more=latent > numbers["latent"][place],
        parameters=of["n_parameters"][rows, chosen] - of["n_parameters"][rows, true],
        loss=of["fresh"].max(axis=1) - of["fresh"][rows, chosen],
    )


_USED = ("latent", "width", "n_parameters", *CRITERIA)


def true_candidate(numbers: Numbers, place: int) -> int:
    """The number of the candidate that has the architecture of a truth."""
    name = numbers["names"][place]
    latent, width = (numbers[f"{name}|{key}"][0] for key in ("latent", "width"))
    same = (latent == numbers["latent"][place]) & (width == numbers["width"][place])
    return int(np.flatnonzero(same)[0])


def below_the_truth(numbers: Numbers, place: int) -> Mask:
    """Of which data sets the fit of the true architecture is less likely than the truth.

    Parameters
    ----------
    numbers : Numbers
        What `compute` returned.
    place : int
        The number of the truth.

    Returns
    -------
    Mask, shape (n,)
        By the log p of the data that were fitted to. Such a fit is not at the maximum.
    """
    name = numbers["names"][place]
    learned = numbers[f"{name}|learned"][:, true_candidate(numbers, place)]
    return np.asarray(learned < numbers[f"{name}|truth"][:, 0])


def interval(count: int, of: int) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share, of 95 %."""
    low, high = binomtest(count, of).proportion_ci(method="exact")
    return float(low), float(high)


def summary(numbers: Numbers) -> Record:
    """Of every kind of truth: what each criterion chose, and what that lost."""
    return {
        str(name): {
            "data_sets": len(numbers["seeds"]),
            "fits_less_likely_than_the_truth": int(below_the_truth(numbers, place).sum()),
            "truth_log_p_fresh": numbers[f"{name}|truth"][:, 1].tolist(),
        }
        | {criterion: _told(found(numbers, criterion, place)) for criterion in CRITERIA}
        for place, name in enumerate(numbers["names"])
    }


def _told(one: Found) -> Record:
    return {
        "found_latent": int(one.latent.sum()),
        "found_latent_and_width": int(one.whole.sum()),
        "fewer_latent": int(one.fewer.sum()),
        "more_latent": int(one.more.sum()),
        "nats_lost": one.loss.tolist(),
    }
