"""One data set with gaps, every method fitted to it, and what each recovers of what is missing."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from fast import DGN
from paper_figures.data_sets import circle, small_digits, surfaces
from paper_figures.figures.figure_16_imputation.methods import METHODS, Fitted, Sizes, candidates
from paper_figures.figures.figure_16_imputation.scores import (
    SCORES,
    scores,
    smallest_set,
)
from paper_figures.options import DATA_SEED, Numbers, Record
from reference.model import Array, Indices, Mask

#: Pixels of scikit-learn's digits that vary less, in units of full ink, are left out: of those that
#: are always paper a deviation is no unit.
_LEAST_DEVIATION = 0.1
#: Where the circle is seen: at this x1, what is said of x2.
SEEN = 0.0
#: Of how many entries the smallest sets are asked for, each at the cost of 200 log-densities.
_ENTRIES = 300


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """Data, gaps, and the sizes that are tried.

    Attributes
    ----------
    data : str
        "circle", "swiss roll" or "digits".
    missing : float
        The probability with which an entry is missing, whatever its value and the others'.
    n : tuple of int
        How many rows are learned from, choose sizes, and judge.
    sizes : Sizes
        What is tried.
    patterns : int
        How many patterns of gaps there are, each drawn entry by entry, of which every row has one
        at random; 0 for one of its own for each row. An exact fit's time is by patterns.
    """

    data: str
    missing: float
    n: tuple[int, int, int]
    sizes: Sizes
    patterns: int = 0

    @property
    def name(self) -> str:
        """As it names files."""
        return f"{self.data.replace(' ', '_')}_{round(100 * self.missing)}"

    def record(self) -> Record:
        """Its fields, ready for JSON."""
        return asdict(self)

    def samples(self, seed: int) -> list[tuple[Array, Array]]:
        """Of each of `n` rows, the truth in units of the first rows' deviations, and with gaps."""
        rng = np.random.default_rng([DATA_SEED, 16, seed])
        whole = _rows(self.data, sum(self.n), rng)
        whole = (whole - whole[: self.n[0]].mean(axis=0)) / whole[: self.n[0]].std(axis=0)
        gaps = self._gaps(whole.shape, rng)
        ends = np.cumsum(self.n)[:-1]
        parts = zip(np.split(whole, ends), np.split(gaps, ends), strict=True)
        return [(part, np.where(gone, np.nan, part)) for part, gone in parts]

    def _gaps(self, shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
        if not self.patterns:
            return np.asarray(rng.random(shape) < self.missing)
        drawn = rng.random((self.patterns, shape[1])) < self.missing
        return np.asarray(drawn[rng.integers(self.patterns, size=shape[0])])


def _rows(data: str, count: int, rng: np.random.Generator) -> Array:
    """Rows of a data set. Pixels of digits have 17 levels; noise a level wide makes a density of
    them, without which log p is without bound."""
    if data == "circle":
        return circle.sample(count, rng)
    if data == "swiss roll":
        return surfaces.swiss_roll(count, rng)
    images = small_digits.images()
    kept = images[:, images.std(axis=0) > _LEAST_DEVIATION]
    chosen = kept[rng.permutation(len(kept))[:count]]
    return chosen + (rng.random(chosen.shape) - 0.5) / 16.0


def run(job: Recovery, seed: int) -> Numbers:
    """Fit every method in every size, and score it on both sets.

    Parameters
    ----------
    job : Recovery
        Data, gaps and sizes.
    seed : int
        Of data, gaps and starts.

    Returns
    -------
    Numbers
        By method of METHODS, "method.what": scores (sizes, 2, 5), on the rows that choose and on
        those that judge, by SCORES; seconds (sizes,) of fits; sizes (sizes,): in words. Of factors
        and network: set (2,), the share of entries in the smallest sets that are to hold 9 of 10,
        and their mean length, of the size that is chosen by log density and of the first 300
        entries; NaN of digits, where it takes too long. Of the circle, seen.values, seen.factors
        and seen.network (G,): the density of x2 where x1 is SEEN, deviations.
    """
    (_, X), *judging = job.samples(seed)
    found: dict[str, list[Array]] = defaultdict(list)
    words: dict[str, list[str]] = defaultdict(list)
    seconds: dict[str, list[float]] = defaultdict(list)
    fits: dict[str, list[Fitted]] = defaultdict(list)
    begun = time.process_time()
    for method, size, fitted in candidates(X, job.sizes, seed):
        seconds[method].append(time.process_time() - begun)
        rows = [
            scores(fitted(gappy, truth, seed), truth, np.isnan(gappy)) for truth, gappy in judging
        ]
        found[method].append(np.array(rows))
        words[method].append(size)
        fits[method].append(fitted)
        begun = time.process_time()
    numbers: Numbers = {}
    for method in METHODS:
        numbers |= {
            f"{method}.scores": np.array(found[method]),
            f"{method}.seconds": np.array(seconds[method]),
            f"{method}.sizes": np.array(words[method]),
        }
    for method in ("factors", "network"):
        best = fits[method][chosen(numbers[f"{method}.scores"], "log_density")]
        numbers |= _of_single_entries(job, method, best, judging[1], seed)
    return numbers


def chosen(of_sizes: Array, score: str) -> int:
    """The size that is best by a score on the rows that choose; the first if none tells it.

    Parameters
    ----------
    of_sizes : Array, shape (sizes, 2, 5)
        Of one method.
    score : str
        One of SCORES.

    Returns
    -------
    int
        Its place.
    """
    values = of_sizes[:, 0, SCORES.index(score)]
    if np.all(np.isnan(values)):
        return 0
    return int(np.nanargmax(values) if score == "log_density" else np.nanargmin(values))


def _of_single_entries(
    job: Recovery, method: str, fitted: Fitted, judging: tuple[Array, Array], seed: int
) -> Numbers:
    """The smallest sets of single entries, and the density that is drawn."""
    if job.data == "digits":
        return {f"{method}.set": np.full(2, np.nan)}
    truth, gappy = judging
    draws = fitted(gappy, truth, seed).draws
    assert draws is not None
    rows, columns = np.asarray(np.nonzero(np.isnan(gappy)))[:, :_ENTRIES]
    held, length = smallest_set(
        lambda values: _log_density(fitted, gappy[rows], columns, values),
        draws[:, rows, columns],
        truth[rows, columns],
    )
    result: Numbers = {f"{method}.set": np.array([held.mean(), length.mean()])}
    if job.data == "circle":
        values = np.linspace(-3.0, 3.0, 601)
        second = np.ones(1, dtype=np.intp)
        log_p = _log_density(fitted, np.array([[SEEN, np.nan]]), second, values[:, None])
        result |= {"seen.values": values, f"seen.{method}": np.exp(log_p[:, 0])}
    return result


def _log_density(fitted: Fitted, gappy: Array, columns: Indices, values: Array) -> Array:
    """log p of values (k, n) of one entry of each row (n, D), given what is observed of it."""
    filled = np.repeat(gappy[None], len(values), axis=0)
    filled[:, np.arange(len(gappy)), columns] = values
    law = fitted.args[0]
    log_p: Callable[[Array], Array] = law.logpdf if isinstance(law, DGN) else law.log_density
    return log_p(filled.reshape(-1, gappy.shape[1])).reshape(values.shape) - log_p(gappy)
