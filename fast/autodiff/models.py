"""The model that a module's weights are now, and the gradient of a weighted sum of log p(x)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from fast.dgn import DGN
from reference.model import Array, Network


class Models:
    """The last model of each module: its partition is found again only when weights have changed.

    Parameters are compared, not counted, so that it does not matter who changed them.
    """

    def __init__(self) -> None:
        self._last: WeakKeyDictionary[Any, tuple[Network, DGN]] = WeakKeyDictionary()

    def model(
        self,
        owner: Any,
        network: Network,
        values: Mapping[str, Array],
        covariances: tuple[Array, Array],
        partition: str,
    ) -> DGN:
        """The model of an owner's network with these parameters and with Σx and Σz."""
        layers, last = self._last.get(owner, (None, None))
        now = network.with_parameters(values)
        cov_x, cov_z = covariances
        # Other layers may have the same weights.
        known = last is not None and layers is network and last.partition_choice == partition
        if last is not None and known and _same(last.network, now):
            dgn = last.with_parameters({"cov_x": cov_x, "cov_z": cov_z})
        else:
            dgn = DGN(now, cov_x, cov_z, partition=partition)
        self._last[owner] = network, dgn
        return dgn


def _same(one: Network, other: Network) -> bool:
    """Whether two networks of the same layers have the same parameters."""
    theirs = other.parameters()
    return all(np.array_equal(value, theirs[name]) for name, value in one.parameters().items())


@dataclass(frozen=True)
class Gradients:
    """Of Σ_n w_n log p(x_n): by every parameter, Σx and Σz by name, and by x."""

    by_parameter: dict[str, Array]
    by_x: Array


def gradients(dgn: DGN, X: Array, weights: Array, cov_z_axes: int) -> Gradients:
    """The gradient of the weighted sum [Fisher's identity]: X (N, ...), weights (N,).

    Data of equal weight are summed over together: of a sum or a mean that is all of them.
    cov_z_axes: in which structure Σz was given.
    """
    totals = {name: np.zeros_like(value) for name, value in dgn.parameters().items()}
    for weight in np.unique(weights[weights != 0]):
        mine = weights == weight
        for name, mean in dgn.gradient(X[mine]).items():
            totals[name] += weight * int(mine.sum()) * mean
    if cov_z_axes < 2:
        diagonal = np.diag(totals["cov_z"])
        totals["cov_z"] = diagonal.copy() if cov_z_axes else np.asarray(diagonal.sum())
    slopes = weights.reshape(-1, *[1] * (X.ndim - 1))
    by_x = np.zeros(X.shape)
    some = weights != 0
    if np.any(some):
        by_x[some] = slopes[some] * dgn.score(X[some])
    return Gradients(totals, by_x)
