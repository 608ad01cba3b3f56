"""Shared fixtures."""

import pytest

import fast
import reference


@pytest.fixture(params=[reference, fast], ids=["reference", "fast"])
def impl(request):
    """Each implementation in turn: both export the same names."""
    return request.param
