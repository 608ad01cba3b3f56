"""Networks read from torch: with stand-ins for its modules, and with torch itself if installed."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from reference import (
    AvgPool,
    Conv1d,
    Conv2d,
    ConvTranspose1d,
    ConvTranspose2d,
    Dense,
    Flatten,
    Hardsigmoid,
    Hardtanh,
    LeakyReLU,
    MaxPool,
    Network,
    PReLU,
    ReLU,
    ReLU6,
    Reshape,
    UnverifiedWarning,
    Upsample,
)

EPS = np.finfo(float).eps


class Tensor:
    """What of a tensor is used."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        return self.values


class Sequential(list):
    def __init__(self, *modules):
        super().__init__(modules)


def stand_in(kind, **attributes):
    """A module of a class with this name."""
    return type(kind, (SimpleNamespace,), {})(training=False, **attributes)


def tensor(*shape, seed=0, dtype=np.float64):
    return Tensor(np.random.default_rng([93, seed]).standard_normal(shape).astype(dtype))


def linear(n_in, n_out, bias=True, **kwargs):
    return stand_in(
        "Linear",
        weight=tensor(n_out, n_in, **kwargs),
        bias=tensor(n_out, seed=1) if bias else None,
    )


def windowed(kind, *shape, **settings):
    """A convolution of either kind; changed settings come last."""
    axes = len(shape) - 2
    usual = {"stride": (1,) * axes, "padding": (0,) * axes, "dilation": (1,) * axes}
    usual |= {"groups": 1, "padding_mode": "zeros"} | settings
    return stand_in(f"{kind}{axes}d", weight=tensor(*shape), **usual)


def conv(*shape, bias=True, **changes):
    bias = tensor(shape[0], seed=2) if bias else None
    return windowed("Conv", *shape, bias=bias, **changes)


def transposed(*shape, bias=True, **changes):
    bias = tensor(shape[1] * changes.get("groups", 1), seed=2) if bias else None
    none = (0,) * (len(shape) - 2)
    return windowed("ConvTranspose", *shape, **{"bias": bias, "output_padding": none, **changes})


def norm(kind, n, affine=True, **changes):
    settings = {
        "running_mean": tensor(n, seed=3),
        "running_var": Tensor(np.random.default_rng(4).uniform(0.5, 2.0, n)),
        "weight": tensor(n, seed=5) if affine else None,
        "bias": tensor(n, seed=6) if affine else None,
        "eps": 1e-3,
    }
    module = stand_in(kind, **(settings | {k: v for k, v in changes.items() if k != "training"}))
    module.training = changes.get("training", False)
    return module


def max_pool(**changes):
    settings = {
        "kernel_size": 2,
        "stride": 2,
        "padding": 0,
        "dilation": 1,
        "return_indices": False,
        "ceil_mode": False,
    }
    return stand_in("MaxPool2d", **(settings | changes))


def avg_pool(**changes):
    settings = {
        "kernel_size": 2,
        "stride": 2,
        "padding": 0,
        "ceil_mode": False,
        "count_include_pad": True,
        "divisor_override": None,
    }
    return stand_in("AvgPool2d", **(settings | changes))


def upsample(**changes):
    settings = {"size": None, "scale_factor": None, "mode": "nearest", "align_corners": None}
    return stand_in("Upsample", **(settings | changes))


def flatten(start_dim=1, end_dim=-1):
    return stand_in("Flatten", start_dim=start_dim, end_dim=end_dim)


def unflatten(*size, dim=1):
    return stand_in("Unflatten", dim=dim, unflattened_size=size)


def dropout(kind="Dropout", training=False):
    module = stand_in(kind)
    module.training = training
    return module


def kinds(network):
    return [type(layer) for layer in network.layers]


# What each module becomes


