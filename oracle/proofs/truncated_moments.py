"""Proofs with symbols: moments of truncated Gaussians [Appendix B, Tallis 1961].

A closed form with the ends as symbols is right when it is 0 for an empty region and its derivative
in the ends is the integrand.
"""

from __future__ import annotations

import sympy as sp

from oracle.proofs.gaussian_product import gaussian, normal_density, normal_mass
from oracle.proofs.proof import (
    Formula,
    MatrixFormula,
    Proof,
    inverse,
    prove,
    quadratic,
    symmetric,
    vanish,
    vector,
)
from oracle.proofs.zero_test import sums_to_zero


def moments_below(
    end: sp.Expr, mean: sp.Expr, variance: sp.Expr
) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """∫_-∞^u (z - m)^k φ(z; m, v) dz, k = 0, 1, 2: Φ, -v φ(u) and v (Φ - (u - m) φ(u)).

    From dφ/dz = -(z - m)/v φ. Of an interval: the difference of two.
    """
    mass, density = normal_mass(end, mean, variance), normal_density(end, mean, variance)
    return mass, -variance * density, variance * (mass - (end - mean) * density)


def whole_moments(variance: sp.Expr) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """The same over the whole line."""
    return sp.Integer(1), sp.Integer(0), variance


def interval(moments_below: Formula = moments_below) -> Proof:
    """S = 1: mass and moments below an end, from their derivatives in it and their limits."""
    u, m = sp.symbols("u m", real=True)
    s = sp.Symbol("s", positive=True)

    def claim() -> bool:
        zero, density = sp.Integer(0), normal_density(u, m, s**2)
        steps = [
            sums_to_zero(sp.diff(moment, u) - (u - m) ** k * density)
            for k, moment in enumerate(moments_below(u, m, s**2))
        ]
        # Of N(0, 1): a shift and a scale move every end with it.
        standard = moments_below(u, zero, sp.Integer(1))
        at_ends = [
            vanish(sp.limit(moment, u, -sp.oo), sp.limit(moment, u, sp.oo) - whole)
            for moment, whole in zip(standard, whole_moments(sp.Integer(1)), strict=True)
        ]
        return all(steps) and all(at_ends)

    return prove("Appendix B, S = 1", "e0, e1 and e2 of an interval from its ends", claim)


def first_moment(cov: sp.Matrix, gradient: sp.Matrix) -> sp.Matrix:
    """∫_ω (z - m) φ dz = Σ ∂mass/∂m, for any ω."""
    return cov * gradient


def second_moment(cov: sp.Matrix, mass: sp.Expr, hessian: sp.Matrix) -> sp.Matrix:
    """∫_ω (z - m)(z - m)ᵀ φ dz = Σ mass + Σ ∂²mass/∂m∂mᵀ Σ, for any ω."""
    return mass * cov + cov * hessian * cov


def mass_derivatives(
    latent: int,
    first_moment: MatrixFormula = first_moment,
    second_moment: MatrixFormula = second_moment,
) -> Proof:
    """Moments on any ω are derivatives of its mass in the mean: the integrands are equal at each z,
    and ∂φ/∂m = -∂φ/∂z, which makes them integrals over the boundary."""
    z, m, cov = vector("z", latent), vector("m", latent), symmetric("S", latent)

    def claim() -> bool:
        log_density = -quadratic(inverse(cov), z - m) / 2
        slope = sp.Matrix([sp.diff(log_density, entry) for entry in m])
        curvature = sp.hessian(log_density, list(m)) + slope * slope.T
        along = sp.Matrix([sp.diff(log_density, entry) for entry in z])
        return vanish(
            slope + along,
            first_moment(cov, slope) - (z - m),
            second_moment(cov, sp.Integer(1), curvature) - (z - m) * (z - m).T,
        )

    return prove(
        f"Appendix B, S = {latent}",
        "moments on any region are first and second derivatives of its mass in the mean",
        claim,
    )


