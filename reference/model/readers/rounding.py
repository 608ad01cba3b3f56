"""How far two evaluations of the same layers may differ: bounds on rounding, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from reference.model.activations import PiecewiseAffine
from reference.model.arrays import Array
from reference.model.dense import Dense
from reference.model.images.kernels import Convolution
from reference.model.images.max_pool import MaxPool
from reference.model.layer_protocol import Layer, Shape
from reference.model.readers.parts import Normalisation, Part

#: The relative rounding error of one operation in double precision.
DOUBLE = float(np.finfo(np.float64).eps / 2)

# The error of a sum of n products, in whatever order, is below n u times the sum of their absolute
# values (Higham 2002, 3.1); and below a sqrt(n) u times it but for a chance of 2 n exp(-a^2 / 2),
# if rounding errors are as good as independent (Higham and Mary 2019): 1e-11 for this a and a
# thousand products. Up to 64 products the first bound is the smaller one.
_DEVIATIONS = 8.0
# Operations in a normalisation, and in a piece of an activation.
_FEW = 16.0


def through(
    part: Part, shape: Shape, inputs: Sequence[Array], errors: Sequence[Array], unit: float
) -> tuple[Array, Array]:
    """Evaluate a part, and bound the error of evaluating it with rounding.

    Parameters
    ----------
    part : Part
        The part.
    shape : tuple of int
        The shape of its input.
    inputs : sequence of ndarray, shape (N, n_in)
        One, or two that are added.
    errors : sequence of ndarray, shape (N, n_in)
        Bounds on the errors of the inputs.
    unit : float
        The relative error of one operation.

    Returns
    -------
    value : ndarray, shape (N, n_out)
        The part's output.
    error : ndarray, shape (N, n_out)
        A bound on its error, to first order.
    """
    if len(inputs) == 2:
        total = inputs[0] + inputs[1]
        return total, errors[0] + errors[1] + unit * (np.abs(inputs[0]) + np.abs(inputs[1]))
    (value,), (error,) = inputs, errors
    if part.normalisation is not None:
        return _normalised(part.normalisation, value, error, unit)
    for layer in part.layers:
        value, error = _applied(layer, shape, value, error, unit)
        shape = layer.output_shape(shape)
    return value, error


def values_of(
    parts: Sequence[Part],
    shapes: Mapping[str, Shape],
    start: str,
    points: Array,
    unit_of: Mapping[str, float],
) -> dict[str, tuple[Array, Array]]:
    """Every value at given points, each with a bound on its error.

    Parameters
    ----------
    parts : sequence of Part
        In topological order.
    shapes : mapping of str to tuple of int
        The shape of every value.
    start : str
        The name of the input.
    points : ndarray, shape (N, S)
        Values of the input.
    unit_of : mapping of str to float
        The relative error of an operation of each part.

    Returns
    -------
    dict of str to (ndarray, ndarray)
        Values and bounds by name.
    """
    known = {start: (points, np.zeros_like(points))}
    for part in parts:
        inputs, errors = zip(*(known[name] for name in part.inputs), strict=True)
        known[part.name] = through(part, shapes[part.inputs[0]], inputs, errors, unit_of[part.name])
    return known


def _normalised(
    normalisation: Normalisation, value: Array, error: Array, unit: float
) -> tuple[Array, Array]:
    channels = len(normalisation.mean)
    by_channel = value.reshape(len(value), channels, -1)
    mean, scale, bias = (
        entry[:, None] for entry in (normalisation.mean, normalisation.scale, normalisation.bias)
    )
    result = scale * (by_channel - mean) + bias
    terms = np.abs(scale) * (np.abs(by_channel) + np.abs(mean)) + np.abs(bias)
    carried = np.abs(scale) * error.reshape(by_channel.shape)
    total = carried + _FEW * unit * terms
    return result.reshape(value.shape), total.reshape(value.shape)


def _applied(
    layer: Layer, shape: Shape, value: Array, error: Array, unit: float
) -> tuple[Array, Array]:
    result = layer.apply(value)
    if isinstance(layer, MaxPool):
        # Whichever candidate wins, it is no further from the others than the errors.
        return result, np.asarray(error[:, layer.windows].max(axis=-1))
    if isinstance(layer, PiecewiseAffine):
        # Near a knot both pieces may be taken; the function is continuous, so its steepest slope
        # bounds how much errors grow.
        steepest = max(1.0, float(np.max(np.abs(layer.slopes))))
        terms = steepest * (np.abs(value) + float(np.max(np.abs(layer.knots))))
        terms = terms + float(np.max(np.abs(layer.value)))
        return result, steepest * error + _FEW * unit * terms
    none = np.empty((len(value), 0), dtype=np.int8)
    carried, terms = layer.bound(none, error[..., None], np.abs(value))
    return result, carried[..., 0] + _DEVIATIONS * math.sqrt(_terms(layer, shape)) * unit * terms


def _terms(layer: Layer, shape: Shape) -> float:
    """How many products at most are summed in one output of an affine layer."""
    if isinstance(layer, Dense | Convolution):
        return layer.weight.size / len(layer.bias) + 1.0
    # Resampling stays within a channel.
    return math.prod(shape[1:]) + 1.0
