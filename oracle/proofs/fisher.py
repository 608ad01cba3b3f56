"""Proof with symbols: Fisher's identity for a network whose kink moves with its parameters."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from oracle.proofs.gaussian_product import normal_density
from oracle.proofs.proof import Proof, prove
from oracle.proofs.truncated_moments import moments_below, whole_moments
from oracle.proofs.zero_test import sums_to_zero

#: g(z) = w h(c z + d) + v, h of slopes 1 and η; standard deviations of x | z and of z.
c, d, w, v, x, eta = sp.symbols("c d w v x eta", real=True)
noise, prior = sp.symbols("noise prior", positive=True)
PARAMETERS = {
    "hidden weight": c,
    "hidden bias": d,
    "output weight": w,
    "output bias": v,
    "standard deviation of x": noise,
    "standard deviation of z": prior,
}


@dataclass(frozen=True)
class HalfLine:
    """A region of the line, below or above the kink: its map A z + b."""

    below: bool
    slope: sp.Expr
    offset: sp.Expr

    def weight(self) -> sp.Expr:
        """φ(x; b, Σx + A Σz Aᵀ) [eq. 5]."""
        return normal_density(x, self.offset, self._marginal_variance())

    def moments(self) -> tuple[sp.Expr, tuple[sp.Expr, ...]]:
        """μ_ω(x) of (7), and ∫ (z - μ)^k φ(z; μ_ω, Σ_ω) over the region, k = 0, 1, 2."""
        total = self._marginal_variance()
        mean = prior**2 * self.slope * (x - self.offset) / total
        variance = noise**2 * prior**2 / total
        low = moments_below(-d / c, mean, variance)
        if self.below:
            return mean, low
        whole = whole_moments(variance)
        return mean, tuple(one - part for one, part in zip(whole, low, strict=True))

    def _marginal_variance(self) -> sp.Expr:
        return noise**2 + self.slope**2 * prior**2

    def log_joint(self, z: sp.Expr) -> sp.Expr:
        """log p(x, z) but for log 2π [eq. 4]."""
        square = (x - self.slope * z - self.offset) ** 2 / noise**2 + z**2 / prior**2
        return -square / 2 - sp.log(noise) - sp.log(prior)


def half_lines(rising: bool, low_slope: sp.Expr, jump: sp.Expr) -> tuple[HalfLine, HalfLine]:
    """The two regions for c > 0 (rising) or c < 0; jump: added to g where the unit is on."""
    off = HalfLine(rising, low_slope * w * c, low_slope * w * d + v)
    return off, HalfLine(not rising, w * c, w * d + v + jump)


def expected_derivative(region: HalfLine, parameter: sp.Expr) -> sp.Expr:
    """∫_ω p(x, z) ∂ log p(x, z)/∂θ dz: the derivative is a polynomial in z - μ."""
    z, y = sp.symbols("z y", real=True)
    mean, moments = region.moments()
    centred = sp.diff(region.log_joint(z), parameter).subs(z, mean + y)
    powers = sp.Poly(centred, y).terms()
    return region.weight() * sum(factor * moments[power] for (power,), factor in powers)


def fisher_identity(
    name: str,
    low_slope: sp.Expr = eta,
    rising: bool = True,
    jump: sp.Expr | int = 0,
) -> Proof:
    """∂p(x)/∂θ of (5), kink and all, is Σ_ω ∫_ω p(x, z) ∂ log p(x, z)/∂θ dz.

    The kink -d/c moves with c and d. Its two boundary terms cancel since g is continuous: with a
    jump in g they do not. low_slope: η, a symbol for all of them, or 0 for ReLU.
    """
    parameter = PARAMETERS[name]

    def claim() -> bool:
        regions = half_lines(rising, low_slope, sp.sympify(jump))
        evidence = sum(region.weight() * region.moments()[1][0] for region in regions)
        expected = sum(expected_derivative(region, parameter) for region in regions)
        return sums_to_zero(sp.diff(evidence, parameter) - expected)

    kind = "ReLU" if low_slope == 0 else "any slope η"
    return prove(
        "Fisher's identity",
        f"∂ log p(x) = E[∂ log p(x, z) | x] by the {name}, one hidden unit, {kind}, "
        f"c {'>' if rising else '<'} 0",
        claim,
    )