def test_every_module_becomes_its_layer():
    network = Network.from_torch(
        Sequential(
            linear(2, 12),
            stand_in("ReLU", inplace=True),
            unflatten(3, 2, 2),
            upsample(scale_factor=(2.0, 3.0)),
            conv(4, 3, 3, 2, stride=(1, 2), padding=(2, 1)),
            stand_in("LeakyReLU", negative_slope=0.2),
            max_pool(kernel_size=(2, 1), stride=1, padding=(1, 0)),
            avg_pool(kernel_size=2, stride=(2, 1), padding=1),
            flatten(),
        )
    )
    expected = [Dense, ReLU, Reshape, Upsample, Conv2d, LeakyReLU, MaxPool, AvgPool, Flatten]
    assert kinds(network) == expected
    dense, _, reshape, up, conv2d, leaky, pool, mean, _ = network.layers
    np.testing.assert_array_equal(dense.weight, tensor(12, 2).values)
    np.testing.assert_array_equal(dense.bias, tensor(12, seed=1).values)
    np.testing.assert_array_equal(conv2d.weight, tensor(4, 3, 3, 2).values)
    np.testing.assert_array_equal(conv2d.bias, tensor(4, seed=2).values)
    assert (reshape.shape, up.factor, leaky.slope) == ((3, 2, 2), (2, 3), 0.2)
    assert (conv2d.stride, conv2d.padding) == ((1, 2), (2, 1))
    assert (pool.kernel_size, pool.stride, pool.padding) == ((2, 1), (1, 1), (1, 0))
    assert (mean.kernel_size, mean.stride, mean.padding) == ((2, 2), (2, 1), (1, 1))


def test_no_bias_is_zero():
    network = Network.from_torch(
        Sequential(linear(1, 4, bias=False), unflatten(1, 2, 2), conv(2, 1, 1, 1, bias=False))
    )
    np.testing.assert_array_equal(network.layers[0].bias, np.zeros(4))
    np.testing.assert_array_equal(network.layers[2].bias, np.zeros(2))


def test_single_precision_is_exact():
    network = Network.from_torch(Sequential(linear(3, 4, dtype=np.float32)))
    weight = tensor(4, 3, dtype=np.float32).values
    np.testing.assert_array_equal(network.layers[0].weight, weight.astype(np.float64))
    assert network.layers[0].weight.dtype == np.float64


def test_nested_and_empty_modules():
    """Nested Sequentials are one list; identities and dropout leave nothing."""
    nothing = [stand_in("Identity"), Sequential(), dropout(), dropout("Dropout2d")]
    inner = Sequential(stand_in("ReLU"), Sequential(linear(4, 3), *nothing))
    network = Network.from_torch(Sequential(Sequential(linear(1, 4)), *nothing, inner))
    assert kinds(network) == [Dense, ReLU, Dense]


def test_one_module_alone():
    assert kinds(Network.from_torch(linear(2, 3))) == [Dense]


def normalised(module, h):
    """What batch normalisation does in eval mode, channels on axis 1."""
    shape = (1, -1, *[1] * (h.ndim - 2))
    mean, variance = module.running_mean.values, module.running_var.values
    h = (h - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + module.eps)
    if module.weight is not None:
        h = h * module.weight.values.reshape(shape)
    if module.bias is not None:
        h = h + module.bias.values.reshape(shape)
    return h


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("between", [[], [dropout()], [stand_in("ReLU")]], ids=str)
def test_batch_norm_1d(affine, between):
    """Folded into the Linear just before it; after anything else, a layer of its own."""
    module = norm("BatchNorm1d", 5, affine)
    network = Network.from_torch(Sequential(linear(2, 5), *between, module))
    assert len(network.layers) == (3 if between and type(between[0]).__name__ == "ReLU" else 1)
    Z = np.random.default_rng(0).standard_normal((20, 2))
    h = Z @ tensor(5, 2).values.T + tensor(5, seed=1).values
    if len(network.layers) == 3:
        h = np.maximum(h, 0)
    np.testing.assert_allclose(network(Z), normalised(module, h), atol=1e-13)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("between", [[], [stand_in("ReLU")]], ids=str)
