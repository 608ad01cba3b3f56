"""Layers on images and pools: against loops written from their definition, and in themselves."""

import itertools
import math
import re

import numpy as np
import pytest
from decoders import decoders

import fast
import reference
from reference import (
    Abs,
    AvgPool,
    Conv2d,
    Dense,
    Flatten,
    LeakyReLU,
    MaxPool,
    Network,
    PiecewiseAffine,
    ReLU,
    Reshape,
    Upsample,
)
from reference.model.whole_files import FORMAT

EPS = np.finfo(float).eps


def kernels(*shape, seed=0):
    """Random kernels (C_out, C_in, height, width) and biases."""
    rng = np.random.default_rng([91, seed])
    return rng.standard_normal(shape), rng.standard_normal(shape[0])


# Definitions, one pixel at a time


def pixel(image, c, i, j, outside):
    """An entry of an image, or what stands for the padding."""
    inside = 0 <= i < image.shape[1] and 0 <= j < image.shape[2]
    return image[c, i, j] if inside else outside


def window_grid(image, kernel, stride, padding):
    """The window at each output pixel, as lists of its rows and of its columns."""
    counts = [
        (n + 2 * p - k) // s + 1
        for n, k, s, p in zip(image.shape[1:], kernel, stride, padding, strict=True)
    ]
    for a, b in itertools.product(*map(range, counts)):
        rows = [a * stride[0] - padding[0] + u for u in range(kernel[0])]
        columns = [b * stride[1] - padding[1] + v for v in range(kernel[1])]
        yield counts, a, b, rows, columns


def convolved(image, weight, bias, stride, padding):
    """Cross-correlation: Σ weight[o, c, u, v] image[c, row u, column v] + bias[o]."""
    result = None
    for counts, a, b, rows, columns in window_grid(image, weight.shape[2:], stride, padding):
        if result is None:
            result = np.empty((len(weight), *counts))
        for o in range(len(weight)):
            total = bias[o]
            for c in range(len(image)):
                for u, i in enumerate(rows):
                    for v, j in enumerate(columns):
                        total += weight[o, c, u, v] * pixel(image, c, i, j, 0.0)
            result[o, a, b] = total
    return result


