"""Proofs of Lemma 4 and (9) as identities of indicator functions: exhaustive, or cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, product
from math import prod

import sympy as sp

from oracle.proofs.layers import cells
from oracle.proofs.proof import (
    Formula,
    MatrixFormula,
    Proof,
    inverse,
    matrix,
    prove,
    vanish,
    vector,
)

Sign = Callable[[int, int], int]
SignedSum = Callable[[Sequence[int], int], int]
Point = tuple[int, ...]


def sign_as_printed(size: int, latent: int) -> int:
    """(-1)^{|J| + S} [Lemma 4]."""
    return int((-1) ** (size + latent))


def signed_sum(inside: Sequence[int], sign: Sign = sign_as_printed) -> int:
    """Σ_J s Π_{j in J} 1_j over the J of at most S of S + 1 half-spaces [Lemma 4].

    inside: the indicators 1_j, 0 or 1, of one point.
    """
    latent = len(inside) - 1
    return sum(
        sign(size, latent) * prod(chosen)
        for size in range(latent + 1)
        for chosen in combinations(inside, size)
    )


def inclusion_exclusion(latent: int, sign: Sign = sign_as_printed) -> Proof:
    """H(Δ) as printed on all sign patterns of S + 1 half-spaces but the one that cannot occur.

    On the pattern outside of all, the sum is (-1)^S and not 0; `barycentric` shows it empty.
    """

    def claim() -> bool:
        patterns = list(product((0, 1), repeat=latent + 1))
        nowhere = patterns.pop(0)
        return not any(nowhere) and all(
            signed_sum(pattern, sign) == prod(pattern) for pattern in patterns
        )

    return prove(
        "Lemma 4",
        f"1_Δ = Σ (-1)^(|J| + S) 1_J on all sign patterns that occur, S = {latent}",
        claim,
    )


def signed_sum_unbounded(inside: Sequence[int], points: int) -> int:
    """Lemma 4 for conv(points) + cone(rays): the half-spaces opposite to rays stay in every J.

    inside: the indicators of one point, those opposite to points first; J runs over those, all
    together left out, with signs (-1)^{|J| + points + 1}.
    """
    opposite_points, opposite_rays = inside[:points], inside[points:]
    return sum(
        (-1) ** (size + points + 1) * prod(chosen) * prod(opposite_rays)
        for size in range(points)
        for chosen in combinations(opposite_points, size)
    )


def inclusion_exclusion_unbounded(
    latent: int, signed_sum: SignedSum = signed_sum_unbounded
) -> Proof:
    """The same for every number of rays, on all patterns but those outside of all half-spaces
    opposite to points. With one point nothing is opposite to it: 1_j = 1 there."""

    def claim() -> bool:
        return all(
            signed_sum(pattern, points) == prod(pattern)
            for points in range(1, latent + 1)
            for pattern in product((0, 1), repeat=latent + 1)
            if any(pattern[:points])
        )

    return prove(
        "Lemma 4, unbounded",
        f"1_Δ for conv(points) + cone(rays), on all sign patterns that occur, S = {latent}",
        claim,
    )


def coordinates(lifted: sp.Matrix, z: sp.Matrix) -> sp.Matrix:
    """The λ with lifted λ = (z, 1), by Cramer's rule."""
    return inverse(lifted) * z.col_join(sp.ones(1, 1))


def barycentric(latent: int, rays: int = 0, coordinates: MatrixFormula = coordinates) -> Proof:
    """A simplex's half-spaces are λ_i(z) > 0, (z, 1) = Σ λ_i (v_i, 1) + Σ λ_j (r_j, 0).

    So Σ λ_i = 1 over the points: no z is outside of all half-spaces opposite to them.
    """
    corners, z = matrix("v", latent, latent + 1), vector("z", latent)
    points = latent + 1 - rays
    last = sp.Matrix([[int(i < points) for i in range(latent + 1)]])

    def claim() -> bool:
        shares = coordinates(corners.col_join(last), z)
        opposite = [
            shares[i].subs(dict(zip(z, corners.col(j), strict=True))) - int(i == j)
            for i in range(latent + 1)
            for j in range(points)
        ]
        return vanish(sum(shares[:points]) - 1, corners * shares - z, *opposite)

    return prove(
        "Lemma 4, excluded pattern",
        f"Σ λ_i = 1 for a simplex of {points} points and {rays} rays: no z is outside of all the "
        "half-spaces opposite to points",
        claim,
    )


def half_spaces(simplex: Sequence[Point]) -> list[Point]:
    """The half-spaces (normal, offset) of a simplex, each opposite to a vertex, integers."""
    lifted = sp.Matrix([[*vertex, 1] for vertex in simplex]).T
    rows = lifted.adjugate() * sp.sign(lifted.det())
    return [tuple(map(int, rows.row(i))) for i in range(len(simplex))]


