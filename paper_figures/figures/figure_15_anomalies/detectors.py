"""Detectors of anomalies: the exact log p(x) of deep generative networks, and what others offer.

Every method is tried with as many settings. They were set after trials on digits 3 and 8, on breast
cancer and on a class of wine, with splits of their own; among them a figure's own run chooses by
its part for that.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity, LocalOutlierFactor

from fast import DGN, ConvergenceWarning, DeepGenerativeOutlierDetector, Dense, Network, m_step
from paper_figures.data_sets.decoders import decoder
from paper_figures.figures.figure_15_anomalies.splits import Parts, pooled
from paper_figures.methods.exact_fits import TROUBLE
from reference.model import Array

#: Their names in words.
METHODS = {
    "network": "DeepGenerativeOutlierDetector",
    "decoder": "decoder",
    "mixture": "GaussianMixture",
    "components": "PCA",
    "kernels": "KernelDensity",
    "neighbours": "LocalOutlierFactor",
    "forest": "IsolationForest",
}
#: By exact log p(x) of deep generative networks.
OURS = ("network", "decoder")
PEERS = tuple(method for method in METHODS if method not in OURS)
#: Of every method, and what `DeepGenerativeOutlierDetector` starts and iterates.
SETTINGS = 6
_STARTS, _ITERATIONS = 2, 20
_DECODER = "dense_2-64-784"

_GRIDS: dict[str, tuple[Callable[..., Any], tuple[dict[str, Any], ...]]] = {
    "network": (
        DeepGenerativeOutlierDetector,
        (
            {"hidden_layer_sizes": (8,), "noise": "isotropic"},
            {"hidden_layer_sizes": (16,), "noise": "isotropic"},
            {"hidden_layer_sizes": (8,), "noise": "diagonal", "noise_floor": 0.1},
            {"n_components": 5, "hidden_layer_sizes": (), "noise_floor": 0.1},
            {"hidden_layer_sizes": (8,), "noise": "full", "noise_floor": 0.1},
            {"hidden_layer_sizes": (8,), "noise": "full", "noise_floor": 0.01},
        ),
    ),
    "mixture": (
        GaussianMixture,
        (
            {"n_components": 3, "reg_covar": 0.1, "covariance_type": "diag"},
            {"n_components": 6, "reg_covar": 0.1, "covariance_type": "diag"},
            {"n_components": 1, "reg_covar": 0.1},
            {"n_components": 2, "reg_covar": 0.1},
            {"n_components": 1, "reg_covar": 0.01},
            {"n_components": 1, "reg_covar": 0.001},
        ),
    ),
    "components": (PCA, tuple({"n_components": n} for n in (1, 0.5, 0.7, 0.8, 0.9, 0.95))),
    "kernels": (
        KernelDensity,
        # In one leaf: with more of them log densities far from data, where anomalies are, come out
        # wrong by up to thousands of nats, as a plain sum over the data shows (scikit-learn 1.9).
        tuple({"bandwidth": h, "leaf_size": 10**6} for h in (0.25, 0.5, 1.0, 1.5, 2.0, 4.0)),
    ),
    "neighbours": (
        LocalOutlierFactor,
        tuple({"n_neighbors": k, "novelty": True} for k in (2, 3, 5, 10, 15, 20)),
    ),
    "forest": (
        IsolationForest,
        tuple(
            {"max_samples": rows, "max_features": features}
            for rows in (0.25, 0.5, 1.0)
            for features in (0.5, 1.0)
        ),
    ),
}


class Candidate(NamedTuple):
    """A method with one of its settings, fitted.

    Attributes
    ----------
    setting : str
        In words.
    score : callable
        (N, D) -> (N,): how normal data are; NaN if the fit has failed numerically.
    model : object
        What was fitted.
    """

    setting: str
    score: Callable[[Array], Array]
    model: Any


def candidates(method: str, parts: Parts, seed: int) -> Iterator[Candidate]:
    """A method with each of its settings, fitted.

    Parameters
    ----------
    method : str
        One of METHODS.
    parts : Parts
        Of which it learns from `train`.
    seed : int
        Of its starts or trees.

    Yields
    ------
    Candidate
        In the order of what the settings allow a model.
    """
    if method == "decoder":
        yield from _decoders(parts)
        return
    of_class, grid = _GRIDS[method]
    common: dict[str, Any] = {
        "network": {"n_init": _STARTS, "max_iter": _ITERATIONS, "random_state": seed},
        "mixture": {"random_state": seed},
        "forest": {"random_state": seed},
        "components": {"random_state": seed},
    }.get(method, {})
    for setting in grid:
        words = ", ".join(f"{name}={value}" for name, value in setting.items())
        estimator = of_class(**setting, **common)
        try:
            score = fitted(estimator, parts.train).score_samples
        except TROUBLE:
            score = _nothing
        yield Candidate(words, score, estimator)


def fitted(estimator: Any, X: Array) -> Any:
    """An estimator, fitted; that its iterations end before it converges is no failure here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(X)


def _nothing(X: Array) -> Array:
    return np.full(len(X), np.nan)


def _decoders(parts: Parts) -> Iterator[Candidate]:
    """A decoder that was trained on fours and nines, as it is, and after each of a few iterations
    of exact EM on fours: of its output layer and of both covariances, in closed form."""
    dgn = _in_units(decoder(_DECODER), parts)
    names = [str(len(dgn.network.layers) - 1), "cov_x", "cov_z"]
    for iteration in range(SETTINGS):
        if iteration:
            dgn = m_step(dgn, dgn.statistics(parts.train), names)
        yield Candidate(f"{iteration} iterations of EM", dgn.logpdf, dgn)


def _in_units(dgn: DGN, parts: Parts) -> DGN:
    """A model of MNIST's images as one of their pooled pixels in the units of data: exactly so,
    since joining pixels is linear, and makes of the noise of four of them that of their mean."""
    *layers, last = dgn.network.layers
    given, scale = last.parameters(), parts.scale[:, None]
    weight = pooled(given["weight"].T).T / scale
    bias = (pooled(given["bias"][None])[0] - parts.mean) / parts.scale
    return DGN(Network([*layers, Dense(weight, bias)]), dgn.cov_x / 4 / parts.scale[0] ** 2)


def area(normal: Array, anomalies: Array) -> float:
    """The area under the ROC curve.

    Parameters
    ----------
    normal, anomalies : Array, shape (N,) and (M,)
        Scores; the normal ones should be higher.

    Returns
    -------
    float
        The share of pairs of a normal datum and an anomaly that are in order, ties counting half;
        NaN if a score is.

    Examples
    --------
    >>> area(np.array([3.0, 1.0]), np.array([-np.inf, 1.0]))
    0.875
    """
    both = np.concatenate([normal, anomalies])
    if np.isnan(both).any():
        return float("nan")
    count = len(normal)
    ranks = rankdata(both)[:count].sum() - count * (count + 1) / 2
    return float(ranks / (count * len(anomalies)))
