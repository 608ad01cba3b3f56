"""Proofs with symbols: the M-step's updates of Σx and Σz [Sec. 4.2] as the maxima."""

from __future__ import annotations

import sympy as sp

from oracle.proofs.layers import offset_up_to, pre_activations, slope_up_to
from oracle.proofs.m_step_bias import HALF, Model, symbolic_model
from oracle.proofs.proof import (
    MatrixFormula,
    Proof,
    inverse,
    lower_triangular,
    prove,
    quadratic,
    symmetric,
    vanish,
    vector,
)


def scatter(model: Model) -> sp.Matrix:
    """Σ_x E[(x - g(z))(x - g(z))ᵀ | x] from e0, e1, E2 and the regions' maps."""
    total, last = 0 * model.precision, len(model.weights)
    for x, slopes, moments in model.pairs():
        slope = slope_up_to(model.weights, slopes, last)
        centred = x - offset_up_to(model.weights, model.biases, slopes, last)
        image = slope * moments.first
        total += moments.zeroth * centred * centred.T + slope * moments.second * slope.T
        total -= centred * image.T + image * centred.T
    return total


def expected_scatter(scatter: MatrixFormula = scatter) -> Proof:
    """The surrogate's part with Σx is -½ Tr(Σx^-1 scatter), with symbols for Σx^-1."""
    model = symbolic_model((2, 2, 2))

    def claim() -> bool:
        z, total = vector("z", 2), sp.Integer(0)
        for x, slopes, moments in model.pairs():
            residual = x - pre_activations(z, model.weights, model.biases, slopes)[-1]
            total += moments.expectation(quadratic(model.precision, residual), z)
        return vanish(total - (model.precision * scatter(model)).trace())

    return prove("Sec. 4.2, Σx", "Σ_x E[(x - g)(x - g)ᵀ | x] from e0, e1 and E2", claim)


def covariance(structure: str, scatter: sp.Matrix, n: sp.Expr) -> sp.Matrix:
    """The update: scatter / N, its diagonal, or its mean diagonal times I."""
    size = scatter.rows
    if structure == "full":
        return scatter / n
    if structure == "diagonal":
        return sp.diag(*(scatter[i, i] / n for i in range(size)))
    return scatter.trace() / (n * size) * sp.eye(size)


def covariance_update(
    parameter: str, structure: str, size: int, covariance: MatrixFormula = covariance
) -> Proof:
    """The update is stationary for N/2 log|P| - ½ Tr(P T), P the precision, in its structure.

    That is concave in P: with P^-1 = C Cᵀ, d²/dt² log|P + t H| = -‖Cᵀ H C‖². So it is the maximum.
    """
    n, T = sp.Symbol("N", positive=True), symmetric("T", size)
    families = {
        "full": symmetric("P", size),
        "diagonal": sp.diag(*vector("P", size)),
        "isotropic": sp.Symbol("P") * sp.eye(size),
    }
    precision = families[structure]

    def claim() -> bool:
        found = inverse(covariance(structure, T, n))
        at = {
            entry: found[i, j]
            for (i, j), entry in zip(
                ((i, j) for i in range(size) for j in range(size)), precision, strict=True
            )
            if entry != 0
        }
        value = n * HALF * sp.log(precision.det()) - HALF * (precision * T).trace()
        gradient = [sp.diff(value, entry).subs(at) for entry in at]
        in_family = found - precision.subs(at)
        return vanish(in_family, *gradient) and concave()

    def concave() -> bool:
        t, C, H = sp.Symbol("t"), lower_triangular("C", size), symmetric("H", size)
        second = sp.diff(sp.log((inverse(C * C.T) + t * H).det()), t, 2).subs(t, 0)
        return vanish(second + sum(entry**2 for entry in C.T * H * C))

    return prove(
        f"Sec. 4.2, {parameter}",
        f"its update zeroes the gradient and is the maximum: {structure}, {size} x {size}",
        claim,
    )
