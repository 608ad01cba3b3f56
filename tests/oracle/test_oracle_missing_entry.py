"""The truth of `Conditional.cdf`: against closed forms of linear networks, and against the other
truths of the oracle on bent ones."""

import numpy as np
import pytest
from scipy.stats import norm

from oracle.fixed_checks.all_checks import check_fixed
from oracle.fixed_checks.missing import NEAR, missing_of
from oracle.fixed_checks.models import CURVE, LINE, specs
from oracle.mutants.missing import MISSING
from oracle.mutants.trial import check
from oracle.truths import missing_entry as truth
from oracle.truths.missing_entry import missing_entry
from oracle.truths.regionwise import LatentSpace

COV_X = np.array([[0.31, 0.17, -0.05], [0.17, 0.23, 0.03], [-0.05, 0.03, 0.11]])
COV_Z = np.array([[1.7, 0.9], [0.9, 0.8]])
WEIGHT, BIAS = np.array([[1.0, 0.5], [-0.5, 2.0], [0.25, -1.0]]), np.array([0.5, -1.0, 0.25])
X = np.array([0.7, -0.4, 1.5])
#: Of `reference`, whose masses take seconds.
SLOW = (
    "reference: a share below that forgets what the observed tell of the noise",
    "reference: a share below with half the noise",
)
DEFECTS = {mutant.label: mutant for mutant in MISSING}


def gaussian(latent, entry):
    """Mean and deviation of an entry given the others, and log p of these: the textbook's."""
    weight = WEIGHT[:, :latent]
    cov = weight @ COV_Z[:latent, :latent] @ weight.T + COV_X
    seen = [d for d in range(3) if d != entry]
    own, away = cov[np.ix_(seen, seen)], (X - BIAS)[seen]
    pull = np.linalg.solve(own, cov[seen, entry])
    size = np.linalg.slogdet(2 * np.pi * own)[1]
    log_seen = -0.5 * (away @ np.linalg.solve(own, away) + size)
    return BIAS[entry] + pull @ away, np.sqrt(cov[entry, entry] - pull @ cov[seen, entry]), log_seen


@pytest.mark.parametrize("latent", [1, 2])
def test_a_linear_network_in_closed_form(latent):
    """In the tails too."""
    layers = (("dense", WEIGHT[:, :latent], BIAS),)
    for entry in range(3):
        found = missing_entry(layers, COV_X, COV_Z[:latent, :latent], X, entry)
        mean, deviation, log_seen = gaussian(latent, entry)
        assert found.log_seen == pytest.approx(log_seen, abs=1e-13)
        for away in (-6.0, -1.0, 0.5):
            below = found.below(mean + away * deviation)
            np.testing.assert_allclose(below, norm.cdf(away), rtol=1e-8, atol=1e-13)


@pytest.mark.deep
def test_of_a_bent_network_it_is_the_ratio_of_two_masses(monkeypatch):
    """p(x_o) is that of the regions' truth without the row; and more panels change nothing."""
    entry = missing_of(NEAR)[0]
    one = (specs(NEAR), NEAR.cov_x, NEAR.cov_z, NEAR.X[0], entry)
    found = missing_entry(*one)
    seen = [d for d in range(3) if d != entry]
    *hidden, (kind, weight, bias) = specs(NEAR)
    part = (*hidden, (kind, np.asarray(weight)[seen], np.asarray(bias)[seen]))
    space = LatentSpace(part, NEAR.cov_x[np.ix_(seen, seen)], NEAR.cov_z)
    assert found.log_seen == pytest.approx(float(space.log_evidence(NEAR.X[0][seen])), abs=1e-13)
    monkeypatch.setattr(truth, "_PANELS", 6)
    monkeypatch.setattr(truth, "_NODES", 12)
    finer = missing_entry(*one)
    for value in (-0.5, 0.2, 1.0):
        assert found.below(value) == pytest.approx(finer.below(value), abs=1e-13)


@pytest.mark.deep
@pytest.mark.parametrize("model", [LINE, CURVE], ids=["line", "curve"])
def test_both_implementations_have_it(model):
    for tally in check_fixed(f"shares below, {model.name}").values():
        assert tally.breaches == []
        assert tally.compared >= 10


@pytest.mark.parametrize(
    "label",
    [
        *(pytest.param(label, marks=pytest.mark.deep) for label in SLOW),
        "fast: a share below counted from the middle of its panel",
        "fast: a density by what is observed of another row",
        "fast: an interval that leaves more on one side",
    ],
)
def test_defects_are_caught(label):
    assert check(DEFECTS[label], ("shares below, curve",)).outcome == "caught"
