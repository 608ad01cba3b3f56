"""The half-spaces of every region's facets [Corollary 1], along the maps of the layers [eq. 8]."""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

import numpy as np

from fast.partition.exact_vertices import OutOfRange
from fast.partition.layer_maps import Maps, after_last_choice, maps_to
from fast.polyhedra.chunks import chunks
from fast.polyhedra.integer_rows import in_lowest_terms
from reference.model import (
    Array,
    Codes,
    ExactNetwork,
    Indices,
    Integers,
    Layer,
    MaxPool,
    Network,
    PiecewiseAffine,
)

# Numbers held at once while the maps of a batch of regions are pushed through the layers.
_BATCH = 1 << 20

# A half-space in which terms so many times as large cancel is computed in integers: in doubles it
# would have lost four digits.
_CANCELLED = 1e4


class Facets(NamedTuple):
    """For each facet, sorted by region: its region, the layer whose code changes beyond it, which
    of that layer's half-spaces it is, and which face of the subdivision (of several, one)."""

    regions: Indices
    layers: Indices
    rows: Indices
    faces: Indices


class ExactFacets(NamedTuple):
    """The facets of regions in integers, found when they are asked for."""

    exact: ExactNetwork
    codes: Codes
    facets: Facets

    def rows(self, region: int) -> Integers:
        """The half-spaces of a region's facets, (F, S + 1), each up to a positive factor.

        Cost: a pass through the network in integers.
        """
        mine = slice(*np.searchsorted(self.facets.regions, [region, region + 1]))
        layers, rows = self.facets.layers[mine].tolist(), self.facets.rows[mine].tolist()
        width = self.exact.network.latent_dimension + 1
        found = np.empty((len(layers), width), dtype=object)
        halfspaces = self.exact.halfspaces(self.codes[region])
        for layer, (numbers, _) in enumerate(islice(halfspaces, max(layers, default=-1) + 1)):
            for place in [i for i, own in enumerate(layers) if own == layer]:
                found[place] = numbers[rows[place]]
        return in_lowest_terms(found)


class Halfspaces(NamedTuple):
    """Of all facets: normals (F, S), and heights (F,) at 0."""

    normals: Array
    heights: Array


def facet_halfspaces(exact: ExactNetwork, codes: Codes, facets: Facets) -> Halfspaces:
    """Push every region's map through the layers, in batches, taking the facets on the way.

    Raises OutOfRange where one of them, or the map to x, is no double.
    """
    network = exact.network
    latent, last = network.latent_dimension, after_last_choice(network)
    normals, heights = np.empty((len(facets.regions), latent)), np.empty(len(facets.regions))
    width = network.sizes[last]
    largest = Maps(np.zeros((width, 1)), np.zeros(width))
    for some in chunks(len(codes), _BATCH, max(network.sizes[: last + 1]) * (latent + 1)):
        mine = slice(*np.searchsorted(facets.regions, [some.start, some.stop]))
        part = Facets(
            facets.regions[mine] - some.start,
            facets.layers[mine],
            facets.rows[mine],
            facets.faces[mine],
        )
        found, maps = _of_batch(exact, codes[some], part)
        normals[mine], heights[mine] = found
        slopes = np.abs(maps.slopes).max(axis=(0, 2), initial=0.0)[:, None]
        offsets = np.abs(maps.offsets).max(axis=0, initial=0.0)
        largest = Maps(np.maximum(largest.slopes, slopes), np.maximum(largest.offsets, offsets))
    if not (np.all(np.isfinite(normals)) and np.all(np.isfinite(heights))):
        raise OutOfRange
    if not _bounded(network, last, largest):
        _refuse_overflow(network, codes)
    return Halfspaces(normals, heights)


def _bounded(network: Network, start: int, largest: Maps) -> bool:
    """Whether the affine layers from `start` on keep inputs with maps no larger than these in the
    range of doubles."""
    bounds = largest
    for layer in network.layers[start:]:
        bounds = Maps(*layer.bound(np.empty(0, dtype=np.int8), *bounds))
    return bool(np.all(np.isfinite(bounds.slopes)) and np.all(np.isfinite(bounds.offsets)))


