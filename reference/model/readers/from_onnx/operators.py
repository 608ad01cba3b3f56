"""ONNX operators on vectors and entry by entry, and those that change only the shape."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.model.arrays import Array
from reference.model.dense import Dense
from reference.model.layer_protocol import Layer, Shape
from reference.model.named_activations import Abs, Hardtanh, LeakyReLU, PReLU, ReLU
from reference.model.readers.batch_norm import scale_and_shift
from reference.model.readers.from_onnx.file import Operator
from reference.model.readers.from_onnx.values import Reader, Value, Values

ONE, ZERO = np.ones(()), np.zeros(())


def require(condition: bool, what: str) -> None:
    """ValueError that says what is not supported, unless the condition holds."""
    if not condition:
        raise ValueError(f"not supported: {what}")


def single(number: float) -> float:
    """A number as attributes hold it: also those that the standard gives by default."""
    return float(np.float32(number))


def needed(array: Array | None, what: str) -> Array:
    """An array that the standard requires."""
    if array is None:
        raise ValueError(f"expected {what}")
    return array


def _dense(values: Values, value: Value, weight: Array, bias: Array, shape: Shape) -> Value:
    """A vector times a matrix (n_in, n_out); any axes before the vector's count 1."""
    size = math.prod(value.shape)
    require(
        value.shape[-1] == size,
        f"a product with each of several vectors, the rows of shape {value.shape}",
    )
    vector = values.reshaped(value, (size,))
    return values.apply(vector, [Dense(weight.T, bias)], shape)


def gemm(values: Values, operator: Operator) -> Value:
    """alpha A B' + beta C of a constant matrix B."""
    require(not operator.attribute("transA", 0), "transA")
    weight = needed(values.floats(operator, 1), "a matrix B")
    if operator.attribute("transB", 0):
        weight = weight.T
    weight = operator.attribute("alpha", 1.0) * weight
    more = values.floats(operator, 2)
    bias = operator.attribute("beta", 1.0) * (ZERO if more is None else more)
    shape = (1, weight.shape[1])
    bias = np.broadcast_to(bias, shape)[0]
    return _dense(values, values.value(operator, 0), weight, bias, shape)


def matmul(values: Values, operator: Operator) -> Value:
    """A product with a constant matrix, from the right."""
    weight = needed(values.floats(operator, 1), "a matrix")
    require(weight.ndim == 2, f"a product with an array of shape {weight.shape}")
    value = values.value(operator, 0)
    shape = (*value.shape[:-1], weight.shape[1])
    return _dense(values, value, weight, np.zeros(weight.shape[1]), shape)


def add(values: Values, operator: Operator) -> Value:
    """A sum with a constant, or of two branches."""
    if values.depends(operator, 0) and values.depends(operator, 1):
        first, second = values.value(operator, 0), values.value(operator, 1)
        if first.part == second.part and first.shape == second.shape:
            return values.affine(first, ZERO, 2 * ONE, ZERO)
        return values.sum(first, second)
    value, constant = _value_and_constant(values, operator)
    return values.affine(value, ZERO, ONE, constant)


def sub(values: Values, operator: Operator) -> Value:
    """A difference with a constant, or of two branches."""
    if not values.depends(operator, 0):
        shift = needed(values.floats(operator, 0), "a number")
        return values.affine(values.value(operator, 1), ZERO, -ONE, shift)
    if values.depends(operator, 1):
        minus = values.affine(values.value(operator, 1), ZERO, -ONE, ZERO)
        return values.sum(values.value(operator, 0), minus)
    shift = needed(values.floats(operator, 1), "a number")
    return values.affine(values.value(operator, 0), ZERO, ONE, -shift)


def mul(values: Values, operator: Operator) -> Value:
    """A product with a constant."""
    both = values.depends(operator, 0) and values.depends(operator, 1)
    require(not both, "a product of two values, which is not piecewise affine")
    value, constant = _value_and_constant(values, operator)
    return values.affine(value, ZERO, constant, ZERO)


