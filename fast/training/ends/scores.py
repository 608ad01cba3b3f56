"""The score of every datum, ∇ log p(x; θ), by Fisher's identity.

Their mean is the gradient; the mean of their outer products estimates the Fisher information.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fast.dgn import DGN
from fast.distributions.gradient import by_kernels, by_noise
from fast.distributions.missing.sums import add_rest, filled
from fast.distributions.posterior import Shares
from fast.partition.layer_maps import Maps, input_maps, pulled_back
from fast.polyhedra.chunks import chunks
from reference.model import Array, Convolution, Indices, is_whole, learnable_layers, weighted

# Numbers held at once: of the scores of some data, and of gradients by x of their regions.
_BATCH = 1 << 21
# The logarithm of a share of a posterior below which a region adds less than rounding.
_NOTHING = -40.0


def scores(dgn: DGN, X: Array) -> Iterator[dict[str, Array]]:
    """The gradient of log p(x) by every parameter, shaped (n, ...), for some data of X at a time.

    Guarded by tests/learning/test_stationarity.py, which compares with the gradient of each datum,
    and by `python -m oracle`.
    """
    if dgn.is_local:
        for x in X:
            yield {name: slope[None] for name, slope in dgn.gradient(x[None]).items()}
        return
    numbers = sum(value.size for value in dgn.parameters().values())
    for part in chunks(len(X), _BATCH, max(numbers, len(dgn.partition().codes))):
        yield _of_data(dgn, X[part])


def _of_data(dgn: DGN, X: Array) -> dict[str, Array]:
    """Those of all of X: sums over what every datum has on regions, some pairs at a time."""
    shares = dgn.posterior(X).shares
    shares = _taken(shares, np.flatnonzero(shares.log_e0 > _NOTHING))
    sums = {name: np.zeros((len(X), *value.shape)) for name, value in dgn.parameters().items()}
    for some in chunks(len(shares.datum), _BATCH, X.shape[1] * (1 + len(dgn.cov_z))):
        own = _taken(shares, some)
        data, starts = np.unique(own.datum, return_index=True)
        for name, value in _of_pairs(dgn, X, own, starts).items():
            sums[name][data] += value
    if not is_whole(X):
        add_rest(dgn.noise, X, sums["cov_x"])
    sums["cov_x"] = by_noise(dgn.noise, sums["cov_x"])
    inverse = np.linalg.inv(dgn.cov_z)
    sums["cov_z"] = 0.5 * (inverse @ sums["cov_z"] @ inverse - inverse)
    return sums


def _taken(shares: Shares, some: Indices | slice) -> Shares:
    """Some of the pairs."""
    datum, region, log_e0, mean, cov, entropy = shares
    return Shares(datum[some], region[some], log_e0[some], mean[some], cov[some], entropy[some])


def _of_pairs(dgn: DGN, X: Array, shares: Shares, starts: Indices) -> dict[str, Array]:
    """What pairs add to the gradients of their data by weights and biases, to
    E[(x - g)(x - g)ᵀ | x] as "cov_x", and to E[z zᵀ | x] as "cov_z".

    starts (n,): the first pair of each datum.
    """
    network, noise = dgn.network, dgn.noise
    regions, place = np.unique(shares.region, return_inverse=True)
    maps = [
        Maps(slopes[place], offsets[place])
        for slopes, offsets in input_maps(network, dgn.partition().codes[regions])
    ]
    codes = dgn.partition().codes[shares.region]
    slopes, weights = maps[-1].slopes, np.exp(shares.log_e0)
    residual = X[shares.datum] - maps[-1].offsets
    residual -= np.einsum("pds,ps->pd", slopes, shares.mean)
    if not is_whole(residual):
        residual, slopes = filled(noise, residual, slopes)
    carried = np.swapaxes(slopes @ shares.cov, 1, 2)
    # E[x - g] and E[(x - g) zᵀ] = r mᵀ - A Cov, as rows.
    along_z = shares.mean[:, :, None] * residual[:, None, :] - carried
    rows = np.concatenate([residual[:, None, :], along_z], axis=1)
    rows = noise.solve(weights[:, None, None] * rows)
    result: dict[str, Array] = {}
    for index in learnable_layers(network):
        layer, inputs, outputs = weighted(network.layers[index])
        back = pulled_back(network, codes, index, rows)[:, :, outputs]
        seen = Maps(maps[index].slopes[:, inputs], maps[index].offsets[:, inputs])
        bias = np.add.reduceat(back[:, 0], starts, axis=0)
        if isinstance(layer, Convolution):
            result[f"{index}.weight"] = np.stack(
                [
                    by_kernels(layer, back[some], Maps(seen.slopes[some], seen.offsets[some]))
                    for some in _of_each(starts, len(back))
                ]
            )
            result[f"{index}.bias"] = np.stack([layer.on_bias(one) for one in bias])
            continue
        result[f"{index}.weight"] = _products(back, _rows_of(seen), starts)
        result[f"{index}.bias"] = bias
    result["cov_x"] = _scatter(dgn.cov_x.ndim, weights, residual, carried, slopes, starts)
    result["cov_z"] = np.add.reduceat(_second_moments(shares, weights), starts, axis=0)
    return result


def _rows_of(maps: Maps) -> Array:
    """Offsets, and below them slopes, (P, 1 + S, n)."""
    return np.concatenate([maps.offsets[:, None], np.swapaxes(maps.slopes, 1, 2)], axis=1)


def _of_each(starts: Indices, count: int) -> list[slice]:
    """The pairs of each datum."""
    stops = [*starts[1:], count]
    return [slice(start, stop) for start, stop in zip(starts, stops, strict=True)]


def _products(left: Array, right: Array, starts: Indices) -> Array:
    """Σ_k left_k right_kᵀ of each datum, over all rows k of all of its pairs: (n, a, b) from
    (P, K, a) and (P, K, b).

    No pair has a matrix of its own: for wide layers they would be all of the memory and time.
    """
    wide, long = left.shape[2], right.shape[2]
    result = np.empty((len(starts), wide, long))
    for one, some in zip(result, _of_each(starts, len(left)), strict=True):
        np.matmul(left[some].reshape(-1, wide).T, right[some].reshape(-1, long), out=one)
    return result


def _second_moments(shares: Shares, weights: Array) -> Array:
    """E[z zᵀ 1{z in ω} | x] of every pair, (P, S, S)."""
    outer = shares.mean[:, :, None] * shares.mean[:, None, :]
    return weights[:, None, None] * (shares.cov + outer)


def _scatter(
    kind: int, weights: Array, residual: Array, carried: Array, slopes: Array, starts: Indices
) -> Array:
    """E[(x - g)(x - g)ᵀ | x] of every datum: full, its diagonal or its trace. carried (P, S, D):
    (A Cov)ᵀ."""
    if kind == 2:
        left = np.concatenate([residual[:, None], carried], axis=1) * weights[:, None, None]
        right = np.concatenate([residual[:, None], np.swapaxes(slopes, 1, 2)], axis=1)
        return _products(left, right, starts)
    squares = np.square(residual) + np.einsum("psd,pds->pd", carried, slopes)
    squares = np.add.reduceat(weights[:, None] * squares, starts, axis=0)
    return np.asarray(squares if kind == 1 else squares.sum(axis=1))
