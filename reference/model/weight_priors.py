"""Prior distributions of the weights [Appendix H]: independent ones for every entry of every weight
of a Dense or Conv2d layer. Biases and covariances have none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from reference.model.arrays import Array
from reference.model.validation import check_number

_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class GaussianPrior:
    """Every weight N(0, scale²): ridge regression. Raises ValueError unless scale > 0."""

    scale: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", check_number(self.scale, "scale", _TINY, np.inf))

    def log_density(self, weights: Array) -> float:
        """Σ log N(w; 0, scale²), nats."""
        constant = 0.5 * np.log(2 * np.pi) + np.log(self.scale)
        return float(-0.5 * np.sum(np.square(weights / self.scale)) - weights.size * constant)


@dataclass(frozen=True)
class LaplacePrior:
    """Every weight with density exp(-|w| / scale) / (2 scale): the lasso, which leaves some weights
    exactly zero. Raises ValueError unless scale > 0."""

    scale: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", check_number(self.scale, "scale", _TINY, np.inf))

    def log_density(self, weights: Array) -> float:
        """-Σ |w| / scale - n log(2 scale), nats."""
        return float(-np.sum(np.abs(weights)) / self.scale - weights.size * np.log(2 * self.scale))


@dataclass(frozen=True)
class UniformPrior:
    """Every weight uniform on [-bound, bound]: weight clipping, but optimal. Raises ValueError
    unless bound > 0."""

    bound: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "bound", check_number(self.bound, "bound", _TINY, np.inf))

    def log_density(self, weights: Array) -> float:
        """-n log(2 bound) nats within the bounds, -inf outside."""
        if np.any(np.abs(weights) > self.bound):
            return -np.inf
        return float(-weights.size * np.log(2 * self.bound))


WeightPrior = GaussianPrior | LaplacePrior | UniformPrior


def log_weight_prior(prior: WeightPrior | None, parameters: Iterable[tuple[str, Array]]) -> float:
    """log p(W) of the named arrays that are weights ("0.weight", ...), nats; 0 without a prior."""
    if prior is None:
        return 0.0
    return sum(prior.log_density(value) for name, value in parameters if name.endswith(".weight"))


def blend(old: Array, new: Array, share: float, name: str, prior: WeightPrior | None) -> Array:
    """old + share (new - old), share in (0, 1], of the named array: exactly `new` for 1, and within
    a uniform prior's bound if both are."""
    if share == 1.0:
        return new
    between = np.asarray(old + share * (new - old))
    if isinstance(prior, UniformPrior) and name.endswith(".weight"):
        return np.clip(between, -prior.bound, prior.bound)
    return between


def uphill(slope: Array, weights: Array, prior: WeightPrior | None, n: int) -> Array:
    """How steeply the objective of training rises by every entry, in the direction in which it
    does.

    Parameters
    ----------
    slope : array
        The derivative of the mean log-likelihood by every entry, nats a datum.
    weights : array of the same shape
        The entries.
    prior : GaussianPrior, LaplacePrior, UniformPrior or None
        Of these entries. None for biases, which have no prior.
    n : int
        The number of data, N.

    Returns
    -------
    array of the same shape
        The larger of the two one-sided rates of (log-likelihood + log prior) / N, or 0 where both
        directions lead down. They differ at the kink of a Laplace prior, which is at 0, and at the
        bound of a uniform one, where only the way inwards is open.

    Notes
    -----
    Guarded by tests/test_convergence.py, which compares with finite differences.
    """
    if prior is None:
        return np.abs(slope)
    if isinstance(prior, GaussianPrior):
        return np.abs(slope - weights / (prior.scale**2 * n))
    if isinstance(prior, LaplacePrior):
        rate = 1.0 / (prior.scale * n)
        at_zero = np.maximum(np.abs(slope) - rate, 0.0)
        return np.where(weights == 0, at_zero, np.abs(slope - np.sign(weights) * rate))
    inwards = np.maximum(-np.sign(weights) * slope, 0.0)
    return np.where(np.abs(weights) >= prior.bound, inwards, np.abs(slope))


def check_weight_prior(value: object) -> None:
    """ValueError unless a prior or None."""
    if value is not None and not isinstance(value, GaussianPrior | LaplacePrior | UniformPrior):
        raise ValueError(
            "weight_prior: expected GaussianPrior(scale), LaplacePrior(scale), UniformPrior(bound) "
            f"or None, got {value!r}"
        )
