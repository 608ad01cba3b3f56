"""A failing case made small: fewer points, units, layers and digits, while it still fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from oracle.exact.number_types import Array
from oracle.models.case import Case
from oracle.models.descriptions import Description

# Of all units alike, whatever their number.
_ACTIVATIONS = ("ReLU", "LeakyReLU", "Abs", "ReLU6", "Hardtanh", "Hardsigmoid")


def shrink(case: Case, fails: Callable[[Case], bool], most: int = 300) -> Case:
    """A case that fails and of which no simplification tried does, or what was reached after `most`
    trials. fails: whether a case shows the same fault; called on valid cases only.

    Guarded by tests/oracle/test_shrink.py.
    """
    trials = 0
    simpler = True
    while simpler:
        simpler = False
        for smaller in _simplifications(case):
            trials += 1
            if trials > most:
                return case
            if fails(smaller):
                case, simpler = smaller, True
                break
    return case


def _simplifications(case: Case) -> Iterator[Case]:
    """Cases with something left out, the largest steps first."""
    yield from _fewer_points(case)
    yield from _fewer_layers(case)
    yield from _fewer_units(case)
    yield from _plainer_covariances(case)
    yield from _plainer_numbers(case)


def _fewer_points(case: Case) -> Iterator[Case]:
    """Each point alone."""
    if len(case.X) > 1:
        for n in range(len(case.X)):
            keep = slice(n, n + 1)
            yield replace(case, X=case.X[keep], q_mean=case.q_mean[keep], q_cov=case.q_cov[keep])


def _fewer_layers(case: Case) -> Iterator[Case]:
    """Without one activation; or without a square Dense layer."""
    for i, (kind, settings) in enumerate(case.layers):
        shapeless = kind in _ACTIVATIONS
        square = kind == "Dense" and i > 0 and len(set(np.shape(settings["weight"]))) == 1
        if shapeless or square:
            yield replace(case, layers=case.layers[:i] + case.layers[i + 1 :])


def _fewer_units(case: Case) -> Iterator[Case]:
    """Without a block of units of a Dense layer that the next Dense layer reads, activations
    between; or without a block of the outputs."""
    for i, j in _neighbours(case.layers):
        mine, theirs = dict(case.layers[i][1]), dict(case.layers[j][1])
        for block in _blocks(len(mine["bias"])):
            layers = list(case.layers)
            layers[i] = ("Dense", {name: np.delete(mine[name], block, 0) for name in mine})
            layers[j] = ("Dense", {**theirs, "weight": np.delete(theirs["weight"], block, 1)})
            yield replace(case, layers=tuple(layers))
    i = max(i for i, (kind, _) in enumerate(case.layers) if kind == "Dense")
    if all(kind in _ACTIVATIONS for kind, _ in case.layers[i + 1 :]):
        last = case.layers[i][1]
        for block in _blocks(len(last["bias"])):
            layers = list(case.layers)
            layers[i] = ("Dense", {name: np.delete(v, block, 0) for name, v in last.items()})
            cov_x = case.cov_x
            for axis in range(cov_x.ndim):
                cov_x = np.delete(cov_x, block, axis)
            X = np.delete(case.X, block, axis=1)
            yield replace(case, layers=tuple(layers), cov_x=cov_x, X=X)


def _blocks(count: int) -> Iterator[slice]:
    """Halves, quarters, ..., single places of so many; never all of them."""
    size = count // 2
    while size > 0:
        yield from (slice(start, start + size) for start in range(0, count, size))
        size //= 2


def _neighbours(layers: tuple[Description, ...]) -> Iterator[tuple[int, int]]:
    """Positions of Dense layers with at most an activation between."""
    places = [i for i, (kind, _) in enumerate(layers) if kind == "Dense"]
    for i in places:
        j = i + 1
        if j < len(layers) and layers[j][0] in _ACTIVATIONS:
            j += 1
        if j in places:
            yield i, j


def _plainer_covariances(case: Case) -> Iterator[Case]:
    """Σx its mean variance alone; Σz, and the q, the identity."""
    latent = case.latent_dimension
    if case.cov_x.ndim:
        size = np.diag(case.cov_x) if case.cov_x.ndim == 2 else case.cov_x
        yield replace(case, cov_x=np.array(np.mean(size)))
    if not np.array_equal(case.cov_z, np.eye(latent)):
        yield replace(case, cov_z=np.eye(latent))
    plain = np.broadcast_to(np.eye(latent), case.q_cov.shape).copy()
    if not np.array_equal(case.q_cov, plain) or np.any(case.q_mean):
        yield replace(case, q_cov=plain, q_mean=np.zeros_like(case.q_mean))


def _plainer_numbers(case: Case) -> Iterator[Case]:
    """Every number rounded to an eighth, where that changes anything; x too."""
    rounded = tuple((kind, _rounded(settings)) for kind, settings in case.layers)
    if any(
        not np.array_equal(old[1][name], new[1][name])
        for old, new in zip(case.layers, rounded, strict=True)
        for name in old[1]
    ):
        yield replace(case, layers=rounded)
    if not np.array_equal(case.X, _eighths(case.X)):
        yield replace(case, X=_eighths(case.X))


def _rounded(settings: dict[str, Any]) -> dict[str, Any]:
    weights = ("weight", "bias")
    return {k: _eighths(v) if k in weights else v for k, v in settings.items()}


def _eighths(array: Array) -> Array:
    return np.round(8 * array) / 8
