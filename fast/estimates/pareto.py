"""How heavy the tail of importance weights is: the shape of a generalised Pareto distribution.

Zhang and Stephens (2009), with the prior of Vehtari, Simpson, Gelman, Yao and Gabry (2024).
"""

from __future__ import annotations

import numpy as np

from reference.model import Array

# The prior of the shape: so many observations at 0.5.
_PRIOR, _AT = 10.0, 0.5
# Points at which the profile likelihood is looked at, beside the root of the tail's length.
_POINTS = 30
#: A tail of fewer tells nothing.
LEAST_TAIL = 5


def tail_shape(log_weights: Array) -> float:
    """k̂ of the largest weights; inf where there are too few, -inf where they are all the same.

    Above 0.7 the mean of so many weights is not to be trusted: its error is no longer told by its
    standard error. log_weights: (n,), up to a constant.
    """
    count = min(int(0.2 * len(log_weights)), int(3.0 * np.sqrt(len(log_weights))))
    if count < LEAST_TAIL:
        return np.inf
    ordered = np.sort(log_weights)
    weights = np.exp(ordered[-count - 1 :] - ordered[-1])
    excess = weights[1:] - weights[0]
    if excess[-1] <= 0.0:
        return -np.inf
    return _shape(excess[excess > 0.0])


def _shape(excess: Array) -> float:
    """The posterior mean of k of the generalised Pareto distribution, for sorted positive data."""
    count = len(excess)
    if count < LEAST_TAIL:
        return np.inf
    points = _POINTS + int(np.sqrt(count))
    quartile = excess[int(count / 4 + 0.5) - 1]
    ranks = np.arange(1, points + 1)
    rates = (1.0 - np.sqrt(points / (ranks - 0.5))) / (3.0 * quartile) + 1.0 / excess[-1]
    shapes = np.log1p(-rates[:, None] * excess).mean(axis=1)
    profile = count * (np.log(-rates / shapes) - shapes - 1.0)
    weights = np.exp(profile - profile.max())
    rate = float(weights @ rates / weights.sum())
    shape = float(np.log1p(-rate * excess).mean())
    return (count * shape + _PRIOR * _AT) / (count + _PRIOR)
