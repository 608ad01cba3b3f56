"""Claims about a model put to samples, in any latent dimension, with a known false-alarm rate.

A claim E[f] = v is tested by the mean of weight (f - v) over samples, which is 0 if it is true,
whatever v is: no ratio of estimates, so no bias. Means over BATCHES batches are compared with
Student's t. Only the forward pass, Σx and Σz are used.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from oracle.exact.layer_specs import LayerSpec, unit_slopes
from oracle.exact.number_types import Array
from oracle.models.case import Case
from oracle.models.values import Key

BATCHES, BATCH = 64, 500
# Samples that count in the least batch, the most that one sample may weigh in all, and how many
# must be in a region and out of it: where these fail, the means are not near normal and nothing is
# shown.
_EFFECTIVE, _LARGEST, _HITS = 60.0, 0.005, 400
# What the sums of doubles here resolve, in units of the values' scale.
_ROUNDING = 1e-10
# Rounding of a value of a few layers, over the size of its terms.
_TIED = 8 * np.finfo(np.float64).eps
#: The chance with which an error of the size called detectable is caught.
POWER = 0.99
_PILOT, _CENTRES, _STEPS, _FREEDOM = 4000, 12, 6, 5.0


class Weighted(NamedTuple):
    """Latent samples (M, S), their images (M, D) and codes (M, U), and log weights (M,): of a mean
    over samples of exp(log weight) f the expectation is ∫ f(z) h(z) dz, h the joint or prior."""

    latent: Array
    images: Array
    codes: NDArray[np.int64]
    log_weights: Array


class Verdict(NamedTuple):
    """A claim against samples. share: |t| over its threshold, NaN if nothing is shown; detectable:
    the error of the claim that would be found with probability POWER."""

    share: float
    detectable: float


def traced(layers: tuple[LayerSpec, ...], z: Array) -> tuple[Array, NDArray[np.int64]]:
    """g(z) (M, D) and the codes (M, U) of latent points (M, S)."""
    hidden, codes = np.asarray(z, dtype=float), [np.zeros((len(z), 0), dtype=np.int64)]
    # Of the terms that a value was summed from: its rounding is that many ε.
    sizes = np.abs(hidden)
    for kind, *values in layers:
        if kind == "dense":
            weight, bias = np.asarray(values[0], dtype=float), np.asarray(values[1])
            hidden, sizes = hidden @ weight.T + bias, sizes @ np.abs(weight).T + np.abs(bias)
        elif kind == "slope":
            slopes, acting = unit_slopes(values[0], hidden.shape[1])
            codes.append(np.where(hidden[:, acting] > 0, 1, -1))
            hidden = np.where(hidden > 0, hidden, np.array(slopes) * hidden)
        else:
            windows = [(hidden[:, w], sizes[:, w].max(axis=1)) for w in values[0]]
            codes.append(np.stack([_first_largest(*window) for window in windows], axis=1))
            hidden = np.stack([candidates.max(axis=1) for candidates, _ in windows], axis=1)
            sizes = np.stack([size for _, size in windows], axis=1)
    return hidden, np.concatenate(codes, axis=1)


def _first_largest(candidates: Array, sizes: Array) -> NDArray[np.int64]:
    """The first of the columns that are the largest of a row but for rounding: candidates that are
    one function on a whole region are computed as two."""
    least = candidates.max(axis=1) - _TIED * sizes
    return np.asarray(np.argmax(candidates >= least[:, None], axis=1), dtype=np.int64)


def root_of(cov: Array, dimension: int) -> Array:
    """The lower Cholesky factor of a covariance (), (D,) or (D, D)."""
    full = cov if cov.ndim == 2 else np.diag(np.broadcast_to(cov, (dimension,)))
    return np.asarray(np.linalg.cholesky(full))


def joint_draws(case: Case, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """z ~ N(0, Σz) (M, S) and x | z ~ N(g(z), Σx) (M, D)."""
    z = rng.standard_normal((count, case.latent_dimension)) @ root_of(case.cov_z, 0).T
    images, _ = traced(case.specs, z)
    noise = root_of(case.cov_x, images.shape[1])
    return z, images + rng.standard_normal(images.shape) @ noise.T


def prior_samples(case: Case, rng: np.random.Generator) -> Weighted:
    """z ~ N(0, Σz), all of weight 1."""
    count = BATCHES * BATCH
    z = rng.standard_normal((count, case.latent_dimension)) @ root_of(case.cov_z, 0).T
    return Weighted(z, *traced(case.specs, z), np.zeros(count))


def posterior_samples(case: Case, n: int, rng: np.random.Generator) -> Weighted:
    """Samples whose weights make them of p(x_n, z): from a defensive mixture of t distributions,
    three tenths as wide as the prior, the rest about points that explain x, as wide as the
    linearised posterior there. A bad mixture makes weights uneven, not wrong."""
    size, count = case.latent_dimension, BATCHES * BATCH
    root = root_of(case.cov_z, size)
    centres, spreads = _components(case, n, root, rng)
    which = rng.integers(len(centres), size=count)
    scale = np.sqrt(_FREEDOM / rng.chisquare(_FREEDOM, count))
    steps = np.einsum("mij,mj->mi", spreads[which], rng.standard_normal((count, size)))
    z = centres[which] + scale[:, None] * steps
    own = rng.random(count) < 0.3
    z[own] = (scale[:, None] * rng.standard_normal((count, size)))[own] @ root.T
    log_proposal = np.logaddexp(
        np.log(0.3) + _log_mixture(z, np.zeros((1, size)), root[None]),
        np.log(0.7) + _log_mixture(z, centres, spreads),
    )
    images, codes = traced(case.specs, z)
    return Weighted(z, images, codes, _log_joint(case, n, z, images) - log_proposal)


def _log_normal(rows: Array, root: Array) -> Array:
    """log φ(row; 0, root rootᵀ)."""
    white = np.linalg.solve(root, rows.T)
    log_det = np.sum(np.log(np.diag(root)))
    return np.asarray(-0.5 * np.sum(white**2, axis=0) - log_det - 0.5 * len(root) * _LOG_2PI)


_LOG_2PI = float(np.log(2 * np.pi))


def _log_joint(case: Case, n: int, z: Array, images: Array) -> Array:
    noise = root_of(case.cov_x, images.shape[1])
    return _log_normal(case.X[n] - images, noise) + _log_normal(z, root_of(case.cov_z, 0))


def _log_mixture(z: Array, centres: Array, spreads: Array) -> Array:
    """log of the mean density of the t distributions."""
    parts = [
        stats.multivariate_t(centre, spread @ spread.T, _FREEDOM).logpdf(z).reshape(len(z))
        for centre, spread in zip(centres, spreads, strict=True)
    ]
    return np.asarray(np.logaddexp.reduce(parts, axis=0) - np.log(len(centres)))


def _components(case: Case, n: int, root: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Points of high p(x, z), by damped Gauss-Newton steps from draws twice as wide as the prior,
    half of them chosen for explaining x; and a root of the linearised posterior covariance at each,
    a little widened."""
    pilot = 2 * rng.standard_normal((_PILOT, case.latent_dimension)) @ root.T
    heat = _log_joint(case, n, pilot, traced(case.specs, pilot)[0])
    heat = (heat - heat.max()) / max(1.0, float(np.std(heat)) / 3)
    chosen = pilot[rng.choice(_PILOT, _CENTRES, p=np.exp(heat) / np.exp(heat).sum())]
    found = [_climbed(case, n, z, root) for z in (*chosen, *pilot[:_CENTRES])]
    return np.array([z for z, _ in found]), np.array([spread for _, spread in found])


