"""Units in which data are about 0 and about 1, so that training does not see the user's.

Scales are powers of two: multiplying by them rounds nothing. Training in them is equivariant: data
a X + b give the same model in other units, and losses that differ by log |a| for every column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fast.closed_form.noise_floor import floor_of_data
from fast.dgn import DGN
from fast.training.objective import State, steepness
from reference.model import Array, Convolution, Dense, WeightPrior, is_whole, of_columns


def deviation(dgn: DGN, X: Array, counts: Array | None = None) -> Array:
    """The standard deviation of data (N, D), each as often as it counts, (N,).

    Of every column, (D,), where noise and last layer have variances and weights of each; else of
    all, ().
    """
    by_column = dgn.cov_x.ndim == 1 and isinstance(dgn.network.layers[-1], Dense)
    return np.sqrt(floor_of_data(X, dgn.cov_x if by_column else np.array(1.0), 1.0, counts))


@dataclass(frozen=True)
class Units:
    """x = centre + scale times x in own units; both (D,).

    start: the model that training starts from, in the user's units. weight, bias: the names of the
    last layer's parameters, which alone have the units of x, if it has any. log_volume: by how much
    a loss in the user's units is higher, nats a datum.
    """

    start: DGN
    centre: Array
    scale: Array
    weight: str
    bias: str
    log_volume: float

    @staticmethod
    def of(start: DGN, X: Array, prior: WeightPrior | None, counts: Array | None = None) -> Units:
        """Those of data, as far as the last layer can follow.

        A nonlinearity after it cannot be shifted or scaled, the biases of a convolution are one for
        many columns, and a prior of the weights is in the user's units: then 0 or 1 stay.
        """
        last = len(start.network.layers) - 1
        layer, dimension = start.network.layers[last], X.shape[1]
        centre, scale = np.zeros(dimension), np.ones(dimension)
        if isinstance(layer, Dense):
            # A constant column stays: about 0 it would seem exact beyond its rounding as given.
            constant = np.nanmax(X, axis=0) == np.nanmin(X, axis=0)
            centre = np.where(constant, 0.0, of_columns(X, counts)[0])
        if isinstance(layer, Dense | Convolution) and prior is None:
            scale = np.broadcast_to(
                2.0 ** np.round(np.log2(deviation(start, X, counts))), dimension
            )
        volume = float(np.log(scale).sum())
        if not is_whole(X):  # of what is observed alone
            volume = float(np.average(~np.isnan(X) @ np.log(scale), weights=counts))
        return Units(
            start=start,
            centre=centre,
            scale=scale,
            weight=f"{last}.weight",
            bias=f"{last}.bias",
            log_volume=volume,
        )

    @cached_property
    def own_start(self) -> DGN:
        """The model that training starts from, in own units."""
        return self.inwards(self.start)

    def of_data(self, X: Array) -> Array:
        """Data (N, D) in own units."""
        return (X - self.centre) / self.scale

    def inwards(self, dgn: DGN) -> DGN:
        """A model in own units."""
        return dgn.with_parameters(self._changed(dgn.parameters(), 1.0 / self.scale, -self.centre))

    def outwards(self, dgn: DGN) -> DGN:
        """A model in the user's units; of the start's parameters those that have not moved are the
        same to the last digit."""
        moved = dgn.parameters()
        values = {**moved, **self._changed(moved, self.scale, self.centre / self.scale)}
        before, own = self.start.parameters(), self.own_start.parameters()
        kept = {name: before[name] for name in values if np.array_equal(own[name], moved[name])}
        return self.start.with_parameters({**values, **kept})

    def steepness(self, state: State) -> float:
        """How steep the objective is by the parameters in the user's units."""
        slopes = dict(state.log_likelihood_gradient)
        scale = self.scale
        if self.weight in slopes and slopes[self.weight].ndim == 2:
            slopes[self.weight] = slopes[self.weight] / scale[:, None]
            slopes[self.bias] = slopes[self.bias] / scale
        elif self.weight in slopes:
            slopes[self.weight] = slopes[self.weight] / scale[0]
            slopes[self.bias] = slopes[self.bias] / scale[0]
        dgn, values = state.dgn, state.dgn.parameters()
        values = {**values, **self._changed(values, scale, self.centre / scale)}
        # Of a covariance a relative change counts, which has no units.
        for name in ("cov_x", "cov_z"):
            values[name] = dgn.parameters()[name]
        return steepness(values, slopes, state.prior, state.statistics.n)

    def _changed(
        self, values: Mapping[str, Array], factor: Array, shift: Array
    ) -> dict[str, Array]:
        """The parameters that have the units of x, where x becomes (x + shift) times factor."""
        result = {}
        if self.weight in values:
            weight, bias = values[self.weight], values[self.bias]
            if weight.ndim == 2 and len(bias) == len(factor):
                result[self.weight] = weight * factor[:, None]
                result[self.bias] = (bias + shift) * factor
            elif factor[0] != 1:  # a convolution, with one factor for all
                result[self.weight], result[self.bias] = weight * factor[0], bias * factor[0]
        cov_x = values["cov_x"]
        if cov_x.ndim == 2:
            result["cov_x"] = cov_x * factor[0] * factor[0]
        else:
            result["cov_x"] = cov_x * np.square(factor if cov_x.ndim else factor[0])
        return result