def _refuse_overflow(network: Network, codes: Codes) -> None:
    """Raise OutOfRange where a map to x is no double."""
    for code in codes:
        maps = maps_to(network, code[None], len(network.layers))
        if not (np.all(np.isfinite(maps.slopes)) and np.all(np.isfinite(maps.offsets))):
            raise OutOfRange


def _of_batch(exact: ExactNetwork, codes: Codes, facets: Facets) -> tuple[Halfspaces, Maps]:
    """The facets of some regions, and their maps to where all regions' go on alike."""
    network = exact.network
    latent = network.latent_dimension
    slopes = np.broadcast_to(np.eye(latent), (len(codes), latent, latent))
    offsets = np.zeros((len(codes), latent))
    # The largest terms of the slopes and of the offsets of every input.
    bounds = np.ones((len(codes), latent, 1)), np.zeros((len(codes), latent))
    normals, heights = np.empty((len(facets.regions), latent)), np.empty(len(facets.regions))
    layers = network.layers[: after_last_choice(network)]
    for i, (layer, part) in enumerate(zip(layers, network.split_code(codes), strict=False)):
        if part.shape[1]:
            mine = np.flatnonzero(facets.layers == i)
            rows = facets.regions[mine], facets.rows[mine]
            normals[mine], heights[mine] = _halfspaces(layer, part, rows, slopes, offsets)
            terms = _sizes(layer, part, rows, *bounds)
            lengths = np.max(np.abs(normals[mine]), axis=1, initial=0.0)
            sizes = np.maximum(lengths, np.abs(heights[mine]))
            lost = (terms[0] > _CANCELLED * lengths) | (terms[1] > _CANCELLED * sizes)
            for j in mine[lost]:
                code = codes[facets.regions[j]]
                normals[j], heights[j] = _exact_halfspace(exact, code, i, facets.rows[j])
        slopes, offsets = layer.propagate(part, slopes, offsets)
        if np.any(facets.layers > i):
            bounds = layer.bound(part, *bounds)
    return Halfspaces(normals, heights), Maps(slopes, offsets)


def _halfspaces(
    layer: Layer, codes: Codes, rows: tuple[Indices, Indices], slopes: Array, offsets: Array
) -> tuple[Array, Array]:
    """Some of a layer's half-spaces: (regions, rows) -> normals (n, S), offsets (n,)."""
    regions, entries = rows
    if isinstance(layer, MaxPool):
        best, rival = _candidates(layer, codes, rows)
        return slopes[best] - slopes[rival], offsets[best] - offsets[rival]
    assert isinstance(layer, PiecewiseAffine)
    signs = codes[regions, entries]
    units, knots = layer.unit_and_knot(entries)
    return signs[:, None] * slopes[regions, units], signs * (offsets[regions, units] - knots)


def _sizes(
    layer: Layer, codes: Codes, rows: tuple[Indices, Indices], slopes: Array, offsets: Array
) -> tuple[Array, Array]:
    """How large the terms are of which the same half-spaces are sums, from bounds on those of the
    inputs, (R, n, 1) and (R, n)."""
    if isinstance(layer, MaxPool):
        best, rival = _candidates(layer, codes, rows)
        return (slopes[best] + slopes[rival])[:, 0], offsets[best] + offsets[rival]
    assert isinstance(layer, PiecewiseAffine)
    regions, entries = rows
    units, knots = layer.unit_and_knot(entries)
    return slopes[regions, units][:, 0], offsets[regions, units] + np.abs(knots)


def _candidates(
    layer: MaxPool, codes: Codes, rows: tuple[Indices, Indices]
) -> tuple[tuple[Indices, Indices], tuple[Indices, Indices]]:
    """For half-spaces of max-pooling, region and input of the winner, and of its rival."""
    regions, entries = rows
    windows, rivals = np.divmod(entries, layer.windows.shape[1])
    best = layer.windows[windows, codes[regions, windows]]
    return (regions, best), (regions, layer.windows[windows, rivals])


def _exact_halfspace(exact: ExactNetwork, code: Codes, index: int, row: int) -> tuple[Array, float]:
    """The same half-space computed in integers and rounded once."""
    numbers, exponent = next(islice(exact.halfspaces(code), index, None))
    try:
        found = [number / (1 << exponent) for number in numbers[row].tolist()]
    except OverflowError:
        raise OutOfRange from None
    return np.array(found[:-1]), found[-1]