def _climbed(case: Case, n: int, z: Array, root: Array) -> tuple[Array, Array]:
    """A point uphill of z and a root of the covariance there."""
    dimension = case.X.shape[1]
    noise = root_of(case.cov_x, dimension)
    inverse_prior = np.linalg.inv(root @ root.T)
    height = _log_joint(case, n, z[None], traced(case.specs, z[None])[0])[0]
    for _ in range(_STEPS):
        image, slope = _linear(case, z)
        white, residual = np.linalg.solve(noise, slope), np.linalg.solve(noise, case.X[n] - image)
        cov = np.linalg.inv(inverse_prior + white.T @ white)
        step = cov @ (white.T @ residual - inverse_prior @ z)
        for part in (1.0, 0.5, 0.25, 0.1, 0.02):
            trial = (z + part * step)[None]
            top = _log_joint(case, n, trial, traced(case.specs, trial)[0])[0]
            if top > height:
                z, height = trial[0], top
                break
        else:
            break
    _, slope = _linear(case, z)
    white = np.linalg.solve(noise, slope)
    cov = np.linalg.inv(inverse_prior + white.T @ white)
    return z, np.asarray(1.1 * np.linalg.cholesky(0.5 * (cov + cov.T)))


def _linear(case: Case, z: Array) -> tuple[Array, Array]:
    """g(z) (D,) and its slope (D, S) by differences."""
    h = 1e-7 * (1 + np.abs(z).max())
    images, _ = traced(case.specs, np.vstack([z, z + h * np.eye(len(z))]))
    return images[0], (images[1:] - images[0]).T / h


