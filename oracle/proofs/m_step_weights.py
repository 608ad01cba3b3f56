"""Proofs with symbols: the M-step's update of a layer's weights [Sec. 4.2] as the maximum."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from oracle.proofs.e_step import Moments
from oracle.proofs.layers import offset_up_to, slope_up_to
from oracle.proofs.m_step_bias import Model, back_propagation, surrogate_gradient, symbolic_model
from oracle.proofs.proof import (
    MatrixFormula,
    Proof,
    lower_triangular,
    matrix,
    prove,
    quadratic,
    vanish,
)


def input_lift(
    model: Model, slopes: list[sp.Matrix], layer: int, with_bias: bool = False
) -> sp.Matrix:
    """[C d] with h = C z + d the input of a layer on a region; with_bias: of (h, 1)."""
    latent = model.weights[0].cols
    slope, offset = sp.eye(latent), sp.zeros(latent, 1)
    if layer > 1:
        before = slopes[layer - 2]
        slope = before * slope_up_to(model.weights, slopes, layer - 1)
        offset = before * offset_up_to(model.weights, model.biases, slopes, layer - 1)
    lift = slope.row_join(offset)
    return lift.col_join(sp.eye(latent + 1).row(latent)) if with_bias else lift


def moment_matrix(moments: Moments) -> sp.Matrix:
    """E[(z, 1)(z, 1)ᵀ 1 | x]."""
    corner = sp.Matrix([moments.zeroth])
    return sp.Matrix(
        sp.BlockMatrix([[moments.second, moments.first], [moments.first.T, corner]]).as_explicit()
    )


def weight_matrix(model: Model, layer: int, with_bias: bool = False) -> sp.Matrix:
    """Σ_x Σ_ω U_ω ⊗ V_ω: U_ω = (B D^l)ᵀ Σx^-1 (B D^l), V_ω = E[h hᵀ 1 | x]; rows stacked.

    with_bias: h is followed by a 1, for [W^l v^l].
    """
    rows, columns = model.weights[layer - 1].shape
    size = rows * (columns + with_bias)
    total = sp.zeros(size, size)
    for _, slopes, moments in model.pairs():
        back = back_propagation(model, slopes, layer)
        lift = input_lift(model, slopes, layer, with_bias)
        total += sp.kronecker_product(
            back.T * model.precision * back, lift * moment_matrix(moments) * lift.T
        )
    return total


def weight_right(model: Model, layer: int, with_bias: bool = False) -> sp.Matrix:
    """vec Σ_x Σ_ω (B D^l)ᵀ Σx^-1 E[(x - [g without W^l]) hᵀ 1 | x]; rows stacked.

    with_bias: h is followed by a 1, and g is without v^l too.
    """
    rows, columns = model.weights[layer - 1].shape
    total = sp.zeros(rows, columns + with_bias)
    for x, slopes, moments in model.pairs():
        rest = x
        for i in range(layer + with_bias, len(model.weights) + 1):
            rest = rest - back_propagation(model, slopes, i) * model.biases[i - 1]
        unit = sp.Matrix([*moments.first, moments.zeroth])
        back = back_propagation(model, slopes, layer)
        lift = input_lift(model, slopes, layer, with_bias)
        total += back.T * model.precision * rest * unit.T * lift.T
    return sp.Matrix(list(total))


def weight_update(
    layer: int,
    widths: Sequence[int],
    with_bias: bool = False,
    weight_matrix: MatrixFormula = weight_matrix,
) -> Proof:
    """The surrogate's gradient in vec W^l, or vec [W^l v^l], is right - K vec identically, and
    -K its Hessian.

    With Σx^-1 = C Cᵀ and moments of (z, 1) T Tᵀ, vec(U)ᵀ K vec(U) = Σ ‖Cᵀ B D U [C d] T‖² >= 0.
    """
    model = symbolic_model(widths)
    weight = model.weights[layer - 1]
    if with_bias:
        weight = weight.row_join(model.biases[layer - 1])
    C, U = lower_triangular("C", widths[-1]), matrix("U", *weight.shape)

    def claim() -> bool:
        column = sp.Matrix(list(weight))
        linear = weight_right(model, layer, with_bias)
        linear -= weight_matrix(model, layer, with_bias) * column
        return vanish(surrogate_gradient(model, weight) - linear) and positive()

    def positive() -> bool:
        size = widths[0] + 1
        T = lower_triangular("T", size)
        gram = T * T.T
        moments = Moments(gram[size - 1, size - 1], gram[:-1, -1], gram[:-1, :-1])
        one = Model(
            weights=model.weights,
            biases=model.biases,
            slopes=model.slopes[:1],
            precision=C * C.T,
            data=model.data[:1],
            moments=[[moments]],
        )
        back = back_propagation(one, one.slopes[0], layer)
        image = C.T * back * U * input_lift(one, one.slopes[0], layer, with_bias) * T
        form = quadratic(weight_matrix(one, layer, with_bias), sp.Matrix(list(U)))
        return vanish(form - sum(entry**2 for entry in image))

    return prove(
        f"Sec. 4.2, weights{' with biases' if with_bias else ''}",
        f"the Kronecker system is gradient = 0, and its solution a maximum: layer {layer} of "
        f"widths {'-'.join(map(str, widths))}, two regions, two data",
        claim,
    )
