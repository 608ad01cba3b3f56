"""Both implementations against the oracle on random architectures: every quantity, every region.

The tolerances and the condition-number rule are oracle.crosscheck's. The default run takes a few
dozen architectures; `pytest -m deep` takes 500, as `python -m oracle --architectures 500` does.
"""

from pathlib import Path

import numpy as np
import pytest

import fast
import reference
from oracle.architectures import UGLINESS, Case, random_case
from oracle.crosscheck import TOLERANCES, crosscheck, network_of

REGRESSIONS = sorted((Path(__file__).parent / "data" / "regressions").glob("*.json"))


def assert_no_breach(case):
    """Every quantity of both implementations was compared, and nothing was breached."""
    tallies = crosscheck(case)
    seen = {line.split(",")[0] for line, _ in tallies}
    assert seen >= set(TOLERANCES) - {"region width", "region end"}
    breaches = [f"{name}: {b}" for (_, name), tally in tallies.items() for b in tally.breaches]
    assert not breaches, "\n".join(breaches[:10])


@pytest.mark.parametrize("seed", range(1000, 1030))
def test_random_architecture(seed):
    assert_no_breach(random_case(seed, points=2))


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(500))
def test_random_architecture_deep(seed):
    assert_no_breach(random_case(seed, points=4))


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_regression(path):
    """Cases that failed once, kept for ever."""
    assert_no_breach(Case.load(path))


def test_every_kind_is_drawn():
    """The generator reaches every oddity, covariance structure, depth and activation."""
    cases = [random_case(seed, points=1) for seed in range(400)]
    labels = {case.label.split(",")[0] for case in cases}
    assert labels == {"ordinary", *UGLINESS}
    assert {case.cov_x.ndim for case in cases} == {0, 1, 2}
    assert {sum(kind == "slope" for kind, *_ in case.layers) for case in cases} >= {1, 2, 3, 4}
    slopes = {values[0] for case in cases for kind, *values in case.layers if kind == "slope"}
    assert slopes == {0.0, 0.01, 0.1, 0.5, -1.0}
    widths = {len(v[1]) for case in cases for kind, *v in case.layers if kind == "dense"}
    assert {1, 2, 31, 32} <= widths


def test_far_points_are_drawn():
    """Points reach log p of -1e6 and beyond, and points on the manifold are there too."""
    logs = [
        fast.DGN(network_of(c), c.cov_x, c.cov_z).logpdf(c.X) for c in map(random_case, range(60))
    ]
    assert np.all(np.isfinite(logs))
    assert np.min(logs) < -1e5
    assert np.max(logs) > 0


def test_case_round_trip(tmp_path):
    """A case read back is the case written, bit for bit; the same seed is the same case."""
    for seed in range(20):
        case = random_case(seed)
        case.save(tmp_path / "case.json")
        again = Case.load(tmp_path / "case.json")
        for other in (again, random_case(seed)):
            assert (other.seed, other.label) == (case.seed, case.label)
            for name in ("cov_x", "cov_z", "X", "q_mean", "q_variance"):
                assert getattr(other, name).tobytes() == getattr(case, name).tobytes()
            for mine, theirs in zip(case.layers, other.layers, strict=True):
                assert mine[0] == theirs[0]
                for a, b in zip(mine[1:], theirs[1:], strict=True):
                    assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
    assert [p.name for p in tmp_path.iterdir()] == ["case.json"]


def test_a_file_without_a_case_is_named(tmp_path):
    path = tmp_path / "case.json"
    path.write_text("{}")
    with pytest.raises(ValueError, match="path"):
        Case.load(path)


def perturbed(dgn_class, factor):
    """A DGN class one of whose results is off by a relative amount."""

    class Off(dgn_class):
        def logpdf(self, X):
            return super().logpdf(X) * (1 + factor)

    return Off


@pytest.mark.parametrize("impl", [reference, fast], ids=["reference", "fast"])
def test_a_small_error_is_a_breach(monkeypatch, impl):
    """A relative error of 1e-11 in log p is caught on an ordinary case: the check can fail."""
    monkeypatch.setattr(impl, "DGN", perturbed(impl.DGN, 1e-11))
    tallies = crosscheck(random_case(0))
    assert tallies["log p", impl.__name__].breaches