def test_batch_norm_2d(affine, between):
    module = norm("BatchNorm2d", 3, affine)
    before = Sequential(linear(2, 12), unflatten(2, 3, 2), conv(3, 2, 2, 1), *between)
    network = Network.from_torch(Sequential(before, module))
    assert len(network.layers) == 3 + 2 * len(between)
    Z = np.random.default_rng(0).standard_normal((20, 2))
    h = Network.from_torch(before)(Z).reshape(20, 3, 2, 2)
    np.testing.assert_allclose(network(Z), normalised(module, h).reshape(20, -1), atol=1e-13)


def test_batch_norm_first_and_twice():
    """Before any Linear it is a Dense of its own, into which a second one folds."""
    first, second = norm("BatchNorm1d", 2), norm("BatchNorm1d", 2, False)
    network = Network.from_torch(Sequential(first, second, linear(2, 3)))
    assert kinds(network) == [Dense, Dense]
    Z = np.random.default_rng(0).standard_normal((4, 2))
    h = normalised(second, normalised(first, Z))
    np.testing.assert_allclose(network(Z), Network.from_torch(linear(2, 3))(h), atol=1e-13)


def images(*modules):
    """The modules behind a Linear and an Unflatten, at module[2] and on: images 2 x 6 x 4."""
    return Network.from_torch(Sequential(linear(1, 48), unflatten(2, 6, 4), *modules))


def signals(*modules):
    """The same with signals 2 x 24."""
    return Network.from_torch(Sequential(linear(1, 48), unflatten(2, 24), *modules))


def test_transposed_convolutions():
    options = {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2), "dilation": (2, 1)}
    layer = images(transposed(2, 3, 2, 3, groups=2, **options)).layers[2]
    assert type(layer) is ConvTranspose2d
    np.testing.assert_array_equal(layer.weight, tensor(2, 3, 2, 3).values)
    np.testing.assert_array_equal(layer.bias, tensor(6, seed=2).values)
    assert {name: getattr(layer, name) for name in options} == options
    assert layer.groups == 2
    layer = signals(transposed(2, 1, 4, stride=(2,), bias=False)).layers[2]
    assert type(layer) is ConvTranspose1d
    assert layer.stride == (2,)
    np.testing.assert_array_equal(layer.bias, [0.0])


def test_convolutions_with_groups_and_gaps():
    layer = images(conv(4, 1, 2, 1, groups=2, dilation=(3, 1))).layers[2]
    assert (layer.groups, layer.dilation) == (2, (3, 1))
    layer = signals(conv(3, 2, 5, padding="same", dilation=(2,))).layers[2]
    assert type(layer) is Conv1d
    assert layer.padding == (4,)


def test_what_is_odd_of_padding_by_name_goes_to_the_end():
    network = images(conv(1, 2, 2, 3, padding="same", dilation=(3, 1)))
    assert network.layers[2].padding == (1, 1, 1, 2)
    assert network.shapes[-1] == (1, 6, 4)


def test_resampling():
    padded = images(stand_in("ZeroPad2d", padding=(1, 0, 2, 3)))
    assert padded.shapes[-1] == (2, 11, 5)
    pooled = images(stand_in("AdaptiveAvgPool2d", output_size=(None, 3)))
    assert pooled.shapes[-1] == (2, 6, 3)
    shuffled = Network.from_torch(
        Sequential(unflatten(8, 1, 2), stand_in("PixelShuffle", upscale_factor=2))
    )
    assert shuffled.shapes == ((16,), (8, 1, 2), (2, 2, 4))
    smooth = images(upsample(size=(12, 4), mode="bilinear", align_corners=True)).layers[2]
    assert (smooth.factor, smooth.mode, smooth.align_corners) == ((2, 1), "bilinear", True)


