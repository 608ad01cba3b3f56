"""What fills gaps: exact conditionals of fitted networks, and what they are compared with.

All see the same rows with the same gaps, in units of each feature's deviation.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer

from fast import DGN, DeepGenerativeImputer
from paper_figures.figures.figure_16_imputation.scores import DRAWS, FEW_DRAWS, Forecast
from paper_figures.methods.gappy_gaussian import Gaussian, fit_factors
from reference.model import Array

#: In the order of tables, with their names there.
METHODS = {
    "mean": "column's mean",
    "neighbours": "KNNImputer",
    "ridge": "IterativeImputer",
    "trees": "IterativeImputer, trees",
    "factors": "factor analysis, EM",
    "network": "deep generative network, EM",
}
#: What a fitted method says of rows with gaps, their truth (which densities alone need) and a seed.
#: Its first argument is already there: what was fitted.
Fitted = partial[Forecast]


@dataclass(frozen=True)
class Sizes:
    """The sizes that are tried of every method; a validation set chooses.

    Attributes
    ----------
    factors : tuple of int
        Of factor analysis.
    networks : tuple
        Latent dimensions, hidden layers and noise of networks.
    n_init, max_iter : int
        Of networks with one latent dimension, of which several starts are cheap.
    n_init_plane, max_iter_plane : int
        Of networks with two.
    neighbours : tuple of int
        Of KNNImputer, each with uniform weights and by distance.
    leaves : tuple of int
        The least samples of a leaf of the trees.
    rounds, rounds_of_trees : int
        Of IterativeImputer, with ridges and with trees.
    """

    factors: tuple[int, ...]
    networks: tuple[tuple[int, tuple[int, ...], str], ...]
    n_init: int = 2
    max_iter: int = 60
    n_init_plane: int = 1
    max_iter_plane: int = 40
    neighbours: tuple[int, ...] = (1, 3, 5, 10, 20, 50)
    leaves: tuple[int, ...] = (5, 20)
    rounds: int = 10
    rounds_of_trees: int = 4


def candidates(X: Array, sizes: Sizes, seed: int) -> Iterator[tuple[str, str, Fitted]]:
    """Every method in every size, fitted.

    Parameters
    ----------
    X : Array, shape (N, D)
        Rows with gaps.
    sizes : Sizes
        What to try.
    seed : int
        Of whatever is random.

    Yields
    ------
    tuple
        The method's name, its size in words, and what it says of other rows.
    """
    columns = Gaussian(np.nanmean(X, axis=0), np.diag(np.nanvar(X, axis=0)))
    yield "mean", "", partial(_of_gaussian, columns)
    for count in sizes.neighbours:
        for weights in ("uniform", "distance"):
            imputer = KNNImputer(n_neighbors=count, weights=weights).fit(X)
            yield "neighbours", f"{count} {weights}", partial(_of_points, imputer)
    plain, drawing = (
        _quietly(
            IterativeImputer(sample_posterior=draws, max_iter=sizes.rounds, random_state=seed).fit,
            X,
        )
        for draws in (False, True)
    )
    yield "ridge", "", partial(_of_ridge, plain, drawing)
    for leaf in sizes.leaves:
        trees = ExtraTreesRegressor(30, min_samples_leaf=leaf, random_state=seed)
        filling = IterativeImputer(trees, max_iter=sizes.rounds_of_trees, random_state=seed)
        yield "trees", f"leaf {leaf}", partial(_of_points, _quietly(filling.fit, X))
    for count in sizes.factors:
        yield (
            "factors",
            f"{count}",
            partial(_of_gaussian, fit_factors(X, count, seed, iterations=200)[0]),
        )
    for latent, hidden, noise in sizes.networks:
        plane = latent > 1
        network = DeepGenerativeImputer(
            latent,
            hidden,
            "leaky_relu",
            noise,
            n_init=sizes.n_init_plane if plane else sizes.n_init,
            max_iter=sizes.max_iter_plane if plane else sizes.max_iter,
            tol=0.0,
            random_state=seed,
        )
        words = f"{latent}-{'-'.join(map(str, hidden))}, {noise} noise"
        yield "network", words, partial(_of_network, network.fit(X).dgn_)


def _quietly(fit: Callable[[Array], Any], X: Array) -> Any:
    """A fit of scikit-learn's, without its word that it might go on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return fit(X)


def _of_points(imputer: Any, X: Array, truth: Array, seed: int) -> Forecast:
    return Forecast(imputer.transform(X))


def _of_ridge(plain: Any, drawing: Any, X: Array, truth: Array, seed: int) -> Forecast:
    """The mean of chained regressions, and draws of their chain, each with noise of its own."""
    draws = np.array([drawing.transform(X) for _ in range(FEW_DRAWS)])
    return Forecast(plain.transform(X), None, draws)


def _of_gaussian(law: Gaussian, X: Array, truth: Array, seed: int) -> Forecast:
    log_density = law.log_density(truth) - law.log_density(X)
    draws = law.draws(X, DRAWS, np.random.default_rng(seed))
    return Forecast(law.moments(X)[0], log_density, draws)


def _of_network(dgn: DGN, X: Array, truth: Array, seed: int) -> Forecast:
    given = dgn.conditional(X)
    draws = np.swapaxes(given.rvs(DRAWS, seed), 0, 1)
    return Forecast(given.mean(), given.logpdf(truth), draws)
