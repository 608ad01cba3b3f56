"""The score of every datum, ∇ log p(x; θ), by Fisher's identity.

Their mean is the gradient; the mean of their outer products estimates the Fisher information.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fast.dgn import DGN
from fast.distributions.gradient import by_noise
from fast.distributions.posterior import Shares
from fast.partition.layer_maps import input_maps, pulled_back
from fast.polyhedra.chunks import chunks
from reference.model import Array, Dense, learnable_layers, weighted

# Numbers held at once for the gradients by the layers of all pairs of a datum and a region.
_BATCH = 1 << 21
# The logarithm of a share of a posterior below which a region adds less than rounding.
_NOTHING = -40.0


def scores(dgn: DGN, X: Array) -> Iterator[dict[str, Array]]:
    """The gradient of log p(x) by every parameter, shaped (n, ...), for some data of X at a time.

    Guarded by tests/learning/test_stationarity.py, which compares with the gradient of each datum,
    and by `python -m oracle`.
    """
    layers = [weighted(dgn.network.layers[i]).layer for i in learnable_layers(dgn.network)]
    if dgn.is_local or not all(isinstance(layer, Dense) for layer in layers):
        for x in X:
            yield {name: slope[None] for name, slope in dgn.gradient(x[None]).items()}
        return
    codes = dgn.partition().codes
    widest = sum(value.size for value in dgn.parameters().values())
    for part in chunks(len(X), _BATCH, widest * min(len(codes), 8)):
        yield _together(dgn, X[part])


def _together(dgn: DGN, X: Array) -> dict[str, Array]:
    """Those of some data, by all of their pairs at once. All layers that learn are Dense."""
    network, noise = dgn.network, dgn.noise
    shares = dgn.posterior(X).shares
    shares = Shares(*(part[shares.log_e0 > _NOTHING] for part in shares))
    starts = np.searchsorted(shares.datum, np.arange(len(X)))
    maps = input_maps(network, dgn.partition().codes)
    codes = dgn.partition().codes[shares.region]
    slopes = maps[-1].slopes[shares.region]
    weights = np.exp(shares.log_e0)
    residual = X[shares.datum] - maps[-1].offsets[shares.region]
    residual -= np.einsum("pds,ps->pd", slopes, shares.mean)
    carried = slopes @ shares.cov
    # E[x - g] and E[(x - g) zᵀ] = r mᵀ - A Cov, as rows.
    along_z = shares.mean[:, :, None] * residual[:, None, :] - np.swapaxes(carried, 1, 2)
    rows = np.concatenate([residual[:, None, :], along_z], axis=1)
    rows = noise.solve(weights[:, None, None] * rows)
    result: dict[str, Array] = {}
    for index in learnable_layers(network):
        _, inputs, outputs = weighted(network.layers[index])
        back = pulled_back(network, codes, index, rows)[:, :, outputs]
        own_slopes = maps[index].slopes[shares.region][:, inputs]
        own_offsets = maps[index].offsets[shares.region][:, inputs]
        by_weight = np.swapaxes(back[:, 1:], 1, 2) @ np.swapaxes(own_slopes, 1, 2)
        by_weight += back[:, 0, :, None] * own_offsets[:, None, :]
        result[f"{index}.weight"] = np.add.reduceat(by_weight, starts, axis=0)
        result[f"{index}.bias"] = np.add.reduceat(back[:, 0], starts, axis=0)
    scatter = _scatter(dgn.cov_x.ndim, weights, residual, carried, slopes)
    result["cov_x"] = by_noise(noise, np.add.reduceat(scatter, starts, axis=0))
    inverse = np.linalg.inv(dgn.cov_z)
    e2 = np.add.reduceat(_second_moments(shares, weights), starts, axis=0)
    result["cov_z"] = 0.5 * (inverse @ e2 @ inverse - inverse)
    return result


def _second_moments(shares: Shares, weights: Array) -> Array:
    """E[z zᵀ 1{z in ω} | x] of every pair, (P, S, S)."""
    outer = shares.mean[:, :, None] * shares.mean[:, None, :]
    return weights[:, None, None] * (shares.cov + outer)


def _scatter(kind: int, weights: Array, residual: Array, carried: Array, slopes: Array) -> Array:
    """E[(x - g)(x - g)ᵀ 1{z in ω} | x] of every pair: full, its diagonal or its trace."""
    if kind == 2:
        outer = residual[:, :, None] * residual[:, None, :]
        return weights[:, None, None] * (outer + carried @ np.swapaxes(slopes, 1, 2))
    squares = weights[:, None] * (np.square(residual) + (carried * slopes).sum(axis=2))
    return np.asarray(squares if kind == 1 else squares.sum(axis=1))
