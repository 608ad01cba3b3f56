"""Data of one known model, and what each criterion makes of the candidates fitted to them."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass

import numpy as np

from fast import (
    DGN,
    ConvergenceWarning,
    DeepGenerativeModel,
    Network,
    ReLU,
    select_dimension,
)
from fast.estimators import Candidate
from paper_figures.options import DATA_SEED, Numbers, Record
from reference.model import Array

_PURPOSE = 14
#: Draws of z by which it is measured how curved a network is.
_DRAWS = 10_000


@dataclass(frozen=True, kw_only=True)
class Truth:
    """A kind of model that data are drawn from, and how candidates are fitted to them.

    Attributes
    ----------
    latent : int
        S of the truth.
    width : int
        Of its only hidden layer.
    features : int
        D.
    n, n_fresh : int
        How many data candidates are fitted to, and how many fresh ones judge the fits.
    noise : float
        The variance of x given z, over the mean variance of the coordinates of g(z). Networks are
        drawn until an affine map of z leaves as much of g(z), so that each is curved by no less
        than the noise.
    curved, plain : tuple
        The candidates: numbers of latent dimensions with a hidden layer of each of `widths`, and
        without one.
    widths : tuple of int
        See there.
    folds, starts, iterations, tol
        Of the fits, by EM.
    """

    latent: int
    width: int
    features: int = 5
    n: int = 200
    n_fresh: int = 2_000
    noise: float = 0.2
    curved: tuple[int, ...] = (1, 2)
    plain: tuple[int, ...] = (1, 2, 3)
    widths: tuple[int, ...] = (3, 5)
    folds: int = 2
    starts: int = 2
    iterations: int = 12
    tol: float = 1e-3

    @property
    def name(self) -> str:
        """As it names files."""
        return f"latent_{self.latent}_width_{self.width}"

    def record(self) -> Record:
        """Its fields and its seeds', ready for JSON."""
        return asdict(self) | {"data_seed": [DATA_SEED, _PURPOSE], "draws": _DRAWS}

    def model(self, rng: np.random.Generator) -> tuple[DGN, float, int]:
        """The first random model that is curved, how curved it is, and how many were flatter."""
        flatter = 0
        while True:
            network = Network.random([self.latent, self.width, self.features], ReLU(), rng)
            images, left = _flat_and_left(network, rng.standard_normal((_DRAWS, self.latent)))
            if left >= self.noise * images:
                return DGN(network, self.noise * images), left / images, flatter
            flatter += 1


def _flat_and_left(network: Network, Z: Array) -> tuple[float, float]:
    """The mean variance of the coordinates of g(z), and of what an affine map of z leaves of it."""
    images = network(Z)
    affine = np.column_stack([Z, np.ones(len(Z))])
    left = images - affine @ np.linalg.lstsq(affine, images, rcond=None)[0]
    return float(np.mean(np.var(images, axis=0))), float(np.mean(np.square(left)))


def run(truth: Truth, seed: int) -> Numbers:
    """Draw a model and data, fit every candidate, and judge the fits by fresh data.

    Parameters
    ----------
    truth : Truth
        The kind of model, and how fits are made.
    seed : int
        Of the model, the data and the fits.

    Returns
    -------
    Numbers
        latent, width (C,): of the candidates, of which a width of 0 is no hidden layer. cv,
        cv_error, bic, aic, n_parameters (C,): as `select_dimension` tells them. learned, fresh
        (C,): the mean log p, nats, of the data that were fitted to and of fresh ones, of each fit
        to all data; fresh_error (C,): the standard error of the difference of the latter to the
        truth's. truth (2,): the truth's own mean log p of both. converged (C,). curved: how much of
        g(z) an affine map leaves, of its variance. flatter: how many networks were drawn before.
    """
    rng = np.random.default_rng([DATA_SEED, _PURPOSE, truth.latent, truth.width, seed])
    model, curved, flatter = truth.model(rng)
    X, new = model.rvs(truth.n, rng), model.rvs(truth.n_fresh, rng)
    tried = _tried(truth, X, seed)
    known, of_new = model.logpdf(X), model.logpdf(new)
    fresh = np.array([one.estimator.score_samples(new) for one in tried])
    return {
        "latent": np.array([one.n_components for one in tried]),
        "width": np.array([sum(one.hidden_layer_sizes) for one in tried]),
        "cv": np.array([one.score for one in tried]),
        "cv_error": np.array([one.error for one in tried]),
        "bic": np.array([one.bic for one in tried]),
        "aic": np.array([one.aic for one in tried]),
        "n_parameters": np.array([one.n_parameters for one in tried]),
        "learned": np.array([one.estimator.score(X) for one in tried]),
        "fresh": fresh.mean(axis=1),
        "fresh_error": np.std(of_new - fresh, axis=1, ddof=1) / np.sqrt(truth.n_fresh),
        "truth": np.array([known.mean(), of_new.mean()]),
        "converged": np.array([one.estimator.converged_ for one in tried]),
        "curved": np.array(curved),
        "flatter": np.array(flatter),
    }


def _tried(truth: Truth, X: Array, seed: int) -> list[Candidate]:
    """All candidates; those without and those with a hidden layer have the same folds."""
    fits = DeepGenerativeModel(
        noise="isotropic", n_init=truth.starts, max_iter=truth.iterations, tol=truth.tol
    )
    found: list[Candidate] = []
    for counts, sizes in (
        (truth.plain, [()]),
        (truth.curved, [(width,) for width in truth.widths]),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found += select_dimension(
                X, counts, sizes, "cv", estimator=fits, cv=truth.folds, random_state=seed
            ).candidates
    return found
