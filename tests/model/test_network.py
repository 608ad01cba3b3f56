"""The model: layers, forward pass, random networks, files."""

import os

import numpy as np
import pytest

from reference import Abs, Dense, LeakyReLU, Network, ReLU
from reference.model import check_covariances

EPS = np.finfo(float).eps
ACTIVATIONS = [ReLU(), LeakyReLU(0.1), LeakyReLU(1.0), Abs()]


def slope_of(activation):
    """η, written out: the derivative of each activation at negative inputs."""
    if isinstance(activation, LeakyReLU):
        return activation.slope
    return {ReLU: 0.0, Abs: -1.0}[type(activation)]


def bits(array):
    """The bit patterns of an array of doubles."""
    return np.ascontiguousarray(array, dtype=np.float64).view(np.uint64)


def same_bits(network, other):
    """Whether two networks are equal layer by layer, bit for bit."""
    if [repr(layer) for layer in network.layers] != [repr(layer) for layer in other.layers]:
        return False
    mine, theirs = network.parameters(), other.parameters()
    slopes = [
        [layer.slope for layer in net.layers if hasattr(layer, "slope")] for net in (network, other)
    ]
    return (
        list(mine) == list(theirs)
        and all(np.array_equal(bits(mine[name]), bits(theirs[name])) for name in mine)
        and np.array_equal(bits(slopes[0]), bits(slopes[1]))
    )


# Forward pass


@pytest.mark.parametrize(
    ("activation", "expected"),
    [(ReLU(), [1.0, 5.5]), (LeakyReLU(0.1), [0.85, 5.2]), (Abs(), [2.5, 8.5])],
    ids=repr,
)
def test_forward_by_hand(activation, expected):
    """z = 1 has pre-activations (3, -1/2) and z = -2 has (-3, 5/2), weighted 1 and 3, less 2."""
    first, last = Dense([[2.0], [-1.0]], [1.0, 0.5]), Dense([[1.0, 3.0]], [-2.0])
    network = Network([first, activation, last])
    np.testing.assert_allclose(network([[1.0], [-2.0]])[:, 0], expected, rtol=4 * EPS)


def test_activation_at_zero():
    """Every activation maps 0 to 0, of either sign."""
    for activation in ACTIVATIONS:
        np.testing.assert_array_equal(activation.apply(np.array([0.0, -0.0])), [0.0, 0.0])


def eq2(weights, biases, slope, z):
    """A_ω z + b_ω from eq. (2) term by term, and the magnitude of the terms that are summed.

    W^L D^{L-1} W^{L-1} ... D^1 W^1 z + v^L + Σ_{i<L} W^L D^{L-1} W^{L-1} ... W^{i+1} D^i v^i.
    """
    derivatives, hidden = [], z
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        pre = weight @ hidden + bias
        derivatives.append(np.diag([1.0 if h > 0 else slope for h in pre]))
        hidden = derivatives[-1] @ pre

    def chain(start, vector):
        """W^L D^{L-1} ... W^{start+1} D^start vector, layers counted from 1."""
        factors = [vector]
        for i in range(start, len(weights)):
            factors = [weights[i], derivatives[i - 1], *factors]
        value, size = factors[-1], np.abs(factors[-1])
        for factor in reversed(factors[:-1]):
            value, size = factor @ value, np.abs(factor) @ size
        return value, size

    depth = len(weights)
    value, size = chain(1, weights[0] @ z)
    size = chain(1, np.abs(weights[0]) @ np.abs(z))[1] + np.abs(biases[-1])
    value = value + biases[-1]
    for i in range(1, depth):
        term = chain(i, biases[i - 1])
        value, size = value + term[0], size + term[1]
    return value, size


