"""What is observed of data, and the model of that: every x with the maps and noise of its entries.

Leaving out entries of x leaves out rows of A_ω and b_ω, and rows and columns of Σx. The regions
stay.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reference.distributions import noise
from reference.model.arrays import Array, Indices
from reference.model.observed.outputs import cov_of_outputs
from reference.model.observed.patterns import is_whole, patterns
from reference.partition.partition import Partition, of_outputs


class Datum(NamedTuple):
    """The observed entries of one x, and their model.

    Attributes
    ----------
    x : ndarray, shape (d,)
        The numbers; one 0 if nothing is observed, which is then certain.
    observed : ndarray of int, shape (d,)
        Which entries of x they are.
    partition : Partition
        The regions, with the maps to these entries.
    cov_x : ndarray
        Their noise, in the structure of Σx.
    cov_z : ndarray, shape (S, S)
        Σz.
    """

    x: Array
    observed: Indices
    partition: Partition
    cov_x: Array
    cov_z: Array

    @property
    def model(self) -> tuple[Partition, Array, Array]:
        """What every probability of these entries is computed from."""
        return self.partition, self.cov_x, self.cov_z


def as_observed(X: Array, partition: Partition, cov_x: Array, cov_z: Array) -> list[Datum]:
    """Every row of X (N, D) with the model of what is observed of it; NaN is not."""
    every = np.arange(X.shape[1])
    if is_whole(X):
        return [Datum(x, every, partition, cov_x, cov_z) for x in X]
    found: dict[int, Datum] = {}
    for pattern in patterns(X):
        seen = pattern.observed
        model = marginal_model(partition, cov_x, seen)
        values = pattern.of(X) if len(seen) else np.zeros((len(pattern.rows), 1))
        for row, x in zip(pattern.rows.tolist(), values, strict=True):
            found[row] = Datum(x, seen, *model, cov_z)
    return [found[row] for row in range(len(X))]


def marginal_model(partition: Partition, cov_x: Array, indices: Indices) -> tuple[Partition, Array]:
    """The regions with the maps to some entries of x, and the noise of these."""
    if np.array_equal(indices, np.arange(partition.offsets.shape[1])):
        return partition, cov_x
    return of_outputs(partition, indices), cov_of_outputs(cov_x, indices)


def noise_given(cov_x: Array, observed: Indices, dimension: int) -> tuple[Array, Array]:
    """What the noise of the observed entries, r_o = x_o - g_o(z), tells of that of all D.

    r given r_o is N(L r_o, C): on the missing entries L = Σx_mo Σx_oo^-1 and C = Σx_mm - L Σx_om;
    on the observed ones L is the identity and C is 0. Returns L (D, d) and C (D, D).
    """
    cov = noise.matrix(cov_x, dimension)
    missing = np.setdiff1d(np.arange(dimension), observed)
    lift, rest = np.zeros((dimension, len(observed))), np.zeros((dimension, dimension))
    lift[observed, np.arange(len(observed))] = 1.0
    own = cov[np.ix_(missing, missing)]
    if len(observed):
        cross = cov[np.ix_(observed, missing)]
        lift[missing] = noise.solve(cov[np.ix_(observed, observed)], cross).T
        own = own - lift[missing] @ cross
    rest[np.ix_(missing, missing)] = 0.5 * (own + own.T)
    return lift, rest
