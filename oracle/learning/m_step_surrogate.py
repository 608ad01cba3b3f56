"""What the M-step maximises, as a quadratic in one layer's parameters, and its maxima with priors
[Sec. 4.2, Appendices G, H]; from the sums over data, in 50 digits.

Regions, posterior and slopes D_ω are held. Guarded by tests/oracle/test_oracle_small_checks.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from mpmath import mp, mpf
from numpy.typing import NDArray

from oracle.exact.layer_specs import LayerSpec, unit_slopes
from oracle.exact.number_types import Array, Mask, Reals
from oracle.exact.regions import Code
from oracle.learning.sums_over_data import DIGITS, Sums, doubles, full_covariance, reals


class Surrogate(NamedTuple):
    """gradientᵀ Δ - ½ Δᵀ curvature Δ, Δ = values - current: (P,), (P, P), (P,)."""

    gradient: Reals
    curvature: Reals
    current: Reals

    def of(self, chosen: Any) -> Surrogate:
        """Of some of the unknowns, the others held: their numbers, or a mask."""
        rows = self.curvature[chosen]
        return Surrogate(self.gradient[chosen], rows[:, chosen], self.current[chosen])


def surrogate(layers: tuple[LayerSpec, ...], cov_x: Array, found: Sums, index: int) -> Surrogate:
    """By the entries of [W v] of a layer, row after row: Σ_ω (B D)ᵀ Σx^-1 R_ω and Σ_ω U_ω ⊗ V_ω."""
    with mp.workdps(DIGITS):
        current = reals(np.column_stack([layers[index][1], layers[index][2]]))
        noise = full_covariance(cov_x, found.scatter.shape[0])
        precision = np.array(mp.inverse(mp.matrix(noise.tolist())).tolist(), dtype=object)
        curvature, gradient = np.full((current.size,) * 2, mpf(0)), np.full(current.shape, mpf(0))
        for r, code in enumerate(found.codes):
            matrices = _derivatives(layers, code)
            back = reals(np.eye(len(current)))
            for matrix in matrices[index + 1 :]:
                back = matrix @ back
            lift = _lift(layers, matrices, index)
            moments = np.block(
                [
                    [found.e2[r], found.e1[r][:, None]],
                    [found.e1[r][None, :], np.array([[found.e0[r]]], dtype=object)],
                ]
            )
            residual = np.column_stack([found.residual1[r], found.residual0[r]])
            curvature = curvature + np.kron(back.T @ precision @ back, lift @ moments @ lift.T)
            gradient = gradient + back.T @ precision @ residual @ lift.T
        return Surrogate(gradient.ravel(), curvature, current.ravel())


def through(inner: Surrogate, units: NDArray[Any], current: Array) -> Surrogate:
    """By other unknowns (Q,), a unit of each of which adds a row of `units` (Q, P): a convolution's
    kernel entries, each in many places of the layer's matrix."""
    with mp.workdps(DIGITS):
        lift = reals(units)
        return Surrogate(lift @ inner.gradient, lift @ inner.curvature @ lift.T, reals(current))


def maximum(of: Surrogate) -> Array:
    """The maximum without a prior. Raises ZeroDivisionError where it is not one point."""
    with mp.workdps(DIGITS):
        curvature = mp.matrix(of.curvature.tolist())
        step = mp.lu_solve(curvature, mp.matrix(of.gradient.tolist()))
        return doubles(of.current + np.array(list(step), dtype=object))


def uphill(of: Surrogate, values: Array, prior: str, scale: float, is_weight: Mask) -> float:
    """How steeply surrogate plus log prior rises at the values, by the unknown by which it does
    most, over the size of the terms that cancel at a maximum; infinite where there is no density.

    prior: "Gaussian" or "Laplace" with a scale, "uniform" with a bound, of the unknowns that are
    weights.
    """
    with mp.workdps(DIGITS):
        step = reals(values) - of.current
        slopes = of.gradient - of.curvature @ step
        sizes = abs(of.gradient) + abs(of.curvature) @ abs(step)
        worst = 0.0
        for slope, size, value, weighs in zip(slopes, sizes, values, is_weight, strict=True):
            rise = abs(slope)
            if weighs and prior == "Gaussian":
                pull = mpf(float(value)) / mpf(scale) ** 2
                rise, size = abs(slope - pull), size + abs(pull)
            elif weighs and prior == "Laplace":
                rate = 1 / mpf(scale)
                rise = abs(slope - rate * np.sign(value)) if value else max(abs(slope) - rate, 0)
                size = size + rate
            elif weighs and abs(value) > scale:
                return float("inf")
            elif weighs and abs(value) == scale:
                rise = max(-np.sign(value) * slope, 0)
            worst = max(worst, float(rise / size) if size else 0.0)
        return worst


def _derivatives(layers: tuple[LayerSpec, ...], code: Code) -> list[Reals]:
    """The matrix of every layer on the region with this code."""
    rest, matrices = list(code), list[Reals]()
    for kind, *values in layers:
        if kind == "dense":
            matrices.append(reals(values[0]))
            continue
        size = len(matrices[-1])
        slopes, acting = unit_slopes(values[0], size) if kind == "slope" else ([], [])
        count = len(acting) if kind == "slope" else len(values[0])
        mine, rest = rest[:count], rest[count:]
        if kind == "slope":
            diagonal = np.array(slopes)
            diagonal[[unit for unit, q in zip(acting, mine, strict=True) if q > 0]] = 1.0
            matrices.append(reals(np.diag(diagonal)))
        else:
            rows = [windows[q] for windows, q in zip(values[0], mine, strict=True)]
            matrices.append(reals(np.eye(size)[rows]))
    return matrices


def _lift(layers: tuple[LayerSpec, ...], matrices: list[Reals], index: int) -> Reals:
    """The matrix that takes (z, 1) to (h, 1), h the input of layer `index`."""
    latent = np.shape(layers[0][1])[1]
    slope, offset = reals(np.eye(latent)), reals(np.zeros(latent))
    for matrix, (kind, *values) in zip(matrices[:index], layers[:index], strict=True):
        slope, offset = matrix @ slope, matrix @ offset
        if kind == "dense":
            offset = offset + reals(values[1])
    last = reals(np.append(np.zeros(latent), 1.0))
    return np.vstack([np.column_stack([slope, offset]), last])
