"""Failing cases are made small, and stay failing; the generator as a hypothesis strategy."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import fast
from oracle.checks.implementations import network_of
from oracle.checks.random_models import crosscheck
from oracle.models.architectures import random_case
from oracle.models.hypothesis_choices import cases
from oracle.models.shrink import shrink


def units(case):
    """How many units the hidden layers have."""
    return sum(len(s["bias"]) for kind, s in case.layers[:-1] if kind == "Dense")


def has_two_units_and_a_large_weight(case):
    """A made-up fault: an Abs somewhere, after a first layer with a weight above 1/2."""
    kinds = [kind for kind, _ in case.layers]
    return "Abs" in kinds and np.max(case.layers[0][1]["weight"]) > 0.5


@pytest.mark.parametrize("latent", [1, 2])
def test_what_does_not_matter_is_left_out(latent):
    """Of a fault that needs one unit and one activation, these are left; all numbers are plain."""
    tried = 0
    for seed in range(40):
        case = random_case(seed, latent)
        if not has_two_units_and_a_large_weight(case) or case.layers[1][0] == "Reshape":
            continue
        small = shrink(case, has_two_units_and_a_large_weight)
        assert has_two_units_and_a_large_weight(small)
        assert len(small.X) == 1
        assert small.cov_x.ndim == 0
        assert np.array_equal(small.cov_z, np.eye(latent))
        assert np.array_equal(small.X, np.round(8 * small.X) / 8)
        assert units(small) <= units(case)
        if all(kind in ("Dense", "ReLU", "LeakyReLU", "Abs") for kind, _ in case.layers):
            assert units(small) <= 2 + sum(kind == "Dense" for kind, _ in case.layers)
        network_of(small)  # is one
        tried += 1
    assert tried >= 3


def test_a_real_fault_shrinks(monkeypatch):
    """fast's log p off by 1e-9 where there are three regions or more: shrunk to that."""

    class Off(fast.DGN):
        def logpdf(self, X):
            return super().logpdf(X) + 1e-9 * (self.partition().n_regions > 2)

    monkeypatch.setattr(fast, "DGN", Off)

    def fails(case):
        dgns = (kind(network_of(case), case.cov_x, case.cov_z) for kind in (Off, right))
        one, other = (dgn.logpdf(case.X) for dgn in dgns)
        return bool(np.any(np.abs(one - other) > 1e-12 * np.maximum(1, np.abs(other))))

    right = fast.DGN.__mro__[1]
    case = random_case(7, 1, 2)
    assert fails(case)
    assert crosscheck(case, {"fast": fast}).breaches
    small = shrink(case, fails)
    assert fails(small)
    assert fast.DGN(network_of(small), small.cov_x, small.cov_z).partition().n_regions == 3
    assert len(small.X) == 1


def test_trials_are_limited():
    """No more than so many, and the best so far is returned."""
    seen = []

    def fails(case):
        seen.append(case)
        return True

    assert shrink(random_case(7, 1), fails, most=3) is seen[2]
    assert len(seen) == 3


quick = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


@quick
@given(cases(latent=1, most_regions=12))
def test_any_model_on_a_line(case):
    """Whatever hypothesis finds, both implementations agree with the oracle."""
    assert not crosscheck(case).breaches


@settings(quick, max_examples=3)
@given(cases(latent=2, most_regions=6))
def test_any_model_in_the_plane(case):
    """The same with two latent dimensions."""
    assert not crosscheck(case).breaches
