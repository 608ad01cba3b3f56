"""What the other modules of the oracle do not say: sums over data, updates of the M-step and the
zero-noise limit; from definitions, in 50 digits or exactly.

Models are layers as in oracle.exact.layers, cov_x (), (D,) or (D, D), cov_z (S, S). Guarded by
tests/oracle/test_oracle_small_checks.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from mpmath import mp, mpf

from oracle.exact.layer_specs import LayerSpec
from oracle.exact.line import exact_partition
from oracle.exact.number_types import Array, Real, Reals
from oracle.exact.regions import Code, exact_regions
from oracle.quadrature.interval import PRECISE
from oracle.truths.one_dimension import OneDimension
from oracle.truths.regionwise import LatentSpace

DIGITS = 50


def reals(values: Any) -> Reals:
    """Doubles as numbers of mpmath."""
    array = np.asarray(values, dtype=float)
    result = np.empty(array.shape, dtype=object)
    for index in np.ndindex(array.shape):
        result[index] = mpf(float(array[index]))
    return result


def full_covariance(cov: Array, dimension: int) -> Array:
    array = np.asarray(cov, dtype=float)
    return array if array.ndim == 2 else np.diag(np.broadcast_to(array, (dimension,)))


@dataclass(frozen=True)
class Share:
    """One region and one x: its code, e0, mean (S,) and covariance (S, S) of z given both."""

    code: Code
    e0: Real
    mean: Reals
    cov: Reals


def shares(layers: tuple[LayerSpec, ...], cov_x: Array, cov_z: Array, x: Array) -> list[Share]:
    """The posterior of one x region by region [eq. 6]; S = 2, 3: of the regions that matter."""
    if np.shape(layers[0][1])[1] > 1:
        space = LatentSpace(layers, cov_x, cov_z)
        return [
            Share(code, e0, np.array(mean, dtype=object), np.array(cov, dtype=object))
            for code, e0, mean, cov in space.shares(x)
        ]
    values = OneDimension(layers, cov_x, cov_z, PRECISE).at_point(x, 0.0, 1.0)
    codes = [code for name, code in values if name == "e0"]
    return [
        Share(
            code,
            values["e0", code].value,
            np.array([values["region mean", (*code, 0)].value], dtype=object),
            np.array([[values["region covariance", (*code, 0, 0)].value]], dtype=object),
        )
        for code in codes
    ]


@dataclass(frozen=True)
class Sums:
    """Sums over data that the M-step needs, by region (codes): e0, e1, e2, residual0, residual1 as
    `statistics` of the implementations; scatter (D, D); n and Σ log p(x)."""

    codes: list[Code]
    n: int
    loglik: Real
    e0: Reals
    e1: Reals
    e2: Reals
    residual0: Reals
    residual1: Reals
    scatter: Reals


def sums(layers: tuple[LayerSpec, ...], cov_x: Array, cov_z: Array, X: Array) -> Sums:
    """Σ_x of E[1], E[z], E[z zᵀ], E[x - g], E[(x - g) zᵀ] on every region, of E[(x - g)(x - g)ᵀ]
    and of log p(x) [Sec. 4.1]."""
    with mp.workdps(DIGITS):
        maps = {
            region.code: map_of(region.rows, region.exponent) for region in exact_regions(layers)
        }
        codes = sorted(maps)
        dimension, size = next(iter(maps.values()))[0].shape
        zero = mpf(0)
        found = Sums(
            codes=codes,
            n=len(X),
            loglik=sum(log_evidence(layers, cov_x, cov_z, x) for x in X),
            e0=np.full(len(codes), zero),
            e1=np.full((len(codes), size), zero),
            e2=np.full((len(codes), size, size), zero),
            residual0=np.full((len(codes), dimension), zero),
            residual1=np.full((len(codes), dimension, size), zero),
            scatter=np.full((dimension, dimension), zero),
        )
        for x in X:
            for share in shares(layers, cov_x, cov_z, x):
                r, (slope, offset) = codes.index(share.code), maps[share.code]
                residual = reals(x) - slope @ share.mean - offset
                found.e0[r] += share.e0
                found.e1[r] += share.e0 * share.mean
                found.e2[r] += share.e0 * (share.cov + np.outer(share.mean, share.mean))
                found.residual0[r] += share.e0 * residual
                cross = np.outer(residual, share.mean) - slope @ share.cov
                found.residual1[r] += share.e0 * cross
                spread = np.outer(residual, residual) + slope @ share.cov @ slope.T
                found.scatter[:] += share.e0 * spread
        return found


def log_evidence(layers: tuple[LayerSpec, ...], cov_x: Array, cov_z: Array, x: Array) -> Real:
    """log p(x)."""
    if np.shape(layers[0][1])[1] > 1:
        return LatentSpace(layers, cov_x, cov_z).log_evidence(x)
    return OneDimension(layers, cov_x, cov_z, PRECISE).log_evidence(x)


def map_of(rows: Any, exponent: int) -> tuple[Reals, Reals]:
    """A region's map as slope and offset."""
    scale = mpf(2) ** exponent
    numbers = np.array([[mpf(int(v)) / scale for v in row] for row in rows], dtype=object)
    return numbers[:, :-1], numbers[:, -1]


