"""ONNX files for tests: made of a few operators, and run."""

import numpy as np


def save(path, steps, constants, shape, dtype=np.float32, opset=17, outputs=("y",)):
    """Write a file, and return its path: steps are (operator, inputs, outputs, attributes). The
    graph's input is z; - is an input that is left out."""
    import onnx
    from onnx import helper, numpy_helper

    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    nodes = [
        helper.make_node(
            op,
            [name.strip("-") for name in inputs.split()],
            outs.split(),
            name=f"{op}_{i}",
            **attributes,
        )
        for i, (op, inputs, outs, attributes) in enumerate(steps)
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("z", kind, shape)],
        [onnx.ValueInfoProto(name=name, type=_unknown(kind)) for name in outputs],
        [numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, str(path))
    return path


def _unknown(kind):
    """A tensor of any shape."""
    import onnx

    told = onnx.TypeProto()
    told.tensor_type.elem_type = kind
    told.tensor_type.shape.CopyFrom(onnx.TensorShapeProto())
    return told


def run(path, Z, shape):
    """The outputs (N, D) of a file at points, one by one: by onnxruntime, or by the reference."""
    import onnx
    import onnx.reference

    try:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(str(path), options)
        evaluate = session.run
    except Exception:  # not installed, or without an operator in double precision
        evaluate = onnx.reference.ReferenceEvaluator(onnx.load(str(path))).run
    rows = [evaluate(None, {"z": z.reshape(1, *shape)})[0].ravel() for z in Z]
    return np.stack(rows).astype(np.float64)
