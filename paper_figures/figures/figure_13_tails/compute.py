"""Numbers of figure 13: the error of log p(x) far from the data, ours and the published code's."""

from __future__ import annotations

import numpy as np

from fast import DGN, LeakyReLU, Network
from oracle.exact.layers import layers_of
from oracle.quadrature.interval import FINER, PRECISE
from oracle.truths.one_dimension import OneDimension
from paper_figures.figures.figure_13_tails.published_density import BOX, FLOOR, log_density
from paper_figures.options import Numbers, Options, Record
from reference.model import Array

_WIDTHS = (1, 8, 8, 2)
_SLOPE = 0.1
_VARIANCES = (0.3, 0.1, 0.01, 0.0025)
#: How far from the nearest image g(z), in deviations of the noise.
_DISTANCES = np.array([0.0, *np.geomspace(1.0, 1000.0, 13)])
_QUICK_NETWORKS, _FULL_NETWORKS = 3, 20


def parameters(options: Options) -> Record:
    """What determines the numbers."""
    return {
        "widths": _WIDTHS,
        "leaky_slope": _SLOPE,
        "cov_x": _VARIANCES,
        "distances": _DISTANCES.tolist(),
        "seeds": options.seeds(_QUICK_NETWORKS, _FULL_NETWORKS),
        "published": {"box": BOX, "floor": FLOOR},
    }


def compute(options: Options) -> Numbers:
    """log p(x) at points farther and farther from what a network generates, in three ways.

    truth, ours, published (V, networks, distances): by the oracle, by `fast`, and with the
    published code's box and floor, nats; for V variances of the noise. The points lie on a normal
    of the network's image, at the distances.
    """
    seeds = options.seeds(_QUICK_NETWORKS, _FULL_NETWORKS)
    networks = [Network.random(_WIDTHS, LeakyReLU(_SLOPE), seed) for seed in seeds]
    shape = len(_VARIANCES), len(seeds), len(_DISTANCES)
    truth, ours, published = np.empty(shape), np.empty(shape), np.empty(shape)
    for i, variance in enumerate(_VARIANCES):
        for j, network in enumerate(networks):
            dgn = DGN(network, variance)
            X = _points(dgn, seeds[j])
            truth[i, j] = _exact(dgn, X)
            ours[i, j], published[i, j] = dgn.logpdf(X), log_density(dgn, X)
    return {
        "variances": np.array(_VARIANCES),
        "distances": _DISTANCES,
        "seeds": np.array(seeds),
        "truth": truth,
        "ours": ours,
        "published": published,
    }


def _points(dgn: DGN, seed: int) -> Array:
    """g of a z drawn from the prior, and points from there on, at right angles to g."""
    z = np.random.default_rng(seed).standard_normal((1, 1))
    slope = dgn.partition().slopes[dgn.partition().locate(z)[0], :, 0]
    normal = np.array([-slope[1], slope[0]]) / np.linalg.norm(slope)
    return np.asarray(dgn.network(z) + np.sqrt(float(dgn.cov_x)) * _DISTANCES[:, None] * normal)


def _exact(dgn: DGN, X: Array) -> Array:
    """By the oracle's quadrature at two precisions, which must agree."""
    found = []
    for rule in (PRECISE, FINER):
        oracle = OneDimension(layers_of(dgn.network), dgn.cov_x, 1.0, rule)
        found.append([oracle.log_evidence(x) for x in X])
    for one, other in zip(*found, strict=True):
        if not abs(one - other) <= 1e-20 * max(1, abs(one)):
            raise ArithmeticError(f"log p(x): two precisions gave {one} and {other}")
    return np.array([float(value) for value in found[0]])


def errors(numbers: Numbers, which: str) -> Array:
    """|log p - truth| / max(1, |truth|), (V, networks, distances)."""
    apart = np.abs(numbers[which] - numbers["truth"])
    return np.asarray(apart / np.maximum(1.0, np.abs(numbers["truth"])))


def summary(numbers: Numbers) -> Record:
    """The worst errors, relative and in nats, and where ours is."""
    ours = errors(numbers, "ours")
    where = np.unravel_index(int(ours.argmax()), ours.shape)
    variances = numbers["variances"].tolist()
    return {
        "worst_relative_error_of_fast": {
            "value": float(ours.max()),
            "cov_x": variances[where[0]],
            "seed": int(numbers["seeds"][where[1]]),
            "distance": float(numbers["distances"][where[2]]),
        },
        "worst_error_of_the_published_code_in_nats": {
            f"cov_x {variance:g}": float(apart.max())
            for variance, apart in zip(
                variances, np.abs(numbers["published"] - numbers["truth"]), strict=True
            )
        },
        "least_log_p": float(numbers["truth"].min()),
    }
