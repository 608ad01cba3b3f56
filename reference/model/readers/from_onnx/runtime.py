"""ONNX files, and single operators of them, as they run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.model.readers.from_onnx.file import OnnxFile, Operator, import_onnx
from reference.model.readers.from_onnx.values import Values

#: Every value at each point, by name: (N, entries), as the runtime gives them.
Found = dict[str, NDArray[Any]]
#: What the runtime gives for one input: the values, in the order of their names.
Run = Callable[[NDArray[Any]], list[NDArray[Any]]]


def run_at(run: Run, names: Sequence[str], file: OnnxFile, points: NDArray[Any]) -> Found:
    """All values at all points, one point at a time: the file's batch is one."""
    rows = [run(point.reshape(file.input_shape)) for point in points]
    found: Found = {file.input: points}
    for name, every in zip(names, zip(*rows, strict=True), strict=True):
        found[name] = np.stack([np.ravel(one) for one in every])
    return found


def runner(
    file: OnnxFile, graph: Any, names: Sequence[str], given: str, example: NDArray[Any]
) -> Run:
    """A function that runs the file, or a part of it, and has done so on an example."""
    onnx = import_onnx()
    model = onnx.ModelProto()
    model.CopyFrom(graph)
    del model.graph.output[:]
    model.graph.output.extend([onnx.ValueInfoProto(name=name) for name in names])
    wanted = list(names)
    try:
        session = _session(model)
        session.run(wanted, {given: example})
        return lambda one: session.run(wanted, {given: one})
    except Exception:  # not installed, or without an operator in this precision
        _require_reference(file)
        evaluator = onnx.reference.ReferenceEvaluator(model)
        evaluator.run(wanted, {given: example})
        return lambda one: evaluator.run(wanted, {given: one})


def _require_reference(file: OnnxFile) -> None:
    """RuntimeError if the reference evaluator is known to compute something else."""
    for operator in file.operators:
        # It takes the first channels of the bias for every group, and one output channel a group.
        grouped = operator.kind == "ConvTranspose" and operator.attribute("group", 1) > 1
        # Older versions pad as if the stride were 1, also where no padding is asked for.
        padded = operator.attribute("auto_pad", "NOTSET") != "NOTSET"
        # It takes the largest over the wrong axes, unless there are two.
        if grouped or padded or operator.kind == "GlobalMaxPool":
            raise RuntimeError(
                f"{operator.place}: onnxruntime is not installed or cannot run it in this "
                "precision, and the reference evaluator of onnx is not right about it"
            )


def _session(model: Any) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Operators stay as they are in the file, so that each can be compared.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def operator_alone(values: Values, operator: Operator, given: str, dtype: np.dtype[Any]) -> Any:
    """A model of one operator, with the constants that it takes."""
    onnx = import_onnx()
    helper, proto = onnx.helper, operator.proto
    names = dict.fromkeys(name for name in operator.inputs if name in values.constants)
    kind = helper.np_dtype_to_tensor_dtype(dtype)
    graph = helper.make_graph(
        [proto],
        "alone",
        [helper.make_tensor_value_info(given, kind, values.values[given].shape)],
        [],
        [onnx.numpy_helper.from_array(np.asarray(values.constants[name]), name) for name in names],
    )
    file = values.file.model
    return helper.make_model(graph, opset_imports=file.opset_import, ir_version=file.ir_version)
