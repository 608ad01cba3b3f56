"""Convolutions of images and signals, sliding and transposed: against loops from their definition,
and all that is made of them: gradients, closed-form updates, partitions, files."""

import itertools
import re
from types import SimpleNamespace

import numpy as np
import pytest
from dense_twins import check_as_dense
from scipy.stats import multivariate_normal
from surrogate import Surrogate

import fast
import reference
from oracle.exact.layers import layers_of
from oracle.mutants.all_mutants import MUTANTS
from oracle.mutants.trial import applied
from reference import (
    Conv1d,
    Conv2d,
    ConvTranspose1d,
    ConvTranspose2d,
    Dense,
    Flatten,
    LeakyReLU,
    Network,
    ReLU,
    Reshape,
    ZeroPad,
)

KINDS = {"Conv2d": Conv2d, "Conv1d": Conv1d, "ConvTranspose2d": ConvTranspose2d}
KINDS["ConvTranspose1d"] = ConvTranspose1d


def drawn(kind, seed):
    """The arguments of a layer and an image or signal that fits it, uneven along its axes."""
    rng = np.random.default_rng([93, seed])
    axes, transposed = int(kind[-2]), "Transpose" in kind

    def whole(low, high):
        return tuple(int(n) for n in rng.integers(low, high, axes))

    groups = int(rng.integers(1, 4))
    inputs, outputs = (groups * int(n) for n in rng.integers(1, 3, 2))
    kernel, stride, dilation = whole(1, 4), whole(1, 4), whole(1, 4)
    size, padding = whole(1, 6), whole(0, 3)
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    options = {"stride": stride, "dilation": dilation, "groups": groups}
    if transposed:
        more = tuple(int(rng.integers(max(s, d))) for s, d in zip(stride, dilation, strict=True))
        # No more is cut off than there is.
        whole_size = [
            (n - 1) * s + r + m for n, s, r, m in zip(size, stride, reach, more, strict=True)
        ]
        padding = tuple(min(p, (n - 1) // 2) for p, n in zip(padding, whole_size, strict=True))
        options["output_padding"] = more
        shape = (inputs, outputs // groups, *kernel)
    else:
        size = tuple(max(n, r - 2 * p) for n, r, p in zip(size, reach, padding, strict=True))
        shape = (outputs, inputs // groups, *kernel)
    weight, bias = rng.standard_normal(shape), rng.standard_normal(outputs)
    return (weight, bias), {"padding": padding, **options}, rng.standard_normal((inputs, *size))


def by_definition(
    kind, weight, bias, image, stride, padding, dilation, groups, output_padding=None
):
    """Every output from the inputs that its kernel meets, or every input added where it goes."""
    axes = int(kind[-2])
    size, kernel = image.shape[1:], weight.shape[2:]
    if output_padding is None:
        counts = [
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
        ]
        result = np.zeros((len(weight), *counts))
        own, per_group = weight.shape[1], len(weight) // groups
        for o, c in itertools.product(range(len(weight)), range(own)):
            for at in itertools.product(*map(range, counts)):
                for k in itertools.product(*map(range, kernel)):
                    place = [
                        at[i] * stride[i] + k[i] * dilation[i] - padding[i] for i in range(axes)
                    ]
                    if all(0 <= q < n for q, n in zip(place, size, strict=True)):
                        value = image[(o // per_group * own + c, *place)]
                        result[(o, *at)] += weight[(o, c, *k)] * value
    else:
        counts = [
            (n - 1) * s - 2 * p + d * (k - 1) + m + 1
            for n, k, s, p, d, m in zip(
                size, kernel, stride, padding, dilation, output_padding, strict=True
            )
        ]
        result = np.zeros((weight.shape[1] * groups, *counts))
        per_group = len(weight) // groups
        for c, o in itertools.product(range(len(weight)), range(weight.shape[1])):
            for at in itertools.product(*map(range, size)):
                for k in itertools.product(*map(range, kernel)):
                    place = [
                        at[i] * stride[i] + k[i] * dilation[i] - padding[i] for i in range(axes)
                    ]
                    if all(0 <= q < n for q, n in zip(place, counts, strict=True)):
                        channel = c // per_group * weight.shape[1] + o
                        result[(channel, *place)] += weight[(c, o, *k)] * image[(c, *at)]
    return result + bias.reshape(-1, *[1] * axes)


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("kind", KINDS)
def test_forward_is_its_definition(kind, seed):
    arrays, options, image = drawn(kind, seed)
    expected = by_definition(kind, *arrays, image, **options)
    layer = KINDS[kind](*arrays, **options).placed(image.shape)
    assert layer.output_shape(image.shape) == expected.shape
    np.testing.assert_allclose(layer.apply(image.ravel()), expected.ravel(), atol=1e-12)
    # The derivative is the matrix of that map, as the oracle writes it out by itself.
    ((_, matrix, offset),) = layers_of(SimpleNamespace(layers=[layer]))
    np.testing.assert_array_equal(layer.derivative(np.empty(0, np.int8)), matrix)
    np.testing.assert_array_equal(layer.offset(np.empty(0, np.int8), image.size), offset)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_their_kernels(kind, seed):
    """Σ by_matrix · (∂ matrix / ∂ kernel entry), entry by entry; and kernels as rows and back."""
    arrays, options, image = drawn(kind, seed)
    layer = KINDS[kind](*arrays, **options).placed(image.shape)
    rng = np.random.default_rng(seed)
    by_matrix = rng.standard_normal(layer.matrix.shape)
    by_offset = rng.standard_normal(len(by_matrix))
    found = layer.on_kernels(by_matrix)
    assert found.shape == layer.weight.shape
    no_code = np.empty(0, np.int8)
    for place in np.ndindex(layer.weight.shape):
        unit = np.zeros(layer.weight.shape)
        unit[place] = 1.0
        moved = layer.with_parameters({"weight": unit}).placed(image.shape)
        expected = np.sum(by_matrix * moved.derivative(no_code))
        assert found[place] == pytest.approx(expected, abs=1e-12)
    biases = by_offset.reshape(len(layer.bias), -1).sum(axis=1)
    np.testing.assert_allclose(layer.on_bias(by_offset), biases, atol=1e-13)
    np.testing.assert_array_equal(layer.weight_of(layer.rows), layer.weight)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", KINDS)
def test_scaled_layers_are_layers_and_a_scale(kind, seed):
    arrays, options, image = drawn(kind, seed)
    layer = KINDS[kind](*arrays, **options)
    rng = np.random.default_rng(seed)
    scale, shift = rng.standard_normal((2, len(layer.bias)))
    out = layer.placed(image.shape)
    channels = out.apply(image.ravel()).reshape(len(scale), -1)
    one = layer.scaled(scale, shift).placed(image.shape)
    expected = (channels * scale[:, None] + shift[:, None]).ravel()
    np.testing.assert_allclose(one.apply(image.ravel()), expected, atol=1e-12)


def decoder(kind, latent=1, seed=0):
    """A small decoder with a layer of this kind in the middle and one like it last."""
    rng = np.random.default_rng([94, seed])
    axes = int(kind[-2])
    size, kernel = (3, 2)[:axes], (2, 3)[:axes]
    count = 2 * int(np.prod(size))
    layers = [Dense(rng.standard_normal((count, latent)), rng.standard_normal(count))]
    layers += [LeakyReLU(0.1), Reshape((2, *size))]
    options = {"padding": 1, "groups": 2} if "Transpose" in kind else {"padding": 1, "dilation": 1}
    shape = (2, 1, *kernel) if "Transpose" in kind else (2, 2, *kernel)
    layers += [KINDS[kind](rng.standard_normal(shape), rng.standard_normal(2), **options), ReLU()]
    out = (2, 1, *[1] * axes) if "Transpose" in kind else (1, 2, *[1] * axes)
    layers += [KINDS[kind](rng.standard_normal(out), rng.standard_normal(1)), Flatten()]
    return Network(layers)


def data(network, count, seed):
    """Draws from the network's model."""
    return fast.DGN(network, 0.3).rvs(count, seed)


@pytest.mark.parametrize("kind", KINDS)
def test_partitions_and_likelihoods_agree(impl, kind):
    """As those of the same network with Dense layers."""
    check_as_dense(impl, {latent: decoder(kind, latent) for latent in (1, 2)})


@pytest.mark.parametrize("part", ["", ".weight", ".bias"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_m_step_is_stationary(impl, kind, part):
    """To 1e-10 of the surrogate, which is quadratic in a layer's kernels and biases; what rounding
    leaves of its few hundred terms is some 1e-13 of it."""
    network = decoder(kind)
    X = data(network, 4, 2)
    start = impl.DGN(network, 0.5)
    statistics, surrogate = start.statistics(X), Surrogate(start, X)
    for index in (3, 5):
        updated = impl.m_step(start, statistics, [f"{index}{part}"])
        best = surrogate(updated)
        assert best > surrogate(start)
        names = [f"{index}{part}"] if part else [f"{index}.weight", f"{index}.bias"]
        for name in names:
            slope, _ = surrogate.derivatives(updated, name)
            assert np.max(np.abs(slope)) <= 1e-10 * max(1.0, abs(best)), name


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_the_likelihood(kind):
    """Both implementations, against differences of log p."""
    network = decoder(kind)
    X = data(network, 2, 3)
    model = fast.DGN(network, 0.5)
    found, other = model.gradient(X), reference.DGN(network, 0.5).gradient(X)
    for name in ("3.weight", "3.bias", "5.weight", "5.bias", "0.weight"):
        value = model.parameters()[name]
        np.testing.assert_allclose(found[name], other[name], atol=1e-9)
        place = tuple(n // 2 for n in value.shape)
        step = np.zeros(value.shape)
        step[place] = 1e-5
        ends = [
            model.with_parameters({name: value + sign * step}).logpdf(X).mean() for sign in (1, -1)
        ]
        # Differences lose 1e-11 to rounding and 1e-9 to the third derivative.
        assert found[name][place] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-7)


DEFECTS = [
    "padding on one side",
    "kernels flipped",
    "every group sees the first group's channels",
    "a transposed convolution's padding added to the output",
    "transposed kernels with channels crossed",
]


@pytest.mark.parametrize("name", DEFECTS)
def test_defects_are_seen(name):
    (mutant,) = [m for m in MUTANTS if m.name == name]

    def check():
        for kind in KINDS:
            for seed in range(10):
                test_forward_is_its_definition(kind, seed)

    with applied(mutant), pytest.raises((AssertionError, ValueError, IndexError)):
        check()


REFUSED = {
    "groups: expected a divisor of 3": lambda: Conv2d(np.ones((3, 1, 1, 1)), np.zeros(3), groups=2),
    "output_padding: expected less than the stride or the dilation": lambda: ConvTranspose2d(
        np.ones((1, 1, 2, 2)), [0.0], output_padding=1
    ),
    "bias: expected shape (4)": lambda: ConvTranspose2d(
        np.ones((2, 2, 1, 1)), [0.0, 0.0], groups=2
    ),
    "stride: expected an integer, got (1, 1)": lambda: Conv1d(np.ones((1, 1, 1)), [0.0], (1, 1)),
    "dilation: expected an integer of at least 1": lambda: Conv1d(
        np.ones((1, 1, 1)), [0.0], dilation=0
    ),
    "Conv1d expects signals (channels, length), got shape (4,)": lambda: Network(
        [Dense(np.ones((4, 1)), np.zeros(4)), Conv1d(np.ones((1, 1, 1)), [0.0])]
    ),
    "ConvTranspose2d expects images of 2 channels": lambda: ConvTranspose2d(
        np.ones((2, 1, 2, 2)), [0.0]
    ).placed((1, 2, 2)),
    "expects larger images": lambda: ConvTranspose2d(
        np.ones((1, 1, 1, 1)), [0.0], padding=2
    ).placed((1, 2, 2)),
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_does_not_fit_is_refused(text):
    with pytest.raises(ValueError, match=re.escape(text)):
        REFUSED[text]()


@pytest.mark.parametrize("kind", KINDS)
def test_files_and_texts(kind, tmp_path):
    """Saved and loaded bit for bit; the text tells what is not as usual."""
    arrays, options, image = drawn(kind, 3)
    layer = KINDS[kind](*arrays, **options)
    network = Network([Reshape(image.shape), layer])
    assert network.latent_dimension == image.size
    network.save(tmp_path / "net.npz")
    other = Network.load(tmp_path / "net.npz").layers[1]
    assert repr(other) == repr(layer)
    for name in ("weight", "bias", *layer.settings):
        np.testing.assert_array_equal(getattr(other, name), getattr(layer, name))
    assert f"dilation {layer.dilation}" in repr(layer) or set(layer.dilation) == {1}


@pytest.mark.parametrize("end", [0, 1, 2, 3])
def test_networks_without_a_dense_layer(impl, end):
    """Affine ones, and z itself: p(x) is one Gaussian."""
    spread = ConvTranspose2d(np.array([[[[1.0, 0.5]]], [[[-0.3, 2.0]]]]), [0.3])
    layers = [Reshape((2, 1, 1)), spread, ZeroPad((0, 1, 0, 0)), Flatten()]
    network = Network(layers[: end + 1])
    Z = np.eye(2)
    offset = network(np.zeros((1, 2)))[0]
    slope = (network(Z) - offset).T
    X = np.random.default_rng(end).standard_normal((3, len(offset)))
    expected = multivariate_normal(offset, 0.2 * np.eye(len(offset)) + slope @ slope.T).logpdf(X)
    np.testing.assert_allclose(impl.DGN(network, 0.2).logpdf(X), expected, rtol=1e-12)


@pytest.mark.parametrize("impl", [fast, reference])
def test_a_network_may_begin_with_an_image(impl):
    """S is the size of the first layer's input."""
    rng = np.random.default_rng(5)
    first = ConvTranspose2d(rng.standard_normal((2, 1, 2, 2)), [0.3], stride=2)
    network = Network(
        [
            Reshape((2, 1, 1)),
            first,
            ReLU(),
            Flatten(),
            Dense(rng.standard_normal((3, 4)), np.zeros(3)),
        ]
    )
    assert network.latent_dimension == 2
    dense = Network(
        [
            Dense(first.placed((2, 1, 1)).matrix.toarray(), np.full(4, 0.3)),
            ReLU(),
            network.layers[-1],
        ]
    )
    X = rng.standard_normal((2, 3))
    np.testing.assert_allclose(
        impl.DGN(network, 0.2).logpdf(X), impl.DGN(dense, 0.2).logpdf(X), rtol=1e-12
    )
    with pytest.raises(ValueError, match=r"layers\[0\]: expected a Dense layer or a Reshape"):
        Network([first, ReLU()])
