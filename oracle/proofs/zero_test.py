"""Deciding that a sum of exponentials, roots and error functions is identically zero.

It is written as Σ c_k exp(f_k) with rational exponents f_k that differ, and every c_k must be zero.
In the c_k a root r of b counts as a new symbol with r² = b, and every error function as a new
symbol. So "zero" is a proof; what the rules do not reach counts as not zero.
"""

from __future__ import annotations

import sympy as sp

from oracle.proofs.proof import vanish

Terms = list[tuple[sp.Expr, sp.Expr]]


def sums_to_zero(expression: sp.Expr) -> bool:
    """Whether the expression is zero for all values of its symbols; False where undecided."""
    terms = _terms(expression)
    if terms is None:
        return False
    groups: list[tuple[sp.Expr, list[sp.Expr]]] = []
    for exponent, coefficient in terms:
        for known, coefficients in groups:
            if vanish(exponent - known):
                coefficients.append(coefficient)
                break
        else:
            groups.append((exponent, [coefficient]))
    return all(_is_zero(sp.Add(*coefficients)) for _, coefficients in groups)


def _terms(expression: sp.Expr) -> Terms | None:
    """(exponent, coefficient) of every term, or None where an exponential is not in a product."""
    if not expression.has(sp.exp):
        return [(sp.Integer(0), expression)]
    if isinstance(expression, sp.exp):
        return [(expression.args[0], sp.Integer(1))]
    parts = [_terms(arg) for arg in expression.args]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    if isinstance(expression, sp.Add):
        return [term for part in known for term in part]
    if isinstance(expression, sp.Mul):
        return _product(known)
    if isinstance(expression, sp.Pow) and expression.exp.is_Integer:
        base, power = known[0], expression.exp
        if len(base) == 1:
            return [(power * base[0][0], base[0][1] ** power)]
        return _product([base] * int(power)) if power > 0 else None
    return None


def _product(factors: list[Terms]) -> Terms:
    result: Terms = [(sp.Integer(0), sp.Integer(1))]
    for factor in factors:
        result = [(e + f, c * d) for e, c in result for f, d in factor]
    return result


def _is_zero(coefficient: sp.Expr) -> bool:
    """Whether a coefficient is zero, its error functions free and its roots bound by r² = b."""
    functions = {f: sp.Dummy("erf") for f in coefficient.atoms(sp.erf)}
    coefficient = coefficient.subs(functions)
    bases = {
        power.base
        for power in coefficient.atoms(sp.Pow)
        if power.exp.is_Rational and power.exp.q == 2
    }
    roots = {base: sp.Dummy("root") for base in sorted(bases, key=sp.default_sort_key)}
    coefficient = coefficient.replace(
        lambda e: isinstance(e, sp.Pow) and e.base in roots and e.exp.is_Rational,
        lambda e: roots[e.base] ** (2 * e.exp),
    )
    return _is_zero_modulo(coefficient, [(r, b) for b, r in roots.items()])


def _is_zero_modulo(coefficient: sp.Expr, roots: list[tuple[sp.Symbol, sp.Expr]]) -> bool:
    """Zero modulo r² = b for every root: the even and the odd part in r vanish, one by one."""
    if not roots:
        return vanish(coefficient.subs(sp.pi, sp.Dummy("pi")))
    (root, base), rest = roots[0], roots[1:]
    numerator = sp.fraction(sp.together(coefficient))[0]
    parts = [sp.Integer(0), sp.Integer(0)]
    for (power,), factor in sp.Poly(numerator, root).terms():
        parts[power % 2] += factor * base ** (power // 2)
    return all(_is_zero_modulo(part, rest) for part in parts)
