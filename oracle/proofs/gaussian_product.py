"""Proofs with symbols: Theorem 1, its Gaussian product, and what follows from it.

A Gaussian density is held as (2π)^n |Σ| and the quadratic form of its exponent: two products of
densities are equal where both agree, and both are rational.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import sympy as sp

from oracle.proofs.proof import (
    Counterexample,
    Formula,
    MatrixFormula,
    Proof,
    determinant,
    in_lowest_terms,
    inverse,
    matrix,
    prove,
    quadratic,
    symmetric,
    vanish,
    vector,
)
from oracle.proofs.zero_test import sums_to_zero


@dataclass(frozen=True)
class Density:
    """((2π)^dimension determinant)^-1/2 exp(-½ exponent)."""

    dimension: int
    determinant: sp.Expr
    exponent: sp.Expr

    def __mul__(self, other: Density) -> Density:
        return Density(
            self.dimension + other.dimension,
            self.determinant * other.determinant,
            self.exponent + other.exponent,
        )

    def equals(self, other: Density) -> bool:
        """Whether the two are the same function of their symbols."""
        return self.dimension == other.dimension and vanish(
            self.determinant - other.determinant, self.exponent - other.exponent
        )


def gaussian(at: sp.Matrix, mean: sp.Matrix, cov: sp.Matrix) -> Density:
    """φ(at; mean, cov), mean a column and cov a matrix."""
    return Density(len(at), determinant(cov), quadratic(inverse(cov), at - mean))


def posterior_cov(slope: sp.Matrix, cov_x: sp.Matrix, cov_z: sp.Matrix) -> sp.Matrix:
    """Σ_ω = (Σz^-1 + A_ωᵀ Σx^-1 A_ω)^-1 [eq. 7]."""
    return inverse(inverse(cov_z) + slope.T * inverse(cov_x) * slope)


def posterior_mean(
    slope: sp.Matrix, residual: sp.Matrix, cov_x: sp.Matrix, cov_z: sp.Matrix
) -> sp.Matrix:
    """μ_ω(x) = Σ_ω A_ωᵀ Σx^-1 (x - b_ω), residual = x - b_ω [eq. 7]."""
    return posterior_cov(slope, cov_x, cov_z) * slope.T * inverse(cov_x) * residual


def marginal_cov(slope: sp.Matrix, cov_x: sp.Matrix, cov_z: sp.Matrix) -> sp.Matrix:
    """Σx + A_ω Σz A_ωᵀ [eq. 5]."""
    return cov_x + slope * cov_z * slope.T


@dataclass(frozen=True)
class Region:
    """One region's symbols: A (D, S), b, x (D), z (S), Σx, Σz."""

    slope: sp.Matrix
    offset: sp.Matrix
    x: sp.Matrix
    z: sp.Matrix
    cov_x: sp.Matrix
    cov_z: sp.Matrix


def symbolic_region(latent: int, observed: int) -> Region:
    """All entries symbols."""
    return Region(
        slope=matrix("A", observed, latent),
        offset=vector("b", observed),
        x=vector("x", observed),
        z=vector("z", latent),
        cov_x=symmetric("Sx", observed),
        cov_z=symmetric("Sz", latent),
    )


def joint_density(region: Region) -> Density:
    """p(x | z) p(z) on the region [eq. 4, Lemma 1]."""
    at_z = gaussian(region.x, region.slope * region.z + region.offset, region.cov_x)
    return at_z * gaussian(region.z, sp.zeros(*region.z.shape), region.cov_z)


def theorem_1(
    latent: int,
    observed: int,
    posterior_cov: MatrixFormula = posterior_cov,
    posterior_mean: MatrixFormula = posterior_mean,
    marginal_cov: MatrixFormula = marginal_cov,
) -> Proof:
    """φ(x; A z + b, Σx) φ(z; 0, Σz) = φ(x; b, Σx + A Σz Aᵀ) φ(z; μ_ω(x), Σ_ω), determinants too.

    Integrated over z in ω it is (5), divided by p(x) it is (6).
    """
    region = symbolic_region(latent, observed)
    parts = region.slope, region.cov_x, region.cov_z

    def claim() -> bool:
        mean = posterior_mean(region.slope, region.x - region.offset, *parts[1:])
        marginal = gaussian(region.x, region.offset, marginal_cov(*parts))
        posterior = gaussian(region.z, mean, posterior_cov(*parts))
        return joint_density(region).equals(marginal * posterior)

    return prove(*_product_theorem(latent, observed), claim)


