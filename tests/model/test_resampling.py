"""Layers that resample images: against loops from their definition, and as the oracle writes them
out."""

import itertools
import re
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from dense_twins import check_as_dense

import fast
import reference
from oracle.exact.layers import layers_of
from oracle.mutants.all_mutants import MUTANTS
from oracle.mutants.trial import applied
from reference import (
    AdaptiveAvgPool,
    Dense,
    Flatten,
    LeakyReLU,
    Network,
    PixelShuffle,
    ReLU,
    Reshape,
    Upsample,
    ZeroPad,
)


def interpolated(image, factor, align_corners):
    """Each new pixel from the four around it, as torch says."""
    channels, *size = image.shape
    count = [n * f for n, f in zip(size, factor, strict=True)]
    result = np.zeros((channels, *count))
    for c, y, x in itertools.product(*map(range, result.shape)):
        ends, shares = [], []
        for axis, new in enumerate((y, x)):
            if align_corners:
                place = new * (size[axis] - 1) / (count[axis] - 1) if count[axis] > 1 else 0.0
            else:
                place = max((new + 0.5) / factor[axis] - 0.5, 0.0)
            low = min(int(place + 1e-12), size[axis] - 1)
            ends.append((low, min(low + 1, size[axis] - 1)))
            shares.append((1 - (place - low), place - low))
        for i, j in itertools.product((0, 1), (0, 1)):
            result[c, y, x] += shares[0][i] * shares[1][j] * image[c, ends[0][i], ends[1][j]]
    return result


def adapted(image, size):
    """The mean of each part."""
    result = np.zeros((len(image), *size))
    for c, y, x in itertools.product(*map(range, result.shape)):
        rows, columns = (
            slice(int(np.floor(Fraction(k * n, m))), int(np.ceil(Fraction((k + 1) * n, m))))
            for k, n, m in zip((y, x), image.shape[1:], size, strict=True)
        )
        result[c, y, x] = image[c, rows, columns].mean()
    return result


def padded(image, padding):
    left, right, above, below = padding
    return np.pad(image, ((0, 0), (above, below), (left, right)))


