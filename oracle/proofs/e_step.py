"""Proofs with symbols: the E-step [Sec. 4.1] and the evidence bound [eq. 3]."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from oracle.proofs.gaussian_product import (
    Density,
    gaussian,
    marginal_cov,
    posterior_cov,
    posterior_mean,
)
from oracle.proofs.proof import (
    Counterexample,
    Formula,
    Proof,
    inverse,
    matrix,
    prove,
    quadratic,
    symmetric,
    vanish,
    vector,
)


@dataclass(frozen=True)
class Moments:
    """Of one region and datum: e0, e1 (S), E2 (S, S) [Sec. 4.1]."""

    zeroth: sp.Expr
    first: sp.Matrix
    second: sp.Matrix

    def expectation(self, polynomial: sp.Expr, z: sp.Matrix) -> sp.Expr:
        """E[polynomial(z) 1{z in ω} | x] of degree 2 at most, monomial by monomial."""
        total = sp.Integer(0)
        for powers, coefficient in sp.Poly(polynomial, *z).terms():
            which = [i for i, power in enumerate(powers) for _ in range(power)]
            total += coefficient * self._moment(which)
        return total

    def _moment(self, which: list[int]) -> sp.Expr:
        if not which:
            return self.zeroth
        return self.first[which[0]] if len(which) == 1 else self.second[tuple(which)]


def symbolic_moments(name: str, latent: int) -> Moments:
    """Moments of one region as symbols."""
    return Moments(
        sp.Symbol(f"e0_{name}"), vector(f"e1_{name}", latent), symmetric(f"E2_{name}", latent)
    )


@dataclass(frozen=True)
class EStep:
    """What the E-step's formula takes: one datum, Σx, Σz, and per region A, b and moments."""

    x: sp.Matrix
    cov_x: sp.Matrix
    cov_z: sp.Matrix
    slopes: list[sp.Matrix]
    offsets: list[sp.Matrix]
    moments: list[Moments]


def brackets(case: EStep) -> tuple[sp.Expr, sp.Expr]:
    """Of the E-step: Tr(Σz^-1 E2) and all before the last bracket; and the last bracket."""
    noise = inverse(case.cov_x)
    per_region = list(zip(case.slopes, case.offsets, case.moments, strict=True))
    image = sum((A * m.first + b * m.zeroth for A, b, m in per_region), 0 * case.x)
    second = sum((m.second for m in case.moments), 0 * case.cov_z)
    before = (inverse(case.cov_z) * second).trace()
    before += quadratic(noise, case.x) - 2 * (case.x.T * noise * image)[0]
    last = sum(
        (A.T * noise * A * m.second).trace() + ((m.zeroth * b + 2 * A * m.first).T * noise * b)[0]
        for A, b, m in per_region
    )
    return before, last


def formula(before: sp.Expr, last: sp.Expr) -> sp.Expr:
    """The E-step without its constant, corrected: the last bracket inside the -½."""
    return -sp.Rational(1, 2) * (before + last)


def formula_as_printed(before: sp.Expr, last: sp.Expr) -> sp.Expr:
    """The E-step without its constant as printed: the last bracket added outside the -½."""
    return -sp.Rational(1, 2) * before + last


def constant(case: EStep) -> Density:
    """-½ log((2π)^{S+D} |Σx| |Σz|) as the density it is the log of, at exponent 0."""
    size = len(case.x) + case.cov_z.rows
    return Density(size, case.cov_x.det() * case.cov_z.det(), sp.Integer(0))


def expanded(case: EStep) -> tuple[list[Density], sp.Expr]:
    """E[log p(x, z) | x] from (4) alone, region by region: the constants, and the rest."""
    z = vector("z", case.cov_z.rows)
    constants, total = [], sp.Integer(0)
    for slope, offset, moments in zip(case.slopes, case.offsets, case.moments, strict=True):
        joint = gaussian(case.x, slope * z + offset, case.cov_x)
        joint *= gaussian(z, 0 * z, case.cov_z)
        constants.append(Density(joint.dimension, joint.determinant, sp.Integer(0)))
        total += moments.expectation(-joint.exponent / 2, z)
    return constants, total


def e_step(latent: int, observed: int, formula: Formula = formula) -> Proof:
    """Sec. 4.1, corrected: E[log p(x, z) | x] of two regions, Σ_ω e0_ω = 1."""
    first, second = (symbolic_moments(str(r), latent) for r in range(2))
    case = EStep(
        x=vector("x", observed),
        cov_x=symmetric("Sx", observed),
        cov_z=symmetric("Sz", latent),
        slopes=[matrix(f"A{r}", observed, latent) for r in range(2)],
        offsets=[vector(f"b{r}", observed) for r in range(2)],
        moments=[first, Moments(1 - first.zeroth, second.first, second.second)],
    )

    def claim() -> bool:
        constants, total = expanded(case)
        return all(constant(case).equals(each) for each in constants) and vanish(
            formula(*brackets(case)) - total
        )

    return prove(
        "Sec. 4.1",
        f"the E-step, its last bracket inside the -½, is E[log p(x, z) | x]: two regions, "
        f"S = {latent}, D = {observed}",
        claim,
        e_step_printed,
    )


