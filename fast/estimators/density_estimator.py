"""What all estimators share: a model that is fitted to data, and asked for their log-densities."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from fast.closed_form.free_parameters import free_parameters
from fast.dgn import DGN
from fast.estimators.settings import (
    Counted,
    check_choice,
    generator,
    latent_dimensions,
    starting_model,
)
from fast.estimators.starts import FITS, Fit, best, fitted, losses_of
from reference.model import Array, check_count, check_flag, check_number, counted_for_fit

# The most that an image of bytes has, and what no datum of a model of [0, 1] has by chance.
_BYTE, _FAR_ABOVE_ONE = 255.0, 10.0


class DensityEstimator(DensityMixin, BaseEstimator):
    """z ~ N(0, I), x | z ~ N(g(z), Σx), fitted to data by exact maximum likelihood."""

    # How a fit is asked for; the parameters are documented by the estimators.
    n_components: int
    hidden_layer_sizes: Any
    activation: Any
    noise: str
    method: str
    n_init: int
    max_iter: int
    tol: float
    noise_floor: float
    random_state: Any
    n_jobs: int | None
    warm_start: bool
    verbose: Any

    # What a fit leaves.
    dgn_: DGN
    n_features_in_: int

    def _fit_density(self, X: Array, sample_weight: Any) -> Counted:
        """Train all starts and keep the best. X: checked. Returns the data that count."""
        method = check_choice(self.method, "method", tuple(FITS))
        latent = latent_dimensions(self.n_components)
        data = Counted(*counted_for_fit(X, sample_weight))
        model = starting_model(data, latent, self.hidden_layer_sizes, self.activation, self.noise)
        seeds: list[int | None] = self._seeds()
        if check_flag(self.warm_start, "warm_start") and hasattr(self, "dgn_"):
            model, seeds = self._warm(model), [None]
        least = check_number(self.tol, "tol", 0.0, 1.0)
        options = {
            "max_iter": self.max_iter,
            "tol": least,
            # Half the square of the gradient norm is what a step of Fisher scoring gains; of that
            # no more than rounding is left to ask for.
            "gtol": np.sqrt(2 * max(least, np.finfo(float).eps)),
            "noise_floor": self.noise_floor,
            "progress": bool(self.verbose),
        }
        fit = Fit(method, options)
        ends = fitted(fit, model, data, seeds, self.n_jobs)
        found = best(ends)
        self.dgn_ = in_units_of_the_prior(found.dgn)
        self.loss_curve_ = found.history
        self.losses_ = losses_of(ends)
        self.n_iter_ = found.n_iter
        self.converged_ = found.converged
        self.outcome_ = found.outcome
        self.n_parameters_ = free_parameters(found.dgn)
        self._within_one = bool(np.nanmin(data.X) >= 0 and np.nanmax(data.X) <= 1)
        return data

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn is to know: NaN is what is not observed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _seeds(self) -> list[int | None]:
        """One for each start."""
        count = check_count(self.n_init, "n_init", 1)
        return [int(seed) for seed in generator(self.random_state).integers(2**31, size=count)]

    def _warm(self, model: DGN) -> DGN:
        """The model that there is, if it is one of the architecture that is asked for."""
        wanted, there = model.parameters(), self.dgn_.parameters()
        alike = {n: v.shape for n, v in wanted.items()} == {n: v.shape for n, v in there.items()}
        # With their slopes: a layer without parameters tells no other from itself.
        layers, others = model.network.layers, self.dgn_.network.layers
        if not alike or list(map(repr, layers)) != list(map(repr, others)):
            raise ValueError(
                "warm_start: expected the numbers of features and components, the hidden layers, "
                "the activation and the noise of the model that was fitted"
            )
        return self.dgn_

    def _data(self, X: Any, *, fitting: bool = False) -> Array:
        """Data as doubles (N, D), checked as scikit-learn does."""
        if np.ma.is_masked(X):
            # Of which scikit-learn would take what is under the mask.
            raise ValueError(
                "X: expected every entry to be there, got masked ones; in X.filled(np.nan) they "
                "are not observed"
            )
        data = validate_data(
            self,
            X,
            dtype=np.float64,
            reset=fitting,
            ensure_all_finite="allow-nan",
            ensure_min_samples=2 if fitting else 1,
        )
        if fitting and not np.isfinite(_sum_of_squares(data)):
            raise ValueError("X: expected values whose squares have a finite sum; scale the data")
        if not fitting and self._within_one and _like_bytes(data):
            warnings.warn(
                f"X: values up to {np.nanmax(data):g}, and the model was fitted to data in [0, 1]; "
                "divide images of bytes by 255",
                UserWarning,
                stacklevel=3,
            )
        return np.asarray(data)

    def score_samples(self, X: Any) -> Array:
        """log p(x) of each datum, exact.

        Parameters
        ----------
        X : array_like, shape (N, D)
            Data, in the units of those that the model was fitted to; NaN where an entry is not
            observed, of which the density is that of the others.

        Returns
        -------
        ndarray, shape (N,)
            Nats, of densities by the data's own units.

        Notes
        -----
        `DGN.logpdf` of `dgn_`, which says how accurate it is. Guarded by
        tests/estimators/test_linear_networks.py, against PCA and FactorAnalysis.
        """
        check_is_fitted(self)
        return self.dgn_.logpdf(self._data(X))

    def score(self, X: Any, y: Any = None) -> float:
        """The mean of log p(x): higher is better.

        Parameters
        ----------
        X : array_like, shape (N, D)
            Data.
        y : object
            Not looked at.

        Returns
        -------
        float
            Nats a datum.
        """
        return float(np.mean(self.score_samples(X)))

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Array:
        """Draw from p(x).

        Parameters
        ----------
        n_samples : int
            How many.
        random_state : int, numpy.random.RandomState, numpy.random.Generator or None
            Where the draws come from; by default the estimator's own `random_state`.

        Returns
        -------
        ndarray, shape (n_samples, D)
            Data units.
        """
        check_is_fitted(self)
        seed = self.random_state if random_state is None else random_state
        return self.dgn_.rvs(check_count(n_samples, "n_samples", 1), generator(seed))

    def aic(self, X: Any) -> float:
        """Akaike's information criterion on data: lower is better.

        Parameters
        ----------
        X : array_like, shape (N, D)
            The data that the model was fitted to.

        Returns
        -------
        float
            -2 Σ log p(x) + 2 k, with k = `n_parameters_`.
        """
        return float(-2 * np.sum(self.score_samples(X)) + 2 * self.n_parameters_)

    def bic(self, X: Any) -> float:
        """The Bayesian information criterion on data: lower is better.

        Parameters
        ----------
        X : array_like, shape (N, D)
            The data that the model was fitted to.

        Returns
        -------
        float
            -2 Σ log p(x) + k log N, with k = `n_parameters_`.

        Notes
        -----
        It approximates -2 log p(X) where the maximum is a single regular one. Of networks with more
        units than the data need it is none: see docs/estimators.md for what needs no such
        assumption. Guarded by tests/estimators/test_linear_networks.py.
        """
        log_p = self.score_samples(X)
        return float(-2 * np.sum(log_p) + np.log(len(log_p)) * self.n_parameters_)


def in_units_of_the_prior(dgn: DGN) -> DGN:
    """The same model with Σz = I, to which the first layer is scaled."""
    weight = dgn.parameters()["0.weight"] @ np.linalg.cholesky(dgn.cov_z)
    return dgn.with_parameters({"0.weight": weight, "cov_z": np.eye(len(dgn.cov_z))})


def _sum_of_squares(X: Array) -> float:
    """Of what is observed; infinite where it is too large."""
    with np.errstate(over="ignore"):
        return float(np.nansum(np.square(X)))


def _like_bytes(X: Array) -> bool:
    """Whether data are within [0, 255], and go far beyond 1."""
    known = X[~np.isnan(X)]
    return bool(np.all(known >= 0) and _FAR_ABOVE_ONE < np.max(known, initial=0.0) <= _BYTE)
