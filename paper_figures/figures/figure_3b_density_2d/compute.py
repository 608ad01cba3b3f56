"""Numbers of figure 3 in two latent dimensions: samples, p(x) and p(z|x) over the polygons of Ω."""

from __future__ import annotations

import numpy as np

from fast import DGN, LeakyReLU, Network
from paper_figures.options import Numbers, Options, Record
from paper_figures.polygons import cut_off
from reference.model import Array

_WIDTHS = [2, 8, 8, 2]
_SLOPE = 0.01
_VARIANCE = 0.02
_SEED = 22
_SAMPLES = 3000
_DRAWS = 400
_QUICK_GRID, _FULL_GRID = 80, 240
_WINDOW = 3.6
_NAMED = 0.05
_CHOICE = (
    "chosen, not typical: of the seeds 0-59 the one whose posterior falls short most of the "
    "entropy of one Gaussian of its covariance: several modes; most posteriors have one"
)


def parameters(options: Options) -> Record:
    """What determines the numbers: one network, the same whatever the number of starts."""
    return {
        "widths": _WIDTHS,
        "leaky_slope": _SLOPE,
        "cov_x": _VARIANCE,
        "cov_z": 1.0,
        "seed": _SEED,
        "choice_of_seed": _CHOICE,
        "n_samples": _SAMPLES,
        "n_posterior_draws": _DRAWS,
        "window": _WINDOW,
        "window_clips": "the drawing only; nothing computed knows of it",
        "grid": _FULL_GRID if options.full else _QUICK_GRID,
    }


def model() -> tuple[DGN, Array, Array]:
    """The model, a latent drawn from the prior, and the point x (1, 2) drawn from there."""
    dgn = DGN(Network.random(_WIDTHS, LeakyReLU(_SLOPE), _SEED), _VARIANCE)
    rng = np.random.default_rng([_SEED, 1])
    latent = rng.standard_normal((1, 2))
    noise = np.sqrt(_VARIANCE) * rng.standard_normal((1, 2))
    return dgn, latent, dgn.network(latent) + noise


def compute(options: Options) -> Numbers:
    """Samples, the marginal on a grid, and the posterior of one observation.

    clean, noisy (M, 2): samples without and with noise. log_density: log p(x), nats, on the grid of
    grid_1 and grid_2. observed (2,), and the z0 (2,) it comes from. log_posterior: log p(z|x) on a
    grid of z. corners (C, 2), ends (R,): the regions as polygons, cut off at the window; e0 (R,):
    their shares of the posterior. posterior_mean, posterior_mode (2,), posterior_cov (2, 2), draws
    (K, 2): of the posterior.
    """
    dgn, latent, observed = model()
    rng = np.random.default_rng(_SEED)
    clean = dgn.network(rng.standard_normal((_SAMPLES, 2)))
    noisy = clean + np.sqrt(_VARIANCE) * rng.standard_normal(clean.shape)
    points = int(parameters(options)["grid"])
    posterior, partition = dgn.posterior(observed), dgn.partition()
    axis = np.linspace(-_WINDOW, _WINDOW, 5 * points)
    polygons = [cut_off(*partition.halfspaces(r), _WINDOW) for r in range(partition.n_regions)]
    return {
        "clean": clean,
        "noisy": noisy,
        **_log_density(dgn, noisy, points),
        "observed": observed[0],
        "z0": latent[0],
        "latent_axis": axis,
        "log_posterior": posterior.logpdf(_mesh(axis, axis))[0].reshape(len(axis), -1),
        "corners": np.concatenate(polygons),
        "ends": np.cumsum([len(polygon) for polygon in polygons]),
        "e0": posterior.e0[0],
        "posterior_mean": posterior.mean()[0],
        "posterior_mode": posterior.mode()[0],
        "posterior_cov": posterior.cov()[0],
        "draws": posterior.rvs(_DRAWS, _SEED)[0],
        "skipped": posterior.skipped[0],
        "entropy": posterior.entropy()[0],
        "log_evidence": dgn.logpdf(observed)[0],
    }


def summary(numbers: Numbers) -> Record:
    """Regions, log p(x), posterior moments, and what integrals over the grids come to."""
    step = float(np.diff(numbers["latent_axis"])[0])
    cells = float(np.diff(numbers["grid_1"])[0] * np.diff(numbers["grid_2"])[0])
    return {
        "n_regions": len(numbers["e0"]),
        "observation": numbers["observed"].tolist(),
        "log_p_x_nats": float(numbers["log_evidence"]),
        "posterior_mean": numbers["posterior_mean"].tolist(),
        "posterior_mode": numbers["posterior_mode"].tolist(),
        "posterior_covariance": numbers["posterior_cov"].tolist(),
        "posterior_entropy_nats": float(numbers["entropy"]),
        "sum_of_e0": float(numbers["e0"].sum()),
        "share_left_out_at_most": float(numbers["skipped"]),
        "regions_with_more_than_5_percent": int(np.sum(numbers["e0"] > _NAMED)),
        "mass_of_p_z_given_x_on_the_grid": float(np.exp(numbers["log_posterior"]).sum() * step**2),
        "mass_of_p_x_on_the_grid": float(np.exp(numbers["log_density"]).sum() * cells),
    }


def _mesh(first: Array, second: Array) -> Array:
    one, two = np.meshgrid(first, second)
    return np.stack([one.ravel(), two.ravel()], axis=1)


def _log_density(dgn: DGN, noisy: Array, points: int) -> Numbers:
    """log p(x) on a grid that holds nearly every noisy sample."""
    low, high = np.quantile(noisy, [0.001, 0.999], axis=0)
    margin = 0.08 * float((high - low).max())
    axes = [np.linspace(a - margin, b + margin, points) for a, b in zip(low, high, strict=True)]
    values = dgn.logpdf(_mesh(*axes)).reshape(points, points)
    return {"grid_1": axes[0], "grid_2": axes[1], "log_density": values}