def div(values: Values, operator: Operator) -> Value:
    """A quotient by a constant."""
    require(
        not values.depends(operator, 1),
        "division by a value that depends on the input, which is not piecewise affine",
    )
    constant = needed(values.floats(operator, 1), "a number")
    require(bool(np.all(constant)), "division by zero")
    return values.affine(values.value(operator, 0), ZERO, 1.0 / constant, ZERO)


def _value_and_constant(values: Values, operator: Operator) -> tuple[Value, Array]:
    i = 0 if values.depends(operator, 0) else 1
    return values.value(operator, i), needed(values.floats(operator, 1 - i), "a number")


def batch_normalization(values: Values, operator: Operator) -> Value:
    """The normalisation with fixed statistics, in which it is affine."""
    require(not operator.attribute("training_mode", 0), "training mode")
    require(bool(operator.attribute("spatial", 1)), "spatial=0")
    require(sum(map(bool, operator.proto.output)) == 1, "updated statistics as outputs")
    value = values.value(operator, 0)
    arrays = [needed(values.floats(operator, i), "four arrays") for i in range(1, 5)]
    weight, bias, mean, variance = arrays
    eps = operator.attribute("epsilon", single(1e-5))
    scale, _ = scale_and_shift(mean, variance, eps, weight, bias)
    axes = (1, -1, *[1] * (len(value.shape) - 2))
    return values.affine(value, *(a.reshape(axes) for a in (mean, scale, bias)))


def prelu(values: Values, operator: Operator) -> Value:
    """max(h, 0) + slope min(h, 0), where the slope may differ between channels or entries."""
    value = values.value(operator, 0)
    slope = np.broadcast_to(needed(values.floats(operator, 1), "a slope"), value.shape)
    if np.all(slope == slope.flat[0]):
        return values.apply(value, [LeakyReLU(float(slope.flat[0]))], value.shape)
    by_channel = slope.reshape(values.parts.shapes[value.part][0], -1)
    if not np.all(by_channel == by_channel[:, :1]):
        value, by_channel = values.reshaped(value, (slope.size,)), slope.reshape(-1, 1)
    return values.apply(value, [PReLU(by_channel[:, 0])], value.shape)


def clip(values: Values, operator: Operator) -> Value:
    """Values held between two numbers, either of which may be left out."""
    lower = _bound(values, operator, 1, "min", -math.inf)
    upper = _bound(values, operator, 2, "max", math.inf)
    return _between(values, values.value(operator, 0), lower, upper)


def _bound(values: Values, operator: Operator, i: int, name: str, missing: float) -> float:
    """A bound of Clip, which is an input since opset 11. The largest floats stand for none."""
    array = values.constant(operator, i)
    if array is None:
        array = np.array(operator.attribute(name, missing), np.float32)
    require(array.size == 1, f"{name} of shape {array.shape}")
    bound = float(array.reshape(()))
    # Opset 6 has the largest floats by default, and libraries write them.
    return missing if abs(bound) >= np.finfo(array.dtype).max else bound


def _between(values: Values, value: Value, lower: float, upper: float) -> Value:
    require(lower < upper, f"bounds {lower}, {upper} that leave one number")
    if upper < math.inf or lower not in (0.0, -math.inf):
        return values.apply(value, [Hardtanh(lower, upper)], value.shape)
    return values.apply(value, [ReLU()] if lower == 0.0 else [], value.shape)


def hard_sigmoid(values: Values, operator: Operator) -> Value:
    """alpha h + beta, held between 0 and 1."""
    alpha, beta = operator.attribute("alpha", single(0.2)), operator.attribute("beta", 0.5)
    value = values.affine(values.value(operator, 0), ZERO, alpha * ONE, beta * ONE)
    return _between(values, value, 0.0, 1.0)


def activation(make: Callable[[Operator], Layer]) -> Reader:
    """The reader of an operator that becomes one layer, whatever the shape."""

    def read(values: Values, operator: Operator) -> Value:
        value = values.value(operator, 0)
        return values.apply(value, [make(operator)], value.shape)

    return read


def shape(values: Values, operator: Operator) -> NDArray[np.int64]:
    """The shape of a value, which is a constant, or a part of it."""
    sizes = values.value(operator, 0).shape
    part = sizes[operator.attribute("start", 0) : operator.attribute("end", len(sizes))]
    return np.array(part, dtype=np.int64)