@pytest.mark.parametrize("widths", [[1, 4, 2], [1, 6, 5, 4, 3], [3, 7, 2], [2, 5, 1, 4]], ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_forward_is_eq2(widths, activation):
    """g(z) = A_ω z + b_ω with the printed matrix products.

    Each output is at most 100 rounded operations deep: 100 ε of the magnitude summed bounds it.
    """
    network = Network.random(widths, activation, 5)
    weights = [network.parameters()[f"{2 * i}.weight"] for i in range(len(widths) - 1)]
    biases = [network.parameters()[f"{2 * i}.bias"] for i in range(len(widths) - 1)]
    Z = 3 * np.random.default_rng(0).standard_normal((50, widths[0]))
    images = network(Z)
    assert images.shape == (50, widths[-1])
    for z, image in zip(Z, images, strict=True):
        value, size = eq2(weights, biases, slope_of(activation), z)
        assert np.all(np.abs(image - value) <= 100 * EPS * size), z


def test_split_code_follows_the_layers():
    """A region's code is cut into one part a layer, in order, of the lengths the layers claim."""
    network = Network.random([1, 3, 2, 4], ReLU(), 0)
    parts = network.split_code(np.arange(5))
    assert [part.tolist() for part in parts] == [[], [0, 1, 2], [], [3, 4], []]


# Layers


def affine_input(n, seed, latent=2, regions=6):
    """Affine maps into a layer of n inputs: slopes (regions, n, latent), offsets (regions, n)."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((regions, n, latent)), rng.standard_normal((regions, n))


LAYERS = [
    Dense(np.random.default_rng(1).standard_normal((3, 4)), [0.5, -1.0, 2.0]),
    *ACTIVATIONS,
]


def codes_for(layer, n, regions):
    """Random codes of a layer of n inputs, the three signs all present."""
    codes = np.random.default_rng(2).integers(-1, 2, (regions, layer.n_codes(n)))
    return codes.astype(np.int8)


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_propagate_is_the_derivative_and_offset(layer):
    """propagate = derivative(code) @ (.) + offset on every region."""
    slopes, offsets = affine_input(4, 3)
    codes = codes_for(layer, 4, len(slopes))
    got_slopes, got_offsets = layer.propagate(codes, slopes, offsets)
    for r, code in enumerate(codes):
        matrix = layer.derivative(code)
        assert matrix.shape == (*layer.output_shape((4,)), 4)
        np.testing.assert_allclose(got_slopes[r], matrix @ slopes[r], atol=20 * EPS)
        expected = matrix @ offsets[r] + layer.offset(code, 4)
        np.testing.assert_allclose(got_offsets[r], expected, atol=20 * EPS)


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_pull_back_is_the_transpose(layer):
    """pull_back = rows @ derivative(code) on every region."""
    codes = codes_for(layer, 4, 6)
    rows = np.random.default_rng(4).standard_normal((6, 5, *layer.output_shape((4,))))
    pulled = layer.pull_back(codes, rows)
    for r, code in enumerate(codes):
        np.testing.assert_allclose(pulled[r], rows[r] @ layer.derivative(code), atol=20 * EPS)


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_cuts_decide_the_codes(layer):
    """With the signs of the cuts as code, derivative(code) @ h + offset is apply(h)."""
    h = np.random.default_rng(5).standard_normal((40, 4))
    _, cuts = layer.cuts(np.zeros((40, 4, 1)), h)
    assert cuts.shape == (40, layer.n_codes(4))
    for row, code in zip(h, np.sign(cuts).astype(np.int8), strict=True):
        expected = layer.derivative(code) @ row + layer.offset(code, 4)
        np.testing.assert_allclose(layer.apply(row), expected, atol=20 * EPS)


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_bound_bounds_the_terms(layer):
    """bound() of |input| is at least the sum of the magnitudes of the terms of propagate()."""
    slopes, offsets = affine_input(4, 6)
    codes = codes_for(layer, 4, len(slopes))
    slope_bound, offset_bound = layer.bound(codes, np.abs(slopes), np.abs(offsets))
    for r, code in enumerate(codes):
        matrix = np.abs(layer.derivative(code))
        floor = matrix @ np.abs(slopes[r])
        assert np.all(slope_bound[r] >= floor * (1 - 10 * EPS))
        floor = matrix @ np.abs(offsets[r]) + np.abs(layer.offset(code, 4))
        assert np.all(offset_bound[r] >= floor * (1 - 10 * EPS))


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_code_zero_takes_the_negative_slope(activation):
    """D_ω is η where the code is 0 or -1, and 1 where it is +1."""
    diagonal = np.diag(activation.derivative(np.array([-1, 0, 1], dtype=np.int8)))
    np.testing.assert_array_equal(diagonal, [slope_of(activation)] * 2 + [1.0])


# Random networks


def test_random_is_deterministic():
    """One seed gives one network, of any kind of seed; another seed gives another."""
    first = Network.random([1, 5, 3], LeakyReLU(0.2), 7)
    assert same_bits(first, Network.random([1, 5, 3], LeakyReLU(0.2), 7))
    assert same_bits(first, Network.random([1, 5, 3], LeakyReLU(0.2), np.random.default_rng(7)))
    assert not same_bits(first, Network.random([1, 5, 3], LeakyReLU(0.2), 8))
    assert not same_bits(Network.random([1, 5, 3]), Network.random([1, 5, 3]))


def test_random_advances_a_generator():
    """Two networks drawn from one generator differ."""
    rng = np.random.default_rng(7)
    assert not same_bits(Network.random([1, 5, 3], None, rng), Network.random([1, 5, 3], None, rng))


def test_random_layout():
    """Dense layers of the widths asked for, the activation between them and not after the last."""
    network = Network.random([2, 5, 4, 3], Abs(), 0)
    assert [type(layer) for layer in network.layers] == [Dense, Abs, Dense, Abs, Dense]
    assert network.sizes == (2, 5, 5, 4, 4, 3)
    assert (network.latent_dimension, network.observed_dimension) == (2, 3)
    assert isinstance(Network.random([1, 2, 1]).layers[1], ReLU)


# Files


AWKWARD = [5e-324, -5e-324, -0.0, 0.0, 1e308, -1e-310, np.pi, 0.1]


def every_kind():
    """A network with every kind of layer, and weights that lose something in any text format."""
    return Network(
        [
            Dense(np.reshape(AWKWARD, (8, 1)), AWKWARD[::-1]),
            ReLU(),
            Dense(np.full((2, 8), 1e-300), [-0.0, 5e-324]),
            LeakyReLU(0.1),
            Abs(),
            LeakyReLU(5e-324),
            Dense(np.eye(2) / 3, [0.0, 1.0]),
        ]
    )


@pytest.mark.parametrize("name", ["net.npz", "net", "net.model"])
def test_save_and_load_bit_for_bit(tmp_path, name):
    """Every layer kind, denormals, signed zeros and slopes survive, under the path as given."""
    network = every_kind()
    network.save(tmp_path / name)
    assert os.listdir(tmp_path) == [name]
    assert same_bits(Network.load(tmp_path / name), network)
    assert same_bits(Network.load(str(tmp_path / name)), network)


def test_save_in_the_working_directory(tmp_path, monkeypatch):
    """A bare file name is written to the working directory."""
    monkeypatch.chdir(tmp_path)
    every_kind().save("net.npz")
    assert os.listdir(tmp_path) == ["net.npz"]
    assert same_bits(Network.load("net.npz"), every_kind())


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("step", ["write", "rename"])
def test_save_is_whole_or_nothing(tmp_path, monkeypatch, error, step):
    """Interrupted half-way, save leaves the old file as it was and nothing beside it."""
    path = tmp_path / "net.npz"
    every_kind().save(path)
    before = path.read_bytes()

    def fail(*args, **kwargs):
        if step == "write":
            args[0].write(b"half a file")
            args[0].flush()
        raise error("no space left")

    monkeypatch.setattr(*((np, "savez", fail) if step == "write" else (os, "replace", fail)))
    with pytest.raises(error):
        Network.random([1, 3, 2], ReLU(), 0).save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["net.npz"]


def test_save_replaces(tmp_path):
    """Saving over an old file leaves the new network."""
    path = tmp_path / "net.npz"
    every_kind().save(path)
    other = Network.random([1, 3, 2], ReLU(), 0)
    other.save(path)
    assert same_bits(Network.load(path), other)


def broken_files():
    """What is no saved network: name -> a function that writes it to a path."""

    def truncated(path):
        every_kind().save(path)
        path.write_bytes(path.read_bytes()[:-200])

    def single_array(path):
        with path.open("wb") as stream:
            np.save(stream, np.ones(3))

    def archive(**arrays):
        def write(path):
            with path.open("wb") as stream:
                np.savez(stream, **arrays)

        return write

    kinds = np.array(["Dense"])
    return {
        "empty": lambda path: path.write_bytes(b""),
        "text": lambda path: path.write_text("weights", encoding="utf-8"),
        "zip magic only": lambda path: path.write_bytes(b"PK\x03\x04"),
        "truncated": truncated,
        "another archive": archive(a=np.ones(3)),
        "no weights": archive(kinds=kinds),
        "no layers": archive(kinds=np.array([], dtype="U5")),
        "unknown layer": archive(kinds=np.array(["Dense", "Softmax"])),
        "bad shapes": archive(kinds=kinds, **{"0.weight": np.ones((2, 1)), "0.bias": np.ones(3)}),
        "NaN": archive(kinds=kinds, **{"0.weight": np.full((1, 1), np.nan), "0.bias": [0.0]}),
        "pickle": archive(kinds=np.array([{"a": 1}], dtype=object)),
        "single array": single_array,
    }


@pytest.mark.parametrize("name", broken_files())
def test_load_of_garbage(tmp_path, name):
    """A file that holds no network raises ValueError."""
    path = tmp_path / "net.npz"
    broken_files()[name](path)
    with pytest.raises(ValueError, match=r"path|layers"):
        Network.load(path)


def test_load_of_nothing(tmp_path):
    """A missing file is reported as missing."""
    with pytest.raises(FileNotFoundError):
        Network.load(tmp_path / "net.npz")


# Immutability and parameters


def test_the_callers_arrays_stay_the_callers():
    """Changing an array after construction changes no layer."""
    weight, bias = np.ones((2, 1)), np.zeros(2)
    network = Network([Dense(weight, bias)])
    weight[:], bias[:] = 7.0, 7.0
    np.testing.assert_array_equal(network([[1.0]]), [[1.0, 1.0]])


def test_layer_arrays_are_read_only():
    """Parameters handed out cannot be written to."""
    network = Network.random([1, 3, 2], ReLU(), 0)
    for value in network.parameters().values():
        with pytest.raises(ValueError, match="read-only"):
            value[...] = 0.0


def test_layers_cannot_be_exchanged():
    """The layers of a network are a tuple, and the list it was made from stays apart."""
    layers = [Dense([[1.0]], [0.0]), ReLU()]
    network = Network(layers)
    layers.append(Abs())
    assert isinstance(network.layers, tuple)
    assert len(network.layers) == 2


def test_parameters_are_named_by_layer():
    """Every array under its layer's position, in layer order; activations have none."""
    network = Network.random([1, 3, 2], LeakyReLU(0.1), 0)
    assert list(network.parameters()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert network.parameters()["2.weight"] is network.layers[2].weight


def test_with_parameters_replaces_only_what_is_named():
    """The named array is new, the others are the old ones, and the old network is as it was."""
    network = Network.random([1, 3, 2], LeakyReLU(0.1), 0)
    before = {name: value.copy() for name, value in network.parameters().items()}
    bias = np.array([3.0, 4.0])
    other = network.with_parameters({"2.bias": bias})
    bias[:] = 0.0
    np.testing.assert_array_equal(other.parameters()["2.bias"], [3.0, 4.0])
    for name in ("0.weight", "0.bias", "2.weight"):
        np.testing.assert_array_equal(other.parameters()[name], before[name])
    for name, value in network.parameters().items():
        np.testing.assert_array_equal(value, before[name])
    assert repr(other) == repr(network)


def test_with_all_parameters_is_a_copy():
    """with_parameters(parameters()) of a network is the same network."""
    network = every_kind()
    assert same_bits(network.with_parameters(network.parameters()), network)
    assert same_bits(network.with_parameters({}), network)


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_saved_files_are_ordinary(tmp_path):
    """Whoever may read what a user writes may read them, though they began as temporary files."""
    network = Network.random([1, 2, 2], ReLU(), 0)
    network.save(tmp_path / "network.npz")
    assert (tmp_path / "network.npz").stat().st_mode & 0o777 == 0o644


def test_covariances_of_different_sizes_are_judged_each_by_its_own():
    """A large one, uneven by rounding, beside a small one that is exact."""
    large = 1e9 * np.array([[2.0, 1.0], [1.0 + 1e-13, 3.0]])
    small = np.array([[1e-9, 0.0], [0.0, 2e-9]])
    found = check_covariances(np.stack([large, small]), "q_cov")
    np.testing.assert_array_equal(found[1], small)
    small[0, 1] = 1e-12
    with pytest.raises(ValueError, match="q_cov: expected a symmetric matrix"):
        check_covariances(np.stack([large, small]), "q_cov")
