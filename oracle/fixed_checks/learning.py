"""Learning on the fixed models against the oracle: sums over data, updates, gradients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from mpmath import mp

from oracle.checks.implementations import codes_of
from oracle.exact.number_types import Array, Mask
from oracle.fixed_checks.deviation import Check, Deviation, error_of
from oracle.fixed_checks.models import Model, specs
from oracle.fixed_checks.truths import sums_of
from oracle.learning.finite_differences import gradient
from oracle.learning.m_step_surrogate import Surrogate, maximum, surrogate, through, uphill
from oracle.learning.sums_over_data import covariance_update, log_evidence
from oracle.models.descriptions import specs_of

#: Scales of the priors: with these the Laplace prior makes some weights zero, and the uniform one
#: stops some at its bound.
_PRIORS = {"Gaussian": 0.5, "Laplace": 0.4, "uniform": 0.6}


@cache
def _surrogate(model: Model, index: int) -> tuple[Surrogate, Mask]:
    """Of a layer's parameters as `_unknowns` has them, and which of these are weights."""
    kind, settings = model.layers[index]
    place = len(specs_of(model.layers[:index])) if index else 0
    by_matrix = surrogate(specs(model), model.cov_x, sums_of(model), place)
    weight, bias = settings["weight"], settings["bias"]
    if kind == "Dense":
        is_weight = np.ones((len(bias), weight.shape[1] + 1), dtype=bool)
        is_weight[:, -1] = False
        return by_matrix, is_weight.ravel()
    units = np.eye(weight.size + len(bias))
    rows = []
    for unit in units:
        changed = {"weight": unit[: weight.size].reshape(weight.shape), "bias": unit[weight.size :]}
        one = (*model.layers[:index], (kind, {**settings, **changed}))
        rows.append(np.column_stack(specs_of(one)[place][1:3]).ravel())
    is_weight = np.arange(len(units)) < weight.size
    return through(by_matrix, np.array(rows), np.append(weight, bias)), is_weight


def _unknowns(model: Model, parameters: dict[str, Array], index: int) -> Array:
    """[W v] of a Dense layer row by row; kernels entry by entry, then biases, of a Conv2d."""
    weight, bias = parameters[f"{index}.weight"], parameters[f"{index}.bias"]
    if model.layers[index][0] == "Dense":
        return np.column_stack([weight, bias]).ravel()
    return np.append(weight, bias)


def _named(model: Model, name: str) -> tuple[int, Surrogate, Mask, Mask]:
    """Of "2.bias", "2.weight" or "2": the layer, the surrogate by what is named, which of the
    layer's unknowns that is, and which of these are weights."""
    index, _, part = name.partition(".")
    found, is_weight = _surrogate(model, int(index))
    chosen = {"weight": is_weight, "bias": ~is_weight, "": np.ones(len(is_weight), dtype=bool)}
    mine = chosen[part]
    return int(index), found.of(mine), mine, is_weight[mine]


@cache
def _updated(model: Model, name: str) -> Array:
    if name in ("cov_x", "cov_z"):
        return covariance_update(model.cov_x, sums_of(model), name)
    return maximum(_named(model, name)[1])


def sums_over_data(model: Model) -> Check:
    """`statistics`, region by region."""

    def check(impl: Any) -> Iterator[Deviation]:
        dgn = model.dgn(impl)
        yield from _compared(model, impl, dgn, dgn.statistics(model.X))

    return check


def weighted_sums(model: Model) -> Check:
    """`statistics` of data that count once, twice and so on, against as many of each."""
    times = 1 + np.arange(len(model.X))
    repeated = replace(model, name=f"{model.name}, weighted", X=np.repeat(model.X, times, axis=0))

    def check(impl: Any) -> Iterator[Deviation]:
        dgn = model.dgn(impl)
        yield from _compared(repeated, impl, dgn, dgn.statistics(model.X, times))

    return check


def _compared(model: Model, impl: Any, dgn: Any, found: Any) -> Iterator[Deviation]:
    """Sums that an implementation found, with the oracle's over the model's data."""
    truth, codes = sums_of(model), codes_of(dgn)
    if sorted(codes) != truth.codes:
        yield Deviation(f"{model.name}: regions of the statistics", np.inf, 0.0)
        return
    order = [codes.index(code) for code in truth.codes]
    yield Deviation(f"{model.name}: n", float(abs(found.n - truth.n)), 0.0)
    allowed = model.allowed(impl)
    loglik = error_of(found.loglik, truth.loglik)
    yield Deviation(f"{model.name}: sum of log p", loglik, allowed)
    for name in ("e0", "e1", "e2", "residual0", "residual1"):
        error = error_of(getattr(found, name)[order], getattr(truth, name))
        yield Deviation(f"{model.name}: sum of {name}", error, allowed)
    scatter = np.array(truth.scatter, dtype=float)
    kept = {0: np.trace(scatter), 1: np.diag(scatter), 2: scatter}[np.ndim(model.cov_x)]
    yield Deviation(f"{model.name}: scatter", error_of(found.scatter, kept), allowed)