# Operators that change only the shape


def same(values: Values, operator: Operator) -> Value:
    """The identity; dropout is one after training."""
    if operator.kind == "Dropout" and len(operator.inputs) > 2:
        training = values.constant(operator, 2)
        require(training is None or not np.any(training), "training mode")
    return values.value(operator, 0)


def cast(values: Values, operator: Operator) -> Value:
    """The identity, if the new type holds every number so far."""
    kinds = {1: np.float32, 10: np.float16, 11: np.float64}
    kind = kinds.get(operator.attribute("to", 0))
    wider = kind is not None and np.promote_types(values.finest, kind) == kind
    require(wider, "a cast to narrower numbers, which rounds: it is not piecewise affine")
    values.finest = np.dtype(kind)
    return values.value(operator, 0)


def reshape(values: Values, operator: Operator) -> Value:
    """The same entries in another shape; a 0 keeps an axis and -1 is what is left."""
    value = values.value(operator, 0)
    asked = [int(n) for n in needed(values.constant(operator, 1), "a shape")]
    if not operator.attribute("allowzero", 0):
        asked = [value.shape[i] if n == 0 else n for i, n in enumerate(asked)]
    if -1 in asked:
        rest = -math.prod(asked)
        asked[asked.index(-1)] = math.prod(value.shape) // rest if rest > 0 else 0
    return _with_shape(value, tuple(asked))


def flatten(values: Values, operator: Operator) -> Value:
    """Two axes: those before an axis, and the others."""
    value = values.value(operator, 0)
    axis = operator.attribute("axis", 1)
    first = math.prod(value.shape[:axis])
    return _with_shape(value, (first, math.prod(value.shape) // first))


def squeeze(values: Values, operator: Operator) -> Value:
    """Axes that count 1 left out."""
    value = values.value(operator, 0)
    axes = _axes(values, operator)
    count = len(value.shape)
    if axes is None:
        axes = [i for i, n in enumerate(value.shape) if n == 1]
    left_out = {axis % count for axis in axes}
    return _with_shape(value, tuple(n for i, n in enumerate(value.shape) if i not in left_out))


def unsqueeze(values: Values, operator: Operator) -> Value:
    """Axes that count 1 put in."""
    value = values.value(operator, 0)
    axes = _axes(values, operator) or []
    count = len(value.shape) + len(axes)
    rest, put_in = iter(value.shape), {axis % count for axis in axes}
    return _with_shape(value, tuple(1 if i in put_in else next(rest) for i in range(count)))


def _axes(values: Values, operator: Operator) -> list[int] | None:
    """Axes, which are an input since opset 13."""
    array = values.constant(operator, 1)
    told: Any = operator.attribute("axes", None) if array is None else array
    return None if told is None else [int(axis) for axis in told]


def transpose(values: Values, operator: Operator) -> Value:
    """An order of axes that leaves the order of entries."""
    value = values.value(operator, 0)
    count = len(value.shape)
    order = [int(i) for i in operator.attribute("perm", range(count - 1, -1, -1))]
    long = [i for i in order if value.shape[i] > 1]
    require(long == sorted(long), f"perm={order} on shape {value.shape}, which moves entries about")
    return _with_shape(value, tuple(value.shape[i] for i in order))


def _with_shape(value: Value, shape: Shape) -> Value:
    require(
        math.prod(shape) == math.prod(value.shape) and 0 not in shape,
        f"shape {shape} for a value of shape {value.shape}",
    )
    return replace(value, shape=shape)


READERS: dict[str, Reader] = {
    "Gemm": gemm,
    "MatMul": matmul,
    "Add": add,
    "Sub": sub,
    "Mul": mul,
    "Div": div,
    "BatchNormalization": batch_normalization,
    "Relu": activation(lambda operator: ReLU()),
    "LeakyRelu": activation(lambda operator: LeakyReLU(operator.attribute("alpha", single(0.01)))),
    "PRelu": prelu,
    "Clip": clip,
    "Abs": activation(lambda operator: Abs()),
    "HardSigmoid": hard_sigmoid,
    "Identity": same,
    "Dropout": same,
    "Cast": cast,
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": transpose,
}
