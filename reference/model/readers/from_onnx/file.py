"""What an ONNX file holds: its operators in order, its constants, its one input and output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.model.layer_protocol import Shape

# Before opset 7, sums were broadcast by attributes and normalisation had another form.
_OLDEST_OPSET = 7


@dataclass(frozen=True)
class Operator:
    """One operator of a file.

    Parameters
    ----------
    kind : str
        Its class in the ONNX standard: "Conv", ...
    place : str
        What messages call it.
    inputs : tuple of str
        Names of values and constants; "" for one that is left out.
    output : str
        The name of its first output.
    attributes : dict
        Python values by name.
    proto : NodeProto
        As the file has it.
    """

    kind: str
    place: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any]
    proto: Any

    def attribute(self, name: str, default: Any) -> Any:
        """An attribute, or what it is where the file leaves it out."""
        return self.attributes.get(name, default)


@dataclass(frozen=True)
class OnnxFile:
    """A file whose graph has one input, whose batch axis counts 1, and one output.

    Parameters
    ----------
    model : ModelProto
        The file with every symbolic batch axis of its input set to 1.
    opset : int
        The version of the standard's operators.
    operators : list of Operator
        Those that the output needs, each after what it takes.
    constants : dict of str to ndarray
        Initializers, as they are stored.
    input, output : str
        The names of the graph's input and output.
    input_shape : tuple of int
        With the batch axis, which is 1.
    input_dtype : dtype
        What the input is stored as.
    uses : Counter
        How many operators take each value; the graph's output counts as one.
    """

    model: Any
    opset: int
    operators: list[Operator]
    constants: dict[str, NDArray[Any]]
    input: str
    output: str
    input_shape: Shape
    input_dtype: np.dtype[Any]
    uses: Counter[str] = field(default_factory=Counter)

    @property
    def needed_constants(self) -> list[NDArray[Any]]:
        """The initializers that the output needs."""
        return [array for name, array in self.constants.items() if self.uses[name]]


def read_onnx_file(path: Path) -> OnnxFile:
    """Read a file; ValueError if it is not one graph from one input to one output."""
    onnx = import_onnx()
    model = _loaded(onnx, path)
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    graph = model.graph
    opset = next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), 0)
    if opset < _OLDEST_OPSET:
        raise ValueError(
            f"path: opset {opset} is not supported; expected {_OLDEST_OPSET} or later, to which "
            "onnx.version_converter.convert_version brings a file"
        )
    if graph.sparse_initializer:
        raise ValueError("path: sparse initializers are not supported; store them dense")
    constants = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    inputs = [one for one in graph.input if one.name not in constants]
    _require_one(inputs, "input that is no constant")
    _require_one(graph.output, "output")
    dtype = _batch_of_one(onnx, inputs[0])
    output = graph.output[0].name
    operators = _needed([_operator(onnx, i, node) for i, node in enumerate(graph.node)], output)
    shape = tuple(int(axis.dim_value) for axis in inputs[0].type.tensor_type.shape.dim)
    uses = Counter([output, *(name for one in operators for name in one.inputs)])
    return OnnxFile(
        model=model,
        opset=opset,
        operators=operators,
        constants=constants,
        input=inputs[0].name,
        output=output,
        input_shape=shape,
        input_dtype=dtype,
        uses=uses,
    )


def import_onnx() -> Any:
    """The package onnx; ImportError that names the extra if it is not installed."""
    try:
        import onnx
        import onnx.inliner
        import onnx.reference
    except ImportError as error:
        raise ImportError(
            "Network.from_onnx needs the package onnx: pip install 'exactdgn[onnx]'"
        ) from error
    return onnx


def _loaded(onnx: Any, path: Path) -> Any:
    """The model of a file that obeys the standard."""
    stored = path.read_bytes()
    try:
        model = onnx.load_from_string(stored)
        onnx.checker.check_model(model if not _external(model) else str(path))
        onnx.load_external_data_for_model(model, str(path.parent))
    except Exception as error:
        # Each library below raises exceptions of its own.
        told = str(error).strip().splitlines()
        raise ValueError(
            f"path: expected an ONNX file, got {path} ({told[0] if told else type(error)})"
        ) from None
    return model


def _external(model: Any) -> bool:
    return any(one.external_data for one in model.graph.initializer)


def _require_one(values: Sequence[Any], what: str) -> None:
    if len(values) != 1:
        names = ", ".join(one.name for one in values) or "none"
        raise ValueError(
            f"path: expected a graph with one {what}, got {names}; onnx.utils.extract_model cuts "
            "out the part between chosen values"
        )


def _batch_of_one(onnx: Any, value: Any) -> np.dtype[Any]:
    """Set a symbolic batch axis to 1, and return how the input's numbers are stored."""
    tensor = value.type.tensor_type
    axes = tensor.shape.dim
    told = [axis.dim_value if axis.HasField("dim_value") else axis.dim_param for axis in axes]
    expected = (
        f"path: input {value.name!r}: expected (batch, ...) with all axes known but the batch"
    )
    if len(axes) < 2 or not all(isinstance(n, int) and n > 0 for n in told[1:]):
        raise ValueError(f"{expected}, got {tuple(told)}")
    if isinstance(told[0], int) and told[0] > 1:
        raise ValueError(
            f"{expected}, got a fixed batch of {told[0]}; export it with a batch of 1 or a "
            "symbolic one"
        )
    axes[0].dim_value = 1
    dtype: np.dtype[Any] = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    if tensor.elem_type not in _float_types(onnx):
        raise ValueError(f"path: input {value.name!r}: expected floating point, got {dtype}")
    return dtype


def _float_types(onnx: Any) -> set[int]:
    types = onnx.TensorProto
    return {types.FLOAT16, types.BFLOAT16, types.FLOAT, types.DOUBLE}


def _operator(onnx: Any, i: int, node: Any) -> Operator:
    attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    attributes = {k: v.decode() if isinstance(v, bytes) else v for k, v in attributes.items()}
    kind = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
    place = f"node {repr(node.name) if node.name else i} ({kind})"
    return Operator(kind, place, tuple(node.input), node.output[0], attributes, node)


def _needed(operators: list[Operator], output: str) -> list[Operator]:
    names, needed = {output}, []
    for one in reversed(operators):
        if names & set(one.proto.output):
            needed.append(one)
            names.update(one.inputs)
    return needed[::-1]
