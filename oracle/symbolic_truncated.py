"""Proofs with symbols: moments of truncated Gaussians [Appendix B, Tallis 1961].

A closed form with the ends as symbols is right when it is 0 for an empty region and its derivative
in the ends is the integrand.
"""

from __future__ import annotations

import sympy as sp

from oracle.proof import (
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
from oracle.symbolic_gaussian import gaussian, normal_density, normal_mass


def interval_moments(
    low: sp.Expr, high: sp.Expr, mean: sp.Expr, variance: sp.Expr
) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """∫_low^high (z - m)^k φ(z; m, v) dz, k = 0, 1, 2, from the mass and the density at the ends.

    From dφ/dz = -(z - m)/v φ: v (φ(l) - φ(u)), and v mass + v ((l - m) φ(l) - (u - m) φ(u)).
    """
    mass = normal_mass(high, mean, variance) - normal_mass(low, mean, variance)
    at_low, at_high = (normal_density(end, mean, variance) for end in (low, high))
    first = variance * (at_low - at_high)
    second = variance * (mass + (low - mean) * at_low - (high - mean) * at_high)
    return mass, first, second


def in_units_of(density: sp.Expr, expression: sp.Expr) -> sp.Expr:
    """An expression divided by a density, term by term: where the exponents cancel, as rational
    functions, no exponential is left."""
    return sum(
        (_without_exponential(term / density) for term in sp.Add.make_args(sp.expand_mul(expression))),
        sp.Integer(0),
    )


def _without_exponential(term: sp.Expr) -> sp.Expr:
    factors = sp.Mul.make_args(term)
    exponent = sum((f.args[0] for f in factors if isinstance(f, sp.exp)), sp.Integer(0))
    rest = sp.Mul(*(f for f in factors if not isinstance(f, sp.exp)))
    return rest if vanish(exponent) else rest * sp.exp(exponent)


def interval(interval_moments: Formula = interval_moments) -> Proof:
    """S = 1: mass and moments of an interval, from their derivatives in the upper end."""
    low, u, m = sp.symbols("l u m", real=True)
    s = sp.Symbol("s", positive=True)

    def claim() -> bool:
        density = normal_density(u, m, s**2)
        return all(
            vanish(
                in_units_of(density, sp.diff(moment, u)) - (u - m) ** k,
                sp.expand(moment.subs(u, low)),
            )
            for k, moment in enumerate(interval_moments(low, u, m, s**2))
        )

    return prove("Appendix B, S = 1", "e0, e1 and e2 on an interval, from its ends", claim)


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


def edge() -> Proof:
    """φ(z; m, Σ) along n · z = c: a density across, φ(c; n · m, nᵀ Σ n), times a conditional one.

    n = ((1 - k²), 2 k)/(1 + k²) is every unit normal but one, t is along.
    """
    k, z, m, cov = sp.Symbol("k", real=True), vector("z", 2), vector("m", 2), symmetric("S", 2)
    normal = sp.Matrix([1 - k**2, 2 * k]) / (1 + k**2)
    tangent = sp.Matrix([-normal[1], normal[0]])

    def claim() -> bool:
        across, both = quadratic(cov, normal), (tangent.T * cov * normal)[0]
        height = normal.dot(z - m)
        mean = tangent.dot(m) + both / across * height
        variance = quadratic(cov, tangent) - both**2 / across
        on_line = gaussian(sp.Matrix([tangent.dot(z)]), sp.Matrix([mean]), sp.Matrix([variance]))
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
        for got, integrand in zip(first.row_join(second), wanted, strict=True):
            share = in_units_of(density, sp.diff(got, *ends))
            if not vanish(share - integrand):
                return False
        return True

    return prove(
        "Appendix B, S = 2", "Tallis: e1 and E2 on an orthant from its facets, any Σ", claim
    )
