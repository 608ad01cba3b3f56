"""Numbers of figure 3: a random DGN's samples, p(x) [eq. 5] and p(z|x) [eq. 6]."""

from __future__ import annotations

import numpy as np

from fast import DGN, LeakyReLU, Network
from paper_figures.options import Numbers, Options, Record

_WIDTHS = [1, 4, 16, 2]
_SLOPE = 0.01
_VARIANCE = 0.1
_SEED = 158
_DRAW = 1
_SAMPLES = 1500
_QUICK_GRID, _FULL_GRID = 240, 400
_CHOICE = (
    "chosen, not typical: of the seeds 0-299 one whose manifold folds back within reach of the "
    "noise, and of its draws (z0, noise0) one whose noisy point has a second posterior mode on "
    "the other branch; most seeds bend less, and most posteriors have one mode"
)


def parameters(options: Options) -> Record:
    """What determines the numbers: one network, the same whatever the number of starts."""
    return {
        "widths": _WIDTHS,
        "leaky_slope": _SLOPE,
        "cov_x": _VARIANCE,
        "cov_z": 1.0,
        "seed": _SEED,
        "choice_of_seed_and_points": _CHOICE,
        "draw_of_z0_and_noise0": _DRAW,
        "n_samples": _SAMPLES,
        "grid": _FULL_GRID if options.full else _QUICK_GRID,
    }


def compute(options: Options) -> Numbers:
    """Samples, the marginal on a grid, and the posteriors of two observations.

    clean, noisy (M, 2): samples without and with noise. log_density: log p(x), nats, on the grid of
    grid_1 and grid_2. observed (2, 2); posterior (2, Z): their posterior densities on z (Z,), with
    their means and deviations, and log_evidence. breakpoints: ends of the regions.
    """
    network = Network.random(_WIDTHS, LeakyReLU(_SLOPE), _SEED)
    dgn = DGN(network, _VARIANCE)
    rng = np.random.default_rng(_SEED)
    latents = rng.standard_normal((_SAMPLES, 1))
    clean = network(latents)
    noisy = clean + np.sqrt(_VARIANCE) * rng.standard_normal(clean.shape)
    draw = np.random.default_rng([_SEED, _DRAW])
    z0, noise = draw.standard_normal((1, 1)), np.sqrt(_VARIANCE) * draw.standard_normal((1, 2))
    observed = np.concatenate([network(z0), network(z0) + noise])
    z = np.linspace(-3.0, 3.0, 3001)
    posterior = dgn.posterior(observed)
    return {
        "clean": clean,
        "noisy": noisy,
        **_log_density(dgn, noisy, int(parameters(options)["grid"])),
        "observed": observed,
        "z": z,
        "posterior": np.exp(posterior.logpdf(z[:, None])),
        "posterior_mean": posterior.mean()[:, 0],
        "posterior_deviation": np.sqrt(posterior.cov()[:, 0, 0]),
        "log_evidence": dgn.logpdf(observed),
        "z0": z0[0, 0],
        "breakpoints": dgn.partition().breakpoints,
    }


def summary(numbers: Numbers) -> Record:
    """Region count, log p(x) and posterior moments of the two observations."""
    return {
        "n_regions": len(numbers["breakpoints"]) + 1,
        "z0": float(numbers["z0"]),
        "observations": numbers["observed"].tolist(),
        "log_p_x_nats": numbers["log_evidence"].tolist(),
        "posterior_mean": numbers["posterior_mean"].tolist(),
        "posterior_deviation": numbers["posterior_deviation"].tolist(),
        "mass_of_p_x_on_the_grid": float(
            np.exp(numbers["log_density"]).sum()
            * np.diff(numbers["grid_1"])[0]
            * np.diff(numbers["grid_2"])[0]
        ),
    }


def _log_density(dgn: DGN, noisy: np.ndarray, points: int) -> Numbers:
    """log p(x) on a grid that holds every noisy sample."""
    low, high = noisy.min(axis=0), noisy.max(axis=0)
    margin = 0.08 * (high - low).max()
    axes = [np.linspace(a - margin, b + margin, points) for a, b in zip(low, high, strict=True)]
    first, second = np.meshgrid(*axes)
    values = dgn.logpdf(np.stack([first.ravel(), second.ravel()], axis=1))
    return {"grid_1": axes[0], "grid_2": axes[1], "log_density": values.reshape(first.shape)}