def conditional(
    across: sp.Expr, both: sp.Expr, along: sp.Expr, height: sp.Expr
) -> tuple[sp.Expr, sp.Expr]:
    """Mean and variance along an edge at a height across it, of variances and a covariance."""
    return both / across * height, along - both**2 / across


def edge(conditional: Formula = conditional) -> Proof:
    """φ(z; m, Σ) along n · z = c: a density across, φ(c; n · m, nᵀ Σ n), times a conditional one.

    n = ((1 - k²), 2 k)/(1 + k²) is every unit normal but one, t is along.
    """
    k, z, m, cov = sp.Symbol("k", real=True), vector("z", 2), vector("m", 2), symmetric("S", 2)
    normal = sp.Matrix([1 - k**2, 2 * k]) / (1 + k**2)
    tangent = sp.Matrix([-normal[1], normal[0]])

    def claim() -> bool:
        across, both = quadratic(cov, normal), (tangent.T * cov * normal)[0]
        height, place = normal.dot(z - m), tangent.dot(z - m)
        mean, variance = conditional(across, both, quadratic(cov, tangent), height)
        on_line = gaussian(sp.Matrix([place]), sp.Matrix([mean]), sp.Matrix([variance]))
        of_line = gaussian(sp.Matrix([height]), sp.zeros(1, 1), sp.Matrix([across]))
        return gaussian(z, m, cov).equals(of_line * on_line)

    return prove(
        "Appendix B, S = 2, facets", "φ on an edge is a density across times one along", claim
    )


def facet(
    ends: sp.Matrix, cov: sp.Matrix, which: int, mass: Formula = normal_mass
) -> tuple[sp.Expr, sp.Matrix]:
    """∫ φ and ∫ z φ over the facet z_i = l_i, z_j > l_j of an orthant, of N(0, Σ)."""
    other = 1 - which
    centre = cov[0, 1] / cov[which, which] * ends[which]
    variance = sp.factor(cov.det() / cov[which, which])
    height = normal_density(ends[which], sp.Integer(0), cov[which, which])
    above = 1 - mass(ends[other], centre, variance)
    first = centre * above + variance * normal_density(ends[other], centre, variance)
    moment = sp.zeros(2, 1)
    moment[which], moment[other] = height * ends[which] * above, height * first
    return height * above, moment


def recurrence(
    cov: sp.Matrix, masses: sp.Matrix, moments: sp.Matrix
) -> tuple[sp.Matrix, sp.Matrix]:
    """∫ z φ = Σ Σ_F n_F ∫_F φ, and ∫ z zᵀ φ = Σ mass + Σ Σ_F n_F ∫_F zᵀ φ: here the terms with
    facets, n_F the unit vectors. masses (2, 1); moments (2, 2): a facet's ∫ zᵀ φ a row."""
    return cov * masses, cov * moments


def orthant(recurrence: Formula = recurrence) -> Proof:
    """S = 2: e1 and E2 on z_1 > l_1, z_2 > l_2 from facets, by ∂²/∂l_1∂l_2.

    The correlation is (1 - k²)/(1 + k²): every one but ±1 with k > 0, and no root is left.
    """
    ends = vector("l", 2)
    k, s, t = sp.symbols("k s t", positive=True)
    shared = s * t * (1 - k**2) / (1 + k**2)
    cov = sp.Matrix([[s**2, shared], [shared, t**2]])

    def claim() -> bool:
        parts = [facet(ends, cov, which) for which in range(2)]
        masses = sp.Matrix([mass for mass, _ in parts])
        moments = sp.Matrix([list(moment) for _, moment in parts])
        first, second = recurrence(cov, masses, moments)
        density = sp.exp(-quadratic(inverse(cov), ends) / 2)
        density /= 2 * sp.pi * s * t * 2 * k / (1 + k**2)
        wanted = ends.row_join(ends * ends.T - cov)
        return all(
            sums_to_zero(sp.diff(got, *ends) - integrand * density)
            for got, integrand in zip(first.row_join(second), wanted, strict=True)
        )

    return prove(
        "Appendix B, S = 2", "Tallis: e1 and E2 on an orthant from its facets, any Σ", claim
    )
