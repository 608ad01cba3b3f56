"""Operators of an ONNX file that take only constants: their values, by the standard's reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.model.readers.from_onnx.file import Operator, import_onnx

#: Operators that give other numbers every time, or choose between graphs.
_NOT_CONSTANT = ("Bernoulli", "Multinomial", "If", "Loop", "Scan")


def fold(
    operator: Operator, constants: Mapping[str, NDArray[Any]], opset: int
) -> dict[str, NDArray[Any]]:
    """The outputs of an operator, by name, in the file's own precision."""
    if operator.kind in _NOT_CONSTANT or operator.kind.startswith("Random"):
        raise ValueError("random numbers and choices between graphs are not supported")
    onnx = import_onnx()
    names = sorted(set(filter(None, operator.inputs)))
    unknown = [name for name in names if name not in constants]
    if unknown:
        raise ValueError(f"input {unknown[0]!r} is no first output of an operator")
    outputs = [name for name in operator.proto.output if name]
    graph = onnx.helper.make_graph(
        [operator.proto],
        "constant",
        [onnx.ValueInfoProto(name=name) for name in names],
        [onnx.ValueInfoProto(name=name) for name in outputs],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    try:
        evaluator = onnx.reference.ReferenceEvaluator(model)
        found = evaluator.run(None, {name: constants[name] for name in names})
    except Exception as error:
        # Whatever the reference raises on operators that it does not have.
        raise ValueError(f"not supported on constants ({error})") from None
    return {name: np.asarray(value) for name, value in zip(outputs, found, strict=True)}