@pytest.mark.parametrize("between", [[], [stand_in("ReLU")]], ids=str)
def test_batch_norm_after_what_is_transposed_or_of_signals(between):
    """Folded into the kernels, of which groups have their own channels; or a layer of its own."""
    for before, count in (
        ([unflatten(2, 2, 3), transposed(2, 3, 2, 2, groups=2)], 6),
        ([unflatten(2, 6), conv(4, 1, 2, groups=2)], 4),
        ([unflatten(2, 6), transposed(2, 3, 2)], 3),
    ):
        plain = Network.from_torch(Sequential(linear(2, 12), *before, *between))
        module = norm("BatchNorm2d" if len(plain.shapes[-1]) == 3 else "BatchNorm1d", count)
        network = Network.from_torch(Sequential(linear(2, 12), *before, *between, module))
        assert len(network.layers) == 3 + 2 * len(between)
        Z = np.random.default_rng(0).standard_normal((5, 2))
        h = plain(Z).reshape(5, *plain.shapes[-1])
        expected = normalised(module, h).reshape(5, -1)
        np.testing.assert_allclose(network(Z), expected, atol=1e-12)


def test_upsample_of_signals():
    """A signal is an image of one row."""
    for given, factor in ((dict(scale_factor=3), 3), (dict(size=96, mode="linear"), 4)):
        layers = signals(upsample(**given)).layers
        made = next(layer for layer in layers if isinstance(layer, Upsample))
        assert made.factor == (1, factor)
        assert made.mode == ("bilinear" if "mode" in given else "nearest")
    with pytest.raises(ValueError, match="mode='bilinear' on shape"):
        signals(upsample(scale_factor=2, mode="bilinear"))


def test_upsample_by_size():
    assert images(upsample(size=(12, 4))).layers[2].factor == (2, 1)
    assert images(max_pool(), upsample(size=6)).layers[3].factor == (2, 3)
    assert images(upsample(scale_factor=2.0)).layers[2].factor == (2, 2)
    assert images(upsample(scale_factor=2, mode="nearest-exact")).layers[2].factor == (2, 2)


def test_padding_by_name():
    assert images(conv(2, 2, 3, 1, padding="same")).layers[2].padding == (1, 0)
    assert images(conv(2, 2, 3, 1, padding="valid")).layers[2].padding == (0, 0)


def test_stride_is_the_kernel_by_default():
    assert images(max_pool(kernel_size=(3, 2), stride=None)).layers[2].stride == (3, 2)
    assert images(avg_pool(kernel_size=(3, 2), stride=None)).layers[2].stride == (3, 2)


def test_average_without_padding_counts_none():
    """count_include_pad means nothing where there is no padding."""
    assert images(avg_pool(count_include_pad=False)).layers[2].padding == (0, 0)


def test_unflatten_with_a_gap():
    """One length may be left to be computed."""
    network = Network.from_torch(Sequential(linear(1, 12), unflatten(3, -1, 2), flatten(1, 3)))
    assert network.shapes == ((1,), (12,), (3, 2, 2), (12,))


def test_activations():
    layers = images(
        stand_in("PReLU", weight=Tensor([0.5, 2.0])),
        stand_in("PReLU", weight=Tensor([-0.25])),
        stand_in("ReLU6"),
        stand_in("Hardtanh", min_val=-2.0, max_val=0.5),
        stand_in("Hardsigmoid"),
        stand_in("LeakyReLU", negative_slope=1.5),
    ).layers[2:]
    assert [type(layer) for layer in layers] == [
        PReLU,
        LeakyReLU,
        ReLU6,
        Hardtanh,
        Hardsigmoid,
        LeakyReLU,
    ]
    np.testing.assert_array_equal(layers[0].slope, [0.5, 2.0])
    assert (layers[1].slope, layers[5].slope) == (-0.25, 1.5)
    assert (layers[3].lower, layers[3].upper) == (-2.0, 0.5)


def test_what_is_no_module_of_torch_is_said_to_be_unverified():
    with pytest.warns(UnverifiedWarning, match=r"^from_torch: .* is no torch\.nn\.Module"):
        Network.from_torch(linear(1, 2))


