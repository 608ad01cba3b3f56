"""Numbers of figure 12: a two-dimensional latent space learned on the digit 4. Beyond the paper."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from paper_figures.data_sets import digits
from paper_figures.figures.figure_12_digit_plane.one_start import Plane, run
from paper_figures.methods.ppca import affine_losses
from paper_figures.options import Numbers, Options, Record
from paper_figures.polygons import polygons_kept
from paper_figures.records.runs_by_seed import runs_of
from reference.model import Array

_QUICK_STARTS, _FULL_STARTS = 1, 5


def _plane(options: Options) -> Plane:
    widths = (2, 8, 8, digits.SIDE**2)
    return Plane(
        widths=widths,
        n=1000 if options.full else 500,
        n_held_out=500,
        start_deviation=0.2,
        prior_scale=0.1,
        em_iterations=100 if options.full else 15,
        mle_iterations=200 if options.full else 10,
    )


def parameters(options: Options) -> Record:
    """What determines the numbers."""
    return {
        "seeds": options.seeds(_QUICK_STARTS, _FULL_STARTS),
        "start": 'fit_em(init="data"), isotropic noise',
        "weight_prior": "Gaussian, of that scale",
        "plane": _plane(options).record(),
    }


def compute(options: Options) -> Numbers:
    """The arrays of `one_start.run`, and affine (2,): what one affine layer reaches.

    em, mle, fours, nines, noise, outcome and regions have a row a start; the others are of the
    start with the lowest training NLL. affine: see `affine_losses`.
    """
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
