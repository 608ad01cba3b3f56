"""ONNX files that are refused, that run otherwise than they are read, or cannot be run."""

import builtins
import copy
import dataclasses

import numpy as np
import onnx_files
import pytest

from reference import Network
from reference.model.errors import UnverifiedWarning
from reference.model.latent_size import latent_size
from reference.model.readers.from_onnx import check
from reference.model.readers.from_onnx.check import check_against_runtime
from reference.model.readers.from_onnx.file import read_onnx_file
from reference.model.readers.from_onnx.reading import layers_of, read_values
from reference.model.residual import expanded

pytest.importorskip("onnx")


def ones(*shape):
    return np.ones(shape, np.float32)


def ints(*values):
    return np.array(values, np.int64)


# Refusals: the operators, the constants, the shape of the input, and what is said.
REFUSED = {
    "Sigmoid": (
        [("Relu", "z", "h", {}), ("Sigmoid", "h", "y", {})],
        {},
        r"node 'Sigmoid_1' \(Sigmoid\): Sigmoid is not piecewise affine; take the output before "
        r"it, 'h', with onnx.utils.extract_model",
    ),
    "Tanh": ([("Tanh", "z", "y", {})], {}, "Tanh is not piecewise affine"),
    "Softplus": ([("Softplus", "z", "y", {})], {}, "Softplus is not piecewise affine"),
    "HardSwish": ([("HardSwish", "z", "y", {})], {}, "HardSwish is not piecewise affine"),
    "Erf": ([("Erf", "z", "y", {})], {}, "Erf is not piecewise affine"),
    "InstanceNormalization": (
        [("InstanceNormalization", "z s s", "y", {})],
        {"s": ones(4)},
        "divides by a statistic of its own input.*train with BatchNormalization",
    ),
    "ReduceMax": (
        [("ReduceMax", "z", "y", {})],
        {},
        "this operator is not supported; expected one",
    ),
    "ReduceMean": (
        [("ReduceMean", "z", "y", {"axes": [1]})],
        {},
        r"a mean over axes \[1\] of shape \(1, 4, 6, 6\)",
    ),
    "product": ([("Mul", "z z", "y", {})], {}, "a product of two values"),
    "quotient": ([("Div", "c z", "y", {})], {"c": ones(1)}, "division by a value that depends on"),
    "zero": ([("Div", "z c", "y", {})], {"c": 0 * ones(1)}, "division by zero"),
    "matrix": ([("MatMul", "z z", "y", {})], {}, "expected input 1, 'z', to be a constant"),
    "rows": ([("MatMul", "z w", "y", {})], {"w": ones(6, 2)}, "a product with each of several"),
    "wide": ([("Add", "z c", "y", {})], {"c": ones(3, 1, 1, 1)}, r"makes shape \(3, 4, 6, 6\)"),
    "broadcast": (
        [("GlobalAveragePool", "z", "h", {}), ("Add", "z h", "y", {})],
        {},
        r"a sum of shapes \(1, 4, 6, 6\) and \(1, 4, 1, 1\)",
    ),
    "crossing": (
        [
            ("Relu", "z", "b", {}),
            ("Relu", "b", "c", {}),
            ("Add", "c z", "s", {}),
            ("Relu", "s", "d", {}),
            ("Add", "d b", "y", {}),
        ],
        {},
        "path: node 'Relu_0' .*branches that are added cross here",
    ),
    "quantised": (
        [("QuantizeLinear", "z s", "h", {}), ("DequantizeLinear", "h s", "y", {})],
        {"s": np.float32(1.0)},
        "quantised numbers are not supported; export the model in floating point",
    ),
    "random": (
        [("RandomNormal", "", "r", {"shape": [1]}), ("Add", "z r", "y", {})],
        {},
        "random numbers",
    ),
    "cast": (
        [("Cast", "z", "h", {"to": 10}), ("Cast", "h", "y", {"to": 1})],
        {},
        "a cast to narrower numbers, which rounds",
    ),
    "narrower in the end": (
        [("Cast", "z", "h", {"to": 11}), ("Cast", "h", "y", {"to": 1})],
        {},
        "a cast to narrower numbers, which rounds",
    ),
    "second output": (
        [
            ("MaxPool", "z", "h i", {"kernel_shape": [2, 2]}),
            ("Cast", "i", "j", {"to": 1}),
            ("Add", "h j", "y", {}),
        ],
        {},
        "indices as an output",
    ),
    "mask": (
        [("Dropout", "z", "h m", {}), ("Cast", "m", "j", {"to": 1}), ("Add", "h j", "y", {})],
        {},
        r"node 'Cast_1' \(Cast\): input 'm' is no first output of an operator",
    ),
    "Transpose": (
        [("Transpose", "z", "y", {"perm": [0, 2, 1, 3]})],
        {},
        r"perm=\[0, 2, 1, 3\] on shape \(1, 4, 6, 6\), which moves entries about",
    ),
    "pads cut more": (
        [("ConvTranspose", "z k", "y", {"pads": [0, 0, 1, 1]})],
        {"k": ones(4, 1, 3, 3)},
        "cut off more after an axis than before it",
    ),
    "pads leave more": (
        [("ConvTranspose", "z k", "y", {"pads": [1, 1, 0, 0]})],
        {"k": ones(4, 1, 3, 3)},
        "that leave a whole stride more after an axis",
    ),
    "negative pads": (
        [("Conv", "z k", "y", {"pads": [-1, 0, 0, 0]})],
        {"k": ones(1, 4, 3, 3)},
        "negative pads",
    ),
    "uneven MaxPool": (
        [("MaxPool", "z", "y", {"kernel_shape": [2, 2], "pads": [0, 0, 1, 1]})],
        {},
        r"uneven pads \(0, 0, 1, 1\)",
    ),
    "dilated MaxPool": (
        [("MaxPool", "z", "y", {"kernel_shape": [2, 2], "dilations": [2, 2]})],
        {},
        r"dilations \(2, 2\)",
    ),
    "ceil_mode": (
        [("MaxPool", "z", "y", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1})],
        {},
        "ceil_mode",
    ),
    "count_include_pad": (
        [("AveragePool", "z", "y", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]})],
        {},
        "count_include_pad=0 with padding",
    ),
    "cubic": (
        [("Resize", "z - f", "y", {"mode": "cubic"})],
        {"f": np.array([1, 1, 2, 2], np.float32)},
        "mode='cubic'",
    ),
    "asymmetric": (
        [
            (
                "Resize",
                "z - f",
                "y",
                {"mode": "linear", "coordinate_transformation_mode": "asymmetric"},
            )
        ],
        {"f": np.array([1, 1, 2, 2], np.float32)},
        "coordinate_transformation_mode='asymmetric' of mode='linear'",
    ),
    "floor": (
        [("Resize", "z - f", "y", {"mode": "nearest", "nearest_mode": "floor"})],
        {"f": np.array([1, 1, 2, 2], np.float32)},
        "nearest_mode='floor', which do not repeat every pixel",
    ),
    "more channels": (
        [("Resize", "z - f", "y", {})],
        {"f": np.array([1, 2, 1, 1], np.float32)},
        "more channels or examples",
    ),
    "half": (
        [("Resize", "z - f", "y", {})],
        {"f": np.array([1, 1, 1.5, 2], np.float32)},
        r"factors \(1.0, 1.0, 1.5, 2.0\) that are not whole",
    ),
    "DCR": (
        [("DepthToSpace", "z", "y", {"blocksize": 2})],
        {},
        'mode "DCR"; expected "CRD", the order of torch.nn.PixelShuffle',
    ),
    "reflect": (
        [("Pad", "z p", "y", {"mode": "reflect"})],
        {"p": ints(0, 0, 1, 1, 0, 0, 1, 1)},
        'mode "reflect"; expected "constant"',
    ),
    "padded with ones": (
        [("Pad", "z p c", "y", {})],
        {"p": ints(0, 0, 1, 1, 0, 0, 1, 1), "c": np.float32(1.0)},
        "padding with 1.0; expected 0",
    ),
    "padded channels": (
        [("Pad", "z p", "y", {})],
        {"p": ints(0, 1, 0, 0, 0, 0, 0, 0)},
        "padding of channels or of the batch",
    ),
    "transA": (
        [("Flatten", "z", "h", {}), ("Gemm", "h w", "y", {"transA": 1})],
        {"w": ones(1, 2)},
        "transA",
    ),
    "NaN": ([("Add", "z c", "y", {})], {"c": np.float32(np.nan)}, "c"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, tmp_path):
    steps, constants, said = REFUSED[name]
    path = onnx_files.save(tmp_path / "a.onnx", steps, constants, ["N", 4, 6, 6])
    with pytest.raises(ValueError, match=said) as error:
        Network.from_onnx(path)
    assert str(error.value).startswith("path: ")


