"""The check that log p(x) = ELBO + KL(q ‖ p(z|x)), with a log p(x) and a KL computed by quadrature.

`DGN.kl` is computed as log p(x) less the ELBO, so it cannot contradict them. Here both integrals
are computed independently of `fast`, for S = 1, from p(x, z) as a forward pass through the network
gives it. Only the breakpoints of the partition are used, as ends of panels; a wrong one would show
as a disagreement.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from fast import DGN
from paper_figures.methods.exact_bound import Mixture, elbo
from paper_figures.methods.panel_quadrature import integration_points
from reference.model import Array

#: What a disagreement may be, relative to max(1, |log p|, |ELBO|): ten times the worst that
#: tests/paper_figures/test_variational.py finds on random models.
TOLERANCE = 1e-12

# Panel ends about the largest value of p(x, z) on a region, in units of how fast it falls there.
_STEPS = np.array([0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 40.0])


def disagreement(dgn: DGN, X: Array, q: Mixture) -> Array:
    """How far `fast` and quadrature disagree on log p(x) and on the ELBO, relatively.

    Parameters
    ----------
    dgn : DGN
        With one latent dimension and isotropic noise.
    X : Array, shape (N, D)
        The data.
    q : Mixture
        One mixture a datum.

    Returns
    -------
    Array, shape (N,)
        The larger of |log p - ELBO - KL| and |log p - log p'|, divided by max(1, |log p|, |ELBO|).
        log p and ELBO are from `fast`; KL and log p' are by quadrature.
    """
    log_p, bound = dgn.logpdf(X), elbo(dgn, X, q)
    size = np.maximum(1.0, np.maximum(np.abs(log_p), np.abs(bound)))
    evidence, divergence = by_quadrature(dgn, X, q)
    apart = np.maximum(np.abs(log_p - bound - divergence), np.abs(log_p - evidence))
    return np.asarray(apart / size)


def by_quadrature(dgn: DGN, X: Array, q: Mixture) -> tuple[Array, Array]:
    """log p(x) and KL(q ‖ p(z|x)) by quadrature.

    Parameters
    ----------
    dgn, X, q
        As of `disagreement`.

    Returns
    -------
    log_p, kl : Array, shape (N,)
        Nats.
    """
    breaks = dgn.partition().breakpoints
    evidence = np.array([_log_evidence(dgn, x, breaks) for x in X])

    def relative(points: Array, log_q: Array) -> Array:
        joint = [_log_joint(dgn, x, z) for x, z in zip(X, points, strict=True)]
        return np.asarray(log_q - np.stack(joint))

    return evidence, np.asarray(q.expectation(relative, breaks) + evidence)


def _log_joint(dgn: DGN, x: Array, z: Array) -> Array:
    """log p(x, z) [eq. 4] at points z (M,) for one x (D,), isotropic noise."""
    noise, prior = float(dgn.cov_x), float(dgn.cov_z[0, 0])
    error = np.square(x - dgn.network(z[:, None])).sum(axis=1)
    constant = len(x) * np.log(2.0 * np.pi * noise) + np.log(2.0 * np.pi * prior)
    return np.asarray(-0.5 * (error / noise + z**2 / prior + constant))


def _log_evidence(dgn: DGN, x: Array, breaks: Array) -> float:
    """log ∫ p(x, z) dz: between breakpoints log p(x, z) is a parabola, known from three points."""
    reach = 40.0 * np.sqrt(dgn.cov_z[0, 0])
    ends = np.concatenate([[min(-reach, *breaks, 0.0) - 1.0], breaks, [max(reach, *breaks) + 1.0]])
    low, high = ends[:-1], ends[1:]
    slope, deviation = _falls(dgn, x, low, high)
    centre = low + deviation**2 * slope
    peak = np.clip(centre, low, high)
    with np.errstate(divide="ignore"):
        scale = np.minimum(deviation, deviation**2 / np.abs(peak - centre))
    steps = np.concatenate([-_STEPS[:0:-1], _STEPS])
    edges = np.clip(peak[:, None] + scale[:, None] * steps, low[:, None], high[:, None])
    edges = np.sort(np.concatenate([edges, low[:, None], high[:, None]], axis=1), axis=1)
    points, weights = integration_points(edges)
    log_joint = _log_joint(dgn, x, points.ravel()).reshape(points.shape)
    return float(logsumexp(log_joint, b=weights))


def _falls(dgn: DGN, x: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """On every region p(x, z) is a piece of a Gaussian in z: its slope and standard deviation.

    The slope is that of log p(x, z) at the region's lower end.
    """
    noise, prior = float(dgn.cov_x), float(dgn.cov_z[0, 0])
    left, right = dgn.network(low[:, None]), dgn.network(high[:, None])
    rise = (right - left) / (high - low)[:, None]
    precision = np.square(rise).sum(axis=1) / noise + 1.0 / prior
    slope = ((x - left) * rise).sum(axis=1) / noise - low / prior
    return slope, 1.0 / np.sqrt(precision)
