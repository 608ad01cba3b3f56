"""Which region a point lies in, read from the network's own code at the point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fast.partition.cut_vertices import EPS, FLOOR, rounding_of_sum
from fast.partition.regions import sortable
from fast.polyhedra.chunks import chunks
from reference.model import (
    Array,
    Codes,
    ExactNetwork,
    Indices,
    Layer,
    Mask,
    MaxPool,
    Network,
    PiecewiseAffine,
    dyadic,
)

# Numbers held at once while points pass through the layers.
_BATCH = 1 << 20


def locate(network: Network, codes: Codes, points: Array) -> Indices:
    """The region of each point (M, S), for regions sorted by code [Corollary 1].

    A point on a facet goes to the region entered by increasing z_1 (or, along it, z_2, ...).
    Exact: where doubles leave it open, integers decide.
    """
    result = np.empty(len(points), dtype=np.intp)
    known, exact = sortable(codes), ExactNetwork(network)
    for some in chunks(len(points), _BATCH, max(network.sizes)):
        here = points[some]
        found, tied = _codes_at(network, here)
        index = np.minimum(np.searchsorted(known, sortable(found)), len(known) - 1)
        # A code with zeros that is a region's is right: the region's half-spaces are those of the
        # other units, and the point is inside of them for certain.
        open_ = np.flatnonzero(tied | (known[index] != sortable(found)))
        if len(open_):
            index[open_] = np.searchsorted(known, sortable(exact.codes(_in_integers(here[open_]))))
        result[some] = index
    return result


def codes_at(network: Network, points: Array) -> Codes:
    """The codes of points (M, S), (M, U), as rounding has them: to be taken for a point nearby."""
    parts, values = [np.empty((len(points), 0), dtype=np.int8)], points
    for layer in network.layers:
        _, lead = layer.cuts(np.empty((*values.shape, 0)), values)
        parts.append(layer.code(np.sign(lead).astype(np.int8)))
        values = layer.apply(values)
    return np.concatenate(parts, axis=1)


def _in_integers(points: Array) -> NDArray[np.object_]:
    """Points (M, S) as (z, t) in integers, (M, S + 1)."""
    numbers, exponent = dyadic(points)
    weights = np.full((len(points), 1), 1 << exponent, dtype=object)
    return np.concatenate([numbers, weights], axis=1)


def _codes_at(network: Network, points: Array) -> tuple[Codes, Mask]:
    """The code of the network at each point (M, S) -> (M, U), 0 for a unit that may be zero there;
    and whether two candidates of a window may be equal there, (M,)."""
    values, errors, parts = points, np.zeros(points.shape), []
    tied = np.zeros(len(points), dtype=bool)
    for layer in network.layers:
        part = np.empty((len(points), 0), dtype=np.int8)
        if isinstance(layer, MaxPool):
            part, close = _winners(layer, values, errors)
            tied |= close
        elif isinstance(layer, PiecewiseAffine):
            part = _signs(layer, values, errors)
        parts.append(part)
        values, errors = layer.apply(values), _errors_after(layer, part, values, errors)
    return np.concatenate(parts, axis=1), tied


def _winners(layer: MaxPool, values: Array, errors: Array) -> tuple[Codes, Mask]:
    """The first best candidate of every window, and whether another may be as good."""
    windows = layer.windows
    best = np.argmax(values[:, windows], axis=2)
    winner = layer.winners(best.astype(np.int8))
    lead = np.take_along_axis(values, winner, axis=1)[:, :, None] - values[:, windows]
    doubt = np.take_along_axis(errors, winner, axis=1)[:, :, None] + errors[:, windows]
    close = ~(lead > doubt + 2.0 * EPS * lead) & (windows != winner[:, :, None])
    return best.astype(np.int8), np.any(close, axis=(1, 2))


def _signs(layer: PiecewiseAffine, values: Array, errors: Array) -> Codes:
    """The signs of a layer's cuts, 0 where one may be zero."""
    size = values.shape[1]
    _, lead = layer.cuts(np.empty((*values.shape, 0)), values)
    units, _ = layer.unit_and_knot(np.arange(layer.n_codes(size)))
    doubt = errors[:, units]
    if not layer.bends_at_zero:
        doubt = doubt + 2.0 * EPS * np.abs(lead)
    return np.where(np.abs(lead) > doubt, np.sign(lead), 0.0).astype(np.int8)


def _errors_after(layer: Layer, code: Codes, values: Array, errors: Array) -> Array:
    """How far a layer's output may be off, from its inputs and how far they may be."""
    if isinstance(layer, MaxPool):
        return np.asarray(errors[:, layer.windows].max(axis=2))
    none = np.empty((*values.shape, 0))
    rounding = rounding_of_sum(values.shape[1])
    _, magnitudes = layer.bound(code, none, np.abs(values))
    _, carried = layer.bound(code, none, errors)
    offset = np.abs(layer.offset(code, values.shape[1]))
    result = rounding * magnitudes + (1.0 + rounding) * (carried - offset)
    return np.asarray(np.where(magnitudes > 0, result + FLOOR, result))