RELU = [("Relu", "z", "y", {})]


@pytest.mark.parametrize(
    ("steps", "shape", "settings", "said"),
    [
        (RELU, [5, 3], {}, r"'z': expected \(batch, ...\).* got a fixed batch of 5"),
        (RELU, ["N", "S"], {}, r"all axes known but the batch, got \('N', 'S'\)"),
        (RELU, [3], {}, r"expected \(batch, ...\)"),
        (RELU, ["N", 3], {"opset": 6}, "opset 6 is not supported; expected 7 or later"),
        (RELU, ["N", 3], {"dtype": np.int32, "opset": 14}, "expected floating point, got int32"),
        (
            [*RELU, ("Abs", "z", "x", {})],
            ["N", 3],
            {"outputs": ("y", "x")},
            "expected a graph with one output, got y, x; onnx.utils.extract_model",
        ),
        (
            [("Relu", "c", "y", {}), ("Identity", "z", "x", {})],
            ["N", 3],
            {},
            "output 'y' does not depend on the input",
        ),
    ],
)
def test_refused_graphs(steps, shape, settings, said, tmp_path):
    constants = {"c": np.ones(2, settings.get("dtype", np.float32))}
    path = onnx_files.save(tmp_path / "a.onnx", steps, constants, shape, **settings)
    with pytest.raises(ValueError, match=said):
        Network.from_onnx(path)


