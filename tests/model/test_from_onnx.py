"""Networks read from ONNX files: the same function as the file has when it runs."""

import dataclasses

import numpy as np
import onnx_files
import pytest

from reference import Network
from reference.model.latent_size import latent_size
from reference.model.readers.from_onnx.check import check_against_runtime
from reference.model.readers.from_onnx.file import read_onnx_file
from reference.model.readers.from_onnx.reading import layers_from_onnx, read_values
from reference.model.residual import expanded

pytest.importorskip("onnx")
# Random units are often on one side only.
pytestmark = pytest.mark.filterwarnings("ignore:.*seen on one side only:UserWarning")


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
    attributes = {"transB": transposed, "alpha": draw.one_of(1.0, 0.5), "beta": draw.one_of(1.0, -2.0)}
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
    before = draw.counts(axes, 0, 1)
    attributes = {
        "strides": strides,
        "dilations": draw.counts(axes, 1, 2),
        "group": groups,
        # No more is cut off at the end than at the beginning.
        "pads": before + [draw.count(0, b) for b in before],
        "output_padding": [draw.count(0, max(s - 2, 0)) for s in strides],
    }
    constants = {"k": draw.array(channels, out, *kernel), "b": draw.array(out * groups)}
    return (channels, *size), [("ConvTranspose", "z k b", "y", attributes)], constants


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
        ("LeakyRelu", "z", "y", {"alpha": draw.one_of(0.01, 0.3, 2.0)}),
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
    op = draw.one_of("GlobalAveragePool", "GlobalMaxPool")
    return (draw.count(1, 3), *size), [(op, "z", "y", {})], {}


def resize(draw):
    axes, size = images_or_signals(draw)
    size = [n - draw.count(1, 3) for n in size]
    shape = (draw.count(1, 2), *size)
    factors = draw.counts(axes, 1, 3)
    attributes = draw.one_of(
        {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
        {"mode": "nearest"},
        {"mode": "linear"},
        {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"},
        {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
    )
    # An input that is left out cannot be written in a list of words.
    constants = {"roi": np.zeros(0, np.float32)}
    if draw.count(0, 1):
        constants["f"] = np.array([1, 1, *factors], np.float32)
        return shape, [("Resize", "z roi f", "y", attributes)], constants
    constants["f"] = np.zeros(0, np.float32)
    larger = [n * f for n, f in zip(size, factors, strict=True)]
    constants["n"] = np.array([1, shape[0], *larger], np.int64)
    return shape, [("Resize", "z roi f n", "y", attributes)], constants


def shuffle_and_pad(draw):
    block = draw.count(1, 3)
    shape = (block**2 * draw.count(1, 2), draw.count(1, 3), draw.count(1, 3))
    pads = [0, 0, *draw.counts(2, 0, 2), 0, 0, *draw.counts(2, 0, 2)]
    steps = [
        ("DepthToSpace", "z", "h", {"blocksize": block, "mode": "CRD"}),
        ("Pad", "h p", "y", {}),
    ]
    return shape, steps, {"p": np.array(pads, np.int64)}


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
    batch_normalization: 6,
    folded: 10,
    entrywise: 14,
    activation: 16,
    pool: 14,
    global_pool: 4,
    resize: 14,
    shuffle_and_pad: 5,
    reshapes: 3,
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
        op == "GlobalMaxPool" or (op == "ConvTranspose" and attributes["group"] > 1)
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
