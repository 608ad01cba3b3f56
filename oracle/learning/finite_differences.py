"""The gradient of the mean log-likelihood by central differences at high precision.

A step h = 2^-40 of a double is exact, the working precision has 32 digits, so a central difference
errs by h² f''' / 6 ≈ 1e-24 relative and by 1e-32 / h ≈ 1e-20: far below the doubles it checks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from mpmath import mp

from oracle.exact.layer_specs import LayerSpec
from oracle.exact.number_types import Array
from oracle.quadrature.interval import PRECISE, Rule
from oracle.truths.one_dimension import OneDimension

_STEP = 2.0**-40


def gradient(
    layers: tuple[LayerSpec, ...], cov_x: Array, cov_z: Array, X: Array, rule: Rule = PRECISE
) -> dict[str, Array]:
    """The gradient of the mean of log p(x) over data, for S = 1.

    Parameters
    ----------
    layers : tuple[LayerSpec, ...]
        The network's layers, as oracle.exact.layers.layers_of gives them.
    cov_x : Array
        Σx: a number, (D,) or (D, D).
    cov_z : Array
        Σz: a number or (1, 1).
    X : Array
        The data, (N, D).
    rule : Rule, optional
        The precision of log p(x).

    Returns
    -------
    dict
        For each parameter an array of its shape. Names are "0.weight", "0.bias", "2.weight" and so
        on by the layer's position, "cov_x" and "cov_z".

    Notes
    -----
    Central differences of oracle.truths.one_dimension at high precision. A full covariance moves
    symmetrically: entry (i, j) is half the derivative along E_ij + E_ji, so that d log p =
    Σ_ij gradient_ij dΣ_ij. Each number of a parameter costs log p(x) of all data twice.
    """
    arrays: dict[str, Array] = {
        "cov_x": np.asarray(cov_x, float),
        "cov_z": np.asarray(cov_z, float),
    }
    for i, (kind, *values) in enumerate(layers):
        if kind == "dense":
            arrays[f"{i}.weight"], arrays[f"{i}.bias"] = (np.asarray(v, float) for v in values)
    result = {name: np.empty_like(value) for name, value in arrays.items()}
    for name, value in arrays.items():
        for index in np.ndindex(value.shape):
            direction = np.zeros_like(value)
            direction[index] = 1.0
            if name.startswith("cov") and value.ndim == 2:
                direction = 0.5 * (direction + direction.T)
            ends = []
            for sign in (1.0, -1.0):
                # The step as the doubles see it, so that rounding of θ + h does not matter.
                moved = {**arrays, name: value + sign * 2 * _STEP * direction}
                ends.append((moved, _mean_log_evidence(layers, moved, X, rule)))
            (plus, high), (minus, low) = ends
            span = plus[name][index] - minus[name][index]
            if name.startswith("cov") and value.ndim == 2 and index[0] != index[1]:
                span = 2 * span
            with mp.workdps(rule.working):
                result[name][index] = float((high - low) / span)
    return result


def _mean_log_evidence(
    layers: tuple[LayerSpec, ...], arrays: dict[str, Array], X: Array, rule: Rule
) -> Any:
    """The mean of log p(x) with these parameters."""
    moved = tuple(
        ("dense", arrays[f"{i}.weight"], arrays[f"{i}.bias"])
        if kind == "dense"
        else (kind, *values)
        for i, (kind, *values) in enumerate(layers)
    )
    oracle = OneDimension(moved, arrays["cov_x"], arrays["cov_z"], rule)
    with mp.workdps(rule.working):
        return sum(oracle.log_evidence(x) for x in X) / len(X)