def covariance_update(cov_x: Array, found: Sums, name: str) -> Array:
    """The M-step's closed form of "cov_x" or "cov_z" [Sec. 4.2]."""
    with mp.workdps(DIGITS):
        if name == "cov_z":
            return doubles(found.e2.sum(axis=0) / found.n)
        return _in_structure(doubles(found.scatter / found.n), np.asarray(cov_x))


def _in_structure(scatter: Array, cov_x: Array) -> Array:
    """What a scatter says of Σx: all of it, its diagonal or its mean diagonal."""
    if cov_x.ndim == 2:
        return scatter
    return np.diag(scatter) if cov_x.ndim == 1 else np.asarray(np.mean(np.diag(scatter)))


def doubles(values: Reals) -> Array:
    return np.array([float(v) for v in values.ravel()]).reshape(values.shape)


def log_peak(layers: tuple[LayerSpec, ...], cov_x: Array, cov_z: Array, x: Array) -> Real:
    """The largest log p(x, z) over z."""
    size = int(np.shape(layers[0][1])[1])
    q = np.zeros(size), np.eye(size)
    if size > 1:
        values = LatentSpace(layers, cov_x, cov_z).at_point(x, *q)
    else:
        values = OneDimension(layers, cov_x, cov_z, PRECISE).at_point(x, *q)
    return values["log p at the mode", ()].value


def zero_noise_on_line(layers: tuple[LayerSpec, ...], variances: Array, x: Array) -> Fraction:
    """argmin over z of Σ_d (x - g(z))_d² / variance_d, of several the one nearest 0, for S = 1,
    exactly [Lemma 2 corrected]."""
    partition = exact_partition(layers)
    lows = [None, *partition.breakpoints]
    highs = [*partition.breakpoints, None]
    weights = [1 / Fraction(float(v)) for v in variances]
    found = []
    for low, high, region in zip(lows, highs, partition.maps, strict=True):
        scale = Fraction(1, 1 << region.exponent)
        slope = [scale * int(v) for v in region.slope]
        away = [Fraction(float(v)) - scale * int(b) for v, b in zip(x, region.offset, strict=True)]
        square = sum(w * a * a for w, a in zip(weights, slope, strict=True))
        pull = sum(w * a * v for w, a, v in zip(weights, slope, away, strict=True))
        z = pull / square if square else Fraction(0)
        z = z if low is None else max(z, low)
        z = z if high is None else min(z, high)
        misfit = sum(w * (v - a * z) ** 2 for w, a, v in zip(weights, slope, away, strict=True))
        found.append((misfit, abs(z), z))
    return min(found)[2]


def zero_noise_of_fold(direction: Array, offset: float, cov_z: Array, x: float) -> list[Fraction]:
    """The same for g(z) = |a·z + c| from R^S to R, x > 0, exactly: of the hyperplanes a·z = t with
    t = x - c and -x - c the one of smaller |t|, and on it the point Σz a t / (aᵀ Σz a)."""
    slope = [Fraction(float(v)) for v in direction]
    spread = [sum(Fraction(float(v)) * a for v, a in zip(row, slope, strict=True)) for row in cov_z]
    levels = Fraction(x) - Fraction(offset), -Fraction(x) - Fraction(offset)
    level = min(levels, key=abs)
    size = sum(s * a for s, a in zip(spread, slope, strict=True))
    return [s * level / size for s in spread]