def _product_theorem(latent: int, observed: int) -> tuple[str, str]:
    return (
        "Theorem 1, Proposition 2, eq. 6, 7",
        "p(x | z) p(z) = φ(x; b, Σx + A Σz Aᵀ) φ(z; μ(x), Σ_ω) on a region, full covariances, "
        f"S = {latent}, D = {observed}",
    )


def theorem_1_on_basis(
    latent: int = 2,
    observed: int = 2,
    posterior_cov: MatrixFormula = posterior_cov,
    posterior_mean: MatrixFormula = posterior_mean,
    marginal_cov: MatrixFormula = marginal_cov,
) -> Proof:
    """The same for dimensions where the whole is too large an expression.

    Both exponents are quadratic forms in (x - b, z): unit vectors and sums of two decide them.
    """
    region = symbolic_region(latent, observed)
    parts = region.slope, region.cov_x, region.cov_z

    def claim() -> bool:
        cov, marginal = in_lowest_terms(posterior_cov(*parts)), marginal_cov(*parts)
        joint = determinant(region.cov_x) * determinant(region.cov_z)
        if not vanish(joint - determinant(marginal) * determinant(cov)):
            return False
        noise, prior, marginal = (inverse(c) for c in (region.cov_x, region.cov_z, marginal))
        precision = in_lowest_terms(inverse(cov))

        def difference(point: sp.Matrix) -> sp.Expr:
            centred, z = point[:observed, :], point[observed:, :]
            mean = in_lowest_terms(posterior_mean(region.slope, centred, *parts[1:]))
            joint = quadratic(noise, centred - region.slope * z) + quadratic(prior, z)
            return joint - quadratic(marginal, centred) - quadratic(precision, z - mean)

        return vanish(*(difference(point) for point in deciding_points(observed + latent)))

    return prove(*_product_theorem(latent, observed), claim)


def deciding_points(size: int) -> list[sp.Matrix]:
    """Unit vectors and sums of two: a quadratic form that vanishes on them is zero."""
    units = [sp.eye(size).col(i) for i in range(size)]
    return units + [one + other for one, other in combinations(units, 2)]


def normal_density(z: sp.Expr, mean: sp.Expr, variance: sp.Expr) -> sp.Expr:
    """φ(z; m, v) of one dimension."""
    return sp.exp(-((z - mean) ** 2) / (2 * variance)) / sp.sqrt(2 * sp.pi * variance)


def normal_mass(end: sp.Expr, mean: sp.Expr, variance: sp.Expr) -> sp.Expr:
    """The mass of N(m, v) below `end`."""
    return (1 + sp.erf((end - mean) / sp.sqrt(2 * variance))) / 2


def equation_5(observed: int, mass: Formula = normal_mass) -> Proof:
    """S = 1: ∫_l^u p(x | z) p(z) dz = φ(x; b, Σx + A Σz Aᵀ) (Φ(u) - Φ(l)), Φ of N(μ_ω(x), Σ_ω).

    Both sides are 0 at u = l. Their derivatives in u are the joint density at u and, by the first
    part, the product of Theorem 1; the mass goes from 0 to 1 along the line.
    """
    u, m, s = sp.Symbol("u", real=True), sp.Symbol("m", real=True), sp.Symbol("s", positive=True)

    def claim() -> bool:
        slope = sp.diff(mass(u, m, s**2), u) - normal_density(u, m, s**2)
        whole = mass(u, sp.Integer(0), sp.Integer(1))
        ends = sp.limit(whole, u, -sp.oo), sp.limit(whole, u, sp.oo) - 1
        return sums_to_zero(slope) and vanish(*ends) and theorem_1(1, observed).holds

    return prove(
        "eq. 5",
        f"the mass of a region's part of p(x, z) on an interval, S = 1, D = {observed}",
        claim,
    )


