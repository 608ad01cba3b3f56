"""Proofs with symbols: layers, their composition, and the regions' half-spaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import sympy as sp

from oracle.exact.cone import Cone, whole_space
from oracle.proofs.proof import (
    Counterexample,
    Formula,
    MatrixFormula,
    Proof,
    matrix,
    prove,
    vanish,
    vector,
)

Matrices = Sequence[sp.Matrix]


def activation(h: sp.Expr, eta: sp.Expr) -> sp.Expr:
    """ReLU (η = 0), leaky ReLU, absolute value (η = -1) without cases: ½(1+η) h + ½(1-η) |h|."""
    return sp.Rational(1, 2) * ((1 + eta) * h + (1 - eta) * abs(h))


def derivative(sign: int, eta: sp.Expr) -> sp.Expr:
    """The entry of D^l [Sec. 2]: 1 above the kink, η below."""
    return sp.Integer(1) if sign > 0 else eta


def nonlinearities(derivative: Formula = derivative) -> Proof:
    """Every nonlinearity is D^l h on both sides of its kink, and continuous there [Sec. 2]."""
    p, first, eta = sp.Symbol("p", positive=True), sp.Symbol("h", real=True), sp.Symbol("eta")

    def claim() -> bool:
        sides = [
            activation(sign * p, slope) - derivative(sign, slope) * sign * p
            for sign, slope in product((1, -1), (sp.Integer(0), eta, sp.Integer(-1)))
        ]
        other = first - p
        pooled = (first + other + abs(first - other)) / 2 - first
        return vanish(activation(sp.Integer(0), eta), pooled, *sides)

    return prove(
        "Sec. 2",
        "ReLU, leaky ReLU, |h| and the maximum of two are D h with the slope D of their side",
        claim,
    )


def chain(weights: Matrices, slopes: Matrices, start: int, end: int) -> sp.Matrix:
    """W^end D^{end-1} W^{end-1} … W^{start+1} D^start, layers from 1; start < end."""
    result = weights[end - 1] * slopes[end - 2]
    for layer in range(end - 1, start, -1):
        result = result * weights[layer - 1] * slopes[layer - 2]
    return result


def slope_up_to(weights: Matrices, slopes: Matrices, layer: int) -> sp.Matrix:
    """A_ω^{1→l} = W^l D^{l-1} W^{l-1} … D^1 W^1 [eq. 2, 8]."""
    return weights[0] if layer == 1 else chain(weights, slopes, 1, layer) * weights[0]


def offset_up_to(weights: Matrices, biases: Matrices, slopes: Matrices, layer: int) -> sp.Matrix:
    """b_ω^{1→l} = v^l + Σ_{i<l} W^l D^{l-1} … W^{i+1} D^i v^i [eq. 2, 8]."""
    parts = [chain(weights, slopes, i, layer) * biases[i - 1] for i in range(1, layer)]
    return sum(parts, biases[layer - 1])


def pre_activations(
    z: sp.Matrix, weights: Matrices, biases: Matrices, slopes: Matrices
) -> list[sp.Matrix]:
    """h^1, …, h^L: the forward pass, layer by layer, with fixed slopes; h^L = g(z)."""
    found, signal = [], z
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        found.append(weight * signal + bias)
        signal = slopes[layer] * found[-1] if layer < len(slopes) else found[-1]
    return found


def composition(
    pooling: bool = False,
    slope_up_to: MatrixFormula = slope_up_to,
    offset_up_to: MatrixFormula = offset_up_to,
) -> Proof:
    """(1), (2) and (8) for three layers 2-2-2-2 and any slopes; with pooling, D^l is 1 x 2."""
    kept = 1 if pooling else 2
    weights = [matrix("W1", 2, 2), matrix("W2", 2, kept), matrix("W3", 2, kept)]
    biases, z = [vector(f"v{layer}", 2) for layer in (1, 2, 3)], vector("z", 2)
    slopes = [
        matrix(f"D{layer}", 1, 2) if pooling else sp.diag(*vector(f"D{layer}", 2))
        for layer in (1, 2)
    ]

    def claim() -> bool:
        forward = pre_activations(z, weights, biases, slopes)
        return all(
            vanish(
                slope_up_to(weights, slopes, layer) * z
                + offset_up_to(weights, biases, slopes, layer)
                - forward[layer - 1]
            )
            for layer in (1, 2, 3)
        )

    kind = "rectangular (max-pooling)" if pooling else "diagonal"
    return prove(
        "eq. 1, 2, 8",
        f"A^(1→l) z + b^(1→l) is the forward pass, l = 1..3, for every {kind} D^1, D^2",
        claim,
    )


def cells(hyperplanes: Sequence[tuple[int, ...]], dimension: int) -> list[Cone]:
    """All cells of an arrangement of hyperplanes normal · z + offset = 0 in integers, exactly."""
    found = [whole_space(dimension)]
    for plane in hyperplanes:
        opposite = tuple(-x for x in plane)
        found = [
            part
            for cell in found
            for part in (
                [cell.part(plane), cell.part(opposite)] if cell.sign(plane) is None else [cell]
            )
        ]
    return found


WEIGHTS = sp.Matrix([[1, 2], [-3, 1]]), sp.Matrix([[2, -1], [1, 3]])
BIASES = sp.Matrix([1, -2]), sp.Matrix([-3, 1])


def satisfies(code: int, slope_times_z: sp.Expr, offset: sp.Expr) -> bool:
    """Corollary 1, corrected: q ⊙ (A z + b) > 0."""
    return bool(code * (slope_times_z + offset) > 0)


def satisfies_as_printed(code: int, slope_times_z: sp.Expr, offset: sp.Expr) -> bool:
    """Corollary 1 as printed: A z < -q ⊙ b."""
    return bool(slope_times_z < -code * offset)


def _maps(code: Sequence[int]) -> list[tuple[sp.Matrix, sp.Matrix]]:
    """A^{1→l}, b^{1→l} of both hidden layers of the example, ReLU, where layer 1 has this code."""
    slopes = [sp.diag(*(1 if q > 0 else 0 for q in code))]
    return [
        (slope_up_to(WEIGHTS, slopes, layer), offset_up_to(WEIGHTS, BIASES, slopes, layer))
        for layer in (1, 2)
    ]


def _described(
    code: Sequence[int], z: sp.Matrix, satisfies: Callable[[int, sp.Expr, sp.Expr], bool]
) -> bool:
    """Whether Corollary 1 puts z into the region of a code of both layers."""
    return all(
        satisfies(q, value, offset)
        for half, (slope, offsets) in zip((code[:2], code[2:]), _maps(code[:2]), strict=True)
        for q, value, offset in zip(half, slope * z, offsets, strict=True)
    )


def _code_of(z: sp.Matrix) -> tuple[int, ...]:
    """The signs of the pre-activations of both layers, by the forward pass."""
    first = WEIGHTS[0] * z + BIASES[0]
    second = WEIGHTS[1] * first.applyfunc(lambda h: sp.Max(h, 0)) + BIASES[1]
    return tuple(1 if h > 0 else -1 for h in [*first, *second])


def corollary_1(satisfies: Callable[[int, sp.Expr, sp.Expr], bool] = satisfies) -> Proof:
    """Lemma 3 and Corollary 1 for all z: one point for each cell of all codes' hyperplanes."""

    def claim() -> bool:
        planes = {
            (*map(int, slope.row(i)), int(offset[i]))
            for code in product((1, -1), repeat=2)
            for slope, offset in _maps(code)
            for i in range(2)
            if any(slope.row(i))
        }
        points = [sp.Matrix(cell.inner_point()) for cell in cells(sorted(planes), 2)]
        return len(points) > 1 and all(
            _described(code, z, satisfies) == (code == _code_of(z))
            for z in points
            for code in product((1, -1), repeat=4)
        )

    return prove(
        "Corollary 1",
        "q ⊙ (A z + b) > 0 holds in the region of code q and nowhere else: a ReLU network 2-2-2, "
        "decided on every cell",
        claim,
        corollary_1_printed,
    )


