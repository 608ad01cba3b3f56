"""Layers from ONNX files, which are run and compared with what was read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reference.model.dense import Dense
from reference.model.images.reshaping import Reshape
from reference.model.layer_protocol import Layer
from reference.model.readers import onnx_images, onnx_operators
from reference.model.readers.branches import layers_of_graph
from reference.model.readers.onnx_constants import fold
from reference.model.readers.onnx_file import OnnxFile, Operator, read_onnx_file
from reference.model.readers.onnx_values import START, Value, Values
from reference.model.residual import Residual

_READERS: dict[str, Callable[[Values, Operator], Value]] = {
    **onnx_operators.READERS,
    **onnx_images.READERS,
}
_SMOOTH = (
    *("Sigmoid", "Tanh", "Softplus", "Gelu", "Erf", "Exp", "Log", "Elu", "Selu", "Celu", "Mish"),
    *("Softmax", "LogSoftmax", "Softsign", "HardSwish", "Swish", "Sqrt", "Pow", "Reciprocal"),
    *("Sin", "Cos", "Atan", "Sinh", "Cosh"),
)
_OWN_STATISTICS = ("InstanceNormalization", "GroupNormalization", "LayerNormalization")
_QUANTISED = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")
_QUANTISED_NAMES = ("QLinear", "Integer")


def layers_from_onnx(path: Path) -> list[Layer | Residual]:
    """Return the layers of a file, in order: see `Network.from_onnx`."""
    file = read_onnx_file(path)
    values = read_values(file)
    return layers_to(values, file.output)


def read_values(file: OnnxFile) -> Values:
    """Everything that the output needs, in order; ValueError names what cannot be read."""
    values = Values(file)
    for operator in file.operators:
        try:
            _check(operator)
            if not any(name in values.values for name in operator.inputs):
                values.constants |= fold(operator, values.constants, file.opset)
            elif operator.kind == "Shape":
                values.constants[operator.output] = onnx_operators.shape(values, operator)
            else:
                _check_supported(operator)
                values.values[operator.output] = _READERS[operator.kind](values, operator)
        except ValueError as error:
            reason = str(error).removeprefix("layers: ")
            raise ValueError(f"path: {operator.place}: {reason}") from None
    if file.output not in values.values:
        raise ValueError(f"path: output {file.output!r} does not depend on the input")
    return values


def layers_to(values: Values, name: str) -> list[Layer | Residual]:
    """The layers from the input to a value of the file."""
    layers = layers_of_graph(values.nodes, START, values.values[name].node)
    first, *others = layers
    # A Dense layer tells the latent dimension itself.
    alone = isinstance(first, Reshape) and len(first.shape) == 1 and bool(others)
    return others if alone and isinstance(others[0], Dense) else layers


def _check(operator: Operator) -> None:
    kind = operator.kind
    if kind in _QUANTISED or any(part in kind for part in _QUANTISED_NAMES):
        raise ValueError("quantised numbers are not supported; export the model in floating point")


def _check_supported(operator: Operator) -> None:
    kind = operator.kind
    if kind in _READERS:
        return
    before = next(filter(None, operator.inputs), "")
    if kind in _SMOOTH:
        raise ValueError(
            f"{kind} is not piecewise affine; take the output before it, {before!r}, with "
            "onnx.utils.extract_model, and model what comes after it otherwise"
        )
    if kind in _OWN_STATISTICS:
        raise ValueError(
            f"{kind} divides by a statistic of its own input, which is not piecewise affine; "
            "train with BatchNormalization, whose statistics are fixed after training"
        )
    known = ", ".join(_READERS)
    raise ValueError(f"this operator is not supported; expected one of {known}")
