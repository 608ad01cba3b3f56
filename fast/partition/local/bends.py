"""The functions of one number by which units bend: those of activations, and max(h, 0)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reference.model import Array, Indices, Network, PiecewiseAffine

#: max(h, 0), which is what a candidate of a window adds to the best of those before it.
RECTIFIER = 0


class Bends(NamedTuple):
    """Continuous piecewise affine functions f, one a row: the number of its knots may differ."""

    knots: Array  # (F, k): in increasing order, filled up with inf
    slopes: Array  # (F, k + 1): left of the first knot, between every two, right of the last
    offsets: Array  # (F, k + 1): of the same pieces

    @staticmethod
    def of(network: Network) -> tuple[Bends, list[slice]]:
        """All functions of a network's units, and the rows of each layer: one for each of its
        units, or one for all."""
        layers = [layer for layer in network.layers if isinstance(layer, PiecewiseAffine)]
        most = max((layer.knots.shape[-1] for layer in layers), default=1)
        rows = [_filled_up(np.zeros((1, 1)), np.array([[0.0, 1.0]]), np.zeros((1, 2)), most)]
        of_layers, count = [], 1
        for layer in network.layers:
            of_layers.append(slice(count, count))
            if isinstance(layer, PiecewiseAffine):
                offsets = np.array([[float(c) for c in row] for row in layer.unit_offsets])
                rows.append(_filled_up(layer.unit_knots, layer.unit_slopes, offsets, most))
                of_layers[-1] = slice(count, count + len(rows[-1].knots))
                count = of_layers[-1].stop
        return Bends(*map(np.concatenate, zip(*rows, strict=True))), of_layers

    def below(self, functions: Indices, values: Array) -> Indices:
        """How many knots are below values, which is the piece that these are on."""
        return np.asarray(np.count_nonzero(self.knots[functions] < values[..., None], axis=-1))

    def on(self, functions: Indices, pieces: Indices) -> tuple[Array, Array]:
        """Slopes and offsets of pieces."""
        return self.slopes[functions, pieces], self.offsets[functions, pieces]

    def at(self, functions: Indices, values: Array) -> Array:
        """f(values)."""
        slopes, offsets = self.on(functions, self.below(functions, values))
        return np.asarray(slopes * values + offsets)

    def bands(self, functions: Indices, low: Array, high: Array) -> tuple[Array, Array, Array]:
        """λ, μ and ρ such that f(h) is within ρ of λ h + μ for h from low to high, (n,) each.

        λ is the chord's slope, and what f is off a line is largest at an end or at a knot.
        """
        ends = np.stack([self.at(functions, low), self.at(functions, high)])
        slopes = (ends[1] - ends[0]) / (high - low)
        knots = np.clip(self.knots[functions], low[:, None], high[:, None])
        places = np.concatenate([knots, low[:, None], high[:, None]], axis=1)
        away = self.at(functions[:, None], places) - slopes[:, None] * places
        least, most = away.min(axis=1), away.max(axis=1)
        return slopes, 0.5 * (least + most), 0.5 * (most - least)


def _filled_up(knots: Array, slopes: Array, offsets: Array, most: int) -> Bends:
    """Functions with knots at infinity until there are so many; rows of one are for all."""
    count = max(len(knots), len(slopes), len(offsets))
    more = ((0, 0), (0, most - knots.shape[1]))
    tables = (
        np.pad(knots, more, constant_values=np.inf),
        np.pad(slopes, more, mode="edge"),
        np.pad(offsets, more, mode="edge"),
    )
    return Bends(*(np.broadcast_to(table, (count, table.shape[1])) for table in tables))
