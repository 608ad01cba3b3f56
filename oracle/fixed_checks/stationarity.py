"""What convergence is told by, against oracle.learning.curvature: on a model off its maximum."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

import fast.training.ends.stationarity
import fast.training.objective
import reference.learning.objective
import reference.learning.stationarity
from oracle.exact.layers import layers_of
from oracle.exact.number_types import Array
from oracle.fixed_checks.deviation import Deviation, error_of
from oracle.learning.curvature import Inputs, gradient_norm, smallest_curvature
from reference.model import Dense, LeakyReLU, Network

_FLOOR = np.array(0.0)
#: Of so many points the curvature: for every coordinate it costs a gradient in 50 digits of each.
_FEW = 3
#: The square of the implementations' own steps, 1e-3, times a third derivative.
_BY_DIFFERENCES = 1e-4


def _network() -> Network:
    return Network([Dense([[1.3], [-0.7]], [0.4, 0.5]), LeakyReLU(0.2)])


_COV_X, _COV_Z = np.array(0.3), np.array([[1.7]])


def _data() -> Array:
    """Twelve points off the model, twice as many as coordinates."""
    turns = np.arange(12)
    return np.column_stack([2.0 * np.cos(1.7 * turns), 1.5 * np.sin(2.9 * turns) + 0.3])


@cache
def _truths() -> tuple[float, float]:
    inputs: Inputs = (layers_of(_network()), _COV_X, _COV_Z)
    return gradient_norm(inputs, _data()), smallest_curvature(inputs, _data()[:_FEW])


def stationarity(impl: Any) -> Iterator[Deviation]:
    """The gradient norm and the smallest curvature."""
    X, few, dgn = _data(), _data()[:_FEW], impl.DGN(_network(), _COV_X, _COV_Z)
    if impl is fast:
        state = fast.training.objective.State.of(dgn, X, None)
        norm = fast.training.ends.stationarity.gradient_norm(state, _FLOOR, None, X)
        state = fast.training.objective.State.of(dgn, few, None)
        curvature = fast.training.ends.stationarity.smallest_curvature(
            state, _FLOOR, None, few
        ).value
    else:
        plain = reference.learning.objective.State.of(dgn, X, None)
        norm = reference.learning.stationarity.gradient_norm(plain, _FLOOR, X)
        plain = reference.learning.objective.State.of(dgn, few, None)
        curvature = reference.learning.stationarity.smallest_curvature(plain, _FLOOR, few)
    expected_norm, expected_curvature = _truths()
    yield Deviation("gradient norm", error_of(norm, expected_norm), 1e-9)
    yield Deviation("smallest curvature", error_of(curvature, expected_curvature), _BY_DIFFERENCES)
