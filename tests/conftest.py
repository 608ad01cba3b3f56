"""Shared fixtures."""

import os

# Read when numpy and JAX are first imported. The matrices here are small: two threads on them only
# get in each other's way, up to three times as slow on a busy machine. And what JAX compiles runs
# for a moment only: half the time to compile it is worth more than its speed.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

import pytest

import fast
import reference


@pytest.fixture(params=[reference, fast], ids=["reference", "fast"])
def impl(request):
    """Each implementation in turn: both export the same names."""
    return request.param
