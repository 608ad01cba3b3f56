"""Numbers of figure 15: anomalies among real data. Beyond the paper."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.stats import kstest, t

from paper_figures.figures.figure_15_anomalies import line_and_curve
from paper_figures.figures.figure_15_anomalies.detectors import METHODS, SETTINGS
from paper_figures.figures.figure_15_anomalies.one_start import chosen, run
from paper_figures.figures.figure_15_anomalies.splits import Split
from paper_figures.options import Numbers, Options, Record
from paper_figures.records.runs_by_seed import SECONDS, named_runs
from reference.model import Array

_QUICK_STARTS, _FULL_STARTS = 2, 5
#: In quick mode; all ten in full.
_FEW_DIGITS = (0, 1)
_TABLES = (
    Split(data="breast cancer", normal=1),
    *(Split(data="wine", normal=k) for k in range(3)),
)
_MNIST = Split(data="MNIST", normal=4)
#: How many fours are learned from in quick mode.
_FEW_FOURS = 250
_SHAPES = line_and_curve.Shapes(data="breast cancer", normal=1)


def _jobs(options: Options) -> tuple[Split, ...]:
    classes = range(10) if options.full else _FEW_DIGITS
    images = _MNIST if options.full else replace(_MNIST, rows=_FEW_FOURS)
    return (images, *(Split(data="digits", normal=k) for k in classes), *_TABLES)


def parameters(options: Options) -> Record:
    """What determines the numbers."""
    return {
        "seeds": options.seeds(_QUICK_STARTS, _FULL_STARTS),
        "jobs": [job.record() for job in _jobs(options)],
        "line_and_curve": _SHAPES.record(),
        "settings_of_every_method": SETTINGS,
    }


def compute(options: Options) -> Numbers:
    """The arrays of `one_start.run`, named "job|what" with a row a seed; shapes, of
    `line_and_curve`; names: of the jobs, and groups: the data set of each."""
    seeds, jobs = options.seeds(_QUICK_STARTS, _FULL_STARTS), _jobs(options)
    numbers = named_runs(run, jobs, seeds, options.folder)
    both = named_runs(line_and_curve.run, [_SHAPES], seeds, options.folder)
    return numbers | {
        SECONDS: numbers[SECONDS] + both[SECONDS],
        "shapes": both[f"{_SHAPES.name}|shapes"],
        "names": np.array([job.name for job in jobs]),
        "groups": np.array([job.data for job in jobs]),
        "seeds": np.array(seeds),
    }


def groups_of(numbers: Numbers) -> dict[str, list[str]]:
    """The names of the jobs of every data set: one for each normal class."""
    pairs = list(zip(numbers["groups"].tolist(), numbers["names"].tolist(), strict=True))
    return {group: [name for g, name in pairs if g == group] for group, _ in pairs}


def methods_of(numbers: Numbers, group: str) -> list[str]:
    """The methods that a data set was given to."""
    first = groups_of(numbers)[group][0]
    return [method for method in METHODS if f"{first}|{method}.areas" in numbers]


def areas_of(numbers: Numbers, group: str, method: str) -> Array:
    """What a method reaches on the parts that judge, with the setting that the others chose.

    Parameters
    ----------
    numbers : Numbers
        What `compute` returned.
    group : str
        A data set.
    method : str
        One of METHODS.

    Returns
    -------
    Array, shape (seeds,)
        The area under the ROC curve, the mean over the normal classes.
    """
    names = groups_of(numbers)[group]
    found = [[run[chosen(run), 1] for run in numbers[f"{n}|{method}.areas"]] for n in names]
    return np.asarray(np.mean(found, axis=0))


def areas_of_setting(numbers: Numbers, group: str, method: str, setting: int) -> Array:
    """The same of one setting, whatever is chosen."""
    names = groups_of(numbers)[group]
    found = [numbers[f"{name}|{method}.areas"][:, setting, 1] for name in names]
    return np.asarray(np.mean(found, axis=0))


def interval(differences: Array) -> tuple[float, float, float]:
    """The mean of paired differences, and Student's interval of 95 % for it.

    Parameters
    ----------
    differences : Array, shape (seeds,)
        Of splits of the same data; the interval is one of splits, and not of new data.

    Returns
    -------
    mean, low, high : float
        The ends are NaN of a single seed.
    """
    mean, count = float(np.mean(differences)), len(differences)
    if count < 2:
        return mean, np.nan, np.nan
    half = t.ppf(0.975, count - 1) * float(np.std(differences, ddof=1)) / np.sqrt(count)
    return mean, mean - half, mean + half


def tails_of(numbers: Numbers, group: str, what: str) -> list[Array]:
    """Tail probabilities of every run of a data set; what: "tail" or "own"."""
    rows = [row for name in groups_of(numbers)[group] for row in numbers[f"{name}|{what}"]]
    return [row[~np.isnan(row)] for row in rows]


def uniform(tails: Array) -> float:
    """The p-value of Kolmogorov and Smirnov's test that probabilities are uniform."""
    return float(kstest(tails, "uniform").pvalue)


def summary(numbers: Numbers) -> Record:
    """Areas under the ROC curve by data set and method, a number a seed, the settings chosen, and
    how many tail probabilities of new normal data are below 5 %."""
    return {group: _shown(numbers, group) for group in groups_of(numbers)}


def _shown(numbers: Numbers, group: str) -> Record:
    methods = methods_of(numbers, group)
    return {
        "areas": {method: areas_of(numbers, group, method).tolist() for method in methods},
        "chosen": {method: settings_of(numbers, group, method) for method in methods},
        "tails_below_a_twentieth": float(
            np.mean(np.concatenate(tails_of(numbers, group, "tail")) <= 0.05)
        ),
    }


def settings_of(numbers: Numbers, group: str, method: str) -> dict[str, int]:
    """How often each setting was chosen."""
    words = [
        str(numbers[f"{name}|{method}.settings"][i, chosen(run)])
        for name in groups_of(numbers)[group]
        for i, run in enumerate(numbers[f"{name}|{method}.areas"])
    ]
    return {word: words.count(word) for word in dict.fromkeys(words)}