def test_refused_files(tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"not a graph")
    with pytest.raises(ValueError, match="path: expected an ONNX file, got "):
        Network.from_onnx(path)
    with pytest.raises(ValueError, match="path: expected the path of a file, got 3"):
        Network.from_onnx(3)
    with pytest.raises(FileNotFoundError):
        Network.from_onnx(tmp_path / "b.onnx")


# Files that run otherwise than they are read

IMAGE = ["N", 4, 6, 6]
KERNELS = {"k": np.random.default_rng(0).standard_normal((4, 4, 3, 3)).astype(np.float32)}
FEW = {
    name: np.linspace(a, 2.0, 4, dtype=np.float32) for name, a in zip("gcmv", range(4), strict=True)
}


def one(op, inputs, **attributes):
    return [(op, inputs, "y", attributes)]


#: What is read, what runs, and the constants of both.
DEFECTS = {
    "Gemm": (
        [("Flatten", "z", "h", {}), ("Gemm", "h w", "y", {"transB": 0})],
        [("Flatten", "z", "h", {}), ("Gemm", "h w", "y", {"transB": 1})],
        {"w": np.random.default_rng(1).standard_normal((144, 144)).astype(np.float32)},
    ),
    "Conv stride": (
        one("Conv", "z k", strides=[1, 2]),
        one("Conv", "z k", strides=[2, 1]),
        KERNELS,
    ),
    "Conv pads": (
        one("Conv", "z k", pads=[1, 0, 0, 1]),
        one("Conv", "z k", pads=[0, 1, 1, 0]),
        KERNELS,
    ),
    "Conv auto_pad": (
        one("Conv", "z k", auto_pad="SAME_UPPER", strides=[2, 2]),
        one("Conv", "z k", auto_pad="SAME_LOWER", strides=[2, 2]),
        KERNELS,
    ),
    "Conv dilation": (
        one("Conv", "z k", dilations=[2, 1], pads=[1, 0, 1, 0]),
        one("Conv", "z k"),
        KERNELS,
    ),
    "ConvTranspose stride": (
        one("ConvTranspose", "z k", strides=[2, 2], pads=[1, 1, 1, 1]),
        one("ConvTranspose", "z k", strides=[2, 1], pads=[1, 1, 1, 1]),
        KERNELS,
    ),
    "ConvTranspose end": (
        one("ConvTranspose", "z k", strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]),
        one("ConvTranspose", "z k", strides=[2, 2], pads=[0, 0, 1, 1]),
        KERNELS,
    ),
    "BatchNormalization": (
        one("BatchNormalization", "z g c m v", epsilon=1e-5),
        one("BatchNormalization", "z g c m v", epsilon=1e-3),
        FEW,
    ),
    "statistics": (
        one("BatchNormalization", "z g c m v"),
        one("BatchNormalization", "z g m c v"),
        FEW,
    ),
    "Relu": (one("Relu", "z"), one("LeakyRelu", "z", alpha=0.001), {}),
    "Abs": (one("Abs", "z"), one("Relu", "z"), {}),
    "LeakyRelu": (one("LeakyRelu", "z", alpha=0.2), one("LeakyRelu", "z", alpha=0.2001), {}),
    "PRelu": (
        one("PRelu", "z s"),
        one("PRelu", "z t"),
        {"s": np.full((4, 1, 1), 0.2, np.float32), "t": np.full((1,), 0.3, np.float32)},
    ),
    "Clip": (
        one("Clip", "z a b"),
        one("Clip", "z a c"),
        {"a": np.float32(0), "b": np.float32(6), "c": np.float32(6.1)},
    ),
    "HardSigmoid": (
        one("HardSigmoid", "z", alpha=0.2),
        one("HardSigmoid", "z", alpha=1 / 6),
        {},
    ),
    "MaxPool": (
        one("MaxPool", "z", kernel_shape=[2, 2], strides=[2, 2]),
        one("AveragePool", "z", kernel_shape=[2, 2], strides=[2, 2]),
        {},
    ),
    "AveragePool": (
        one("AveragePool", "z", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
        one("AveragePool", "z", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        {},
    ),
    "Resize": (
        one("Resize", "z - f", mode="linear"),
        one("Resize", "z - f", mode="linear", coordinate_transformation_mode="align_corners"),
        {"f": np.array([1, 1, 2, 2], np.float32)},
    ),
    "Resize nearest": (
        one("Resize", "z - f", mode="nearest"),
        one("Resize", "z - f", mode="nearest", nearest_mode="floor"),
        {"f": np.array([1, 1, 2, 2], np.float32)},
    ),
    "DepthToSpace": (
        [("Reshape", "z n", "h", {}), *one("DepthToSpace", "h", blocksize=2, mode="CRD")],
        [("Reshape", "z n", "h", {}), *one("DepthToSpace", "h", blocksize=2, mode="DCR")],
        {"n": ints(1, 8, 3, 6)},
    ),
    "Pad": (
        one("Pad", "z p"),
        one("Pad", "z q"),
        {"p": ints(0, 0, 1, 0, 0, 0, 0, 1), "q": ints(0, 0, 0, 1, 0, 0, 1, 0)},
    ),
    "Transpose": (
        one("Identity", "z"),
        one("Transpose", "z", perm=[0, 1, 3, 2]),
        {},
    ),
    "Sub": (one("Sub", "z c"), one("Sub", "c z"), {"c": np.float32(0.5)}),
    "Add": (one("Add", "z c"), one("Mul", "z c"), {"c": np.float32(0.5)}),
    "Div": (one("Div", "z c"), one("Mul", "z c"), {"c": np.float32(0.5)}),
    "infinity": (one("Mul", "z c"), one("Div", "z d"), {"c": np.float32(1), "d": np.float32(0)}),
    "sum": (
        [("Relu", "z", "h", {}), ("Add", "z h", "y", {})],
        [("Relu", "z", "h", {}), ("Sub", "z h", "y", {})],
        {},
    ),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_file_that_runs_otherwise_than_it_is_read(name, tmp_path):
    read, runs, constants = DEFECTS[name]
    values = [
        read_onnx_file(onnx_files.save(tmp_path / "a.onnx", steps, constants, IMAGE))
        for steps in (read, runs)
    ]
    known = read_values(values[0])
    layers = layers_of(known)
    placed = [layer for layer, _ in expanded(layers, (latent_size(layers[0]),))[0]]
    check_against_runtime(known, placed)
    known.file = dataclasses.replace(known.file, model=values[1].model)
    with pytest.raises(
        ValueError, match=r"^path: node .* (when it runs, it differs|was read with)"
    ):
        check_against_runtime(known, placed)


def test_the_whole_is_compared_too(tmp_path):
    """Every operator agrees, but the layers are put together wrongly."""
    steps = [("Relu", "z", "h", {}), ("Abs", "h", "g", {}), ("Add", "g z", "y", {})]
    known = read_values(read_onnx_file(onnx_files.save(tmp_path / "a.onnx", steps, {}, ["N", 2])))
    layers = layers_of(known)
    placed = [layer for layer, _ in expanded(layers[:1], (2,))[0]]
    with pytest.raises(ValueError, match=r"the file differs .* at z = \[.*Each operator agrees"):
        check_against_runtime(known, placed)


# Without runtimes


def without(monkeypatch, missing):
    """Make a package impossible to import."""
    usual = builtins.__import__

    def imported(name, *args, **kwargs):
        if name.split(".")[0] == missing:
            raise ImportError(name)
        return usual(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", imported)


def test_without_onnx(monkeypatch, tmp_path):
    without(monkeypatch, "onnx")
    with pytest.raises(ImportError, match=r"pip install 'exactdgn\[onnx\]'"):
        Network.from_onnx(tmp_path / "a.onnx")


def test_without_onnxruntime(monkeypatch, tmp_path):
    """The reference evaluator runs it, unless it is known to be wrong."""
    path = onnx_files.save(tmp_path / "a.onnx", one("Conv", "z k"), KERNELS, IMAGE)
    grouped = one("ConvTranspose", "z k", group=2)
    other = onnx_files.save(tmp_path / "b.onnx", grouped, KERNELS, IMAGE)
    without(monkeypatch, "onnxruntime")
    Network.from_onnx(path)
    with pytest.warns(UnverifiedWarning, match=r"could not be run .*ConvTranspose.*reference eval"):
        Network.from_onnx(other)


def test_numbers_beyond_the_precision(tmp_path):
    """In half precision every output is infinite, and none can be compared."""
    constants = {"b": np.full(2, 6.5e4, np.float16)}
    steps = [("Add", "z b", "h", {}), ("Add", "h b", "y", {})]
    path = onnx_files.save(tmp_path / "a.onnx", steps, constants, ["N", 2], np.float16)
    with pytest.warns(UnverifiedWarning, match="its numbers leave the range of float16"):
        Network.from_onnx(path)


# Units that no point sees change

ABOVE = [("Abs", "z", "h", {}), ("LeakyRelu", "h", "y", {"alpha": 0.2})]


def test_both_sides_of_units_that_no_point_sees_change(tmp_path):
    """The slope for negative inputs, which no z leads to, is the file's."""
    path = onnx_files.save(tmp_path / "a.onnx", ABOVE, {}, ["N", 2])
    known = read_values(read_onnx_file(path))
    layers = Network.from_onnx(path).layers
    *others, last = known.steps
    other = copy.deepcopy(last.operator.proto)
    other.attribute[0].f = 0.2001
    operator = dataclasses.replace(last.operator, proto=other)
    known.steps = [*others, dataclasses.replace(last, operator=operator)]
    with pytest.raises(ValueError, match=r"node 'LeakyRelu_1' .*when it runs, it differs"):
        check_against_runtime(known, layers)


def test_operators_that_cannot_be_run_alone(monkeypatch, tmp_path):
    def unable(*_):
        raise RuntimeError

    monkeypatch.setattr(check, "operator_alone", unable)
    path = onnx_files.save(tmp_path / "a.onnx", ABOVE, {}, ["N", 2])
    said = (
        r"node 'Abs_0' \(Abs\), node 'LeakyRelu_1' \(LeakyRelu\) could not be run alone.*"
        r"one side only: 2 of 2 of layers\[2\] \(LeakyReLU"
    )
    with pytest.warns(UnverifiedWarning, match=said):
        Network.from_onnx(path)
