"""Both implementations against the oracle on random architectures: every quantity, every region.

The tolerances and the condition-number rule are oracle.checks.random_models's. The default run
takes a few dozen architectures; `pytest -m deep` takes 500, as `python -m oracle --architectures
500` does.
"""

from pathlib import Path

import pytest
from tests_support import deep

import fast
import reference
from oracle.campaign.run import latent_dimension_of
from oracle.checks.random_models import crosscheck
from oracle.checks.tolerances import TOLERANCES
from oracle.models.architectures import random_case
from oracle.models.case import Case

REGRESSIONS = sorted((Path(__file__).parents[1] / "data" / "regressions").glob("*.json"))
#: Of thin regions there are others, which take a quarter of its time.
SLOW = [path for path in REGRESSIONS if path.stem == "seed-421-thin-regions"]
QUICK = [path for path in REGRESSIONS if path not in SLOW]


def assert_no_breach(case):
    """Every quantity of both implementations was compared, and nothing was breached."""
    found = crosscheck(case)
    optional = {"region width", "region end"}
    for name in found.networks:
        seen = {quantity for quantity, other in found.tallies if other == name}
        expected = set(TOLERANCES[case.latent_dimension][name])
        if not found.declined[name]:
            assert seen >= expected - optional
    assert found.networks["fast"] == 1
    assert not found.breaches, "\n".join(found.breaches[:10])


@pytest.mark.parametrize("seed", [*range(1000, 1005), *deep(*range(1005, 1014))])
def test_random_architecture(seed):
    assert_no_breach(random_case(seed, 1, points=2))


@pytest.mark.parametrize("seed", [1002, 1005, *deep(1008, 1011)])
def test_random_architecture_in_the_plane(seed):
    assert_no_breach(random_case(seed, 2, points=1))


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(500))
def test_random_architecture_deep(seed):
    assert_no_breach(random_case(seed, latent_dimension_of(seed), points=4))


@pytest.mark.parametrize("path", [*QUICK, *deep(*SLOW)], ids=lambda path: path.stem)
def test_regression(path):
    """Cases that failed once, kept for ever."""
    assert_no_breach(Case.load(path))


def perturbed(dgn_class, factor):
    """A DGN class one of whose results is off by a relative amount."""

    class Off(dgn_class):
        def logpdf(self, X):
            return super().logpdf(X) * (1 + factor)

    return Off


@pytest.mark.parametrize("latent", [1, *deep(2)])
@pytest.mark.parametrize("impl", [reference, fast], ids=["reference", "fast"])
def test_a_small_error_is_a_breach(monkeypatch, impl, latent):
    """A relative error of ten times the tolerance in log p is caught on an ordinary case: the check
    can fail."""
    size = 10 * TOLERANCES[latent][impl.__name__]["log p"]
    monkeypatch.setattr(impl, "DGN", perturbed(impl.DGN, size))
    found = crosscheck(random_case(14, latent, points=1))
    assert found.tallies["log p", impl.__name__].breaches
    assert not found.tallies["e0", impl.__name__].breaches
