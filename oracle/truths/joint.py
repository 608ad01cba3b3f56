"""log p(x, z) at one z, from the forward pass alone [eq. 4]."""

from __future__ import annotations

import numpy as np
from mpmath import mp, mpf
from numpy.typing import ArrayLike, NDArray

from oracle.exact.layer_specs import LayerSpec, unit_slopes
from oracle.exact.number_types import Real
from oracle.quadrature.moments import cholesky, solved

_DIGITS = 40


def log_joint(
    layers: tuple[LayerSpec, ...], cov_x: ArrayLike, cov_z: ArrayLike, x: ArrayLike, z: ArrayLike
) -> Real:
    """log φ(x; g(z), Σx) + log φ(z; 0, Σz), to 40 digits of its terms: layers as in
    oracle.exact.layers; cov_x (), (D,) or (D, D); cov_z (S, S); x (D,); z (S,)."""
    with mp.workdps(_DIGITS):
        latent = [mpf(float(v)) for v in np.asarray(z)]
        image = _forward(layers, latent)
        residual = [mpf(float(v)) - g for v, g in zip(np.asarray(x), image, strict=True)]
        noise = np.asarray(cov_x, dtype=float)
        full = noise if noise.ndim == 2 else np.diag(np.broadcast_to(noise, (len(residual),)))
        prior = np.asarray(cov_z, dtype=float)
        return _log_normal(residual, full) + _log_normal(latent, prior)


def _forward(layers: tuple[LayerSpec, ...], hidden: list[Real]) -> list[Real]:
    """g(z)."""
    for kind, *values in layers:
        if kind == "dense":
            hidden = [
                mpf(float(b)) + sum(mpf(float(w)) * h for w, h in zip(row, hidden, strict=True))
                for row, b in zip(*values, strict=True)
            ]
        elif kind == "slope":
            slopes, _ = unit_slopes(values[0], len(hidden))
            hidden = [h if h > 0 else mpf(e) * h for h, e in zip(hidden, slopes, strict=True)]
        else:
            hidden = [max(hidden[c] for c in window) for window in values[0]]
    return hidden


def _log_normal(vector: list[Real], cov: NDArray[np.float64]) -> Real:
    """log φ(v; 0, C)."""
    root = cholesky([[mpf(float(v)) for v in row] for row in cov])
    if root is None:
        raise ValueError("cov_x, cov_z: expected positive definite matrices")
    squares = sum(v * v for v in solved(root, vector))
    logs = sum(mp.log(root[i][i]) for i in range(len(vector)))
    return -(len(vector) * mp.log(2 * mp.pi) + squares) / 2 - logs