def e_step_printed() -> Counterexample:
    """g(z) = 2 z + 1, Σx = Σz = 1, x = 1: the exact posterior is N(0, 1/5)."""
    one, x, slope, offset = sp.eye(1), sp.Matrix([1]), sp.Matrix([2]), sp.Matrix([1])
    mean = posterior_mean(slope, x - offset, one, one)
    second = posterior_cov(slope, one, one) + mean * mean.T
    case = EStep(
        x=x,
        cov_x=one,
        cov_z=one,
        slopes=[slope],
        offsets=[offset],
        moments=[Moments(sp.Integer(1), mean, second)],
    )
    return Counterexample(
        "g(z) = 2 z + 1, Σx = Σz = 1, x = 1: E[log p(x, z) | x] + log 2π",
        formula_as_printed(*brackets(case)),
        expanded(case)[1],
    )


def entropy(variance: sp.Expr) -> sp.Expr:
    """H of N(m, v) in one dimension."""
    return sp.log(2 * sp.pi * sp.E * variance) / 2


def divergence(
    mean: sp.Expr, variance: sp.Expr, other_mean: sp.Expr, other_variance: sp.Expr
) -> sp.Expr:
    """KL(N(m, v) || N(m', v'))."""
    ratio = variance / other_variance
    return (ratio + (mean - other_mean) ** 2 / other_variance - 1 - sp.log(ratio)) / 2


def evidence_bound(entropy: Formula = entropy, divergence: Formula = divergence) -> Proof:
    """(3) pointwise for any densities, and in closed form for one region and a Gaussian q.

    Pointwise log p(x) = (log p(x, z) - log q(z)) + (log q(z) - log p(z | x)); E_q of it is (3).
    """
    joint, q, evidence = sp.symbols("joint q evidence", positive=True)
    a, b, x, m = sp.symbols("a b x m", real=True)
    noise, prior, v = sp.symbols("noise prior v", positive=True)

    def claim() -> bool:
        bound, gap = sp.log(joint / q), sp.log(q / (joint / evidence))
        pointwise = sp.expand_log(sp.log(evidence) - bound - gap, force=True)
        return vanish(sp.expand(pointwise)) and closed_form()

    def closed_form() -> bool:
        slope, cov_x, cov_z = sp.Matrix([a]), sp.Matrix([noise]), sp.Matrix([prior])
        spread = posterior_cov(slope, cov_x, cov_z)[0]
        centre = posterior_mean(slope, sp.Matrix([x - b]), cov_x, cov_z)[0]
        evidence = gaussian(sp.Matrix([x]), sp.Matrix([b]), marginal_cov(slope, cov_x, cov_z))
        moments = Moments(sp.Integer(1), sp.Matrix([m]), sp.Matrix([m**2 + v]))
        case = EStep(
            x=sp.Matrix([x]),
            cov_x=cov_x,
            cov_z=cov_z,
            slopes=[slope],
            offsets=[sp.Matrix([b])],
            moments=[moments],
        )
        constants, expected = expanded(case)
        logs = _log_constant(evidence) - _log_constant(constants[0])
        rest = -evidence.exponent / 2 - expected - entropy(v)
        difference = logs + rest - divergence(m, v, centre, spread)
        return _vanishes_with_logs(difference)

    return prove(
        "eq. 3",
        "log p(x) = ELBO + KL pointwise, and in closed form for one region and a Gaussian q",
        claim,
    )


def _log_constant(density: Density) -> sp.Expr:
    return -sp.log((2 * sp.pi) ** density.dimension * density.determinant) / 2


def _vanishes_with_logs(expression: sp.Expr) -> bool:
    """Whether a rational function plus half-integer multiples of logarithms of positive terms is
    zero: the logarithms by their product, the rest by itself."""
    product, rest = sp.Integer(1), sp.Integer(0)
    for term in sp.Add.make_args(sp.expand(expression)):
        coefficient, logs = term.as_independent(sp.log)
        if logs == 1:
            rest += term
        elif coefficient.is_Rational and isinstance(logs, sp.log):
            product *= logs.args[0] ** (2 * coefficient)
        else:
            return False
    size = sp.Symbol("pi_", positive=True)
    numerator, e_power = product.subs(sp.pi, size).as_independent(sp.E)
    return vanish(numerator - 1, rest + sp.log(e_power) / 2)
