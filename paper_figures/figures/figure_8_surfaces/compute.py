"""Numbers of figure 8: models with two and three latent dimensions, learned exactly.

By EM and then maximum likelihood, on surfaces in space and on digits. This is beyond the paper,
which trains S = 1.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import multivariate_normal

from paper_figures.figures.figure_8_surfaces.one_start import COMPONENTS, Case, run
from paper_figures.methods.ppca import affine_losses
from paper_figures.options import Numbers, Options, Record
from paper_figures.polygons import polygons_kept
from paper_figures.records.runs_by_seed import SECONDS, runs_of
from reference.model import Array

_QUICK_STARTS, _FULL_STARTS = 1, 5
_HELD_OUT = 500


def _cases(options: Options) -> list[Case]:
    limits = (1000, 1000, 600, 120) if options.full else (40, 40, 24, 5)
    networks = {
        "sphere": (2, 8, 3),
        "roll": (2, 12, 3),
        "digits": (2, 8, COMPONENTS),
        "digits_3": (3, 4, COMPONENTS),
    }
    return [
        Case(
            name=name,
            widths=widths,
            points=500 if widths[0] == 2 else 150,
            held_out=_HELD_OUT,
            em_iterations=8 if widths[0] == 2 else 4,
            mle_iterations=limit,
        )
        for (name, widths), limit in zip(networks.items(), limits, strict=True)
    ]


def parameters(options: Options) -> Record:
    """What determines the numbers."""
    return {
        "digits": f"train_4 without noise, unit norm, first {COMPONENTS} principal components",
        "seeds": options.seeds(_QUICK_STARTS, _FULL_STARTS),
        "start": 'fit_em(init="data"), isotropic noise',
        "cases": {case.name: case.record() for case in _cases(options)},
    }


def compute(options: Options) -> Numbers:
    """For each case the data, every start's numbers, and two Gaussians to compare with.

    An array is called "case_what". What there is: see `one_start.run`, polygons of the best start
    only; data; and the losses of `_gaussian_losses`.
    """
    cases, seeds = _cases(options), options.seeds(_QUICK_STARTS, _FULL_STARTS)
    numbers: Numbers = {
        "names": np.array([case.name for case in cases]),
        "latent": np.array([case.latent for case in cases]),
        "seeds": np.array(seeds),
    }
    total = np.zeros(len(seeds))
    for case, runs in zip(cases, runs_of(run, cases, seeds, options.folder), strict=True):
        train, test = case.samples()
        total += runs.pop(SECONDS)
        best = int(np.argmin(runs["mle"][:, 0]))
        drawn: Numbers = {
            name: runs.pop(name)[best] for name in ("ends", "corners", "images") if name in runs
        }
        runs |= polygons_kept(drawn) | {"data": train, **_gaussian_losses(case.latent, train, test)}
        numbers |= {f"{case.name}_{name}": values for name, values in runs.items()}
    return numbers | {SECONDS: total}


def _gaussian_losses(latent: int, train: Array, test: Array) -> Numbers:
    """Training and held-out loss of the most likely Gaussian, and `affine_losses`."""
    model = multivariate_normal(train.mean(axis=0), np.cov(train, rowvar=False, bias=True))
    losses = np.array([-model.logpdf(data).mean() for data in (train, test)])
    return {"gaussian": losses, "affine": affine_losses(latent, train, test)}


def summary(numbers: Numbers) -> Record:
    """Training and held-out loss of every model, nats per datum.

    Of the start with the lowest training loss, and of all starts.
    """
    record: Record = {}
    for name in numbers["names"].tolist():
        best = int(np.argmin(numbers[f"{name}_mle"][:, 0]))
        record[name] = {
            "points": len(numbers[f"{name}_data"]),
            "regions": int(numbers[f"{name}_regions"][best]),
            "gaussian": numbers[f"{name}_gaussian"].tolist(),
            "affine": numbers[f"{name}_affine"].tolist(),
            "em": numbers[f"{name}_em"][best].tolist(),
            "em_then_likelihood": numbers[f"{name}_mle"][best].tolist(),
            "all_starts": numbers[f"{name}_mle"].tolist(),
            "noise_deviation": float(numbers[f"{name}_noise"][best]),
            "outcomes": numbers[f"{name}_outcome"].tolist(),
        }
    return record