# What is refused


def hooked(name):
    module = linear(1, 2)
    setattr(module, name, {0: print})
    return module


def replaced():
    module = linear(1, 2)
    module.forward = np.tanh
    return module


def training_norm():
    return norm("BatchNorm1d", 48, training=True)


REFUSED = [
    ("module[2] (Tanh): this is not piecewise affine", lambda: images(stand_in("Tanh"))),
    ("module[2] (Mystery): this class is not supported", lambda: images(stand_in("Mystery"))),
    ("module[2] (GroupNorm): this divides by its", lambda: images(stand_in("GroupNorm"))),
    (
        "module[2][1] (Softplus): this is not piecewise affine",
        lambda: images(Sequential(stand_in("ReLU"), stand_in("Softplus"))),
    ),
    (
        "module[2] (ConvTranspose2d): not supported: padding_mode='reflect'",
        lambda: images(transposed(2, 2, 1, 1, padding_mode="reflect")),
    ),
    (
        "module[2] (ConvTranspose2d): ConvTranspose2d expects images of 3 channels",
        lambda: images(transposed(3, 2, 1, 1)),
    ),
    (
        "module[0] (ConvTranspose2d): expected Linear or Unflatten first",
        lambda: Network.from_torch(Sequential(transposed(3, 2, 1, 1))),
    ),
    (
        "module[0] (Unflatten): not supported: unflattened_size=(2, -1) first",
        lambda: Network.from_torch(Sequential(unflatten(2, -1))),
    ),
    (
        "module[1] (AdaptiveAvgPool2d): not supported: AdaptiveAvgPool2d on shape (4,)",
        lambda: Network.from_torch(
            Sequential(linear(1, 4), stand_in("AdaptiveAvgPool2d", output_size=1))
        ),
    ),
    (
        "module[2] (ZeroPad2d): padding: expected an integer of at least 0, got -1",
        lambda: images(stand_in("ZeroPad2d", padding=(0, 0, -1, 0))),
    ),
    (
        "module[2] (PixelShuffle): PixelShuffle expects a multiple of 4 channels",
        lambda: images(stand_in("PixelShuffle", upscale_factor=2)),
    ),
    (
        "module[2] (Conv2d): not supported: padding_mode='reflect'",
        lambda: images(conv(2, 2, 1, 1, padding_mode="reflect")),
    ),
    (
        "module[2] (Conv1d): not supported: padding='same' of a Conv1d that adds an odd number",
        lambda: signals(conv(2, 2, 2, padding="same")),
    ),
    ("module[2] (Conv2d): Conv2d expects images of 3 channels", lambda: images(conv(2, 3, 1, 1))),
    (
        "module[2] (MaxPool2d): not supported: dilation=2",
        lambda: images(max_pool(dilation=2)),
    ),
    (
        "module[2] (MaxPool2d): not supported: return_indices=True",
        lambda: images(max_pool(return_indices=True)),
    ),
    (
        "module[2] (MaxPool2d): not supported: ceil_mode=True",
        lambda: images(max_pool(ceil_mode=True)),
    ),
    (
        "module[2] (AvgPool2d): not supported: ceil_mode=True",
        lambda: images(avg_pool(ceil_mode=True)),
    ),
    (
        "module[2] (AvgPool2d): not supported: divisor_override=3",
        lambda: images(avg_pool(divisor_override=3)),
    ),
    (
        "module[2] (AvgPool2d): not supported: count_include_pad=False with padding",
        lambda: images(avg_pool(padding=(0, 1), count_include_pad=False)),
    ),
    (
        "module[2] (Upsample): not supported: mode='bicubic'",
        lambda: images(upsample(scale_factor=2.0, mode="bicubic")),
    ),
    (
        "module[2] (Upsample): not supported: scale_factor=1.5",
        lambda: images(upsample(scale_factor=1.5)),
    ),
    (
        "module[2] (Upsample): not supported: size=(12, 6) that is no multiple of (6, 4)",
        lambda: images(upsample(size=(12, 6))),
    ),
    (
        "module[1] (Upsample): not supported: Upsample without images or signals before it",
        lambda: Network.from_torch(Sequential(linear(1, 4), upsample(size=4))),
    ),
    (
        "module[2] (Flatten): not supported: start_dim, end_dim = (2, -1)",
        lambda: images(flatten(2)),
    ),
    (
        "module[2] (Flatten): not supported: start_dim, end_dim = (1, 2)",
        lambda: images(flatten(1, 2)),
    ),
    (
        "module[2] (Unflatten): not supported: dim=1 on shape (2, 6, 4)",
        lambda: images(unflatten(1, 2)),
    ),
    (
        "module[1] (Unflatten): not supported: dim='features'",
        lambda: Network.from_torch(Sequential(linear(1, 4), unflatten(2, 2, dim="features"))),
    ),
    (
        "module[1] (Unflatten): Reshape to (3, 1, 1) expects 3 entries",
        lambda: Network.from_torch(Sequential(linear(1, 4), unflatten(3, -1, 1))),
    ),
    (
        "module[2] (LeakyReLU): slope: expected finite numbers",
        lambda: images(stand_in("LeakyReLU", negative_slope=np.inf)),
    ),
    (
        "module[2] (PReLU): PReLU of 3 channels got shape (2, 6, 4)",
        lambda: images(stand_in("PReLU", weight=tensor(3))),
    ),
    (
        "module[1] (BatchNorm1d): not supported: training mode; call .eval() first",
        lambda: Network.from_torch(Sequential(linear(1, 48), training_norm())),
    ),
    (
        "module[2] (BatchNorm2d): not supported: no running statistics",
        lambda: images(norm("BatchNorm2d", 2, running_mean=None, running_var=None)),
    ),
    (
        "module[2] (BatchNorm2d): not supported: running_var + eps that is not positive",
        lambda: images(norm("BatchNorm2d", 2, running_var=Tensor([1.0, 0.0]), eps=0.0)),
    ),
    (
        "module[2] (BatchNorm2d): expects 3 features, got 2",
        lambda: images(norm("BatchNorm2d", 3)),
    ),
    (
        "module[3] (BatchNorm2d): expects 3 features, got 2",
        lambda: images(conv(2, 2, 1, 1), norm("BatchNorm2d", 3)),
    ),
    (
        "module[2] (BatchNorm1d): not supported: BatchNorm1d on shape (2, 6, 4)",
        lambda: images(norm("BatchNorm1d", 2)),
    ),
    (
        "module[2] (Dropout): not supported: training mode; call .eval() first",
        lambda: images(dropout(training=True)),
    ),
    (
        "module[2] (Linear): Dense expects a vector, got shape (2, 6, 4)",
        lambda: images(linear(4, 2)),
    ),
    (
        "module[2] (Linear): weight: expected finite numbers",
        lambda: images(stand_in("Linear", weight=Tensor([[np.nan]]), bias=None)),
    ),
    (
        "module[2] (Linear): weight: expected an array of real numbers",
        lambda: images(stand_in("Linear", weight=Tensor([[1j]]), bias=None)),
    ),
    (
        "module[2] (Linear): weight: expected a tensor",
        lambda: images(stand_in("Linear", weight=3.0, bias=None)),
    ),
    (
        "module[0] (ReLU): expected Linear or Unflatten first, which tell the latent dimension",
        lambda: Network.from_torch(Sequential(stand_in("ReLU"), linear(1, 2))),
    ),
    (
        "module[1] (Linear): forward hooks",
        lambda: Network.from_torch(Sequential(linear(1, 1), hooked("_forward_hooks"))),
    ),
    ("module (Linear): forward hooks", lambda: Network.from_torch(hooked("_forward_pre_hooks"))),
    ("module (Tanh): this is not piecewise", lambda: Network.from_torch(stand_in("Tanh"))),
    ("module (Linear): its forward was replaced", lambda: Network.from_torch(replaced())),
    ("module (int): this class is not supported", lambda: Network.from_torch(3)),
    ("module (list): this class is not supported", lambda: Network.from_torch([linear(1, 2)])),
    ("module (type): this class is not supported", lambda: Network.from_torch(Sequential)),
    ("module: expected at least one layer", lambda: Network.from_torch(Sequential())),
]


