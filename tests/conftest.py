"""Shared fixtures."""

import os

# Read when numpy is first imported. The matrices here are small: two BLAS threads on them only get
# in each other's way, up to three times as slow on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

import fast
import reference


@pytest.fixture(params=[reference, fast], ids=["reference", "fast"])
def impl(request):
    """Each implementation in turn: both export the same names."""
    return request.param


#: Tests in which JAX computes. It starts threads, and then warns of every fork: the oracle's
#: campaigns, which fork, come before.
COMPUTE_WITH_JAX = ("test_autoencoder", "test_paper_figures")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.stem in COMPUTE_WITH_JAX)
