"""What half-spaces have in common, exactly: an interior, points without one, or nothing."""

from __future__ import annotations

from typing import Literal

from reference.model.arrays import Array
from reference.polyhedra.double_description import span
from reference.polyhedra.integer_vectors import rows_of

Kind = Literal["full", "flat", "empty"]


def kind_of_set(normals: Array, offsets: Array) -> Kind:
    """Whether {z : normals z + offsets > 0} is full, flat or empty; normals (F, S), offsets (F,).

    Full: it has a point, and so an interior. Flat: it has none, but the closed half-spaces have a
    point in common. Empty: not even these have. The doubles are taken as the rational numbers they
    are, so that a sliver is full, exactly. Guarded by tests/integration/test_kinds_of_sets.py.
    """
    rows, latent = rows_of(normals, offsets), normals.shape[1]
    if span(rows, latent) is not None:
        return "full"
    # All (z, e) for which z is in the half-spaces when they have moved out by e. Of a set that is
    # not full, e is never negative there; the closed half-spaces have a point in common if it is 0
    # at a vertex.
    moved = span([(*row[:-1], 1, row[-1]) for row in rows], latent + 1)
    assert moved is not None  # for an e that is large enough all half-spaces hold 0
    vertices = [g.vector for g in moved.generators if g.vector[-1]]
    return "flat" if any(not vertex[-2] for vertex in vertices) else "empty"