def member(
    layers: tuple[LayerSpec, ...], codes: NDArray[np.int64], region: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Which samples lie in a region: a unit that is 0 on all of it has either sign in a sample."""
    code = np.array(region, dtype=np.int64)
    anything = (code == 0) & _are_signs(layers)
    return np.asarray(np.all((codes == code) | anything, axis=1))


def _are_signs(layers: tuple[LayerSpec, ...]) -> NDArray[np.bool_]:
    """Which entries of a code are signs; the others are positions of winners."""
    width, found = 0, [np.zeros(0, dtype=bool)]
    for kind, *values in layers:
        if kind == "dense":
            width = len(np.asarray(values[1]))
        elif kind == "slope":
            found.append(np.ones(len(unit_slopes(values[0], width)[1]), dtype=bool))
        else:
            width = len(values[0])
            found.append(np.zeros(width, dtype=bool))
    return np.concatenate(found)


def verdict_on(values: Array, samples: Weighted, log_scale: float, rate: float) -> Verdict:
    """The claim that the weighted mean of values (M,) is 0, at a false-alarm probability `rate`.

    log_scale: the log of the total weight that is claimed, by which weights are divided.
    """
    weights = np.exp(samples.log_weights - log_scale)
    batches = weights.reshape(BATCHES, -1)
    effective = batches.sum(axis=1) ** 2 / np.maximum((batches**2).sum(axis=1), 1e-300)
    if effective.min() < _EFFECTIVE or weights.max() > _LARGEST * weights.sum():
        return Verdict(np.nan, np.inf)
    means = (weights * values).reshape(BATCHES, -1).mean(axis=1)
    error = float(np.std(means, ddof=1) / np.sqrt(BATCHES))
    threshold = float(stats.t(BATCHES - 1).isf(rate / 2))
    share = abs(float(np.mean(means))) / (threshold * error + _ROUNDING)
    return Verdict(share, (threshold + float(stats.norm.ppf(POWER))) * error + _ROUNDING)


def verdict_on_share(
    inside: NDArray[np.bool_], claim: float, samples: Weighted, log_scale: float, rate: float
) -> Verdict:
    """The claim that a region has this share. With few samples in it or out of it nothing is shown,
    unless so many were claimed that their absence is no chance."""
    hits = int(min(np.sum(inside), np.sum(~inside)))
    verdict = verdict_on(np.asarray(inside - claim, dtype=np.float64), samples, log_scale, rate)
    expected = 0.1 * min(claim, 1 - claim) * _EFFECTIVE * BATCHES
    if hits < _HITS and expected < _HITS:
        return Verdict(np.nan, np.inf)
    return verdict


def prior_claims(case: Case, claims: dict[Key, float], rate: float) -> dict[Key, Verdict]:
    """Regions' prior masses, and mean and covariance of x, against prior samples. Errors in units
    of x's standard deviations, as claimed."""
    samples = prior_samples(case, np.random.default_rng([721, case.seed]))
    mean = np.array([claims["marginal mean", (i,)] for i in range(case.X.shape[1])])
    noise = root_of(case.cov_x, len(mean))
    noise = noise @ noise.T
    deviation = np.sqrt([claims["marginal covariance", (i, i)] for i in range(len(mean))])
    away = (samples.images - mean) / deviation
    found: dict[Key, Verdict] = {}
    for (name, part), claim in claims.items():
        if name == "region mass":
            inside = member(case.specs, samples.codes, part)
            found[name, part] = verdict_on_share(inside, claim, samples, 0.0, rate)
            continue
        if name == "marginal mean":
            values = away[:, part[0]]
        else:
            i, j = part
            values = away[:, i] * away[:, j] - (claim - noise[i, j]) / (deviation[i] * deviation[j])
        verdict = verdict_on(np.asarray(values), samples, 0.0, rate)
        most = _from_rare_values(values, rate) if name == "marginal mean" else 1.0
        rare = any(_is_rarely_moved(away[:, i]) for i in part)
        if rare and verdict.share > 1 and abs(np.mean(values)) <= most:
            verdict = Verdict(np.nan, np.inf)
        found[name, part] = verdict
    return found


def _is_rarely_moved(values: Array) -> bool:
    """Whether all but a few of the values are one, as where an activation is flat: then their
    spread says little of the spread of what they are drawn from."""
    return int(np.sum(values != np.median(values))) < _HITS


def _from_rare_values(values: Array, rate: float) -> float:
    """What values that are too rare to be among these may add to a mean, in standard deviations:
    √p, by Cauchy and Schwarz, with p the largest share of other values than the most frequent that
    leaves so few of them with the chance `rate`. To a mean of products they may add 1."""
    moved = int(np.sum(values != np.median(values)))
    share = float(stats.beta.isf(rate, moved + 1, len(values) - moved))
    return float(np.sqrt(share / (1 - share)))


def posterior_claims(
    case: Case, n: int, claims: dict[Key, float], rate: float
) -> dict[Key, Verdict]:
    """log p(x), the posterior's mean and covariance and the regions' shares against weighted
    samples. Errors in nats, in standard deviations as claimed, and absolute."""
    samples = posterior_samples(case, n, np.random.default_rng([722, case.seed, n]))
    size, evidence = case.latent_dimension, claims["log p", ()]
    mean = np.array([claims["posterior mean", (i,)] for i in range(size)])
    deviation = np.sqrt([claims["posterior covariance", (i, i)] for i in range(size)])
    away = (samples.latent - mean) / deviation
    found: dict[Key, Verdict] = {}
    for (name, part), claim in claims.items():
        if name == "log p":
            # The mean weight over exp(claim), less 1.
            found[name, part] = _of_evidence(samples, evidence, rate)
            continue
        if name == "e0":
            inside = member(case.specs, samples.codes, part)
            found[name, part] = verdict_on_share(inside, claim, samples, evidence, rate)
            continue
        if name == "posterior mean":
            values = away[:, part[0]]
        else:
            i, j = part
            values = away[:, i] * away[:, j] - claim / (deviation[i] * deviation[j])
        found[name, part] = verdict_on(np.asarray(values), samples, evidence, rate)
    return found


def _of_evidence(samples: Weighted, evidence: float, rate: float) -> Verdict:
    """The claim that the mean weight is exp(evidence)."""
    weights = np.exp(samples.log_weights - evidence)
    unweighted = samples._replace(log_weights=np.zeros(len(weights)))
    verdict = verdict_on(weights - 1.0, unweighted, 0.0, rate)
    usable = verdict_on(np.zeros(len(weights)), samples, evidence, rate)
    return usable if np.isnan(usable.share) else verdict