@pytest.mark.parametrize(("message", "make"), REFUSED, ids=[m for m, _ in REFUSED])
def test_refused(message, make):
    """The error names the module's place and class, and what of it is not supported."""
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        make()


# Against torch itself


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def decoder(nn, rng):
    """A random Sequential in float64 with every kind of module, settings different by axis."""

    def pair(low, high):
        return tuple(int(n) for n in rng.integers(low, high, 2))

    channels, size = int(rng.integers(1, 4)), pair(2, 5)
    modules = [
        nn.Linear(3, 20, bias=bool(rng.integers(2))),
        nn.BatchNorm1d(20, affine=bool(rng.integers(2))),
        nn.ReLU(),
        nn.BatchNorm1d(20),
        nn.Dropout(0.3),
        nn.Linear(20, channels * size[0] * size[1]),
        nn.LeakyReLU(0.3),
        nn.Unflatten(1, (channels, *size)),
    ]
    factor = pair(1, 5)
    if rng.integers(2):
        modules.append(nn.Upsample(scale_factor=factor))
    else:
        modules.append(nn.Upsample(size=(size[0] * factor[0], size[1] * factor[1])))
    kernel, more = pair(1, 4), int(rng.integers(1, 5))
    modules += [
        nn.Conv2d(channels, more, kernel, pair(1, 3), kernel, bias=bool(rng.integers(2))),
        nn.BatchNorm2d(more, affine=bool(rng.integers(2))),
        nn.Identity(),
        nn.ReLU(),
        nn.BatchNorm2d(more),
    ]
    kernel = pair(1, 4)
    padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel)
    pools = [nn.MaxPool2d(kernel, pair(1, 3), padding), nn.AvgPool2d(kernel, pair(1, 3), padding)]
    last = nn.Conv2d(more, 2, (3, 1), padding="same")
    modules += [nn.Conv2d(more, more, 3, padding=3), nn.Sequential(*pools), last, nn.Flatten()]
    return nn.Sequential(*modules).double()


