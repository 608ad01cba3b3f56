"""Regions of the fixed models against exact arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from oracle.exact.cone import Cone
from oracle.exact.number_types import Array
from oracle.exact.regions import exact_regions
from oracle.fixed_checks.deviation import Check, Deviation, error_of
from oracle.fixed_checks.models import Model, specs


def regions(model: Model) -> Check:
    """Codes, A_ω, b_ω, half-spaces and `locate` against exact arithmetic, S > 0.

    A point well inside every exact region tells whether half-spaces and `locate` hold it; maps are
    compared in units of max(1, |A_ω|, |b_ω|), half-spaces by their hyperplanes.
    """

    def check(impl: Any) -> Iterator[Deviation]:
        partition = model.dgn(impl).partition()
        codes = [tuple(int(v) for v in code) for code in partition.codes]
        exact = {region.code: region for region in exact_regions(specs(model))}
        quantity = f"{model.name}: regions that only one side has"
        yield Deviation(quantity, float(len(set(codes) ^ exact.keys())), 0.0)
        quantity = f"{model.name}: regions given twice"
        yield Deviation(quantity, float(len(codes) - len(set(codes))), 0.0)
        for r, code in enumerate(codes):
            if code not in exact:
                continue
            region = exact[code]
            scale = 1 << region.exponent
            maps = [[float(Fraction(int(v), scale)) for v in row] for row in region.rows]
            found = np.column_stack([partition.slopes[r], partition.offsets[r]])
            yield Deviation(f"{model.name}: A and b of a region", error_of(found, maps), 1e-13)
            outside = float(int(partition.locate(_inside(region.cone)[None])[0]) != r)
            yield Deviation(f"{model.name}: locating a point inside a region", outside, 0.0)
            normals, offsets = partition.halfspaces(r)
            apart = _facets_apart(normals, offsets, [facet for facet, _ in region.cone.facets()])
            yield Deviation(f"{model.name}: facets of a region", apart, 1e-12)

    return check


def _inside(cone: Cone) -> Array:
    """A point well inside a polyhedron: the mean of its corners, and from there along its rays."""
    vectors = [[Fraction(v, max(map(abs, ray.vector))) for v in ray.vector] for ray in cone.rays]
    corners = [[float(v / vector[-1]) for v in vector[:-1]] for vector in vectors if vector[-1]]
    rays = [[float(v) for v in vector[:-1]] for vector in vectors if not vector[-1]]
    return np.asarray(np.mean(corners, axis=0) + np.sum(np.reshape(rays, (-1, len(corners[0]))), 0))


def _facets_apart(normals: Array, offsets: Array, exact: list[tuple[int, ...]]) -> float:
    """The largest distance of a half-space, as a unit vector (normal, offset), from its nearest
    exact one; infinite if there are not as many."""
    rows = np.column_stack([normals, offsets])
    own = np.array([[float(Fraction(v, max(map(abs, f)))) for v in f] for f in exact])
    finite = own[np.any(own[:, :-1] != 0, axis=1)] if len(own) else rows[:0]
    if len(finite) != len(rows):
        return np.inf
    if not len(rows):
        return 0.0
    rows, finite = (a / np.sqrt(np.sum(a**2, axis=1))[:, None] for a in (rows, finite))
    apart = np.max(np.abs(rows[:, None] - finite), axis=2)
    return float(max(apart.min(axis=0).max(), apart.min(axis=1).max()))
