"""Sums, products and solutions in integers, against rational numbers."""

from fractions import Fraction

import numpy as np
import pytest

from fast.distributions.integers import determinant, minus, plus, rounded, solved, times
from fast.distributions.observation import Noise
from reference.model import Dyadic, dyadic

BITS = 400


def fractions(value):
    """The rational numbers that a Dyadic stands for."""
    flat = [Fraction(int(n), 2**value.exponent) for n in value.numbers.ravel()]
    return np.array(flat, dtype=object).reshape(value.numbers.shape)


@pytest.fixture
def matrices():
    """Two of very different scales."""
    rng = np.random.default_rng(0)
    scales = 10.0 ** rng.integers(-20, 20, (2, 3, 3))
    return [dyadic(matrix) for matrix in rng.standard_normal((2, 3, 3)) * scales]


def test_sums_and_products_lose_nothing(matrices):
    one, other = matrices
    assert np.all(fractions(plus(one, other)) == fractions(one) + fractions(other))
    assert np.all(fractions(minus(one, other)) == fractions(one) - fractions(other))
    assert np.all(fractions(times(one, other)) == fractions(one) @ fractions(other))


def test_rounding_is_to_the_nearest_double():
    """Where all digits cancel but the last, and beyond the range of doubles."""
    almost = minus(dyadic(np.array([1.0])), Dyadic(np.array([2**300 - 1], dtype=object), 300))
    assert rounded(almost)[0] == 2.0**-300
    huge = Dyadic(np.array([1 << 1100, -(1 << 1100), 3], dtype=object), 0)
    assert rounded(huge).tolist() == [np.inf, -np.inf, 3.0]
    both = Dyadic(np.array([3 << 1200], dtype=object), 1201)
    assert rounded(both).tolist() == [1.5]


def test_determinants(matrices):
    """Rounded once where doubles have no digit left; 0 of dependent rows."""
    rows = dyadic(np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0 + 2.0**-51], [4.0, 5.0, 7.0]]))
    split = [Dyadic(row, rows.exponent) for row in rows.numbers]
    assert determinant(split) == 3 * 2.0**-51
    assert determinant([split[0], split[0], split[2]]) == 0.0
    swapped = [Dyadic(row, 0) for row in np.array([[0, 1], [1, 0]], dtype=object)]
    assert determinant(swapped) == -1.0


@pytest.mark.parametrize("kind", ["scalar", "diagonal", "full", "nearly singular"])
def test_solutions_to_so_many_bits(kind):
    rng = np.random.default_rng(1)
    cov = {"scalar": np.asarray(0.3), "diagonal": np.array([1e-9, 0.3, 1e7])}.get(kind)
    if cov is None:
        basis, _ = np.linalg.qr(rng.standard_normal((3, 3)))
        cov = (basis * [1.0, 0.1, 1e-10 if "singular" in kind else 0.2]) @ basis.T
        cov = (cov + cov.T) / 2
    columns = dyadic(rng.standard_normal((3, 2)))
    found = fractions(solved(Noise.of(cov, 3), columns, BITS))
    full = cov if cov.ndim == 2 else np.diag(np.broadcast_to(cov, 3))
    left = fractions(dyadic(full)) @ found - fractions(columns)
    assert max(abs(value) for value in left.ravel()) < Fraction(1, 2 ** (BITS - 4))


def test_a_covariance_that_no_correction_inverts():
    """Told as what it is, not as a datum's distance."""
    nearly = np.array([[1.0, 1.0 - 1e-16], [1.0 - 1e-16, 1.0]])
    noise = Noise(nearly, np.array([[1.0, 0.0], [1.0, 1e-12]]), 2)
    with pytest.raises(ArithmeticError, match="near a singular matrix"):
        solved(noise, dyadic(np.eye(2)), BITS)
