"""Proofs with symbols: the M-step's surrogate, and its bias update [Sec. 4.2] as the maximum.

The surrogate is E[log p(x, z; θ) | x] with the posterior's moments, the regions and the slopes D_ω
held fixed. It is expanded here from the forward pass with symbols for all of them, two regions and
two data; the update is the formula under test. Weights and covariances have their own modules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sympy as sp

from oracle.proofs.e_step import Moments, symbolic_moments
from oracle.proofs.layers import chain, offset_up_to, pre_activations, slope_up_to
from oracle.proofs.proof import (
    Counterexample,
    MatrixFormula,
    Proof,
    inverse,
    lower_triangular,
    matrix,
    prove,
    quadratic,
    symmetric,
    vanish,
    vector,
)

HALF = sp.Rational(1, 2)


@dataclass(frozen=True)
class Model:
    """Weights, biases (a layer each), slopes (a region, then a hidden layer each), Σx^-1, data, and
    moments (a datum, then a region each)."""

    weights: list[sp.Matrix]
    biases: list[sp.Matrix]
    slopes: list[list[sp.Matrix]]
    precision: sp.Matrix
    data: list[sp.Matrix]
    moments: list[list[Moments]]

    def pairs(self) -> Iterator[tuple[sp.Matrix, list[sp.Matrix], Moments]]:
        """Every datum with every region's slopes and moments."""
        for x, regions in zip(self.data, self.moments, strict=True):
            for slopes, moments in zip(self.slopes, regions, strict=True):
                yield x, slopes, moments

    def parameter(self, kind: str, layer: int) -> sp.Matrix:
        """The weight or the bias of a layer, from 1."""
        return (self.weights if kind == "weight" else self.biases)[layer - 1]


def symbolic_model(widths: Sequence[int], precision: sp.Matrix | None = None) -> Model:
    """All entries symbols, two regions, two data."""
    layers = len(widths) - 1
    return Model(
        weights=[matrix(f"W{i + 1}", widths[i + 1], widths[i]) for i in range(layers)],
        biases=[vector(f"v{i + 1}", widths[i + 1]) for i in range(layers)],
        slopes=[
            [sp.diag(*vector(f"D{r}{i + 1}", widths[i + 1])) for i in range(layers - 1)]
            for r in range(2)
        ],
        precision=symmetric("P", widths[-1]) if precision is None else precision,
        data=[vector(f"x{n}", widths[-1]) for n in range(2)],
        moments=[[symbolic_moments(f"{n}{r}", widths[0]) for r in range(2)] for n in range(2)],
    )


def surrogate_gradient(model: Model, parameter: sp.Matrix) -> sp.Matrix:
    """The surrogate's derivatives by the entries of a parameter (as a column, rows stacked)."""
    z, total = vector("z", model.weights[0].cols), sp.zeros(len(parameter), 1)
    for x, slopes, moments in model.pairs():
        residual = x - pre_activations(z, model.weights, model.biases, slopes)[-1]
        log_density = -HALF * quadratic(model.precision, residual)
        for i, entry in enumerate(parameter):
            total[i] += moments.expectation(sp.diff(log_density, entry), z)
    return total


def back_propagation(model: Model, slopes: list[sp.Matrix], layer: int) -> sp.Matrix:
    """B D^l, B = W^L D^{L-1} … W^{l+1}; the identity for the last layer."""
    last = len(model.weights)
    return (
        sp.eye(model.precision.rows) if layer == last else chain(model.weights, slopes, layer, last)
    )


def bias_matrix(model: Model, layer: int) -> sp.Matrix:
    """The matrix of the bias update, corrected: Σ_x Σ_ω e0_ω(x) D^l Bᵀ Σx^-1 B D^l."""
    total = sp.zeros(*(2 * [model.biases[layer - 1].rows]))
    for _, slopes, moments in model.pairs():
        back = back_propagation(model, slopes, layer)
        total += moments.zeroth * back.T * model.precision * back
    return total