def shuffled(image, factor):
    channels, height, width = image.shape
    result = np.empty((channels // factor**2, height * factor, width * factor))
    for c, y, x in itertools.product(*map(range, result.shape)):
        source = (c * factor + y % factor) * factor + x % factor
        result[c, y, x] = image[source, y // factor, x // factor]
    return result


def case(kind, seed):
    """A layer, an image that fits it, and what comes out."""
    rng = np.random.default_rng([95, seed])
    size = tuple(int(n) for n in rng.integers(1, 6, 2))
    image = rng.standard_normal((int(rng.integers(1, 3)), *size))
    pair = tuple(int(n) for n in rng.integers(1, 5, 2))
    if kind == "bilinear":
        aligned = bool(seed % 2)
        return Upsample(pair, kind, aligned), image, interpolated(image, pair, aligned)
    if kind == "adaptive":
        return AdaptiveAvgPool(pair), image, adapted(image, pair)
    if kind == "padding":
        sides = tuple(int(n) for n in rng.integers(0, 4, 4))
        return ZeroPad(sides), image, padded(image, sides)
    image = rng.standard_normal((pair[0] ** 2 * len(image), *size))
    return PixelShuffle(pair[0]), image, shuffled(image, pair[0])


KINDS = ("bilinear", "adaptive", "padding", "shuffle")


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("kind", KINDS)
def test_forward_is_its_definition(kind, seed):
    layer, image, expected = case(kind, seed)
    placed = layer.placed(image.shape)
    assert placed.output_shape(image.shape) == expected.shape
    np.testing.assert_allclose(placed.apply(image.ravel()), expected.ravel(), atol=1e-14)
    ((_, matrix, offset),) = layers_of(SimpleNamespace(layers=[placed]))
    np.testing.assert_array_equal(placed.derivative(np.empty(0, np.int8)), matrix)
    assert not np.any(offset)


def decoder(kind, latent):
    """A small decoder with such a layer after an activation."""
    rng = np.random.default_rng([96, latent])
    layer = {
        "bilinear": Upsample((2, 1), "bilinear"),
        "adaptive": AdaptiveAvgPool((1, 2)),
        "padding": ZeroPad((1, 0, 0, 1)),
        "shuffle": PixelShuffle(2),
    }[kind]
    first = Dense(rng.standard_normal((8, latent)), rng.standard_normal(8))
    shape = (4, 2, 1) if kind == "shuffle" else (2, 2, 2)
    after = [layer, ReLU(), Flatten()]
    return Network([first, LeakyReLU(0.2), Reshape(shape), *after])


@pytest.mark.parametrize("kind", KINDS)
def test_partitions_and_likelihoods_agree(impl, kind):
    """As those of the same network with a Dense layer."""
    check_as_dense(impl, {latent: decoder(kind, latent) for latent in (1, 2)})


@pytest.mark.parametrize("kind", KINDS)
def test_files(kind, tmp_path):
    network = decoder(kind, 2)
    network.save(tmp_path / "net.npz")
    other = Network.load(tmp_path / "net.npz")
    assert repr(other) == repr(network)
    Z = np.random.default_rng(0).standard_normal((4, 2))
    np.testing.assert_array_equal(other(Z), network(Z))


def test_files_of_earlier_versions(tmp_path):
    """Upsample by a factor alone, and Conv2d without dilation and groups."""
    arrays = {
        "kinds": np.array(["Reshape", "Upsample", "Conv2d"]),
        "0.shape": np.array([1, 1, 2]),
        "1.factor": np.array([2, 1]),
        "2.weight": np.ones((1, 1, 1, 2)),
        "2.bias": np.array([0.5]),
        "2.stride": np.array([1, 1]),
        "2.padding": np.array([0, 0]),
    }
    np.savez(tmp_path / "old.npz", **arrays)
    network = Network.load(tmp_path / "old.npz")
    np.testing.assert_array_equal(network([[1.0, 2.0]]), [[3.5, 3.5]])


REFUSED = {
    'mode: expected "nearest" or "bilinear", got \'cubic\'': lambda: Upsample(2, "cubic"),
    'align_corners: expected False where mode is "nearest"': lambda: Upsample(2, "nearest", True),
    "padding: expected an integer or four, got (1, 2)": lambda: ZeroPad((1, 2)),
    "padding: expected an integer of at least 0, got -1": lambda: ZeroPad((0, 0, -1, 0)),
    "output_size: expected an integer of at least 1": lambda: AdaptiveAvgPool(0),
    "factor: expected an integer of at least 1": lambda: PixelShuffle(0),
    "PixelShuffle expects a multiple of 4 channels, got shape (6, 1, 1)": lambda: PixelShuffle(
        2
    ).placed((6, 1, 1)),
    "ZeroPad expects images": lambda: ZeroPad(1).placed((4,)),
    "AdaptiveAvgPool expects images": lambda: AdaptiveAvgPool(1).placed((4,)),
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_does_not_fit_is_refused(text):
    with pytest.raises(ValueError, match=re.escape(text)):
        REFUSED[text]()


DEFECTS = {
    "bilinear between corners": "bilinear",
    "adaptive parts that do not overlap": "adaptive",
    "columns padded above": "padding",
    "blocks of pixels transposed": "shuffle",
}


@pytest.mark.parametrize("name", DEFECTS)
def test_defects_are_seen(name):
    (mutant,) = [m for m in MUTANTS if m.name == name]

    def check():
        for seed in range(20):
            test_forward_is_its_definition(DEFECTS[name], seed)

    with applied(mutant), pytest.raises((AssertionError, ValueError, ZeroDivisionError)):
        check()


def test_both_implementations_have_the_layers():
    for name in ("AdaptiveAvgPool", "PixelShuffle", "ZeroPad", "Upsample"):
        assert getattr(fast, name) is getattr(reference, name)
