"""An ONNX file is run, and compared with the layers that were read of it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference.model.activations import PiecewiseAffine
from reference.model.arrays import Array
from reference.model.errors import UnverifiedWarning
from reference.model.images.max_pool import MaxPool
from reference.model.layer_protocol import Layer
from reference.model.readers.around_knots import around_knots
from reference.model.readers.both_sides import points_on_both_sides, told_of_unrun
from reference.model.readers.from_onnx.runtime import Found, operator_alone, run_at, runner
from reference.model.readers.from_onnx.values import Step, Values
from reference.model.readers.parts import Z
from reference.model.readers.rounding import DOUBLE, through, values_of

# Points that are drawn are the same each time.
_SEED = 0
# Numbers of all values held at a time.
_AT_A_TIME = 2**22


def check_against_runtime(values: Values, layers: Sequence[Layer]) -> None:
    """Compare a file with the network that was read of it, by running the file.

    Parameters
    ----------
    values : Values
        What was read.
    layers : sequence of Layer
        The layers of the network, each placed.

    Raises
    ------
    ValueError
        If they differ by more than rounding, naming the first operator that does.

    Warns
    -----
    UnverifiedWarning
        If the file, or an operator of it, cannot be run.

    Notes
    -----
    onnxruntime runs it, without optimisation; where that is not installed, or lacks an operator in
    the file's precision, the reference evaluator of onnx. Each operator is compared on the numbers
    that the runtime gave it, then the whole, at points that are drawn and searched. Activations and
    pools are run alone as well, on inputs around each of their knots, so that both sides are
    compared of units that no point sees change. Guarded by tests/model/test_from_onnx.py.
    """
    random_state = np.random.default_rng(_SEED)
    points, sides = points_on_both_sides(layers, values.parts.shapes[Z], random_state)
    dtype = values.file.input_dtype
    with np.errstate(over="ignore"):
        points = points.astype(dtype)
    points = points[np.all(np.isfinite(points.astype(np.float64)), axis=1)]
    names = list(dict.fromkeys(step.operator.output for step in values.steps))
    entries = sum(map(math.prod, values.parts.shapes.values()))
    at_a_time = max(1, _AT_A_TIME // entries)
    try:
        example = points[0].reshape(values.file.input_shape)
        run = runner(values.file, values.file.model, names, values.file.input, example)
    except Exception as error:  # runtimes have exceptions of their own
        _warn(f"it could not be run ({error})")
        return
    compared = False
    for first in range(0, len(points), at_a_time):
        some = points[first : first + at_a_time]
        with np.errstate(over="ignore", invalid="ignore"):
            found = run_at(run, names, values.file, some)
            for step in values.steps:
                _check_step(values, step, found)
            compared |= _check_whole(values, layers, some.astype(np.float64), found)
    if not compared:
        _warn(f"its numbers leave the range of {dtype}")
        return
    types = {name: array.dtype for name, array in found.items()}
    unrun = [step for step in values.steps if not _check_alone(values, step, types, random_state)]
    if unrun:
        _warn(told_of_unrun([step.operator.place for step in unrun], sides, layers))


def _warn(what: str) -> None:
    warnings.warn(
        f"from_onnx: the network is unverified: {what}; compare it with the file yourself",
        UnverifiedWarning,
        stacklevel=5,
    )


def _unit(array: NDArray[Any]) -> float:
    """The relative error of one operation that gives these numbers."""
    return float(_finfo(array.dtype).eps) / 2


def _finfo(dtype: Any) -> Any:
    """What a precision holds; ml_dtypes, which comes with onnx, knows of bfloat16."""
    if dtype.kind == "f":
        return np.finfo(dtype)
    import ml_dtypes

    return ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]


def _given(array: NDArray[Any]) -> tuple[Array, Array]:
    """Numbers that the runtime gave an operator, and how far off those are that it worked with.

    Halves may be held in single precision from one operator to the next, and are rounded where they
    are looked at.
    """
    value = array.astype(np.float64)
    return value, (_unit(array) if array.dtype.itemsize < 4 else 0.0) * np.abs(value)


def _check_step(values: Values, step: Step, found: Found) -> None:
    """Compare one operator, on the inputs that the runtime gave it."""
    names = [name for name in step.operator.inputs if name in values.values]
    known = {values.values[name].part: _given(found[name]) for name in names}
    output = found[step.operator.output]
    unit = _unit(output) + DOUBLE
    for part in values.parts.parts[step.first : step.last]:
        inputs, errors = zip(*(known[name] for name in part.inputs), strict=True)
        shape = values.parts.shapes[part.inputs[0]]
        known[part.name] = through(part, shape, inputs, errors, unit)
    value, error = known[values.values[step.operator.output].part]
    place = step.operator.place
    found_out = _compared(output, value, error, unit, place)
    if found_out.differs:
        raise ValueError(f"path: {place}: when it runs, it {found_out.differs}")


def _check_alone(
    values: Values,
    step: Step,
    types: Mapping[str, np.dtype[Any]],
    random_state: np.random.Generator,
) -> bool:
    """Compare an operator that has choices on both of their sides; return whether it runs."""
    layers = [x for part in values.parts.parts[step.first : step.last] for x in part.layers]
    if not any(isinstance(layer, PiecewiseAffine | MaxPool) for layer in layers):
        return True
    (name,) = (name for name in step.operator.inputs if name in values.values)
    shape, output = values.values[name].shape, step.operator.output
    inputs = around_knots(layers, math.prod(shape), random_state).astype(types[name])
    try:
        model = operator_alone(values, step.operator, name, types[name])
        run = runner(values.file, model, [output], name, inputs[0].reshape(shape))
        outputs = np.stack([np.ravel(run(one.reshape(shape))[0]) for one in inputs])
    except Exception:  # runtimes have exceptions of their own
        return False
    _check_step(values, step, {name: inputs, output: outputs})
    return True


def _check_whole(values: Values, layers: Sequence[Layer], points: Array, found: Found) -> bool:
    """Compare the output with the network's; return whether any of it could be."""
    parts, shapes = values.parts.parts, values.parts.shapes
    unit_of = {part.name: DOUBLE for part in parts}
    for step in values.steps:
        unit = _unit(found[step.operator.output]) + DOUBLE
        unit_of |= {part.name: unit for part in parts[step.first : step.last]}
    _, error = values_of(parts, shapes, Z, points, unit_of)[values.values[values.file.output].part]
    value = points
    for layer in layers:
        value = layer.apply(value)
    output = found[values.file.output]
    found_out = _compared(output, value, error, _unit(output) + DOUBLE, "output")
    if found_out.differs:
        raise ValueError(
            f"path: when it runs, the file {found_out.differs}, at z = "
            f"{points[found_out.row].tolist()}. Each operator agrees when it is run alone"
        )
    return found_out.any


