"""Prior distributions of the weights [Appendix H].

The entries of the weights of Dense layers and convolutions are independent under a prior. Biases
and covariances have none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from reference.model.arrays import Array
from reference.model.validation import check_number

_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class GaussianPrior:
    """Every weight is N(0, scale²): ridge regression [Appendix H].

    Parameters
    ----------
    scale : float
        The standard deviation, positive.

    Raises
    ------
    ValueError
        If scale is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from reference import GaussianPrior
    >>> round(GaussianPrior(1.0).log_density(np.zeros(2)), 6)
    -1.837877
    """

    scale: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", check_number(self.scale, "scale", _TINY, np.inf))

    def log_density(self, weights: Array) -> float:
        """Return the log density of an array of weights.

        Parameters
        ----------
        weights : ndarray
            Weights, of any shape.

        Returns
        -------
        float
            Σ log N(w; 0, scale²), nats.
        """
        constant = 0.5 * np.log(2 * np.pi) + np.log(self.scale)
        return float(-0.5 * np.sum(np.square(weights / self.scale)) - weights.size * constant)


@dataclass(frozen=True)
class LaplacePrior:
    """Every weight has the density exp(-|w| / scale) / (2 scale): the lasso [Appendix H].

    The M-step then leaves some weights at exactly zero.

    Parameters
    ----------
    scale : float
        The mean of |w|, positive.

    Raises
    ------
    ValueError
        If scale is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from reference import LaplacePrior
    >>> LaplacePrior(0.5).log_density(np.array([0.5, -1.0]))
    -3.0
    """

    scale: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", check_number(self.scale, "scale", _TINY, np.inf))

    def log_density(self, weights: Array) -> float:
        """Return the log density of an array of weights.

        Parameters
        ----------
        weights : ndarray
            Weights, of any shape.

        Returns
        -------
        float
            -Σ |w| / scale - n log(2 scale), nats, for n weights.
        """
        return float(-np.sum(np.abs(weights)) / self.scale - weights.size * np.log(2 * self.scale))


@dataclass(frozen=True)
class UniformPrior:
    """Every weight is uniform on [-bound, bound] [Appendix H].

    The M-step then finds the optimum within the bounds, where clipping weights would not.

    Parameters
    ----------
    bound : float
        The largest absolute value, positive.

    Raises
    ------
    ValueError
        If bound is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from reference import UniformPrior
    >>> UniformPrior(0.5).log_density(np.array([0.5, 2.0]))
    -inf
    """

    bound: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "bound", check_number(self.bound, "bound", _TINY, np.inf))

    def log_density(self, weights: Array) -> float:
        """Return the log density of an array of weights.

        Parameters
        ----------
        weights : ndarray
            Weights, of any shape.

        Returns
        -------
        float
            -n log(2 bound), nats, for n weights within the bounds; -inf outside.
        """
        if np.any(np.abs(weights) > self.bound):
            return -np.inf
        return float(-weights.size * np.log(2 * self.bound))


WeightPrior = GaussianPrior | LaplacePrior | UniformPrior


def log_weight_prior(prior: WeightPrior | None, parameters: Iterable[tuple[str, Array]]) -> float:
    """Return the log density of all the weights of a network.

    Parameters
    ----------
    prior : GaussianPrior, LaplacePrior, UniformPrior or None
        The prior of every weight.
    parameters : iterable of (str, ndarray)
        Named parameters; those that end in ".weight" count.

    Returns
    -------
    float
        log p(W), nats; 0 without a prior.
    """
    if prior is None:
        return 0.0
    return sum(prior.log_density(value) for name, value in parameters if name.endswith(".weight"))


def blend(old: Array, new: Array, share: float, name: str, prior: WeightPrior | None) -> Array:
    """Move a parameter part of the way to its update.

    Parameters
    ----------
    old : ndarray
        The parameter.
    new : ndarray
        Its update, of the same shape.
    share : float
        How much of the way, in (0, 1].
    name : str
        The parameter's name.
    prior : GaussianPrior, LaplacePrior, UniformPrior or None
        The prior of the weights.

    Returns
    -------
    ndarray
        old + share (new - old): exactly `new` for a share of 1, and within a uniform prior's bound
        if both are.
    """
    if share == 1.0:
        return new
    between = np.asarray(old + share * (new - old))
    if isinstance(prior, UniformPrior) and name.endswith(".weight"):
        return np.clip(between, -prior.bound, prior.bound)
    return between


def uphill(slope: Array, weights: Array, prior: WeightPrior | None, n: float) -> Array:
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
    Guarded by tests/learning/test_convergence.py, which compares with finite differences.
    """
    return np.abs(rise(slope, weights, prior, n))


def rise(slope: Array, weights: Array, prior: WeightPrior | None, n: float) -> Array:
    """At which rate the objective of training rises by every entry; negative where it does so by
    less of it.

    Parameters
    ----------
    slope, weights, prior, n
        As of `uphill`, which is the size of this.

    Returns
    -------
    array of the same shape
        The derivative of (log-likelihood + log prior) / N; exactly 0 where the kink of a Laplace
        prior, or the bound of a uniform one, holds an entry that is at it.

    Notes
    -----
    Guarded by tests/learning/test_convergence.py, through `uphill`.
    """
    if prior is None:
        return slope
    if isinstance(prior, GaussianPrior):
        return slope - weights / (prior.scale**2 * n)
    if isinstance(prior, LaplacePrior):
        rate = 1.0 / (prior.scale * n)
        at_zero = np.sign(slope) * np.maximum(np.abs(slope) - rate, 0.0)
        return np.where(weights == 0, at_zero, slope - np.sign(weights) * rate)
    outwards = (np.abs(weights) >= prior.bound) & (np.sign(weights) * slope > 0)
    return np.where(outwards, 0.0, slope)


def check_weight_prior(value: object) -> None:
    """Refuse what is neither a prior nor None.

    Parameters
    ----------
    value : object
        What was given as weight_prior.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if value is not None and not isinstance(value, GaussianPrior | LaplacePrior | UniformPrior):
        raise ValueError(
            "weight_prior: expected GaussianPrior(scale), LaplacePrior(scale), UniformPrior(bound) "
            f"or None, got {value!r}"
        )
