"""H(Δ): a simplex as a signed sum of polyhedra of at most S half-spaces [Lemma 4]."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from reference.model.arrays import Array
from reference.polyhedra.polyhedron import Polyhedron
from reference.polyhedra.triangulation import Simplex, triangulation


def inclusion_exclusion(simplex: Simplex) -> list[tuple[int, list[int]]]:
    """H(Δ) [Lemma 4]: signs s and sets J of half-spaces, rows of Δ's, such that almost everywhere
    1_Δ = Σ s Π_{j in J} 1_j.

    No point violates all the half-spaces opposite to the simplex's points at once, since a positive
    combination of them is constant and positive: Π (1 - 1_j) = 0 over those, which multiplied out
    gives the product of all from products of fewer. For a bounded simplex these are all its S+1
    half-spaces, and this is Lemma 4 as printed, s = (-1)^{|J| + S}, which is correct. For an
    unbounded one the printed sum holds as well, but contains J whose half-spaces are parallel to a
    line; here those opposite to rays stay in every J, and none does. With one point there are no
    more than S half-spaces, and the simplex is left as it is.
    """
    everything = range(len(simplex.normals))
    if len(simplex.points) == 1:
        return [(1, list(everything))]
    opposite_points = everything[: len(simplex.points)]
    kept = list(everything[len(simplex.points) :])
    return [
        ((-1) ** (len(chosen) + len(opposite_points) + 1), [*chosen, *kept])
        for size in range(len(opposite_points))
        for chosen in combinations(opposite_points, size)
    ]


@dataclass(frozen=True, eq=False)
class SignedCones:
    """A polyhedron as Σ_(s, V) s 1_V, each V of at most S half-spaces with independent normals.

    Attributes
    ----------
    facets : int
        How many of the rows are the polyhedron's own; they come first.
    normals : ndarray, shape (m, S)
        Normals of the half-spaces, of length 1.
    offsets : ndarray, shape (m,)
        Their offsets.
    terms : list of (int, list of int)
        (s, rows) for each V.
    """

    facets: int
    normals: Array
    offsets: Array
    terms: list[tuple[int, list[int]]]


def signed_cones(polyhedron: Polyhedron) -> SignedCones:
    """All (s, V) of Lemma 4 for a polyhedron ω: H(Δ) for every Δ in T(ω).

    A V that occurs in several simplices is listed once with the sum of its signs, or not at all if
    that is 0.
    """
    rows: dict[str, tuple[Array, float]] = {}
    signs: dict[frozenset[str], int] = {}
    for simplex in triangulation(polyhedron):
        for name, normal, offset in zip(
            simplex.names, simplex.normals, simplex.offsets, strict=True
        ):
            rows[name] = normal, offset
        for sign, chosen in inclusion_exclusion(simplex):
            key = frozenset(simplex.names[j] for j in chosen)
            signs[key] = signs.get(key, 0) + sign
    own = [name for name in rows if name.startswith("+facet")]
    order = own + [name for name in rows if not name.startswith("+facet")]
    index = {name: i for i, name in enumerate(order)}
    terms = [(s, sorted(index[n] for n in key)) for key, s in signs.items() if s != 0]
    return SignedCones(
        len(own),
        np.reshape([rows[name][0] for name in order], (-1, polyhedron.latent)),
        np.array([rows[name][1] for name in order], dtype=np.float64),
        terms,
    )
