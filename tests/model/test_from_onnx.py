"""Networks read from ONNX files: the same function as the file has when it runs."""

import numpy as np
import onnx_files
import pytest

from reference import Network

pytest.importorskip("onnx")


class Draw:
    """Random numbers and sizes of one setting, in one precision."""

    def __init__(self, seed, dtype):
        self.rng, self.dtype = np.random.default_rng([71, *seed]), dtype

    def array(self, *shape):
        return self.rng.standard_normal(shape).astype(self.dtype)

    def positive(self, *shape):
        return self.rng.uniform(0.3, 2.0, shape).astype(self.dtype)

    def count(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def counts(self, axes, low, high):
        return [self.count(low, high) for _ in range(axes)]

    def one_of(self, *values):
        return values[self.count(0, len(values) - 1)]


# Each gives the shape of the input, the operators and the constants of one random setting.


def gemm(draw):
    n, m = draw.count(1, 6), draw.count(1, 6)
    transposed = draw.count(0, 1)
    bias = draw.one_of((m,), (1, m), (1,), ())
    attributes = {
        "transB": transposed,
        "alpha": draw.one_of(1.0, 0.5),
        "beta": draw.one_of(1.0, -2.0),
    }
    weight = draw.array(*((m, n) if transposed else (n, m)))
    return (n,), [("Gemm", "z w b", "y", attributes)], {"w": weight, "b": draw.array(*bias)}


def matmul_add(draw):
    n, m = draw.count(1, 6), draw.count(2, 6)
    constants = {"w": draw.array(n, m), "b": draw.array(m)}
    order = draw.one_of("h b", "b h")
    return (n,), [("MatMul", "z w", "h", {}), ("Add", order, "y", {})], constants


def images_or_signals(draw):
    axes = draw.count(1, 2)
    return axes, [draw.count(4, 8) for _ in range(axes)]


def conv(draw):
    axes, size = images_or_signals(draw)
    groups = draw.count(1, 2)
    channels, out = groups * draw.count(1, 2), groups * draw.count(1, 2)
    kernel = draw.counts(axes, 1, 3)
    attributes = {
        "strides": draw.counts(axes, 1, 3),
        "dilations": draw.counts(axes, 1, 2),
        "group": groups,
    }
    auto = draw.one_of("NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
    if auto == "NOTSET":
        attributes["pads"] = draw.counts(2 * axes, 0, 2)
    else:
        # The reference evaluator of some versions takes dilations for 1 here.
        attributes |= {"auto_pad": auto, "dilations": [1] * axes}
    constants = {"k": draw.array(out, channels // groups, *kernel)}
    inputs = "z k"
    if draw.count(0, 1):
        constants["b"], inputs = draw.array(out), "z k b"
    return (channels, *size), [("Conv", inputs, "y", attributes)], constants


def conv_transpose(draw):
    axes, size = images_or_signals(draw)
    size = [n - 2 for n in size]
    groups = draw.count(1, 2)
    channels, out = groups * draw.count(1, 2), draw.count(1, 2)
    kernel, strides = draw.counts(axes, 2, 4), draw.counts(axes, 1, 3)
    before, dilations = draw.counts(axes, 0, 1), draw.counts(axes, 1, 2)
    # No more is cut off at the end than at the beginning, and less only where steps leave room.
    most = [min(b, max(s, d) - 1) for b, s, d in zip(before, strides, dilations, strict=True)]
    attributes = {
        "strides": strides,
        "dilations": dilations,
        "group": groups,
        "pads": before + [b - draw.count(0, m) for b, m in zip(before, most, strict=True)],
        "output_padding": [draw.count(0, max(s - 2, 0)) for s in strides],
    }
    constants = {"k": draw.array(channels, out, *kernel), "b": draw.array(out * groups)}
    return (channels, *size), [("ConvTranspose", "z k b", "y", attributes)], constants


def conv_transpose_to_a_size(draw):
    """Padding that is not told: the size of the output is, or is a multiple of the input's."""
    axes, size = images_or_signals(draw)
    strides = draw.counts(axes, 2, 3)
    # Kernels that reach as far as the output: an even rest is cut off, or an odd one at the start.
    kernel = [s + draw.count(0, 2) for s in strides]
    attributes = {"strides": strides, "auto_pad": "SAME_LOWER", "group": 1}
    if draw.count(0, 1):
        reach = [s * (n - 1) + k for s, n, k in zip(strides, size, kernel, strict=True)]
        attributes["output_shape"] = [n - 2 * draw.count(0, 1) for n in reach]
    constants = {"k": draw.array(2, 3, *kernel)}
    return (2, *size), [("ConvTranspose", "z k", "y", attributes)], constants


def batch_normalization(draw):
    shape = (draw.count(1, 4), *draw.counts(draw.count(0, 2), 2, 4))
    c = shape[0]
    constants = {"g": draw.array(c), "b": draw.array(c), "m": draw.array(c), "v": draw.positive(c)}
    attributes = {"epsilon": draw.one_of(1e-5, 0.1)}
    return shape, [("BatchNormalization", "z g b m v", "y", attributes)], constants


def folded(draw):
    """Normalisation, products and shifts that become one with the layer before them."""
    shape, steps, constants = draw.one_of(conv, conv_transpose)(draw)
    _, ((op, inputs, _, attributes),) = shape, steps
    out = constants["k"].shape[0] if op == "Conv" else constants["k"].shape[1] * attributes["group"]
    ones = (1,) * len(shape[1:])
    constants |= {"s": draw.array(out, *ones), "t": draw.array(out, *ones)}
    constants |= {n: draw.array(out) for n in "gcm"} | {"v": draw.positive(out)}
    steps = [
        (op, inputs, "h", attributes),
        ("BatchNormalization", "h g c m v", "i", {}),
        ("Mul", "i s", "j", {}),
        ("Sub", "j t", "k2", {}),
        ("Relu", "k2", "y", {}),
    ]
    return shape, steps, constants


def entrywise(draw):
    shape = (draw.count(2, 3), *draw.counts(draw.count(0, 2), 2, 3))
    of = draw.one_of((), shape, (1, *shape), shape[-1:], (shape[0], *[1] * (len(shape) - 1)))
    op = draw.one_of("Add", "Sub", "Mul", "Div")
    order = draw.one_of("z c", "c z") if op != "Div" else "z c"
    return shape, [(op, order, "y", {})], {"c": draw.array(*of)}


def activation(draw):
    shape = (draw.count(2, 3), *draw.counts(draw.count(0, 2), 2, 3))
    slopes = draw.one_of((), (1,), shape, (shape[0], *[1] * (len(shape) - 1)))
    constants = {
        "s": draw.array(*slopes),
        "lower": np.array(-0.5, draw.dtype),
        "upper": np.array(0.25, draw.dtype),
    }
    steps = draw.one_of(
        ("Relu", "z", "y", {}),
        ("LeakyRelu", "z", "y", draw.one_of({}, {"alpha": 0.3}, {"alpha": 2.0})),
        ("Abs", "z", "y", {}),
        ("PRelu", "z s", "y", {}),
        ("PRelu", "z s", "y", {}),
        ("Clip", "z lower", "y", {}),
        ("Clip", "z lower upper", "y", {}),
        ("HardSigmoid", "z", "y", {}),
        ("HardSigmoid", "z", "y", {"alpha": -0.7, "beta": 0.2}),
    )
    return shape, [steps], constants


def pool(draw):
    axes, size = images_or_signals(draw)
    kernel = draw.counts(axes, 2, 3)
    attributes = {"kernel_shape": kernel, "strides": draw.counts(axes, 1, 3)}
    op = draw.one_of("MaxPool", "AveragePool")
    if op == "MaxPool":
        attributes["pads"] = draw.counts(axes, 0, 1) * 2
    elif draw.count(0, 1):
        attributes |= {"pads": draw.counts(2 * axes, 0, 1), "count_include_pad": 1}
    return (draw.count(1, 2), *size), [(op, "z", "y", attributes)], {}


def global_pool(draw):
    axes, size = images_or_signals(draw)
    step = draw.one_of(
        ("GlobalAveragePool", "z", "y", {}),
        ("GlobalMaxPool", "z", "y", {}),
        ("ReduceMean", "z", "y", {"axes": [-1, 2][-axes:], "keepdims": draw.count(0, 1)}),
    )
    return (draw.count(1, 3), *size), [step], {}


def resize(draw):
    axes, size = images_or_signals(draw)
    size = [n - draw.count(1, 3) for n in size]
    shape = (draw.count(1, 2), *size)
    factors = draw.counts(axes, 1, 3)
    attributes = draw.one_of(
        {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        },
        {"mode": "nearest"},
        {"mode": "linear"},
        {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"},
        {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
    )
    if draw.count(0, 1):
        scales = np.array([1, 1, *factors], np.float32)
        return shape, [("Resize", "z - f", "y", attributes)], {"f": scales}
    larger = [1, shape[0], *(n * f for n, f in zip(size, factors, strict=True))]
    return shape, [("Resize", "z - - n", "y", attributes)], {"n": np.array(larger, np.int64)}


def shuffle_and_pad(draw):
    block = draw.count(1, 3)
    shape = (block**2 * draw.count(1, 2), draw.count(1, 3), draw.count(1, 3))
    pads = [0, 0, *draw.counts(2, 0, 2), 0, 0, *draw.counts(2, 0, 2)]
    steps = [
        ("DepthToSpace", "z", "h", {"blocksize": block, "mode": "CRD"}),
        ("Pad", "h p", "y", {}),
    ]
    return shape, steps, {"p": np.array(pads, np.int64)}


def defaults(draw):
    """Attributes that are left out, and a bias."""
    constants = {"w": draw.array(3, 4), **{n: draw.array(4) for n in "gcm"}, "v": draw.positive(4)}
    steps = [
        ("Gemm", "z w", "a", {}),
        ("LeakyRelu", "a", "b", {}),
        ("BatchNormalization", "b g c m v", "c2", {}),
        ("HardSigmoid", "c2", "y", {}),
    ]
    return (3,), steps, constants


def reshapes(draw):
    c, n = draw.count(1, 3), draw.count(2, 4)
    constants = {
        "shape": np.array([0, -1, c], np.int64),
        "axes": np.array([1], np.int64),
        "k": draw.array(2, n, c),
    }
    steps = [
        ("Reshape", "z shape", "a", {}),
        ("Unsqueeze", "a axes", "b", {}),
        ("Transpose", "b", "c", {"perm": [1, 0, 2, 3]}),
        ("Squeeze", "c axes", "d", {}),
        ("Conv", "d k", "e", {"pads": [1, 1]}),
        ("Identity", "e", "f", {}),
        ("Dropout", "f", "g", {}),
        ("Flatten", "g", "y", {}),
    ]
    return (n * c,), steps, constants


KINDS = {
    gemm: 8,
    matmul_add: 4,
    conv: 20,
    conv_transpose: 16,
    conv_transpose_to_a_size: 6,
    batch_normalization: 6,
    folded: 10,
    entrywise: 14,
    activation: 16,
    pool: 14,
    global_pool: 8,
    resize: 14,
    shuffle_and_pad: 5,
    reshapes: 3,
    defaults: 2,
}
SETTINGS = [(kind, seed) for kind, count in KINDS.items() for seed in range(count)]


def compared(path, shape, dtype, tolerance):
    """The network of a file, which is its function at points that nothing else has seen."""
    network = Network.from_onnx(path)
    Z = np.random.default_rng(3).standard_normal((20, int(np.prod(shape)))).astype(dtype)
    wanted = onnx_files.run(path, Z, shape)
    scale = np.abs(wanted).max() + 1.0
    np.testing.assert_allclose(network(Z), wanted, rtol=0, atol=tolerance * scale)
    return network


def beyond_reference(steps):
    """What onnxruntime has in single precision only, and the reference evaluator has wrong."""
    return any(
        op == "GlobalMaxPool"
        or (op == "ConvTranspose" and attributes["group"] > 1)
        or attributes.get("auto_pad", "NOTSET") != "NOTSET"
        for op, _, _, attributes in steps
    )


@pytest.mark.parametrize(("kind", "seed"), SETTINGS, ids=lambda p: getattr(p, "__name__", str(p)))
def test_random_settings(kind, seed, tmp_path):
    """Single precision by onnxruntime, double by the reference evaluator: sums of at most 50
    products of numbers near 1, each rounded to 6e-8 or 1e-16."""
    for dtype, tolerance in ((np.float32, 1e-5), (np.float64, 1e-12)):
        shape, steps, constants = kind(Draw((list(KINDS).index(kind), seed), dtype))
        path = onnx_files.save(tmp_path / "a.onnx", steps, constants, ["N", *shape], dtype)
        if dtype == np.float64 and beyond_reference(steps):
            continue
        compared(path, shape, dtype, tolerance)


# Whole decoders


def decoder(rng, dtype=np.float32):
    """A residual decoder of images, as libraries write it: shapes are computed where it runs."""

    def array(*shape):
        return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]) or 1)).astype(dtype)

    constants = {
        "w": array(2, 12),
        "b": array(12),
        "first": np.array(0, np.int64),
        "channels": np.array([3, 2, 2], np.int64),
        "axes": np.array([0], np.int64),
        "k0": array(3, 4, 4, 4),
        "k1": array(4, 4, 3, 3),
        "k2": array(4, 4, 3, 3),
        "k3": array(2, 4, 1, 1),
        "k4": array(2, 4, 1, 1),
        "k5": array(1, 2, 3, 3),
        **{name: array(4) for name in ("g", "c", "m")},
        "v": rng.uniform(0.5, 2.0, 4).astype(dtype),
    }
    padded = {"pads": [1, 1, 1, 1]}
    steps = [
        ("MatMul", "z w", "a0", {}),
        ("Add", "a0 b", "a", {}),
        ("Relu", "a", "a1", {}),
        ("Shape", "a1", "s", {}),
        ("Gather", "s first", "n", {}),
        ("Unsqueeze", "n axes", "n1", {}),
        ("Concat", "n1 channels", "to", {"axis": 0}),
        ("Reshape", "a1 to", "i", {}),
        ("ConvTranspose", "i k0", "u0", {"strides": [2, 2], **padded}),
        ("BatchNormalization", "u0 g c m v", "u", {}),
        ("Relu", "u", "r1", {}),
        ("Conv", "r1 k1", "c1", padded),
        ("Relu", "c1", "r2", {}),
        ("Conv", "r2 k2", "c2", padded),
        ("Add", "u c2", "t", {}),
        ("Conv", "t k3", "p", {}),
        ("LeakyRelu", "t", "q0", {"alpha": 0.2}),
        ("Conv", "q0 k4", "q", {}),
        ("Sub", "q p", "d", {}),
        ("Relu", "d", "d1", {}),
        ("Conv", "d1 k5", "y", padded),
    ]
    return steps, constants


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_residual_decoder(dtype, tmp_path):
    steps, constants = decoder(np.random.default_rng(8), dtype)
    path = onnx_files.save(tmp_path / "a.onnx", steps, constants, ["N", 2], dtype)
    network = compared(path, (2,), dtype, 1e-5 if dtype == np.float32 else 1e-12)
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds[:4] == ["Dense", "ReLU", "Reshape", "ConvTranspose2d"]
    assert kinds.count("Fork") == kinds.count("Join") == 2
    # The weights of a layer without normalisation are the file's.
    np.testing.assert_array_equal(network.layers[0].weight, constants["w"].T)
    np.testing.assert_array_equal(network.layers[0].bias, constants["b"])


def test_branches_of_signals(tmp_path):
    """Uneven padding makes images of one row of signals, on one branch alone."""
    rng = np.random.default_rng(6)
    constants = {"k": rng.standard_normal((2, 2, 2)).astype(np.float32)}
    steps = [
        ("Relu", "z", "a", {}),
        ("Conv", "a k", "b", {"pads": [1, 0]}),
        ("Add", "a b", "y", {}),
    ]
    path = onnx_files.save(tmp_path / "a.onnx", steps, constants, ["N", 2, 5])
    compared(path, (2, 5), np.float32, 1e-5)


def test_means_keep_their_axes(tmp_path):
    """What comes after a mean takes images of one pixel."""
    constants = {"k": np.random.default_rng(7).standard_normal((3, 2, 1, 1)).astype(np.float32)}
    steps = [("ReduceMean", "z", "a", {"axes": [2, 3]}), ("Conv", "a k", "y", {})]
    path = onnx_files.save(tmp_path / "a.onnx", steps, constants, ["N", 2, 3, 4])
    compared(path, (2, 3, 4), np.float32, 1e-5)


@pytest.mark.parametrize(("op", "opset"), [("Upsample", 9), ("Resize", 10)])
def test_resizing_before_there_were_regions(op, opset, tmp_path):
    constants = {"f": np.array([1, 1, 2, 3], np.float32)}
    steps = [(op, "z f", "y", {"mode": "nearest"})]
    path = onnx_files.save(tmp_path / "a.onnx", steps, constants, ["N", 2, 3, 4], opset=opset)
    compared(path, (2, 3, 4), np.float32, 1e-6)


def test_padding_of_some_axes(tmp_path):
    constants = {"p": np.array([2, 1, 0, 3], np.int64), "axes": np.array([-1, 2], np.int64)}
    steps = [("Pad", "z p - axes", "y", {})]
    path = onnx_files.save(tmp_path / "a.onnx", steps, constants, ["N", 2, 3, 4], opset=18)
    network = compared(path, (2, 3, 4), np.float32, 1e-6)
    assert network.layers[-1].padding == (2, 0, 1, 3)


def test_a_value_added_to_itself(tmp_path):
    steps = [("Relu", "z", "a", {}), ("Add", "a a", "b", {}), ("Add", "b z", "y", {})]
    path = onnx_files.save(tmp_path / "a.onnx", steps, {}, [1, 3])
    compared(path, (3,), np.float32, 1e-6)


def test_the_output_may_be_the_input(tmp_path):
    path = onnx_files.save(tmp_path / "a.onnx", [("Identity", "z", "y", {})], {}, [1, 3])
    np.testing.assert_array_equal(Network.from_onnx(path)([[1.0, 2.0, 3.0]]), [[1.0, 2.0, 3.0]])


def test_half_precision_is_exact(tmp_path):
    weight = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float16)
    steps = [("MatMul", "z w", "h", {}), ("Relu", "h", "y", {})]
    path = onnx_files.save(tmp_path / "a.onnx", steps, {"w": weight}, ["N", 3], np.float16)
    network = Network.from_onnx(path)
    np.testing.assert_array_equal(network.layers[0].weight, weight.T.astype(np.float64))


def test_half_precision_between_operators(tmp_path):
    """A runtime may round to halves where it shows them, and go on with single precision."""
    rng = np.random.default_rng(4)
    constants = {"w": rng.standard_normal((3, 8)).astype(np.float16)}
    steps = [
        ("MatMul", "z w", "a", {}),
        ("LeakyRelu", "a", "b", {"alpha": 0.2}),
        ("Add", "b a", "y", {}),
    ]
    path = onnx_files.save(tmp_path / "a.onnx", steps, constants, ["N", 3], np.float16)
    compared(path, (3,), np.float16, 1e-2)


def test_constants_are_computed_in_the_precision_of_the_file(tmp_path):
    """As weight normalisation leaves them: g v / |v|."""
    rng = np.random.default_rng(1)
    v, g = (rng.standard_normal(s).astype(np.float32) for s in ((4, 3), (1, 3)))
    steps = [
        ("Mul", "v v", "v2", {}),
        ("ReduceSum", "v2 axes", "n2", {}),
        ("Sqrt", "n2", "n", {}),
        ("Div", "v n", "u", {}),
        ("Mul", "u g", "w", {}),
        ("MatMul", "z w", "y", {}),
    ]
    constants = {"v": v, "g": g, "axes": np.array([0], np.int64)}
    path = onnx_files.save(tmp_path / "a.onnx", steps, constants, ["N", 4])
    (dense,) = Network.from_onnx(path).layers
    norm = np.sqrt(np.sum(v * v, axis=0, keepdims=True))
    np.testing.assert_array_equal(dense.weight, (v / norm * g).T.astype(np.float64))


def test_parts_that_the_output_does_not_need_are_left_out(tmp_path):
    steps = [("Relu", "z", "y", {}), ("Sigmoid", "z", "x", {})]
    path = onnx_files.save(tmp_path / "a.onnx", steps, {}, ["N", 2])
    assert len(Network.from_onnx(path).layers) == 2


def test_a_wider_precision(tmp_path):
    steps = [("Cast", "z", "h", {"to": 11}), ("MatMul", "h w", "y", {})]
    constants = {"w": np.random.default_rng(2).standard_normal((2, 3))}
    path = onnx_files.save(tmp_path / "a.onnx", steps, constants, ["N", 2])
    np.testing.assert_array_equal(Network.from_onnx(path).layers[0].weight, constants["w"].T)


def test_bounds_that_are_none(tmp_path):
    """The largest floats, which are the bounds by default before opset 11."""
    largest = np.finfo(np.float32).max
    constants = {"a": np.float32(0), "b": np.float32(largest), "c": np.float32(-largest)}
    steps = [("Clip", "z a b", "h", {}), ("Clip", "h c -", "y", {})]
    new = onnx_files.save(tmp_path / "a.onnx", steps, constants, ["N", 2])
    steps = [("Clip", "z", "y", {"min": 0.0})]
    old = onnx_files.save(tmp_path / "b.onnx", steps, {}, ["N", 2], opset=10)
    for path in (new, old):
        assert [repr(layer) for layer in Network.from_onnx(path).layers] == [
            "Reshape((2,))",
            "ReLU()",
        ]


def test_numbers_in_files_of_their_own(tmp_path):
    import onnx

    rng = np.random.default_rng(3)
    constants = {"w": rng.standard_normal((3, 400)).astype(np.float32)}
    path = onnx_files.save(tmp_path / "a.onnx", [("MatMul", "z w", "y", {})], constants, ["N", 3])
    model = onnx.load(str(path))
    onnx.save(model, str(path), save_as_external_data=True, location="numbers", size_threshold=0)
    assert (tmp_path / "numbers").exists()
    weight = Network.from_onnx(path).layers[0].weight
    np.testing.assert_array_equal(weight, constants["w"].T)


def test_functions_of_the_file_are_read_as_what_they_are_made_of(tmp_path):
    import onnx
    from onnx import helper

    path = onnx_files.save(tmp_path / "a.onnx", [("Relu", "z", "y", {})], {}, ["N", 3])
    model = onnx.load(str(path))
    body = [helper.make_node("Abs", ["a"], ["b"]), helper.make_node("Relu", ["b"], ["c"])]
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("own", "Both", ["a"], ["c"], body, opsets))
    model.opset_import.append(helper.make_opsetid("own", 1))
    del model.graph.node[:]
    model.graph.node.append(helper.make_node("Both", ["z"], ["y"], domain="own"))
    onnx.save(model, str(path))
    kinds = [type(layer).__name__ for layer in Network.from_onnx(path).layers]
    assert kinds == ["Reshape", "Abs", "ReLU"]
