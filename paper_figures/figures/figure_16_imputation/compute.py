"""Numbers of figure 16: what is recovered of entries that are held back. Beyond the paper."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from paper_figures.figures.figure_16_imputation import holes, rises
from paper_figures.figures.figure_16_imputation.methods import METHODS, Sizes
from paper_figures.figures.figure_16_imputation.recovery import Recovery, chosen
from paper_figures.figures.figure_16_imputation.recovery import run as recover
from paper_figures.figures.figure_16_imputation.scores import SCORES
from paper_figures.options import Numbers, Options, Record
from paper_figures.records.runs_by_seed import SECONDS, named_runs
from reference.model import Array

_QUICK_STARTS, _FULL_STARTS = 1, 5
_SHARES = (0.1, 0.5)
_CURVES = ((1, (8,), "diagonal"), (1, (16,), "diagonal"), (1, (8, 8), "diagonal"))
_CIRCLE = Recovery(
    data="circle", missing=0.1, n=(300, 300, 1000), sizes=Sizes(factors=(1,), networks=_CURVES)
)
_ROLL = Recovery(
    data="swiss roll",
    missing=0.1,
    n=(400, 300, 600),
    sizes=Sizes(factors=(1, 2), networks=(*_CURVES[1:], (2, (6,), "diagonal"))),
)
_DIGITS = Recovery(
    data="digits",
    missing=0.1,
    n=(800, 300, 500),
    sizes=Sizes(
        factors=(10, 20, 30, 40),
        networks=((1, (8,), "diagonal"), (1, (8,), "full"), (2, (4,), "full")),
        n_init=1,
        max_iter=25,
        max_iter_plane=20,
        leaves=(5,),
        rounds_of_trees=2,
    ),
    patterns=25,
)
#: Of the five seeds, 50 networks.
_RISES = rises.Rises(networks=10)
_HOLES = holes.Digits(decoder="dense_2-64-784", fours=500, nines=100)
_QUICK_DIGITS = 80, 40
_QUICK_NETWORKS = 2


def _recoveries(options: Options) -> tuple[Recovery, ...]:
    jobs = (_CIRCLE, _ROLL, _DIGITS) if options.full else (_CIRCLE,)
    return tuple(replace(job, missing=share) for job in jobs for share in _SHARES)


def _rises(options: Options) -> rises.Rises:
    return _RISES if options.full else replace(_RISES, networks=_QUICK_NETWORKS)


def _holes(options: Options) -> holes.Digits:
    fours, nines = _QUICK_DIGITS
    return _HOLES if options.full else replace(_HOLES, fours=fours, nines=nines)


def parameters(options: Options) -> Record:
    """What determines the numbers."""
    return {
        "seeds": options.seeds(_QUICK_STARTS, _FULL_STARTS),
        "recoveries": [job.record() for job in _recoveries(options)],
        "rises": _rises(options).record(),
        "holes": _holes(options).record(),
    }


def compute(options: Options) -> Numbers:
    """The arrays of `recovery.run`, of `rises.run` and, of one seed, of `holes.run`, named
    "job|what" with a row a seed; names: of the recoveries. Quick mode has the circle alone."""
    seeds, jobs = options.seeds(_QUICK_STARTS, _FULL_STARTS), _recoveries(options)
    numbers = named_runs(recover, jobs, seeds, options.folder)
    parts = (
        named_runs(rises.run, [_rises(options)], seeds, options.folder),
        named_runs(holes.run, [_holes(options)], [0], options.folder),
    )
    for found in parts:
        numbers[SECONDS] = numbers[SECONDS] + found.pop(SECONDS).sum() / len(seeds)
        numbers |= found
    return numbers | {"names": np.array([job.name for job in jobs]), "seeds": np.array(seeds)}


def of_method(numbers: Numbers, name: str, method: str, score: str) -> Array:
    """A score on the rows that judge, of the size that is best by it on those that choose.

    Parameters
    ----------
    numbers : Numbers
        What `compute` returned.
    name : str
        Of a recovery.
    method : str
        One of METHODS.
    score : str
        One of SCORES. "covered" and "width" are of the size that is chosen by "crps".

    Returns
    -------
    Array, shape (seeds,)
        NaN where the method does not tell it.
    """
    rule = "crps" if score in ("covered", "width") else score
    runs = numbers[f"{name}|{method}.scores"]
    return np.array([run[chosen(run, rule), 1, SCORES.index(score)] for run in runs])


def summary(numbers: Numbers) -> Record:
    """Every score of every method, by recovery, a number a seed; null where there is none."""
    tables = {
        str(name): {
            method: {score: _told(of_method(numbers, str(name), method, score)) for score in SCORES}
            for method in METHODS
        }
        for name in numbers["names"]
    }
    for name, table in tables.items():
        for method in ("factors", "network"):
            sets = numbers[f"{name}|{method}.set"]
            table[method] |= {"set_covered": _told(sets[:, 0]), "set_length": _told(sets[:, 1])}
    return {
        "recoveries": tables,
        "largest_rise_in_roundings": float(numbers["rises|rise"].max()),
        "rmse_of_hidden_pixels": dict(
            zip(holes.HOLES, numbers[f"{_HOLES.name}|rmse"][0].tolist(), strict=True)
        ),
    }


def _told(values: Array) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
