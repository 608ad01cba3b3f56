"""For a given model and every datum, the q(z|x) that is nearest to p(z|x), S = 1.

Among Gaussians N(m, s²) it is the best that any encoder could do. Mixtures of Gaussians are found
one component after another.
"""

from __future__ import annotations

import numpy as np

from fast import DGN
from paper_figures.methods.exact_bound import Mixture, elbo
from reference.model import Array

#: A search ends with steps of this part of q's deviation: KL is then off by about its square.
_FINEST = 1e-4
_MOST_ROUNDS = 200
# Moves tried in a round: of the mean, in deviations, and of the logarithm of the deviation.
_MOVES = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
# How many of a posterior's weightiest regions a search starts from.
_REGIONS = 4


def nearest(dgn: DGN, X: Array, most: int) -> tuple[Array, Array]:
    """The KL(q ‖ p(z|x)) of every datum's nearest Gaussian, and of a mixture found from them.

    Parameters
    ----------
    dgn : DGN
        With one latent dimension.
    X : Array, shape (N, D)
        The data.
    most : int
        At most so many Gaussians in a mixture.

    Returns
    -------
    gaussian : Array, shape (N,)
        The least KL of a Gaussian, nats.
    mixture : Array, shape (N,)
        The KL of the mixture that was found, nats.

    Notes
    -----
    Where the posterior has several modes, the KL has several minima. So a search starts from the
    posterior's moments, one from its mode, and one from each of the four regions with the largest
    weights. The mixture is built from the minima that are found: the best one, and then another as
    long as that lowers the KL. Their weights are those that are best if the Gaussians do not
    overlap. The KL of the mixture is exact; the best mixture's may be lower.

    That no perturbation does better is tested in tests/paper_figures/test_variational.py.
    """
    log_p = dgn.logpdf(X)
    found = [_search(dgn, X, log_p, start) for start in _starts(dgn, X)]
    places = np.array([place for place, _ in found])
    divergences = np.array([divergence for _, divergence in found])
    rows = np.arange(len(X))
    chosen = divergences.argmin(axis=0)[None]
    gaussian = best = divergences[chosen[0], rows]
    for _ in range(most - 1):
        trials = [np.vstack([chosen, np.full_like(rows, i)]) for i in range(len(places))]
        values = np.array([_of_mixture(dgn, X, log_p, places, divergences, t) for t in trials])
        helps = values.min(axis=0) < best
        # Where nothing helps a component is repeated, which changes nothing.
        added = np.where(helps, values.argmin(axis=0), chosen[-1])
        chosen, best = np.vstack([chosen, added]), np.where(helps, values.min(axis=0), best)
    return gaussian, best


def _starts(dgn: DGN, X: Array) -> list[Array]:
    """Places (N, 2), mean and log deviation, to search from."""
    posterior = dgn.posterior(X)
    deviation = np.sqrt(posterior.cov()[:, 0, 0])
    starts = [(posterior.mean()[:, 0], deviation), (posterior.mode()[:, 0], 0.5 * deviation)]
    weighty = np.argsort(-posterior.log_e0, axis=1)
    rows = np.arange(len(X))
    for region in weighty.T[:_REGIONS]:
        spread = np.sqrt(posterior.region_cov[rows, region, 0, 0])
        starts.append((posterior.region_mean[rows, region, 0], spread))
    return [np.stack([mean, np.log(spread)], axis=1) for mean, spread in starts]


def _of_mixture(
    dgn: DGN, X: Array, log_p: Array, places: Array, divergences: Array, chosen: Array
) -> Array:
    """KL of the mixtures of the chosen minima (C, N).

    The best weights of Gaussians that do not overlap are proportional to exp(-KL).
    """
    rows = np.arange(len(X))
    means, log_deviations = np.moveaxis(places[chosen, rows], 2, 0)
    weights = np.exp(-divergences[chosen, rows])
    q = Mixture(
        (weights / weights.sum(axis=0)).T,
        means.T[:, :, None],
        np.exp(2.0 * log_deviations).T[:, :, None, None],
    )
    return np.asarray(log_p - elbo(dgn, X, q))


def _search(dgn: DGN, X: Array, log_p: Array, place: Array) -> tuple[Array, Array]:
    """Search downhill from places (N, 2), mean and log deviation, for all data at once.

    It is a compass search: where no move helps, the step is halved.
    """
    value = _divergence(dgn, X, log_p, place)
    step = np.full(len(X), 0.5)
    for _ in range(_MOST_ROUNDS):
        if np.all(step < _FINEST):
            break
        scale = step[:, None] * np.stack([np.exp(place[:, 1]), np.ones(len(X))], axis=1)
        trials = [place + scale * move for move in _MOVES]
        values = np.array([_divergence(dgn, X, log_p, trial) for trial in trials])
        best = values.argmin(axis=0)
        lower = values.min(axis=0) < value
        rows = np.flatnonzero(lower)
        place = place.copy()
        place[rows] = np.array(trials)[best[rows], rows]
        value = np.where(lower, values.min(axis=0), value)
        step = np.where(lower, step, 0.5 * step)
    return place, value


def _divergence(dgn: DGN, X: Array, log_p: Array, place: Array) -> Array:
    variances = np.exp(2.0 * place[:, 1])[:, None, None]
    return np.asarray(log_p - dgn.elbo(X, place[:, :1], variances))