def bias_matrix_over_data(model: Model, layer: int) -> sp.Matrix:
    """The printed matrix, its first sum read as one over data: Σ_x Σ_ω D^l Bᵀ Σx^-1 B D^l."""
    backs = [back_propagation(model, slopes, layer) for _, slopes, _ in model.pairs()]
    return sum((back.T * model.precision * back for back in backs), 0 * backs[0].T * backs[0])


def bias_matrix_as_printed(model: Model, layer: int) -> sp.Matrix:
    """The matrix as printed: Σ_ω Σ_ω D^l Bᵀ Σx^-1 B D^l."""
    return len(model.slopes) * bias_matrix_over_data(model, layer) / len(model.data)


def bias_right(model: Model, layer: int) -> sp.Matrix:
    """Σ_x Σ_ω D^l Bᵀ Σx^-1 r^l_ω(x), r^l_ω(x) = (x - [b_ω without v^l]) e0_ω - A_ω e1_ω."""
    total, last = 0 * model.biases[layer - 1], len(model.weights)
    without = [0 * bias if i == layer - 1 else bias for i, bias in enumerate(model.biases)]
    for x, slopes, moments in model.pairs():
        rest = x - offset_up_to(model.weights, without, slopes, last)
        residual = rest * moments.zeroth
        residual -= slope_up_to(model.weights, slopes, last) * moments.first
        back = back_propagation(model, slopes, layer)
        total += back.T * model.precision * residual
    return total


def bias_update(
    layer: int, widths: Sequence[int] = (1, 2, 2, 2), bias_matrix: MatrixFormula = bias_matrix
) -> Proof:
    """The surrogate's gradient in v^l is right - M v^l identically, and -M its Hessian.

    So M v = right, which the update solves, are its stationary points. With Σx^-1 = C Cᵀ,
    uᵀ M u = Σ e0 |Cᵀ B D u|² >= 0: they are maxima.
    """
    C, u = lower_triangular("C", widths[-1]), vector("u", widths[layer])
    model = symbolic_model(widths)
    factored = symbolic_model(widths, C * C.T)

    def claim() -> bool:
        linear = bias_right(model, layer) - bias_matrix(model, layer) * model.biases[layer - 1]
        squares = sp.Integer(0)
        for _, slopes, moments in factored.pairs():
            image = C.T * back_propagation(factored, slopes, layer) * u
            squares += moments.zeroth * image.dot(image)
        return vanish(
            surrogate_gradient(model, model.biases[layer - 1]) - linear,
            quadratic(bias_matrix(factored, layer), u) - squares,
        )

    return prove(
        "Sec. 4.2, bias",
        f"the update with e0_ω(x) solves gradient = 0, and is a maximum: layer {layer} of widths "
        f"{'-'.join(map(str, widths))}, two regions, two data",
        claim,
        lambda: bias_printed(bias_matrix_as_printed),
    )


def bias_printed(printed: MatrixFormula) -> Counterexample:
    """Of z = v, x = 1, e0 = ½, ½ in two regions with B D = 1, 2: the gradient at the update."""
    half, one = HALF, sp.eye(1)
    moments = [Moments(half, sp.Matrix([half]), sp.eye(1)) for _ in range(2)]
    bias = sp.Matrix([sp.Symbol("v")])
    model = Model(
        weights=[one, one],
        biases=[bias, sp.Matrix([0])],
        slopes=[[one], [2 * one]],
        precision=one,
        data=[sp.Matrix([3])],
        moments=[moments],
    )
    update = inverse(printed(model, 1)) * bias_right(model, 1)
    gradient = surrogate_gradient(model, bias).subs(bias[0], update[0])
    return Counterexample(
        "x = 3, g = D (z + v), D = 1, 2, e0 = e1 = 1/2: the surrogate's gradient at the update",
        gradient[0],
        sp.Integer(0),
    )