def residual_form(posterior_mean: MatrixFormula = posterior_mean) -> Proof:
    """(x - b)ᵀΣx^-1(x - b) - μᵀΣ_ω^-1μ = rᵀΣx^-1 r + μᵀΣz^-1 μ, r = x - b - A μ; both the
    exponent of φ(x; b, Σx + A Σz Aᵀ)."""
    region = symbolic_region(2, 1)

    def claim() -> bool:
        centred = region.x - region.offset
        mean = posterior_mean(region.slope, centred, region.cov_x, region.cov_z)
        precision = inverse(region.cov_z) + region.slope.T * inverse(region.cov_x) * region.slope
        residual = centred - region.slope * mean
        noise = inverse(region.cov_x)
        direct = quadratic(noise, centred) - quadratic(precision, mean)
        stable = quadratic(noise, residual) + quadratic(inverse(region.cov_z), mean)
        marginal = marginal_cov(region.slope, region.cov_x, region.cov_z)
        return vanish(direct - stable, stable - quadratic(inverse(marginal), centred))

    return prove("eq. 5, exponent", "its three forms are equal, S = 2, D = 1", claim)


def regulariser(cov_z: sp.Matrix) -> sp.Matrix:
    """The matrix of Lemma 2's regulariser, corrected: Σz^-1."""
    return inverse(cov_z)


def regulariser_as_printed(cov_z: sp.Matrix) -> sp.Matrix:
    """The matrix of Lemma 2's regulariser as printed: Σz."""
    return cov_z


def lemma_2(regulariser: MatrixFormula = regulariser) -> Proof:
    """Σx = σ I: μ_ω(x) minimises ‖x - A z - b‖² + σ zᵀ Σz^-1 z, and as σ → 0 least squares alone.

    The function is convex, so its gradient decides. At σ = 0 the normal equations hold and the
    spread Σ_ω is 0 where AᵀA is regular; where A = 0 the posterior stays the prior: no Dirac.
    """
    latent, observed = 2, 2
    region, noise = symbolic_region(latent, observed), sp.Symbol("sigma")
    slope, centred = region.slope, region.x - region.offset

    def claim() -> bool:
        # Σ_ω = σ (AᵀA + σ Σz^-1)^-1, with no σ in a denominator.
        precision = symmetric("Q", latent)
        shape = inverse(slope.T * slope + noise * precision)
        scaled = posterior_cov(slope, noise * sp.eye(observed), inverse(precision))
        mean = shape * slope.T * centred
        gradient = noise * regulariser(inverse(precision)) * mean
        gradient -= slope.T * (centred - slope * mean)
        limit = mean.subs(noise, 0)
        flat = {entry: 0 for entry in slope}
        return vanish(
            scaled - noise * shape,
            gradient,
            slope.T * (centred - slope * limit),
            (noise * shape).subs(noise, 0),
            (noise * shape).subs(flat) - inverse(precision),
        )

    return prove(
        "Lemma 2, Proposition 3",
        "the mode of a region's posterior minimises ‖x - g‖² + σ zᵀ Σz^-1 z; as σ → 0 or Σz^-1 → 0 "
        "‖x - g‖² alone, with no spread unless A loses rank, S = D = 2",
        claim,
        lemma_2_printed,
    )


def lemma_2_printed() -> Counterexample:
    """g(z) = z, Σz = ½, x = 1: (x - z)² + z²/2 is least at 2/3, the posterior goes to 1."""
    x, slope, cov_z = sp.Matrix([1]), sp.eye(1), sp.Matrix([sp.Rational(1, 2)])
    z, noise = sp.Symbol("z"), sp.Symbol("sigma")
    objective = (x[0] - z) ** 2 + quadratic(regulariser_as_printed(cov_z), sp.Matrix([z]))
    printed = sp.solve(sp.diff(objective, z), z)[0]
    true = sp.limit(posterior_mean(slope, x, noise * sp.eye(1), cov_z)[0], noise, 0)
    return Counterexample("g(z) = z, Σz = 1/2, x = 1: the limit as σ → 0", printed, true)