def updates(model: Model, names: tuple[str, ...]) -> Check:
    """Single updates of the M-step, from the implementation's own statistics."""

    def check(impl: Any) -> Iterator[Deviation]:
        dgn = model.dgn(impl)
        found = dgn.statistics(model.X)
        for name in names:
            moved = impl.m_step(dgn, found, [name]).parameters()
            truth = _updated(model, name)
            if name in moved:
                value = moved[name] if name.startswith("cov") else moved[name].ravel()
            else:
                value = _unknowns(model, moved, int(name))
            # The condition of the normal equations, on top of the errors of the statistics.
            allowed = 1e2 * model.allowed(impl)
            yield Deviation(f"{model.name}: update of {name}", error_of(value, truth), allowed)

    return check


def penalised_updates(model: Model, names: tuple[str, ...]) -> Check:
    """The same with every prior [Appendix H]: how far the surrogate plus log prior still rises."""

    def check(impl: Any) -> Iterator[Deviation]:
        dgn = model.dgn(impl)
        found = dgn.statistics(model.X)
        for name in names:
            index, of, chosen, is_weight = _named(model, name)
            for kind, scale in _PRIORS.items():
                prior = getattr(impl, f"{kind.capitalize()}Prior")(scale)
                moved = impl.m_step(dgn, found, [name], weight_prior=prior).parameters()
                values = _unknowns(model, moved, index)[chosen]
                error = uphill(of, values, kind, scale, is_weight)
                quantity = f"{model.name}: update of {name}, {kind} prior"
                yield Deviation(quantity, error, 1e2 * model.allowed(impl))

    return check


@cache
def _gradient(model: Model) -> dict[str, Array]:
    return gradient(specs(model), model.cov_x, model.cov_z, model.X[:2])


def gradients(model: Model) -> Check:
    """The gradient for S = 1 by every parameter, against oracle.learning.finite_differences."""

    def check(impl: Any) -> Iterator[Deviation]:
        found = model.dgn(impl).gradient(model.X[:2])
        truth = _gradient(model)
        for name in truth:
            error = error_of(found.get(name, np.nan), truth[name])
            yield Deviation(f"{model.name}: gradient by {name}", error, 1e-9)

    return check


def slopes(model: Model) -> Check:
    """The derivative of log p of the first x along one direction for every parameter, any S."""

    def check(impl: Any) -> Iterator[Deviation]:
        found = model.dgn(impl).gradient(model.X[:1])
        for name, (step, rise) in _slopes(model).items():
            size = float(np.sqrt(np.sum(step**2)))
            predicted = float(np.sum(np.asarray(found.get(name, np.nan)) * step)) / size
            error = error_of(predicted, rise / size)
            allowed = 1e2 * model.allowed(impl)
            yield Deviation(f"{model.name}: slope along {name}", error, allowed)

    return check


@cache
def _slopes(model: Model) -> dict[str, tuple[Array, float]]:
    """For each parameter a small step of it, and by how much log p of the first x rises.

    Central differences: the error is the square of the step, 2^-60, and 1e-25 over it.
    """
    result = {}
    for place, name in enumerate((*model.network().parameters(), "cov_x", "cov_z")):
        rng = np.random.default_rng([91, place])
        ends = [_moved(model, name, sign * 2.0**-30, rng.bit_generator.state) for sign in (1, -1)]
        step = ends[0][1] - ends[1][1]
        means = []
        for moved, _ in ends:
            inputs = specs_of(moved.layers), moved.cov_x, moved.cov_z
            with mp.workdps(50):
                means.append(log_evidence(*inputs, model.X[0]))
        with mp.workdps(50):
            result[name] = step, float(means[0] - means[1])
    return result


def _moved(model: Model, name: str, size: float, state: Any) -> tuple[Model, Array]:
    """The model with a parameter moved in a random direction, and the parameter."""
    rng = np.random.default_rng()
    rng.bit_generator.state = state
    covariances = {"cov_x": model.cov_x, "cov_z": model.cov_z}
    layers = list(model.layers)
    index, _, part = name.partition(".")
    old = covariances[name] if name in covariances else layers[int(index)][1][part]
    direction = rng.uniform(0.5, 1.5, old.shape) * rng.choice([-1.0, 1.0], old.shape)
    if name in covariances and old.ndim == 2:
        direction = direction + direction.T
    new = np.asarray(old + size * direction)
    if name == "cov_x":
        return replace(model, cov_x=new), new
    if name == "cov_z":
        return replace(model, cov_z=new), new
    kind, values = layers[int(index)]
    layers[int(index)] = kind, {**values, part: new}
    return replace(model, layers=tuple(layers)), new
