"""Local partitions on networks with so many units that boxes are ruled out, against sums over the
plane by forward passes alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from oracle.checks.implementations import network_from
from oracle.exact.number_types import Array
from oracle.fixed_checks.deviation import Deviation
from oracle.truths.forward_passes import Plane, on_the_plane, root_of

# What quarterings of the plane still change when they end, and how far off these sums may be in
# units of that: a tenth of it was the most that was measured.
_SETTLED, _CHANGES = 1e-6, 3.0
_ROUNDING = 1e-11
# Of p(x) as much is left out where bounds are asked for.
_LEFT_OUT = 1e-6
_PRIOR = np.array([[1.7, 0.9], [0.9, 0.8]])
#: Widths of the hidden layers, and the variances of the noise.
_MODELS = {
    "two layers": ((60, 40), np.array([2e-3, 5e-3, 1e-2, 3e-3])),
    "one layer": ((120,), np.array([1e-4, 2e-4, 1e-4, 4e-4])),
}


def _weights(name: str) -> list[tuple[Array, Array]]:
    """Weights and biases of the layers."""
    normal = np.random.default_rng(7).standard_normal
    widths, variances = _MODELS[name]
    sizes = (2, *widths, len(variances))
    return [
        (normal((n_out, n_in)) / np.sqrt(n_in), normal(n_out)) for n_in, n_out in pairwise(sizes)
    ]


def _forward(weights: list[tuple[Array, Array]], points: Array) -> Array:
    """Images (n, D) of points (n, 2)."""
    hidden = points
    for weight, bias in weights[:-1]:
        hidden = np.maximum(hidden @ weight.T + bias, 0.0)
    weight, bias = weights[-1]
    return np.asarray(hidden @ weight.T + bias)


def _data(name: str) -> Array:
    """A datum on the manifold but for noise, and one four deviations off."""
    rng, deviations = np.random.default_rng(8), np.sqrt(_MODELS[name][1])
    images = _forward(_weights(name), rng.standard_normal((2, 2)) @ root_of(_PRIOR).T)
    away = rng.standard_normal(images.shape) * [[1.0], [4.0]]
    return np.asarray(images + away * deviations)


@cache
def _truths(name: str) -> list[Plane]:
    weights = _weights(name)
    return [
        on_the_plane(lambda z: _forward(weights, z), _MODELS[name][1], _PRIOR, x, _SETTLED)
        for x in _data(name)
    ]


def boxes(impl: Any) -> Iterator[Deviation]:
    """log p, its bounds, and the posterior's moments; of `fast` alone, which has them. What is
    refused is as wrong as can be."""
    if impl.__name__ != "fast":
        return
    for name, (_, variances) in _MODELS.items():
        layers: list[tuple[str, dict[str, Any]]] = []
        for weight, bias in _weights(name):
            layers += [("Dense", {"weight": weight, "bias": bias}), ("ReLU", {})]
        network = network_from(tuple(layers[:-1]))
        exact, bounded = (
            impl.DGN(network, variances, _PRIOR, partition="local", negligible=share)
            for share in (1e-15, _LEFT_OUT)
        )
        for x, truth in zip(_data(name), _truths(name), strict=True):
            try:
                errors = _errors(exact, bounded, x[None], truth)
            except ArithmeticError:
                errors = {"refused": np.inf}
            for quantity, error in errors.items():
                yield Deviation(f"{name}: {quantity}", error, _CHANGES * truth.change + _ROUNDING)


def _errors(exact: Any, bounded: Any, x: Array, truth: Plane) -> dict[str, float]:
    """Of one datum (1, D), moments in standard deviations."""
    posterior = exact.posterior(x)
    low, high = bounded.posterior(x).log_evidence_bounds[0]
    deviation = np.sqrt(np.diag(truth.cov))
    off = np.abs(posterior.cov()[0] - truth.cov) / np.outer(deviation, deviation)
    return {
        "log p": abs(float(exact.logpdf(x)[0]) - truth.log_p),
        "bounds of log p": max(float(low) - truth.log_p, truth.log_p - float(high), 0.0),
        "posterior mean": float(np.max(np.abs(posterior.mean()[0] - truth.mean) / deviation)),
        "posterior covariance": float(np.max(off)),
    }
