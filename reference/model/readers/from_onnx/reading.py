"""Layers from ONNX files, which are run and compared with what was read."""

from __future__ import annotations

from pathlib import Path

from reference.model.dense import Dense
from reference.model.images.reshaping import Reshape
from reference.model.latent_size import latent_size
from reference.model.layer_protocol import Layer
from reference.model.readers.branches import layers_of_graph
from reference.model.readers.from_onnx import images, operators
from reference.model.readers.from_onnx.check import check_against_runtime
from reference.model.readers.from_onnx.constants import fold
from reference.model.readers.from_onnx.file import OnnxFile, Operator, read_onnx_file
from reference.model.readers.from_onnx.values import Reader, Values
from reference.model.readers.parts import Z
from reference.model.residual import Residual, expanded

_READERS: dict[str, Reader] = {
    **operators.READERS,
    **images.READERS,
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
    values = read_values(read_onnx_file(path))
    layers = layers_of(values)
    latent = latent_size(layers[0])
    assert latent is not None
    check_against_runtime(values, [layer for layer, _ in expanded(layers, (latent,))[0]])
    return layers


def read_values(file: OnnxFile) -> Values:
    """Everything that the output needs, in order; ValueError names what cannot be read."""
    values = Values(file)
    for operator in file.operators:
        try:
            if not any(name in values.values for name in operator.inputs):
                _check_precision(operator)
                values.constants |= fold(operator, values.constants, file.opset)
            elif operator.kind == "Shape":
                values.constants[operator.output] = operators.shape(values, operator)
            else:
                values.read(operator, _reader(operator))
        except ValueError as error:
            reason = str(error).removeprefix("layers: ")
            raise ValueError(f"path: {operator.place}: {reason}") from None
    if file.output not in values.values:
        raise ValueError(f"path: output {file.output!r} does not depend on the input")
    return values


def layers_of(values: Values) -> list[Layer | Residual]:
    """The layers from the input to the output."""
    end = values.values[values.file.output].part
    try:
        layers = layers_of_graph(values.parts.nodes(end), Z, end)
    except ValueError as error:
        name, reason = str(error).split(": ", 1)
        places = {part.name: part.place for part in values.parts.parts}
        raise ValueError(f"path: {places.get(name, name)}: {reason}") from None
    first, *others = layers
    # A Dense layer tells the latent dimension itself.
    vector = isinstance(first, Reshape) and len(first.shape) == 1
    return others if vector and others and isinstance(others[0], Dense) else layers


def _check_precision(operator: Operator) -> None:
    kind = operator.kind
    if kind in _QUANTISED or any(part in kind for part in _QUANTISED_NAMES):
        raise ValueError("quantised numbers are not supported; export the model in floating point")


def _reader(operator: Operator) -> Reader:
    """What reads an operator; ValueError that says why there is none, and what to do."""
    kind = operator.kind
    _check_precision(operator)
    if kind in _READERS:
        return _READERS[kind]
    if kind in _SMOOTH:
        before = next(filter(None, operator.inputs), "")
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
