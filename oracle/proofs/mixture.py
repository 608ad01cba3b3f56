"""Proof with symbols: the DGN as a mixture [Proposition 1], and where the printed one differs."""

from __future__ import annotations

import sympy as sp

from oracle.proofs.gaussian_product import normal_density
from oracle.proofs.proof import Counterexample, Formula, Proof, prove
from oracle.proofs.truncated_moments import moments_below, whole_moments
from oracle.proofs.zero_test import sums_to_zero


def prior_moments(end: sp.Expr, variance: sp.Expr) -> list[tuple[sp.Expr, ...]]:
    """∫_ω z^k φ(z; 0, Σz) dz, k = 0, 1, 2, of the regions below and above one kink."""
    below = moments_below(end, sp.Integer(0), variance)
    whole = whole_moments(variance)
    return [below, tuple(one - part for one, part in zip(whole, below, strict=True))]


def proposition_1(prior_moments: Formula = prior_moments) -> Proof:
    """p(t = r) = Φ_ω(0, Σz), and z given t = r is truncated to ω_r: its mean is not that of p(z).

    S = 1, one kink anywhere, any prior variance. The means are -Σz φ/Φ below and Σz φ/Φ above the
    kink, of either sign, so t and z depend; weighted they add up to 0.
    """
    kink, s = sp.Symbol("k", real=True), sp.Symbol("s", positive=True)

    def claim() -> bool:
        below, above = prior_moments(kink, s**2)
        density = normal_density(kink, sp.Integer(0), s**2)
        return (
            sums_to_zero(sp.diff(below[0], kink) - density)
            and sums_to_zero(sp.diff(above[0], kink) + density)
            and sums_to_zero(below[0] + above[0] - 1)
            and sums_to_zero(below[1] + above[1])
            and bool(below[1].is_negative and above[1].is_positive)
        )

    return prove(
        "Proposition 1",
        "the weights are the regions' prior masses, and z given t is truncated: E[z | t] is "
        "negative below and positive above the kink, S = 1",
        claim,
        proposition_1_printed,
    )


def proposition_1_printed() -> Counterexample:
    """g(z) = max(z, 0), Σz = 1: t says which side of 0 z is on, printed it says nothing of z."""
    weight = prior_moments(sp.Integer(0), sp.Integer(1))[1][0]
    printed = weight * weight
    return Counterexample("g(z) = max(z, 0), Σz = 1: P(z > 0, t = above)", printed, weight)
