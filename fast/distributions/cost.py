"""What the partition of a model, and the log p(x) and posteriors of data, will cost."""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial

import numpy as np

from fast.distributions.observation import Noise
from fast.partition.cost.partition_cost import Spent, partition_cost
from fast.partition.cost.seconds import seconds_of_maps, slowness
from fast.partition.layer_maps import maps_to
from fast.partition.location import codes_at
from reference.model import Array, Network

# Data that are looked at, points of the prior among which each has its first guess, and steps from
# there.
_DATA, _GUESSES, _STEPS = 8, 512, 8
# Standard deviations of a posterior in which its regions are counted: the mass outside is 1e-15 for
# S = 2. Lines through it, and points on each.
_RADIUS, _LINES, _POINTS = 8.3, 6, 129

# Seconds for a pair of a datum and a region that matters, beside the maps that it needs, by S; and
# what a posterior takes beside log p(x).
_PAIR = {1: 2e-6, 2: 2.5e-5, 3: 8e-4, 4: 0.012, 5: 0.15, 6: 0.7}
_POSTERIOR = 1.1
# Of all regions, what bounds take, over the time of maps; and bytes of maps kept, and at once.
_BOUNDS = 1.2
_MOST_KEPT, _AT_ONCE = 7.5e8, 5e7


@dataclass(frozen=True)
class Cost:
    """What a model's results take, estimated before anything is enumerated.

    Parameters
    ----------
    regions : float
        About how many there are.
    regions_of_a_datum : float
        About how many of them a datum's posterior holds.
    partition : Spent
        Finding all regions: `seconds` of one core, and `memory`, the most bytes at once.
    logpdf : Spent
        log p(x) of the data, once the partition is there.
    posterior : Spent
        Their posteriors, once the partition is there.

    Notes
    -----
    From some hundred pieces of random lines [DGN.estimate_cost]. Regions and the partition's
    memory are within a factor of 3 for S <= 4, mostly within 1.3 for S = 2 and 3, and its seconds
    as docs/partition.md has them; what data take is rougher. Guarded, but for the seconds, by
    tests/partition/test_cost.py.

    Examples
    --------
    >>> from fast import DGN, Network
    >>> cost = DGN(Network.random([2, 32, 3], random_state=0), 1.0).estimate_cost([[0.0, 0.0, 0.0]])
    >>> 200 < cost.regions < 1500  # there are 529
    True
    """

    regions: float
    regions_of_a_datum: float
    partition: Spent
    logpdf: Spent
    posterior: Spent

    def __str__(self) -> str:
        """The same in words."""
        parts = {"partition": self.partition, "log p": self.logpdf, "posterior": self.posterior}
        told = [
            f"{name} {spent.seconds:.2g} s and {spent.memory / 1e9:.2g} GB"
            for name, spent in parts.items()
        ]
        return f"about {self.regions:.2g} regions; {', '.join(told)}"


def estimated_cost(network: Network, noise: Noise, cov_z: Array, X: Array) -> Cost:
    """What finding the partition takes, and what log p(x) and posteriors of data X (N, D) do."""
    regions, partition = partition_cost(network)
    latent = network.latent_dimension
    with np.errstate(all="ignore"):
        held = _regions_of_a_datum(network, noise, cov_z, X)
    held = float(np.clip(held, 1.0, regions)) if latent > 1 else regions
    maps, pairs = seconds_of_maps(network, len(network.layers)), held * len(X)
    own = min(pairs, regions) * maps + slowness() * _PAIR.get(latent, _PAIR[6]) * pairs
    seconds = _BOUNDS * maps * regions + own
    numbers = noise.dimension * (latent + 1)
    memory = partition.memory + min(8.0 * regions * numbers, _MOST_KEPT) + _AT_ONCE
    pair = 8.0 * (2 * latent**2 + 3 * latent + 10)
    return Cost(
        regions=regions,
        regions_of_a_datum=held,
        partition=partition,
        logpdf=Spent(seconds, memory),
        posterior=Spent(_POSTERIOR * seconds, memory + pairs * pair),
    )


def _regions_of_a_datum(network: Network, noise: Noise, cov_z: Array, X: Array) -> float:
    """About how many regions a posterior meets: from how many facets lines through the middle of
    its Gaussian cross, as if these were hyperplanes in all directions."""
    rng, latent = np.random.default_rng(0), network.latent_dimension
    root_z = np.linalg.cholesky(cov_z)
    Z = rng.standard_normal((_GUESSES, latent)) @ root_z.T
    images = network(Z)
    # What is not observed counts as the mean of what there may be.
    X = np.where(np.isnan(X), images.mean(axis=0), X)
    images, found = noise.whiten(images), []
    for x in noise.whiten(X[:: max(1, len(X) // _DATA)][:_DATA]):
        away = np.sum((images - x) ** 2, axis=1)
        white = np.linalg.solve(root_z, Z.T)
        best = Z[np.argmin(away + np.sum(white**2, axis=0))]
        mean, root = _near_mode(network, noise, cov_z, x, best)
        around = rng.standard_normal((_LINES, latent))
        around *= _RADIUS / np.linalg.norm(around, axis=1, keepdims=True)
        ways = np.linspace(-1.0, 1.0, _POINTS)[None, :, None] * (around @ root.T)[:, None]
        codes = codes_at(network, (mean + ways).reshape(-1, latent)).reshape(_LINES, _POINTS, -1)
        changes = np.count_nonzero(np.diff(codes, axis=1), axis=(1, 2)).mean()
        found.append(_cells_in_ball(float(changes), latent))
    return float(np.mean(found))


def _near_mode(
    network: Network, noise: Noise, cov_z: Array, x: Array, start: Array
) -> tuple[Array, Array]:
    """The best point of some steps to the middle of its region's Gaussian, and a root of that
    Gaussian's covariance; x seen through the noise."""
    precision_z = np.linalg.inv(cov_z)
    z, best, root = start, start, np.eye(len(start))
    lowest = np.inf
    for _ in range(_STEPS):
        maps = maps_to(network, codes_at(network, z[None]), len(network.layers))
        slopes, offsets = (part[0] for part in maps)
        rows = noise.whiten(slopes.T).T
        left = x - noise.whiten(offsets)
        value = float(np.sum((left - rows @ z) ** 2) + z @ precision_z @ z)
        cov = np.linalg.inv(rows.T @ rows + precision_z)
        if value < lowest:
            lowest, best, root = value, z, np.asarray(np.linalg.cholesky(cov))
        # From what is worse, half the way back; else to the middle of the region's Gaussian.
        z = cov @ (rows.T @ left) if z is best else 0.5 * (z + best)
    return best, root


def _cells_in_ball(crossings: float, latent: int) -> float:
    """Into how many cells hyperplanes in all directions cut a ball, by how many of them a line
    through its middle crosses: each is crossed with the mean of a cosine's size, and of those that
    meet half as many for each further one meet inside."""
    cosine = np.mean(np.abs(np.cos(np.linspace(0, np.pi, 201)))) if latent == 2 else latent**-0.63
    number = crossings / float(cosine)
    terms = [number**k / (factorial(k) * 2.0 ** (k - 1)) for k in range(1, latent + 1)]
    return 1.0 + sum(terms)
