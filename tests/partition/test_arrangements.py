"""Numbers of regions that combinatorics knows: every region once, none missing, none double.

Sources: Zaslavsky 1975 (generic and central arrangements), Stanley 2004, "An introduction to
hyperplane arrangements" (braid, Shi, Catalan), Montúfar et al. 2014 (folding networks).
"""

from math import comb, factorial

import numpy as np
import pytest
from shared_models import arrangement, differences, few_digits, folding
from tests_support import deep

import fast
import reference
from reference.model import LeakyReLU

#: The reference decides everything in integers, and counts some hundred regions a second.
FEW = 130


def counts(impl, network):
    """Regions, and those of them without a ray."""
    found = impl.DGN(network, 1.0).partition()
    bounded = sum(len(found.rays(r)) == 0 for r in range(found.n_regions))
    assert len(np.unique(found.codes, axis=0)) == found.n_regions
    return found.n_regions, bounded


def check(network, regions, bounded):
    """Both implementations count right; the reference where that is not too long."""
    assert counts(fast, network) == (regions, bounded)
    if regions <= FEW:
        assert counts(reference, network) == (regions, bounded)


GENERIC = [(s, n) for s, most in ((1, 12), (2, 14), (3, 11), (4, 9), (5, 8)) for n in (2, s, most)]


@pytest.mark.parametrize(("dimension", "n"), GENERIC)
def test_generic_arrangements(dimension, n):
    """Σ_{i<=S} C(n, i) regions, C(n - 1, S) of them bounded; fewer hyperplanes than S: none is."""
    rng = np.random.default_rng([31, dimension, n])
    network = arrangement(rng.standard_normal((n, dimension)), rng.standard_normal(n))
    regions = sum(comb(n, i) for i in range(dimension + 1))
    check(network, regions, comb(n - 1, dimension) if n >= dimension else 0)


@pytest.mark.parametrize(("dimension", "n"), [(2, 3), (2, 9), (3, 5), (3, 12), (4, 8), (5, 7)])
def test_central_arrangements(dimension, n):
    """All through one point: 2 Σ_{i<S} C(n - 1, i) regions; the point may be anywhere."""
    rng = np.random.default_rng([32, dimension, n])
    normals = few_digits(rng.standard_normal((n, dimension)))
    regions = 2 * sum(comb(n - 1, i) for i in range(dimension))
    check(arrangement(normals, np.zeros(n)), regions, 0)
    check(arrangement(normals, -normals @ few_digits(rng.standard_normal(dimension))), regions, 0)


@pytest.mark.parametrize(("dimension", "m"), [(1, 9), (2, 3), (2, 12), (3, 2), (3, 6), (4, 3)])
def test_grids(dimension, m):
    """m parallel hyperplanes along each axis of a skewed frame: (m + 1)^S, (m - 1)^S bounded."""
    rng = np.random.default_rng([33, dimension, m])
    frame = rng.standard_normal((dimension, dimension))
    offsets = np.tile(np.linspace(-1.3, 1.7, m), dimension)
    network = arrangement(np.repeat(frame, m, axis=0), offsets)
    check(network, (m + 1) ** dimension, (m - 1) ** dimension)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 7])
def test_braid(n):
    """z_i = z_j: the n! orders of n numbers."""
    check(arrangement(differences(n), np.zeros(comb(n, 2))), factorial(n), int(n == 1))


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_shi(n):
    """z_i - z_j = 0, 1: (n + 1)^(n - 1) regions, (n - 1)^(n - 1) bounded (but for the line)."""
    rows = differences(n)
    offsets = np.repeat([0.0, -1.0], len(rows))
    check(arrangement(np.tile(rows, (2, 1)), offsets), (n + 1) ** (n - 1), (n - 1) ** (n - 1))


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_catalan(n):
    """z_i - z_j = -1, 0, 1: n! C_n regions, n! C_{n-1} of them bounded (but for the line)."""

    def catalan(k):
        return comb(2 * k, k) // (k + 1)

    rows = differences(n)
    offsets = np.repeat([0.0, -1.0, 1.0], len(rows))
    network = arrangement(np.tile(rows, (3, 1)), offsets)
    check(network, factorial(n) * catalan(n), factorial(n) * catalan(n - 1))


@pytest.mark.parametrize("pairs", [False, True], ids=["abs", "relu pairs"])
@pytest.mark.parametrize(("dimension", "depth"), [(1, 5), (2, 1), (2, 2), (2, 5), (3, 2), (3, 4)])
def test_folding(dimension, depth, pairs):
    """(2^k)^S regions, (2^k - 2)^S bounded: every facet but those at 0 is of a deeper layer, and
    with pairs of ReLU every hyperplane is there twice."""
    regions, bounded = 2 ** (depth * dimension), (2**depth - 2) ** dimension
    check(folding(dimension, depth, pairs), regions, bounded)


@pytest.mark.parametrize("seed", [0, 1, *deep(2, 3)])
def test_parallel_and_repeated_units(seed):
    """Copies of units, turned round or scaled without rounding, cut nothing new."""
    rng = np.random.default_rng([34, seed])
    normals, offsets = rng.standard_normal((7, 3)), rng.standard_normal(7)
    scales = rng.choice([1.0, -1.0, 4.0, -0.125], 7)
    network = arrangement(
        np.concatenate([normals, scales[:, None] * normals]),
        np.concatenate([offsets, scales * offsets]),
        LeakyReLU(0.2),
    )
    check(network, sum(comb(7, i) for i in range(4)), comb(6, 3))
