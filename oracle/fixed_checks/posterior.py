"""The posterior and p(x) of the fixed models against the oracle.

Densities, moments, entropy, bound, mode, and the limit without noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from oracle.checks.implementations import codes_of, moments
from oracle.fixed_checks.deviation import Check, Deviation, error_of
from oracle.fixed_checks.models import FOLD, HUMP, LINE, Model, specs
from oracle.fixed_checks.truths import latent_values, log_evidences, log_peaks, shares_of
from oracle.learning.sums_over_data import (
    zero_noise_of_fold,
    zero_noise_on_line,
)
from oracle.models.values import Key
from oracle.truths.joint import log_joint


def latent_quantities(model: Model) -> Check:
    """log p(x), e0, moments of p(z | x) and of p(x), entropy, ELBO, KL and prior masses, S > 1."""

    def check(impl: Any) -> Iterator[Deviation]:
        dgn, truth = model.dgn(impl), latent_values(model)
        posterior = dgn.posterior(model.X)
        q = model.X, model.q_mean, model.q_cov
        single = {
            "log p": dgn.logpdf(model.X),
            "entropy": posterior.entropy(),
            "expected complete log-likelihood": dgn.expected_complete_loglik(model.X),
            "ELBO": dgn.elbo(*q),
            "KL": dgn.kl(*q),
        }
        rows: list[dict[Key, Any]] = [moments("marginal", dgn.mean(), dgn.cov())]
        mean, cov = posterior.mean(), posterior.cov()
        codes = codes_of(dgn)
        for n in range(len(model.X)):
            row: dict[Key, Any] = {(name, ()): values[n] for name, values in single.items()}
            row.update(moments("posterior", mean[n], cov[n]))
            row.update({("e0", code): posterior.e0[n, r] for r, code in enumerate(codes)})
            rows.append(row)
        for r, code in enumerate(codes):
            key = "region mass", code
            # The reference declines small masses.
            if key in truth[0] and (impl.__name__ == "fast" or truth[0][key].value > 0.01):
                halfspaces = dgn.partition().halfspaces(r)
                zero = np.zeros((1, model.latent))
                mass = impl.gaussian_on_polyhedron(*halfspaces, zero, model.cov_z)
                rows[0][key] = np.exp(mass[0][0])
        for values, exact in zip(rows, truth, strict=True):
            told = {key[0] for key in values}
            for key, target in exact.items():
                left_out = key[0] == "region mass" and target.value <= 0.01
                if key[0] not in told or (key not in values and left_out):
                    continue
                error = abs(float(values.get(key, np.nan)) - float(target.value))
                quantity = f"{model.name}: {key[0]}"
                yield Deviation(quantity, error / float(target.scale), model.allowed(impl))

    return check


def region_moments(model: Model) -> Check:
    """e1, e2 and the regions' own moments, where a region has a millionth of the posterior."""

    def check(impl: Any) -> Iterator[Deviation]:
        dgn = model.dgn(impl)
        posterior, codes = dgn.posterior(model.X), codes_of(dgn)
        for n, exact in enumerate(shares_of(model)):
            for code, share in exact.items():
                if share.e0 < 1e-6:
                    continue
                if code not in codes:
                    yield Deviation(f"{model.name}: a region", np.inf, 0.0)
                    continue
                at = n, codes.index(code)
                second = share.cov + np.outer(share.mean, share.mean)
                for name, value, truth in (
                    ("e1", posterior.e1[at], share.e0 * share.mean),
                    ("e2", posterior.e2[at], share.e0 * second),
                    ("region mean", posterior.region_mean[at], share.mean),
                    ("region covariance", posterior.region_cov[at], share.cov),
                ):
                    allowed = model.allowed(impl)
                    if impl.__name__ == "reference" and model.latent > 1 and name[0] == "r":
                        # Good to 1e-6 where it gives them; NaN where they drown in rounding.
                        if share.e0 < 0.01:
                            continue
                        allowed = 1e-6
                    yield Deviation(f"{model.name}: {name}", error_of(value, truth), allowed)

    return check


def density_and_mode(model: Model) -> Check:
    """log p(z | x) at points of several regions, and log p(x, z) at the mode."""

    def check(impl: Any) -> Iterator[Deviation]:
        posterior = model.dgn(impl).posterior(model.X)
        points = np.concatenate([model.q_mean, -model.q_mean, 2.3 * model.q_mean])
        values, modes = posterior.logpdf(points), posterior.mode()
        for n, x in enumerate(model.X):
            truth = [float(_log_joint(model, n, *z) - log_evidences(model)[n]) for z in points]
            quantity = f"{model.name}: log p(z | x)"
            yield Deviation(quantity, error_of(values[n], truth), model.allowed(impl))
            layers, peak = specs(model), log_peaks(model)[n]
            found = log_joint(layers, model.cov_x, model.cov_z, x, modes[n])
            error = float(abs(found - peak) / max(1, abs(peak)))
            yield Deviation(f"{model.name}: log p(x, z) at the mode", error, 1e-12)

    return check


@cache
def _log_joint(model: Model, n: int, *z: float) -> Any:
    return log_joint(specs(model), model.cov_x, model.cov_z, model.X[n], np.array(z))


def zero_noise(impl: Any) -> Iterator[Deviation]:
    """The limit of the posterior without noise: on a line, and where a fold leaves a choice."""
    found = LINE.dgn(impl).zero_noise_latent(LINE.X)
    truth = [[float(zero_noise_on_line(specs(LINE), LINE.cov_x, x))] for x in LINE.X]
    yield Deviation("line: zero-noise latent", error_of(found, truth), LINE.allowed(impl))
    found = HUMP.dgn(impl).zero_noise_latent(HUMP.X)
    exact = zero_noise_on_line(specs(HUMP), HUMP.cov_x.reshape(1), HUMP.X[0])
    yield Deviation("hump: zero-noise latent", error_of(found, [[float(exact)]]), 1e-11)
    weight, bias = FOLD.layers[0][1]["weight"], FOLD.layers[0][1]["bias"]
    found = FOLD.dgn(impl).zero_noise_latent(FOLD.X)[0]
    nearest = zero_noise_of_fold(weight[0], bias[0], FOLD.cov_z, FOLD.X[0, 0])
    error = error_of(found, [float(v) for v in nearest])
    yield Deviation("fold: zero-noise latent", error, 1e-11)
