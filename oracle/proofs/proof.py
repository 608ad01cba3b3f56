"""What a proof with symbols is: a claim decided by exact arithmetic, never assumed.

An identity of rational functions is decided in their field, where zero has one form. What does not
belong to the field (a root, an exponential left standing) counts as not proved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter

import sympy as sp
from sympy.polys.matrices import DomainMatrix

Formula = Callable[..., sp.Expr]
MatrixFormula = Callable[..., sp.Matrix]


@dataclass(frozen=True)
class Counterexample:
    """Exact rational numbers at which a printed formula is not what it is said to be.

    at: the numbers. printed, true: the values of the printed formula and of what it stands for.
    """

    at: str
    printed: sp.Rational
    true: sp.Rational

    @property
    def refutes(self) -> bool:
        """Whether the two rational numbers differ."""
        return bool(sp.Rational(self.printed) != sp.Rational(self.true))


@dataclass(frozen=True)
class Proof:
    """A result of the paper, decided with symbols.

    result: the paper's name for it. statement: what was decided. holds: the corrected form does.
    seconds: what it took. printed_fails: of an erratum, numbers that refute the printed form.
    """

    result: str
    statement: str
    holds: bool
    seconds: float
    printed_fails: Counterexample | None = None

    @property
    def passed(self) -> bool:
        """Whether the result holds and, of an erratum, the printed form is refuted."""
        return self.holds and (self.printed_fails is None or self.printed_fails.refutes)


def prove(
    result: str,
    statement: str,
    claim: Callable[[], bool],
    printed: Callable[[], Counterexample] | None = None,
) -> Proof:
    """Decide a claim, and for an erratum compute the printed form's counterexample."""
    start = perf_counter()
    holds = claim()
    counterexample = printed() if printed else None
    return Proof(result, statement, holds, perf_counter() - start, counterexample)


def vanish(*expressions: sp.Expr | sp.Matrix) -> bool:
    """Whether every expression, or entry of a matrix, is zero as a rational function of its
    symbols.

    False also where that is undecided. Raises ValueError when there is nothing to decide.
    """
    entries = list(_entries(expressions))
    if not entries:
        raise ValueError("expressions: expected at least one")
    return all(_is_zero(entry) for entry in entries)


def _entries(expressions: Iterable[sp.Expr | sp.Matrix]) -> Iterable[sp.Expr]:
    for expression in expressions:
        if isinstance(expression, sp.MatrixBase):
            yield from expression
        else:
            yield sp.sympify(expression)


def _is_zero(expression: sp.Expr) -> bool:
    symbols = sorted(expression.free_symbols, key=str)
    if not symbols:
        return bool(expression.is_Rational and expression == 0)
    field = sp.QQ.frac_field(*symbols)
    try:
        return bool(field.from_sympy(expression) == field.zero)
    except (ValueError, ZeroDivisionError):  # not of the field: undecided
        return False


def vector(name: str, size: int) -> sp.Matrix:
    """A column of real symbols."""
    return matrix(name, size, 1)


def matrix(name: str, rows: int, columns: int) -> sp.Matrix:
    """A matrix of real symbols."""
    return sp.Matrix(rows, columns, lambda i, j: sp.Symbol(f"{name}_{i}{j}", real=True))


def symmetric(name: str, size: int) -> sp.Matrix:
    """A symmetric matrix of real symbols."""
    return sp.Matrix(
        size, size, lambda i, j: sp.Symbol(f"{name}_{min(i, j)}{max(i, j)}", real=True)
    )


def lower_triangular(name: str, size: int) -> sp.Matrix:
    """A lower triangular matrix of real symbols: times its transpose, any covariance."""
    full = matrix(name, size, size)
    return sp.Matrix(size, size, lambda i, j: full[i, j] if j <= i else 0)


def determinant(square: sp.Matrix) -> sp.Expr:
    """The determinant of a matrix of rational functions, computed in their field: in lowest terms,
    where multiplied out as expressions it takes a hundred times longer."""
    in_field = DomainMatrix.from_Matrix(square).to_field()
    return in_field.domain.to_sympy(in_field.det())


def inverse(square: sp.Matrix) -> sp.Matrix:
    """The inverse by Cramer's rule."""
    return square.adjugate() / determinant(square)


def in_lowest_terms(rational: sp.Matrix) -> sp.Matrix:
    """A matrix of rational functions with every entry in its one normal form."""
    field = sp.QQ.frac_field(*sorted(rational.free_symbols, key=str))
    return rational.applyfunc(lambda entry: field.to_sympy(field.from_sympy(entry)))


def quadratic(square: sp.Matrix, column: sp.Matrix) -> sp.Expr:
    """vᵀ M v."""
    return (column.T * square * column)[0]