@pytest.mark.parametrize("seed", range(25))
def test_forward_is_torchs(torch, seed):
    """The same values as torch in double precision, to 1e-12 of the largest."""
    rng = np.random.default_rng([94, seed])
    torch.manual_seed(seed)
    module = decoder(torch.nn, rng)
    with torch.no_grad():
        for _ in range(3):  # gives the normalisations statistics of their own
            module(2.0 * torch.randn(64, 3, dtype=torch.float64) + 1.0)
        module.eval()
        Z = rng.standard_normal((10, 3))
        expected = module(torch.from_numpy(Z)).numpy()
    network = Network.from_torch(module)
    assert network.observed_dimension == expected.shape[1]
    np.testing.assert_allclose(network(Z), expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def convolutional_decoder(nn, rng):
    """As decoders of images are made: from channels of few pixels to more, by every layer that
    does so, its settings different by axis."""

    def pair(low, high):
        return tuple(int(n) for n in rng.integers(low, high, 2))

    groups = int(rng.integers(1, 3))
    channels = groups * int(rng.integers(1, 3))
    kernel, stride, dilation = pair(1, 4), pair(1, 4), pair(1, 3)
    more = tuple(int(rng.integers(max(s, d))) for s, d in zip(stride, dilation, strict=True))
    # No more is cut off than a kernel adds.
    padding = tuple(int(d * (k - 1) >= 2) for d, k in zip(dilation, kernel, strict=True))
    up = [nn.Upsample(scale_factor=pair(1, 4)), nn.PixelShuffle(2)]
    aligned = bool(rng.integers(2))
    up.append(nn.Upsample(scale_factor=pair(1, 4), mode="bilinear", align_corners=aligned))
    return nn.Sequential(
        nn.Unflatten(1, (4, 2, 1)),
        nn.ConvTranspose2d(
            4,
            4 * channels,
            kernel,
            stride,
            padding,
            more,
            groups,
            bool(rng.integers(2)),
            dilation,
        ),
        nn.BatchNorm2d(4 * channels, affine=bool(rng.integers(2))),
        nn.ReLU(),
        up[int(rng.integers(3))],
        nn.ZeroPad2d(tuple(int(n) for n in rng.integers(0, 3, 4))),
        nn.LazyConv2d(2, pair(1, 3), padding="same", dilation=pair(1, 3)),
        nn.AdaptiveAvgPool2d((int(rng.integers(1, 4)), None)),
        nn.Flatten(1, -1),
        nn.LazyLinear(12),
        nn.ReLU(),
        nn.Unflatten(1, (2, 6)),
        nn.ConvTranspose1d(2, 4, 3, 2, 1, 1, 2, True, 2),
        nn.BatchNorm1d(4),
        nn.LeakyReLU(0.2),
        nn.Conv1d(4, 2, 3, padding="same", dilation=2, groups=2),
        nn.Flatten(),
    ).double()


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("seed", range(100))
def test_convolutional_decoders_are_torchs(torch, seed):
    rng = np.random.default_rng([97, seed])
    torch.manual_seed(seed)
    module = convolutional_decoder(torch.nn, rng)
    with torch.no_grad():
        for _ in range(3):
            module(2.0 * torch.randn(64, 8, dtype=torch.float64) + 1.0)
        module.eval()
        Z = rng.standard_normal((10, 8))
        expected = module(torch.from_numpy(Z)).numpy()
    network = Network.from_torch(module)
    np.testing.assert_allclose(network(Z), expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_single_precision_torch(torch):
    """Weights in single precision are taken exactly."""
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    network = Network.from_torch(module)
    for name, value in module.double().state_dict().items():
        np.testing.assert_array_equal(network.parameters()[name], value.numpy())


def test_torch_modules_that_are_refused(torch):
    nn = torch.nn
    for message, module in [
        (r"module\[1\] \(Tanh\)", nn.Tanh()),
        (r"module\[1\] \(ConvTranspose3d\)", nn.ConvTranspose3d(1, 1, 2)),
        (r"module\[1\] \(BatchNorm1d\): .*training mode", nn.BatchNorm1d(4)),
        (r"module\[1\] \(Dropout\): .*training mode", nn.Dropout()),
        (
            r"module\[1\] \(ParametrizedLinear\): .*training mode",
            nn.utils.parametrizations.weight_norm(nn.Linear(4, 2)),
        ),
        (r"module\[1\] \(LazyLinear\): .*call it once", nn.LazyLinear(3)),
        (r"module\[1\] \(Linear\): weight: expected a tensor", nn.Linear(4, 2, device="meta")),
    ]:
        with pytest.raises(ValueError, match=message):
            Network.from_torch(nn.Sequential(nn.Linear(1, 4), module))
    no_statistics = nn.BatchNorm1d(4, track_running_stats=False).eval()
    with pytest.raises(ValueError, match="no running statistics"):
        Network.from_torch(nn.Sequential(nn.Linear(1, 4), no_statistics))


def test_one_module_twice_in_torch(torch):
    """A module that occurs twice is two layers."""
    shared = torch.nn.Linear(2, 2).double()
    module = torch.nn.Sequential(shared, torch.nn.ReLU(), shared)
    Z = np.random.default_rng(0).standard_normal((5, 2))
    expected = module(torch.from_numpy(Z)).detach().numpy()
    np.testing.assert_allclose(Network.from_torch(module)(Z), expected, atol=1e-14)
