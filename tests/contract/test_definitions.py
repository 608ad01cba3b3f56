"""The definitions that judge the implementations, against the oracle and against themselves."""

from dataclasses import replace

import definitions
import latent_integrals
import numpy as np
import pytest
from structure_table import model, rows
from test_structures import arrays, true_gradient
from tests_support import deep

from oracle.learning.sums_over_data import log_evidence, shares

ONE, TWO, THREE = ([row for row in rows(2) if row.latent == latent] for latent in (1, 2, 3))
#: Rows of every latent dimension, with few regions where the oracle is slow.
SOME = [*ONE[:2], *TWO[2:4], min(THREE, key=lambda row: len(model(row).truth.regions))]
#: Rows without units that are constant zero or the same: there log p has no derivative.
SMOOTH = [
    row
    for row in rows(2)
    if row.latent < 3 and row.weights in ("ordinary", "zero biases", "deficient last")
]


@pytest.mark.parametrize("row", SOME, ids=lambda row: f"S = {row.latent}")
def test_integrals_agree_with_the_oracle(row):
    """log p(x), and shares, means and covariances region by region, in 50 digits."""
    truth = model(row).truth
    x = truth.X[0]
    exact = log_evidence(truth.specs, truth.cov_x, truth.prior, x)
    assert truth.log_p[0] == pytest.approx(float(exact), abs=1e-10)
    for share in shares(truth.specs, truth.cov_x, truth.prior, x):
        r = [region.code for region in truth.regions].index(share.code)
        assert truth.e0[0, r] == pytest.approx(float(share.e0), abs=1e-10)
        if share.e0 > 1e-6:
            mean, cov = share.mean.astype(float), share.cov.astype(float)
            np.testing.assert_allclose(truth.region_mean[0, r], mean, atol=1e-8)
            np.testing.assert_allclose(truth.region_cov[0, r], cov, atol=1e-8)


@pytest.mark.parametrize("row", [*SMOOTH[::5], *deep(*SMOOTH)], ids=str)
def test_gradients_are_derivatives(row):
    """Along one direction for every parameter, against central differences of log p(x), whose
    regions move with the parameters: Fisher's identity. With steps of 1e-5 they err by 1e-9, or by
    the third derivative where a datum is far; on a kink log p has no second derivative in places,
    which leaves the size of the step. Measured: 3e-5."""
    case, rng = model(row), np.random.default_rng(9)
    truth, gradient = case.truth, true_gradient(case)
    values = {f"{index}.{part}": value for index, part, value in arrays(case)}
    values |= {"cov_x": truth.cov_x, "cov_z": truth.prior}
    for name, value in values.items():
        direction = rng.uniform(0.5, 1.0, np.shape(value)) * rng.choice([-1, 1], np.shape(value))
        if name.startswith("cov") and np.ndim(value) == 2:
            direction = 0.5 * (direction + direction.T)
        direction = direction / np.linalg.norm(direction)
        ends = [
            _moved(truth, name, np.asarray(value + sign * 1e-5 * direction)).log_p.mean()
            for sign in (1, -1)
        ]
        slope = (ends[0] - ends[1]) / 2e-5
        scale = max(1.0, np.abs(gradient[name]).max())
        assert slope == pytest.approx(np.sum(gradient[name] * direction), abs=1e-4 * scale), name


def _moved(truth, name, value):
    """The model with another value of a parameter."""
    if name.startswith("cov"):
        return replace(truth, **{name: value})
    index, _, part = name.partition(".")
    layers = list(truth.layers)
    kind, settings = layers[int(index)]
    layers[int(index)] = kind, {**settings, part: value}
    return replace(truth, layers=tuple(layers))


@pytest.mark.parametrize("row", [*TWO[:4], *deep(*TWO[4:], *THREE)], ids=str)
def test_quadrature_has_converged(row, monkeypatch):
    """Panels of half the width with more nodes change nothing by 1e-10: 3e-11 on all rows."""
    truth, finer = model(row).truth, replace(model(row).truth)
    monkeypatch.setattr(definitions, "moments", lambda on: latent_integrals.moments(on, 1.0, 16))
    for name in ("log_p", "e1", "e2", "elbo"):
        found, expected = getattr(finer, name), getattr(truth, name)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * (1 + np.abs(found).max()))