def _indicator(plane: Point, z: Sequence[sp.Rational]) -> int:
    terms = (n * coordinate for n, coordinate in zip(plane[:-1], z, strict=True))
    return int(sum(terms, plane[-1]) > 0)


def _same_planes(planes: Iterator[Point]) -> list[Point]:
    """Each hyperplane once, whatever its sign."""
    found: list[Point] = []
    for plane in planes:
        if plane not in found and tuple(-x for x in plane) not in found:
            found.append(plane)
    return found


PENTAGON = (0, 0), (4, -1), (6, 2), (3, 5), (-1, 3)
FAN = [(PENTAGON[0], PENTAGON[i], PENTAGON[i + 1]) for i in (1, 2, 3)]
PENTAGON_FACETS = [
    half_spaces((one, other, PENTAGON[(i + 3) % 5]))[2]
    for i, (one, other) in enumerate(zip(PENTAGON, PENTAGON[1:] + PENTAGON[:1], strict=True))
]
CUBE_FACETS = [
    (1, 0, 0, 0),
    (-1, 0, 0, 1),
    (0, 1, 0, 0),
    (0, -1, 0, 1),
    (0, 0, 1, 0),
    (0, 0, -1, 1),
]
CUBE = [
    ((0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1)),
    ((0, 0, 0), (1, 0, 0), (1, 0, 1), (1, 1, 1)),
    ((0, 0, 0), (0, 1, 0), (1, 1, 0), (1, 1, 1)),
    ((0, 0, 0), (0, 1, 0), (0, 1, 1), (1, 1, 1)),
    ((0, 0, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1)),
    ((0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1)),
]


def triangulation(
    name: str,
    facets: Sequence[Point],
    simplices: Sequence[Sequence[Point]],
    sign: Sign = sign_as_printed,
) -> Proof:
    """(9) and Lemma 4: 1_ω = Σ_Δ 1_Δ = Σ_Δ Σ_H(Δ) s 1_V on every cell of all their hyperplanes.

    A cell of the arrangement is decided by one exact point in it, so for almost all of R^S.
    """
    sides = [half_spaces(simplex) for simplex in simplices]

    def claim() -> bool:
        planes = _same_planes(plane for group in [facets, *sides] for plane in group)
        points = [cell.inner_point() for cell in cells(planes, len(facets[0]) - 1)]
        return len(points) > len(planes) and all(_agree(z) for z in points)

    def _agree(z: Sequence[sp.Rational]) -> bool:
        region = prod(_indicator(facet, z) for facet in facets)
        inside = [[_indicator(plane, z) for plane in group] for group in sides]
        return (
            region
            == sum(prod(group) for group in inside)
            == sum(signed_sum(group, sign) for group in inside)
        )

    return prove(
        "eq. 9, Lemma 4",
        f"1_ω = Σ 1_Δ = Σ s 1_V on every cell of the arrangement: {name}, {len(sides)} simplices",
        claim,
    )


def diagonal_across(z: sp.Matrix) -> sp.Expr:
    """Positive on the origin's side of the diagonal from (1, 0) to (0, 1)."""
    return 1 - z[0] - z[1]


def quadrilateral(diagonal: Formula = diagonal_across) -> Proof:
    """(9) for any convex quadrilateral: its diagonal cuts it into two triangles.

    Up to an affine map it is (0, 0), (1, 0), (p, q), (0, 1) with p, q > 0 and p + q = 1 + r, r > 0.
    With the diagonal δ = 1 - z_1 - z_2 the two far sides are positive combinations of the near
    ones and δ, and the near ones of the far ones and -δ: each half needs only its own sides.
    """
    q, r = sp.symbols("q r", positive=True)
    p, z = sp.Symbol("p", positive=True), vector("z", 2)

    def claim() -> bool:
        delta, near = diagonal(z), [z[0], z[1]]
        # The sides through (1, 0), (p, q) and through (0, 1), (p, q), positive inside.
        far = [q * (1 - z[0]) - (1 - p) * z[1], p * (1 - z[1]) - (1 - q) * z[0]]
        excess = {p: 1 + r - q}
        # far = q δ + r z_2, p δ + r z_1: inside of δ > 0 and the near sides both are positive.
        within = [far[0] - q * delta - r * z[1], far[1] - p * delta - r * z[0]]
        # r z_1 = far_2 - p δ, r z_2 = far_1 - q δ: beyond δ < 0 both near sides are positive.
        beyond = [r * near[0] - far[1] + p * delta, r * near[1] - far[0] + q * delta]
        coefficients = all(c.is_positive for c in (p, q, r))
        return coefficients and vanish(*(e.subs(excess) for e in [*within, *beyond]))

    return prove(
        "eq. 9", "the diagonal cuts any convex quadrilateral into two triangles, S = 2", claim
    )