def pooled(image, kernel, stride, padding, reduce, outside, channels=1):
    """`reduce` of the list of candidates of every window, ordered by channel, row, column."""
    result = None
    for counts, a, b, rows, columns in window_grid(image, kernel, stride, padding):
        if result is None:
            result = np.empty((len(image) // channels, *counts))
        for g in range(len(result)):
            members = range(g * channels, (g + 1) * channels)
            result[g, a, b] = reduce(
                [pixel(image, c, i, j, outside) for c in members for i in rows for j in columns]
            )
    return result


def upsampled(image, factor):
    """Each output pixel from the input pixel it lies in."""
    height, width = image.shape[1] * factor[0], image.shape[2] * factor[1]
    result = np.empty((len(image), height, width))
    for c, i, j in itertools.product(*map(range, result.shape)):
        result[c, i, j] = image[c, i // factor[0], j // factor[1]]
    return result


def settings(seed, pool):
    """A random image with a kernel, stride and padding that fit it, different by axis."""
    rng = np.random.default_rng([92, seed])
    kernel = tuple(int(k) for k in rng.integers(1, 5, 2))
    stride = tuple(int(s) for s in rng.integers(1, 4, 2))
    padding = tuple(int(rng.integers(0, k // 2 + 1 if pool else k + 2)) for k in kernel)
    size = tuple(
        int(rng.integers(max(1, k - 2 * p), k + 5)) for k, p in zip(kernel, padding, strict=True)
    )
    return rng, rng.standard_normal((int(rng.integers(1, 4)), *size)), kernel, stride, padding


def check_forward(layer, image, expected):
    """The placed layer gives the expected image, from a batch of flat vectors too."""
    placed = layer.placed(image.shape)
    assert placed.output_shape(image.shape) == expected.shape
    flat = image.ravel()
    got = placed.apply(flat)
    np.testing.assert_allclose(got.reshape(expected.shape), expected, atol=1e-13)
    batch = np.stack([[flat, 2 * flat]] * 3)
    np.testing.assert_array_equal(placed.apply(batch)[2, 0], got)
    assert placed.apply(batch).shape == (3, 2, expected.size)


@pytest.mark.parametrize("seed", range(30))
def test_conv2d_is_its_definition(seed):
    rng, image, kernel, stride, padding = settings(seed, pool=False)
    weight, bias = kernels(int(rng.integers(1, 4)), len(image), *kernel, seed=seed)
    layer = Conv2d(weight, bias, stride, padding)
    check_forward(layer, image, convolved(image, weight, bias, stride, padding))


@pytest.mark.parametrize("seed", range(30))
def test_avg_pool_is_its_definition(seed):
    """Pixels of the padding count as zeros."""
    _, image, kernel, stride, padding = settings(seed, pool=True)
    expected = pooled(image, kernel, stride, padding, np.mean, 0.0)
    check_forward(AvgPool(kernel, stride, padding), image, expected)


@pytest.mark.parametrize("seed", range(30))
def test_max_pool_is_its_definition(seed):
    """Pixels of the padding do not count."""
    rng, image, kernel, stride, padding = settings(seed, pool=True)
    channels = int(rng.integers(1, 4))
    image = rng.standard_normal((2 * channels, *image.shape[1:]))
    expected = pooled(image, kernel, stride, padding, np.max, -np.inf, channels)
    check_forward(MaxPool(kernel, stride, padding, channels=channels), image, expected)


@pytest.mark.parametrize("factor", [(1, 1), (2, 3), (4, 1)], ids=str)
def test_upsample_is_its_definition(factor):
    image = np.random.default_rng(0).standard_normal((2, 3, 2))
    check_forward(Upsample(factor), image, upsampled(image, factor))


def test_maxout_on_a_vector():
    """Entries are the channels: the maximum of each group of consecutive ones."""
    layer = MaxPool(channels=3).placed((6,))
    assert layer.output_shape((6,)) == (2,)
    np.testing.assert_array_equal(layer.apply(np.array([1.0, 5, 2, -3, -4, -1])), [5.0, -1.0])


def test_one_number_stands_for_two():
    """Settings given once are those of both axes, and a pool's stride is its kernel."""
    weight, bias = kernels(1, 1, 2, 2)
    conv, pool, mean = Conv2d(weight, bias, 2, 1), MaxPool(3, padding=1), AvgPool([2, 3])
    assert (conv.stride, conv.padding) == ((2, 2), (1, 1))
    assert (pool.kernel_size, pool.stride, pool.padding) == ((3, 3), (3, 3), (1, 1))
    assert (mean.kernel_size, mean.stride, mean.padding) == ((2, 3), (2, 3), (0, 0))
    assert Upsample(2).factor == (2, 2)
    assert Conv2d(weight, bias).stride == (1, 1)


def test_flatten_and_reshape_keep_the_vector():
    """Channel by channel, row by row, on either side."""
    vector = np.arange(12.0)
    for layer, before, after in [
        (Flatten(), (3, 2, 2), (12,)),
        (Flatten(), (12,), (12,)),
        (Reshape((3, 2, 2)), (12,), (3, 2, 2)),
        (Reshape((1, 4, 3)), (3, 2, 2), (1, 4, 3)),
        (Reshape([12]), (3, 2, 2), (12,)),
    ]:
        placed = layer.placed(before)
        assert placed.output_shape(before) == after
        np.testing.assert_array_equal(placed.apply(vector), vector)


# One layer, one affine map


PLACED = [
    Conv2d(*kernels(2, 3, 2, 3), stride=(2, 1), padding=(1, 0)).placed((3, 4, 5)),
    Conv2d(*kernels(3, 1, 1, 1)).placed((1, 2, 2)),
    Conv2d(*kernels(1, 2, 3, 3), padding=4).placed((2, 2, 3)),
    Upsample((2, 3)).placed((2, 2, 3)),
    AvgPool((2, 3), (1, 2), (1, 1)).placed((2, 3, 5)),
    MaxPool((2, 3), (1, 2), (1, 1)).placed((2, 3, 5)),
    MaxPool(2, 1, channels=2).placed((4, 3, 3)),
    MaxPool(channels=4).placed((8,)),
    MaxPool().placed((2, 2, 2)),
    Flatten().placed((2, 3, 1)),
    Reshape((2, 3)).placed((6,)),
]


def random_codes(layer, lead, seed=1):
    """Random codes (*lead, n_codes) that are possible: positions of candidates."""
    n = math.prod(layer.input_shape)
    most = layer.windows.shape[1] if isinstance(layer, MaxPool) else 1
    shape = (*lead, layer.n_codes(n))
    return np.random.default_rng(seed).integers(0, most, shape).astype(np.int8)


def affine_maps(layer, lead=(4,), latent=2, seed=2):
    """Random maps into a layer: slopes (*lead, n_in, latent), offsets (*lead, n_in)."""
    rng, n = np.random.default_rng(seed), math.prod(layer.input_shape)
    return rng.standard_normal((*lead, n, latent)), rng.standard_normal((*lead, n))


@pytest.mark.parametrize("layer", PLACED, ids=repr)
@pytest.mark.parametrize("latent", [0, 1, 3])
def test_propagate_is_the_derivative_and_offset(layer, latent):
    """propagate = derivative(code) @ (.) + offset, over any leading axes; bound likewise in |.|."""
    slopes, offsets = affine_maps(layer, (2, 3), latent)
    codes = random_codes(layer, (2, 3))
    got = layer.propagate(codes, slopes, offsets)
    bound = layer.bound(codes, np.abs(slopes), np.abs(offsets))
    shift = layer.offset(codes, offsets.shape[-1])
    for at in np.ndindex(2, 3):
        matrix = layer.derivative(codes[at])
        assert matrix.shape == (math.prod(layer.output_shape(layer.input_shape)), len(offsets[at]))
        np.testing.assert_allclose(got[0][at], matrix @ slopes[at], atol=1e-13)
        np.testing.assert_allclose(got[1][at], matrix @ offsets[at] + shift, atol=1e-13)
        size = np.abs(matrix)
        np.testing.assert_allclose(bound[0][at], size @ np.abs(slopes[at]), atol=1e-13)
        expected = size @ np.abs(offsets[at]) + np.abs(shift)
        np.testing.assert_allclose(bound[1][at], expected, atol=1e-13)
        alone = layer.propagate(codes[at], slopes[at], offsets[at])
        np.testing.assert_allclose(alone[0], got[0][at], atol=1e-13)
        np.testing.assert_allclose(alone[1], got[1][at], atol=1e-13)


@pytest.mark.parametrize("layer", PLACED, ids=repr)
def test_pull_back_is_the_transpose(layer):
    """pull_back = rows @ derivative(code) on every region."""
    codes = random_codes(layer, (4,))
    n_out = math.prod(layer.output_shape(layer.input_shape))
    rows = np.random.default_rng(3).standard_normal((4, 5, n_out))
    pulled = layer.pull_back(codes, rows)
    for r, code in enumerate(codes):
        np.testing.assert_allclose(pulled[r], rows[r] @ layer.derivative(code), atol=1e-13)


@pytest.mark.parametrize("layer", PLACED, ids=repr)
def test_affine_where_the_code_is_the_inputs(layer):
    """derivative(code) @ h + offset is apply(h), for the code from the signs of the cuts at h."""
    none, h = affine_maps(layer, (20,), 0)
    _, cuts = layer.cuts(none, h)
    codes = layer.code(np.sign(cuts).astype(np.int8))
    assert codes.shape == (20, layer.n_codes(h.shape[1]))
    assert codes.dtype == np.int8
    for row, code in zip(h, codes, strict=True):
        affine = layer.derivative(code) @ row + layer.offset(code, len(row))
        np.testing.assert_allclose(layer.apply(row), affine, atol=1e-13)


@pytest.mark.parametrize("layer", PLACED, ids=repr)
def test_halfspaces_hold_exactly_where_the_code_does(layer):
    """normals z + offsets > 0 in every row but the empty ones if and only if z has the code."""
    slopes, offsets = affine_maps(layer, ())
    Z = np.random.default_rng(4).standard_normal((30, 2))
    inputs = Z @ slopes.T + offsets
    _, cuts = layer.cuts(np.zeros((*inputs.shape, 0)), inputs)
    codes = layer.code(np.sign(cuts).astype(np.int8))
    for code in np.unique(codes, axis=0):
        normals, levels = layer.halfspaces(code, slopes, offsets)
        bounding = np.any(normals != 0, axis=1)
        inside = np.all((Z @ normals.T + levels)[:, bounding] > 0, axis=1)
        np.testing.assert_array_equal(inside, np.all(codes == code, axis=1))
        assert np.all(levels[~bounding] == 0)


@pytest.mark.parametrize("layer", PLACED, ids=repr)
def test_cut_bounds_bound_the_cuts(layer):
    slopes, offsets = affine_maps(layer)
    cuts = layer.cuts(slopes, offsets)
    bounds = layer.cut_bounds(np.abs(slopes), np.abs(offsets))
    for cut, bound in zip(cuts, bounds, strict=True):
        assert cut.shape == bound.shape
        assert np.all(np.abs(cut) <= bound)


def test_layers_without_a_choice_have_no_code():
    for layer in PLACED:
        n = math.prod(layer.input_shape)
        windows = len(layer.windows) if isinstance(layer, MaxPool) else 0
        assert layer.n_codes(n) == windows, layer


@pytest.mark.parametrize("layer", PLACED[:3], ids=repr)
def test_gradients_by_kernels_are_adjoint(layer):
    """⟨G, M(weight)⟩ = ⟨on_kernels(G), weight⟩ for any G: M is linear in the weight; likewise the
    offset in the bias."""
    rng, none = np.random.default_rng(5), np.empty(0, dtype=np.int8)
    by_matrix = rng.standard_normal(layer.matrix.shape)
    by_offset = rng.standard_normal(len(by_matrix))
    expected = np.sum(by_matrix * layer.derivative(none))
    assert np.sum(layer.on_kernels(by_matrix) * layer.weight) == pytest.approx(expected, abs=1e-12)
    expected = np.sum(by_offset * layer.offset(none, layer.matrix.shape[1]))
    assert layer.on_bias(by_offset) @ layer.bias == pytest.approx(expected, abs=1e-12)


# Max-pooling's candidates and codes


def test_windows_by_hand():
    """Candidates by channel, row, column; those in the padding are absent, the first fills up."""
    layer = MaxPool((1, 2), (1, 2), (0, 1), channels=2).placed((2, 1, 3))
    np.testing.assert_array_equal(layer.windows, [[0, 3, 0, 0], [1, 2, 4, 5]])
    layer = MaxPool(2).placed((1, 2, 4))
    np.testing.assert_array_equal(layer.windows, [[0, 1, 4, 5], [2, 3, 6, 7]])


def test_windows_are_no_longer_than_they_need_be():
    """Where every window has part of its kernel in the padding, nothing is kept for that part."""
    assert MaxPool(2, 2, 1).placed((1, 2, 2)).windows.tolist() == [[0], [1], [2], [3]]


@pytest.mark.parametrize(
    ("values", "winner"),
    [
        ([3.0, 1.0, 2.0], 0),
        ([1.0, 2.0, 3.0], 2),
        ([2.0, 2.0, 1.0], 0),
        ([1.0, 2.0, 2.0], 1),
        ([2.0, 1.0, 2.0], 0),
        ([0.0, 0.0, 0.0], 0),
    ],
    ids=str,
)
def test_the_first_of_the_largest_wins(values, winner):
    layer = MaxPool(channels=3).placed((3,))
    _, cuts = layer.cuts(np.zeros((3, 0)), np.array(values))
    assert layer.code(np.sign(cuts).astype(np.int8)).tolist() == [winner]


def test_cuts_are_first_minus_second():
    layer = MaxPool(channels=3).placed((3,))
    slopes, offsets = layer.cuts(np.array([[1.0], [10.0], [100.0]]), np.array([0.0, 1.0, 5.0]))
    assert slopes[:, 0].tolist() == [-9.0, -99.0, -90.0]
    assert offsets.tolist() == [-1.0, -5.0, -4.0]


def test_one_input_may_win_several_windows():
    """Its gradients add up."""
    layer = MaxPool((1, 2), 1).placed((1, 1, 3))
    pulled = layer.pull_back(np.array([[1, 0]], dtype=np.int8), np.array([[[2.0, 5.0]]]))
    assert pulled.tolist() == [[[0.0, 7.0, 0.0]]]


# What does not fit


W = np.ones((2, 3, 2, 2))

CONSTRUCTOR_ERRORS = {
    "weight: expected shape (any, any, any, any)": lambda: Conv2d(np.ones((2, 3)), [0.0, 0.0]),
    "weight: expected no empty axis": lambda: Conv2d(np.ones((2, 0, 1, 1)), [0.0, 0.0]),
    "weight: expected finite": lambda: Conv2d(np.full((1, 1, 1, 1), np.nan), [0.0]),
    "bias: expected shape (2)": lambda: Conv2d(W, [0.0]),
    "bias: expected finite": lambda: Conv2d(W, [0.0, np.inf]),
    "stride: expected an integer of at least 1": lambda: Conv2d(W, [0, 0], 0),
    "stride: expected an integer of at least 1, got 1.5": lambda: Conv2d(W, [0, 0], (1, 1.5)),
    "stride: expected an integer or two": lambda: Conv2d(W, [0, 0], (1, 1, 1)),
    "padding: expected an integer of at least 0": lambda: Conv2d(W, [0, 0], 1, -1),
    "padding: expected an integer of at least 0, got 'same'": lambda: Conv2d(W, [0, 0], 1, "same"),
    "factor: expected an integer of at least 1": lambda: Upsample(0),
    "factor: expected an integer of at least 1, got 2.0": lambda: Upsample(2.0),
    "factor: expected an integer of at least 1, got True": lambda: Upsample(True),
    "kernel_size: expected an integer of at least 1": lambda: AvgPool(0),
    "padding: expected at most half of the kernel (3, 3), got 2": lambda: AvgPool(3, 1, 2),
    "padding: expected at most half of the kernel (2, 2), got (0, 2)": lambda: MaxPool(
        2, 1, (0, 2)
    ),
    "kernel_size: expected an integer of at least 1, got None": lambda: MaxPool(None),
    "stride: expected an integer of at least 1, got -1": lambda: MaxPool(2, -1),
    "channels: expected an integer of at least 1": lambda: MaxPool(channels=0),
    "channels: expected an integer of at least 1, got (2, 2)": lambda: MaxPool(channels=(2, 2)),
    "shape: expected one to three integers, got 12": lambda: Reshape(12),
    "shape: expected one to three integers, got (1, 1, 1, 1)": lambda: Reshape((1, 1, 1, 1)),
    "shape[1]: expected an integer of at least 1, got -1": lambda: Reshape((3, -1, 2)),
    "shape[0]: expected an integer of at least 1, got True": lambda: Reshape((True, 2, 2)),
}


@pytest.mark.parametrize("message", CONSTRUCTOR_ERRORS)
def test_bad_settings(message):
    with pytest.raises(ValueError, match=re.escape(message)):
        CONSTRUCTOR_ERRORS[message]()


PLACING_ERRORS = [
    (Dense(np.ones((1, 12)), [0.0]), (3, 2, 2), "Dense expects a vector, got shape (3, 2, 2)"),
    (Dense(np.ones((1, 12)), [0.0]), (3, 2, 2), "put Flatten() before it"),
    (Dense(np.ones((1, 12)), [0.0]), (11,), "Dense expects an input of length 12, got 11"),
    (Conv2d(W, [0, 0]), (12,), "Conv2d expects images (channels, height, width), got shape (12,)"),
    (Conv2d(W, [0, 0]), (12,), "put Reshape((channels, height, width)) before it"),
    (Conv2d(W, [0, 0]), (2, 5, 5), "Conv2d expects images of 3 channels, got shape (2, 5, 5)"),
    (
        Conv2d(W, [0, 0]),
        (3, 1, 5),
        "Conv2d with kernel (2, 2) and padding (0, 0) expects larger images, got shape (3, 1, 5)",
    ),
    (Upsample(2), (12,), "Upsample expects images (channels, height, width), got shape (12,)"),
    (AvgPool(2), (12,), "AvgPool expects images (channels, height, width), got shape (12,)"),
    (
        AvgPool(4, padding=(0, 2)),
        (3, 2, 2),
        "AvgPool with kernel (4, 4) and padding (0, 2) expects larger images, got shape (3, 2, 2)",
    ),
    (MaxPool(2), (12,), "MaxPool expects images (channels, height, width), got shape (12,)"),
    (MaxPool(1, 2), (12,), "MaxPool expects images (channels, height, width), got shape (12,)"),
    (MaxPool(channels=5), (12,), "MaxPool expects a multiple of 5 channels, got shape (12,)"),
    (
        MaxPool(2, channels=2),
        (3, 4, 4),
        "MaxPool expects a multiple of 2 channels, got shape (3, 4, 4)",
    ),
    (MaxPool(3), (3, 2, 4), "MaxPool with kernel (3, 3) and padding (0, 0) expects larger images"),
    (MaxPool(12), (1, 12, 12), "MaxPool expects at most 127 candidates, got 144"),
    (MaxPool(channels=128), (256,), "MaxPool expects at most 127 candidates, got 128"),
    (Reshape((3, 2, 2)), (13,), "Reshape to (3, 2, 2) expects 12 entries, got shape (13,)"),
]


@pytest.mark.parametrize(("layer", "shape", "message"), PLACING_ERRORS)
def test_layers_that_do_not_fit(layer, shape, message):
    """The error names the layer, what it expects and what it got; in a network its position too."""
    with pytest.raises(ValueError, match=re.escape(message)):
        layer.placed(shape)
    size = math.prod(shape)
    with pytest.raises(ValueError, match=r"layers\[2\]: ") as error:
        Network([Dense(np.ones((size, 1)), np.zeros(size)), Reshape(shape), layer])
    assert message in str(error.value)


def test_the_most_candidates_a_window_may_have():
    """127 are as many as a code can tell apart, and the last of them can win."""
    layer = MaxPool(channels=127).placed((127,))
    h = np.arange(127.0)
    _, cuts = layer.cuts(np.zeros((127, 0)), h)
    assert layer.code(np.sign(cuts).astype(np.int8)).tolist() == [126]
    # A kernel may be larger where its windows are not.
    assert MaxPool(12, padding=6).placed((1, 12, 12)).windows.shape == (4, 36)


# Networks


def decoder():
    """Every kind of layer; D = 2 x 6 x 4."""
    rng = np.random.default_rng(7)
    return Network(
        [
            Dense(rng.standard_normal((24, 2)), rng.standard_normal(24)),
            MaxPool(channels=2),
            Reshape((3, 2, 2)),
            LeakyReLU(0.1),
            Upsample((3, 2)),
            Conv2d(*kernels(4, 3, 3, 3), padding=1),
            ReLU(),
            MaxPool((3, 2), 1, 1, channels=2),
            AvgPool((1, 2), 1),
            Abs(),
            Flatten(),
            Dense(rng.standard_normal((12, 48)), rng.standard_normal(12)),
            Reshape((1, 3, 4)),
            Conv2d(*kernels(2, 1, 2, 1), stride=(1, 2), padding=(2, 1)),
        ]
    )


def test_shapes_follow_one_another():
    network = decoder()
    assert network.shapes == (
        *[(2,), (24,), (12,), (3, 2, 2), (3, 2, 2), (3, 6, 4), (4, 6, 4), (4, 6, 4)],
        *[(2, 6, 5), (2, 6, 4), (2, 6, 4), (48,), (12,), (1, 3, 4), (2, 6, 3)],
    )
    assert network.sizes == tuple(map(math.prod, network.shapes))
    assert network.observed_dimension == 36
    assert network(np.zeros((3, 2))).shape == (3, 36)


def test_forward_is_layer_by_layer():
    """A network of spatial layers against the definitions."""
    weight, bias = kernels(2, 3, 3, 2)
    first = Dense(np.random.default_rng(0).standard_normal((12, 1)), np.zeros(12))
    layers = [
        Reshape((3, 2, 2)),
        Upsample(2),
        Conv2d(weight, bias),
        MaxPool((1, 2)),
        AvgPool((2, 1)),
    ]
    network = Network([first, *layers])
    for z in ([0.3], [-2.0]):
        image = upsampled((first.weight @ z).reshape(3, 2, 2), (2, 2))
        image = convolved(image, weight, bias, (1, 1), (0, 0))
        image = pooled(image, (1, 2), (1, 2), (0, 0), np.max, -np.inf)
        image = pooled(image, (2, 1), (2, 1), (0, 0), np.mean, 0.0)
        np.testing.assert_allclose(network([z])[0], image.ravel(), atol=1e-13)


def test_parameters_of_convolutions():
    """Named like those of Dense, replaced like them, in a layer that is placed again."""
    network = decoder()
    names = [f"{i}.{part}" for i in (0, 5, 11, 13) for part in ("weight", "bias")]
    assert list(network.parameters()) == names
    weight = np.ones((4, 3, 3, 3))
    other = network.with_parameters({"5.weight": weight})
    np.testing.assert_array_equal(other.parameters()["5.weight"], weight)
    np.testing.assert_array_equal(other.parameters()["5.bias"], network.parameters()["5.bias"])
    assert other.layers[5].padding == (1, 1)
    assert other.layers[5].derivative(np.empty(0)).max() == 1.0
    assert network.layers[5].derivative(np.empty(0)).max() != 1.0
    with pytest.raises(ValueError, match=r"5\.weight: expected shape"):
        network.with_parameters({"5.weight": np.ones((4, 3, 3))})


def test_a_layer_may_be_used_twice():
    """Placing leaves the layer that was given as it was."""
    pool = MaxPool(channels=2)
    network = Network([Dense(np.ones((8, 1)), np.arange(8.0)), pool, pool])
    assert network.sizes == (1, 8, 4, 2)
    assert network([[0.0]]).tolist() == [[3.0, 7.0]]


def test_layers_are_immutable():
    network = decoder()
    arrays = [*network.parameters().values(), network.layers[1].windows, network.layers[5].windows]
    arrays.append(network.layers[5].matrix.data)
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    given = np.ones((1, 1, 1, 1))
    layer = Conv2d(given, [0.0])
    given[...] = 7.0
    assert layer.weight[0, 0, 0, 0] == 1.0


def test_save_and_load_every_kind(tmp_path):
    """All settings and weights come back, bit for bit."""
    network = decoder()
    weight = np.array([5e-324, -0.0, 1 / 3, 1e308, np.pi, -1e-310]).reshape(1, 1, 2, 3)
    network = Network([*network.layers, Reshape((1, 6, 6)), Conv2d(weight, [-0.0], (2, 1), (0, 3))])
    network.save(tmp_path / "net.npz")
    other = Network.load(tmp_path / "net.npz")
    assert [repr(layer) for layer in other.layers] == [repr(layer) for layer in network.layers]
    assert other.shapes == network.shapes
    for mine, theirs in zip(network.layers, other.layers, strict=True):
        for name in ("stride", "padding", "kernel_size", "channels", "factor", "shape", "slope"):
            assert getattr(mine, name, None) == getattr(theirs, name, None), (mine, name)
            assert type(getattr(mine, name, None)) is type(getattr(theirs, name, None))
    for name, value in network.parameters().items():
        assert other.parameters()[name].tobytes() == value.tobytes(), name
    Z = np.random.default_rng(0).standard_normal((5, 2))
    np.testing.assert_array_equal(other(Z), network(Z))


def test_files_of_earlier_versions(tmp_path):
    """A file as written before there were layers on images."""
    arrays = {
        "kinds": np.array(["Dense", "LeakyReLU", "Dense", "Abs"]),
        "0.weight": np.array([[1.0], [2.0]]),
        "0.bias": np.array([0.5, -0.0]),
        "2.weight": np.array([[1.0, 1 / 3]]),
        "2.bias": np.array([5e-324]),
        "1.slope": np.float64(0.1),
    }
    np.savez(tmp_path / "old.npz", **arrays)
    network = Network.load(tmp_path / "old.npz")
    assert repr(network) == "Network([Dense(1 -> 2), LeakyReLU(0.1), Dense(2 -> 1), Abs()])"
    assert network.layers[1].slope == 0.1
    for name, value in network.parameters().items():
        assert value.tobytes() == arrays[name].tobytes()


def test_files_of_later_versions(tmp_path):
    """The number of the format is in the file, and one more than it is refused with the remedy."""
    network = Network([Dense([[1.0]], [0.0])])
    network.save(tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz") as stored:
        arrays = dict(stored)
    assert arrays["format"] == FORMAT
    arrays["format"] = np.array(FORMAT + 1)
    np.savez(tmp_path / "later.npz", **arrays)
    with pytest.raises(ValueError, match=rf"path: .*in format {FORMAT + 1}.*update exactdgn"):
        Network.load(tmp_path / "later.npz")


def test_save_of_an_unknown_kind(tmp_path):
    """A layer of someone's own cannot be loaded, so it is not saved."""

    class Mine(ReLU):
        pass

    with pytest.raises(ValueError, match=r"layers\[1\]: cannot save a layer of type Mine"):
        Network([Dense([[1.0]], [0.0]), Mine()]).save(tmp_path / "net.npz")
    assert list(tmp_path.iterdir()) == []


# Probabilities


@pytest.mark.parametrize(
    "name",
    [n for n, net in decoders().items() if not any(isinstance(m, MaxPool) for m in net.layers)],
)
def test_convolutions_are_dense_layers(impl, name):
    """A network whose linear layers are all written out as Dense has the same density, posterior
    and regions."""
    network = decoders()[name]
    none = np.empty(0, dtype=np.int8)
    written_out = [
        layer
        if isinstance(layer, PiecewiseAffine)
        else Dense(layer.derivative(none), layer.offset(none, n))
        for layer, n in zip(network.layers, network.sizes, strict=False)
    ]
    dimension = network.observed_dimension
    one, other = (impl.DGN(net, 0.2, 1.3) for net in (network, Network(written_out)))
    X = np.random.default_rng(0).standard_normal((5, dimension))
    np.testing.assert_array_equal(one.partition().codes, other.partition().codes)
    np.testing.assert_allclose(one.partition().slopes, other.partition().slopes, atol=1e-12)
    np.testing.assert_allclose(one.logpdf(X), other.logpdf(X), rtol=1e-12)
    for a, b in zip(
        *((d.posterior(X).mean(), d.posterior(X).cov()) for d in (one, other)), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-11)


@pytest.mark.parametrize("name", decoders())
def test_implementations_agree(name):
    network = decoders()[name]
    X = 2.0 * np.random.default_rng(1).standard_normal((5, network.observed_dimension))
    slow, quick = reference.DGN(network, 0.2, 1.3), fast.DGN(network, 0.2, 1.3)
    np.testing.assert_array_equal(slow.partition().codes, quick.partition().codes)
    np.testing.assert_allclose(slow.logpdf(X), quick.logpdf(X), rtol=1e-12)
    np.testing.assert_allclose(slow.posterior(X).mean(), quick.posterior(X).mean(), atol=1e-11)


def test_work_on_the_coordinates_of_the_narrowest_layer():
    """Affine layers at the end leave x only as many coordinates as the narrowest of them has."""
    widths = {
        "Dense after convolution": None,
        "affine layers at the end": 4,
        "upsampling after a nonlinearity": 4,
        "max-pooling": None,
        "activations after convolution": None,
        "Flatten at the end": 3,
    }
    for name, network in decoders().items():
        noise = fast.distributions.observation.Noise.of(np.array(0.3), network.observed_dimension)
        coordinates = fast.distributions.observation.Coordinates.of(network, noise)
        width = None if coordinates.basis is None else coordinates.basis.shape[1]
        assert width == widths[name], name
        images = network(np.linspace(-9, 9, 50)[:, None])
        _, rest = coordinates.points(images)
        assert np.all(rest <= (100 * EPS) ** 2 * np.sum(images**2, axis=1) / 0.3), name


def test_many_candidates_stay_in_order():
    """Of windows of 25 pixels, partly in the padding, codes count the candidates as they come."""
    layer = MaxPool(5, 1, 2).placed((1, 6, 6))
    for window, (row, column) in zip(layer.windows, np.ndindex(6, 6), strict=True):
        there = [
            6 * i + j
            for i in range(row - 2, row + 3)
            for j in range(column - 2, column + 3)
            if 0 <= i < 6 and 0 <= j < 6
        ]
        assert window.tolist() == there + [there[0]] * (25 - len(there))