class _Comparison(NamedTuple):
    """How an output differs at most, if it does, at which point, and whether any was compared."""

    differs: str
    row: int
    any: bool


def _compared(
    output: NDArray[Any], value: Array, error: Array, unit: float, place: str
) -> _Comparison:
    """Compare what a runtime gives with what was read, and a bound on its rounding."""
    if output.shape != value.shape:
        raise ValueError(
            f"path: {place}: was read with outputs of {value.shape[1]} entries, and gives "
            f"{output.shape[1]} when it runs"
        )
    told, limits = output.astype(np.float64), _finfo(output.dtype)
    # Where terms may leave the range of the file's own precision nothing can be compared.
    within = np.abs(value) + error / unit < float(limits.max)
    # Sums of what underflows are off by less than the smallest normal number.
    error = error + float(limits.smallest_normal)
    gap = np.where(within, np.abs(told - value), 0.0)
    ratio = np.where(np.isnan(gap), np.inf, gap / error)
    row, entry = map(int, np.unravel_index(np.argmax(ratio), ratio.shape))
    differs = (
        f"differs from what was read of it by {gap[row, entry]:.3g} at entry {entry} of value "
        f"{value[row, entry]:.6g}, where rounding allows {error[row, entry]:.1g}"
    )
    return _Comparison(differs if ratio[row, entry] > 1.0 else "", row, bool(np.any(within)))