def corollary_1_printed() -> Counterexample:
    """h(z) = z + 1 is positive at z = 1, where A z < -q ⊙ b reads 1 < -1."""
    slope, offset, z = sp.Integer(1), sp.Integer(1), sp.Integer(1)
    code = 1
    printed = satisfies_as_printed(code, slope * z, offset)
    true = (1 if slope * z + offset > 0 else -1) == code
    return Counterexample(
        "h(z) = z + 1, q = 1, z = 1: 1 where z lies in ω", sp.Integer(printed), sp.Integer(true)
    )


def one_face_and_unbounded(region: Cone, latent: int) -> bool:
    """What the regions of one ReLU are, in any latent dimension."""
    return len(region.facets()) == 1 and _is_unbounded(region)


def closed_polytope(region: Cone, latent: int) -> bool:
    """What Sec. 3.2 says of every region: a closed polytope with at least S + 1 faces."""
    return len(region.facets()) >= latent + 1 and not _is_unbounded(region)


def closed_polytopes(described: Callable[[Cone, int], bool] = one_face_and_unbounded) -> Proof:
    """Sec. 3.2: the two regions of one ReLU, in one and in two latent dimensions, exactly."""

    def claim() -> bool:
        regions = [(region, latent) for latent in (1, 2) for region in _one_unit(latent)]
        return len(regions) == 4 and all(described(*region) for region in regions)

    return prove(
        "Sec. 3.2",
        "one ReLU: two regions, both unbounded, of one facet each, for S = 1 and 2",
        claim,
        lambda: Counterexample(
            "one ReLU, S = 1: faces of the region z > 1/2, said to be at least S + 1",
            sp.Integer(2),
            sp.Integer(len(_one_unit(1)[0].facets())),
        ),
    )


def _one_unit(dimension: int) -> list[Cone]:
    """The regions of ReLU(2 z_1 - 1)."""
    return cells([(2, *(0 for _ in range(dimension - 1)), -1)], dimension)


def _is_unbounded(region: Cone) -> bool:
    """Whether the polyhedron holds a line or a ray."""
    return bool(region.lines) or any(ray.vector[-1] == 0 for ray in region.rays)
