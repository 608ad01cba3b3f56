"""Memory: bounded in N, and no D x D matrix where Σx is not one."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

import fast
import reference
from fast import LeakyReLU, Network

MILLION = """
import re
from pathlib import Path
import numpy as np
from fast import DGN, LeakyReLU, Network

dgn = DGN(Network.random([1, 8, 8, 2], LeakyReLU(0.1), 0), 0.01)
X = np.random.default_rng(0).standard_normal((1_000_000, 2))
statistics = dgn.statistics(X)
assert abs(statistics.e0.sum() - 1e6) < 1e-3
# Of this program alone: what getrusage reports begins with the peak of the process it came from.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
print(int(peak[1]) * 1024)
"""


def test_million_points_under_a_gigabyte():
    """The statistics of 10^6 points in 2-D: the whole process stays below 1 GB."""
    run = subprocess.run(
        [sys.executable, "-c", MILLION], capture_output=True, encoding="utf-8", check=True
    )
    assert int(run.stdout) < 1e9


def test_statistics_memory_does_not_grow_with_n():
    """Peak memory of the statistics is the same for 20,000 and 200,000 points."""
    dgn = fast.DGN(Network.random([1, 8, 8, 2], LeakyReLU(0.1), 0), 0.01)
    peaks = []
    for n in (20_000, 200_000):
        X = np.random.default_rng(0).standard_normal((n, 2))
        tracemalloc.start()
        dgn.statistics(X)
        peaks.append(tracemalloc.get_traced_memory()[1] - X.nbytes)
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] + 1e6


@pytest.mark.parametrize("cov_x", [0.2, np.linspace(0.1, 0.3, 784)], ids=["scalar", "diagonal"])
def test_no_square_matrix_in_high_dimension(impl, cov_x):
    """D = 784: the peak stays below one D x D matrix (4.9 MB), and the results agree."""
    network = Network.random([1, 8, 8, 784], LeakyReLU(0.1), 0)
    X = fast.DGN(network, cov_x).rvs(3, 0)
    dgn = impl.DGN(network, cov_x)
    names = ["4", "4.bias", "4.weight", "2", "0", "cov_x", "cov_z"]
    tracemalloc.start()
    statistics = dgn.statistics(X)
    gradient = dgn.gradient(X)
    updated = impl.m_step(dgn, statistics, names)
    log_density, bound = dgn.logpdf(X), dgn.elbo(X, np.zeros((3, 1)), np.ones((3, 1)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 784 * 784 * 8
    other = reference.DGN(network, cov_x)
    np.testing.assert_allclose(log_density, other.logpdf(X), rtol=1e-12)
    np.testing.assert_allclose(bound, other.elbo(X, np.zeros((3, 1)), np.ones((3, 1))), rtol=1e-12)
    expected = other.gradient(X)
    for name, value in gradient.items():
        np.testing.assert_allclose(value, expected[name], atol=1e-9 * np.abs(expected[name]).max())
    assert updated.cov_x.shape == np.shape(cov_x)
