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
