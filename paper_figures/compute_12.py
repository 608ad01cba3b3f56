"""Numbers of figure 12: a two-dimensional latent space learned on the digit 4. Beyond the paper."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from paper_figures import digits
from paper_figures.compute_8 import affine_losses, polygons_kept
from paper_figures.options import Numbers, Options, Record
from paper_figures.plane_run import Plane, run
from paper_figures.seed_runs import runs_of
from reference.model import Array

_QUICK_STARTS, _FULL_STARTS = 1, 5


def _plane(options: Options) -> Plane:
    widths = (2, 8, 8, digits.SIDE**2)
    if options.full:
        return Plane(widths, 1000, 500, 0.2, 0.1, em_iterations=100, mle_iterations=200)
    return Plane(widths, 500, 500, 0.2, 0.1, em_iterations=15, mle_iterations=10)


def parameters(options: Options) -> Record:
    """What determines the numbers."""
    return {
        "seeds": options.seeds(_QUICK_STARTS, _FULL_STARTS),
        "start": 'fit_em(init="data"), isotropic noise',
        "weight_prior": "Gaussian, of that scale",
        "plane": _plane(options).record(),
    }


def compute(options: Options) -> Numbers:
    """The arrays of `plane_run.run`, em, mle, fours, nines, noise, outcome and regions with a row a
    start, the others of the start with the least training NLL; affine (2,): training and held-out
    NLL of the most likely generator that is one affine layer."""
    plane, seeds = _plane(options), options.seeds(_QUICK_STARTS, _FULL_STARTS)
    (numbers,) = runs_of(run, [plane], seeds, options.folder)
    best = int(np.argmin(numbers["mle"][:, 0]))
    for name in ("corners", "ends", "means", "generated", "samples"):
        numbers[name] = numbers[name][best]
    train, fours, _ = plane.samples()
    affine = affine_losses(2, train, fours)
    return polygons_kept(numbers) | {"affine": affine, "seeds": np.array(seeds)}


def separation(fours: Array, nines: Array) -> float:
    """The probability that a four is more likely than a nine: the area under the ROC curve."""
    ranks = rankdata(np.concatenate([fours, nines]))[: len(fours)]
    return float((ranks.mean() - 0.5 * (len(fours) + 1)) / len(nines))


def summary(numbers: Numbers) -> Record:
    """Losses of every start, nats, and how well log p(x) tells fours from nines."""
    return {
        "affine": numbers["affine"].tolist(),
        "em": numbers["em"].tolist(),
        "em_then_likelihood": numbers["mle"].tolist(),
        "noise_deviation": numbers["noise"].tolist(),
        "regions": numbers["regions"].tolist(),
        "outcomes": numbers["outcome"].tolist(),
        "area_under_the_roc_curve_fours_against_nines": [
            separation(fours, nines)
            for fours, nines in zip(numbers["fours"], numbers["nines"], strict=True)
        ],
    }
