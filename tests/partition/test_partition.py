"""The latent partition, S = 1: complete, minimal, and with the right affine map on every region."""

import tracemalloc

import numpy as np
import pytest

import fast
import reference
from reference import Abs, Dense, LeakyReLU, Network, ReLU

EPS = np.finfo(float).eps
ACTIVATIONS = [ReLU(), LeakyReLU(0.1), LeakyReLU(0.9), Abs()]


def partition(impl, network, **options):
    """The partition of a network; the covariance plays no part in it."""
    return impl.DGN(network, 1.0, **options).partition()


def abs_layers(thresholds):
    """x -> |x| - t for each threshold in turn, with Abs layers."""
    layers = [Dense([[1.0]], [0.0])]
    for threshold in thresholds:
        layers += [Abs(), Dense([[1.0]], [-threshold])]
    return Network(layers)


def relu_layers(thresholds):
    """The same map written |h| = relu(h) + relu(-h): every hyperplane twice."""
    layers = [Dense([[1.0], [-1.0]], [0.0, 0.0])]
    for threshold in thresholds:
        layers += [ReLU(), Dense([[1.0, 1.0], [-1.0, -1.0]], [-threshold, threshold])]
    return Network(layers)


def folding(depth, layers=abs_layers):
    """x -> |x| - 2^-l, folded `depth` times: 2^depth regions, with dyadic breakpoints."""
    return layers([0.5**level for level in range(1, depth + 1)])


# Known partitions


@pytest.mark.parametrize("layers", [abs_layers, relu_layers])
@pytest.mark.parametrize("depth", [1, 2, 5, 8])
def test_folding(impl, layers, depth):
    """k foldings make 2^k regions, whose ends are the multiples of 2^(1-k) in (-1, 1), exactly."""
    found = partition(impl, folding(depth, layers))
    step = 0.5 ** (depth - 1)
    assert found.n_regions == 2**depth
    np.testing.assert_array_equal(
        found.breakpoints, step * np.arange(1 - 2 ** (depth - 1), 1 / step)
    )
    np.testing.assert_array_equal(np.abs(found.slopes[:, 0, 0]), np.ones(2**depth))


def sawtooth(widths):
    """Abs layers of odd widths whose partition reaches the S = 1 maximum Π (n_l + 1).

    Σ_i (-1)^i |x - t_i| of an odd number of equally spaced t_i has n + 1 pieces of slope ±1, each
    of which covers an interval of the same length; the next layer's t_i lie in that interval.
    """
    spacing, low = 1.0, 0.0
    layers = [Dense(np.ones((widths[0], 1)), -np.arange(widths[0], dtype=float))]
    for width, following in zip(widths, [*widths[1:], None], strict=True):
        signs = (-1.0) ** np.arange(width)
        layers.append(Abs())
        if following is None:
            layers.append(Dense(signs[None, :], [0.0]))
            break
        # The zigzag runs between its value at the first t_i and one spacing above, on every piece.
        t = low + spacing * np.arange(width)
        lowest = signs @ np.abs(t - t[0])
        spacing = spacing / (following + 1)
        low = lowest + spacing
        thresholds = low + spacing * np.arange(following)
        layers.append(Dense(np.tile(signs, (following, 1)), -thresholds))
    return Network(layers)


@pytest.mark.parametrize("widths", [[1], [3], [1, 1, 1, 1], [3, 3], [1, 3, 5], [3, 5, 3]], ids=str)
def test_maximum_is_reached(impl, widths):
    """A sawtooth net has Π (n_l + 1) regions: no piece is lost."""
    assert partition(impl, sawtooth(widths)).n_regions == np.prod(np.array(widths) + 1)


@pytest.mark.parametrize("seed", range(5))
def test_maximum_is_not_exceeded(impl, seed):
    """No net of widths n_l has more than Π (n_l + 1) regions."""
    network = Network.random([1, 2, 3, 2, 1], Abs(), seed)
    assert partition(impl, network).n_regions <= 3 * 4 * 3


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_zero_biases(impl, activation):
    """Without biases the only breakpoint is 0, however many units vanish there."""
    network = Network.random([1, 6, 5, 4, 2], activation, 3)
    zero = {name: 0.0 * v for name, v in network.parameters().items() if name.endswith("bias")}
    np.testing.assert_array_equal(partition(impl, network.with_parameters(zero)).breakpoints, [0.0])


def test_no_activation(impl):
    """An affine network has one region, without half-spaces, on which it is its own map."""
    network = Network([Dense([[2.0], [3.0]], [1.0, 0.0]), Dense([[1.0, 1.0]], [0.5])])
    found = partition(impl, network)
    assert (found.n_regions, found.codes.shape, found.breakpoints.shape) == (1, (1, 0), (0,))
    normals, offsets = found.halfspaces(0)
    assert (normals.shape, offsets.shape) == ((0, 1), (0,))
    np.testing.assert_array_equal(found.slopes, [[[5.0]]])
    np.testing.assert_array_equal(found.offsets, [[1.5]])


COPIES = {
    "duplicated": [1.0, 1.0],
    "parallel": [1.0, 4.0, 0.125],
    "opposite": [1.0, -1.0],
    "all": [1.0, -4.0, 0.125, 1.0, -0.125, 2.0**10, -(2.0**-10)],
}


@pytest.mark.parametrize("copies", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_scaled_copies_cut_once(impl, copies, activation):
    """Copies of a neuron scaled without rounding cut where the neuron cuts, up to 4 roundings."""
    rng = np.random.default_rng(8)
    weight, bias = rng.standard_normal((5, 1)), rng.standard_normal(5)
    scales = np.array(copies)
    many = Dense(np.kron(weight, scales[:, None]), np.kron(bias, scales))
    network = Network([many, activation, Dense(np.ones((1, 5 * len(copies))), [0.0])])
    np.testing.assert_allclose(
        partition(impl, network).breakpoints, np.sort(-bias / weight[:, 0]), rtol=4 * EPS
    )


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_copies_in_a_deeper_layer(impl, activation):
    """Scaled copies in the second layer, where the roots carry the first layer's rounding."""
    first = Network.random([1, 4, 3, 1], activation, 4).layers
    plain = partition(impl, Network(first))
    scales = np.array([1.0, 4.0, -0.125, -1.0])
    weight, bias = np.kron(first[2].weight, scales[:, None]), np.kron(first[2].bias, scales)
    many = Network([*first[:2], Dense(weight, bias), activation, Dense(np.ones((1, 12)), [0.0])])
    found = partition(impl, many)
    assert found.n_regions == plain.n_regions
    np.testing.assert_allclose(found.breakpoints, plain.breakpoints, rtol=1e-13)


def test_dead_neurons(impl):
    """A unit that is zero everywhere has code 0 and cuts nothing; a constant one has its sign."""
    first = Dense([[1.0], [0.0], [0.0], [0.0]], [-1.0, 0.0, 2.0, -2.0])
    found = partition(impl, Network([first, ReLU(), Dense(np.ones((1, 4)), [0.0])]))
    np.testing.assert_array_equal(found.breakpoints, [1.0])
    np.testing.assert_array_equal(found.codes, [[-1, 0, 1, -1], [1, 0, 1, -1]])


def test_unit_fed_by_dead_units(impl):
    """A deeper unit that is zero on a region, and not beyond it, has code 0 there."""
    network = Network(
        [
            Dense([[1.0], [2.0]], [-1.0, -2.0]),
            ReLU(),
            Dense([[3.3, 0.1], [-3.3, 1.0], [2.0, -1.0]], [0.0, 0.0, 0.0]),
            ReLU(),
            Dense(np.ones((1, 3)), [0.0]),
        ]
    )
    found = partition(impl, network)
    np.testing.assert_array_equal(found.breakpoints, [1.0])
    np.testing.assert_array_equal(found.codes, [[-1, -1, 0, 0, 0], [1, 1, 1, -1, 0]])


@pytest.mark.parametrize("scale", [1.0, 3.3, 0.1])
@pytest.mark.parametrize("root", [1.0, 0.1, -1 / 3])
@pytest.mark.parametrize("activation", [ReLU(), LeakyReLU(0.1)], ids=repr)
def test_units_of_deeper_layers_on_the_same_facet(impl, activation, root, scale):
    """Units of three layers that vanish at one point make one breakpoint, crossed by all at once.

    The root may err by the rounding of its own layer: 16 ε.
    """
    network = Network(
        [
            Dense([[scale], [-scale]], [-scale * root, scale * root]),
            activation,
            Dense([[1.0, -1.0], [-0.7, 0.7]], [0.0, 0.0]),
            activation,
            Dense([[1.0, -1.0], [0.3, -2.0]], [0.0, 0.0]),
            activation,
            Dense([[1.0, 1.0]], [0.0]),
        ]
    )
    found = partition(impl, network)
    np.testing.assert_allclose(found.breakpoints, [root], rtol=16 * EPS)
    np.testing.assert_array_equal(found.codes[0], -found.codes[1])


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
@pytest.mark.parametrize("seed", range(5))
def test_width_one(impl, activation, seed):
    """A chain of single units is right: the breakpoints are where a pre-activation is zero."""
    network = Network.random([1, 1, 1, 1, 1], activation, seed)
    found = partition(impl, network)
    assert 2 <= found.n_regions <= 8
    for z in found.breakpoints:
        assert np.min(np.abs(pre_activations(network, z))) < 1e-13 * (1 + abs(z))


# Random networks, degenerate ones among them


def pre_activations(network, z):
    """The pre-activations of all units at the point z, from the layers' own forward pass."""
    hidden, found = np.array([z]), []
    for layer in network.layers:
        if not isinstance(layer, Dense):
            found.append(hidden)
        hidden = layer.apply(hidden)
    return np.concatenate(found)


def magnitudes(network, z):
    """The magnitude of the terms summed in each pre-activation (U,) and in each output (D,)."""
    size, found = np.abs(np.array([z])), []
    for layer in network.layers:
        if isinstance(layer, Dense):
            size = np.abs(layer.weight) @ size + np.abs(layer.bias)
        else:
            found.append(size)
    return np.concatenate(found), size


def degenerate(network, rng):
    """The network with one thing made special: dead, duplicated or scaled units, zero biases."""
    values = {name: value.copy() for name, value in network.parameters().items()}
    hidden = [name[:-5] for name in values if name.endswith(".bias")][:-1]
    for layer in hidden:
        weight, bias = values[f"{layer}.weight"], values[f"{layer}.bias"]
        unit, other = rng.integers(0, len(bias), 2)
        match rng.integers(0, 6):
            case 0:
                bias[:] = 0.0
            case 1:
                weight[unit], bias[unit] = 0.0, 0.0
            case 2:
                scale = rng.choice([1.0, -1.0, 4.0, 0.125, -1024.0])
                weight[unit], bias[unit] = scale * weight[other], scale * bias[other]
            case 3:
                weight *= rng.choice([1e-3, 1e3])
            case 4:
                weight[:, 0] = 0.0
            case 5:
                weight[:], bias[:] = np.round(2 * weight) / 2, np.round(2 * bias) / 2
    return network.with_parameters(values)


def random_networks(count):
    """`count` random networks of all activations, 1-3 hidden layers, every other one degenerate."""
    rng = np.random.default_rng(2024)
    for index in range(count):
        widths = [1, *rng.integers(1, 9, rng.integers(1, 4)), rng.integers(1, 4)]
        network = Network.random([int(w) for w in widths], ACTIVATIONS[index % 4], rng)
        yield index, degenerate(network, rng) if index % 8 >= 4 else network


def root_errors(network, found):
    """A bound for the rounding error of each breakpoint: that of the best-conditioned unit on it.

    A unit's pre-activation A z + b errs by some ε of the magnitude of its terms, and its root by
    that over |A|. 16 ε is the blur both implementations document.
    """
    errors = []
    for r, z in enumerate(found.breakpoints):
        changed = np.nonzero(found.codes[r] != found.codes[r + 1])[0]
        sizes, _ = magnitudes(network, z)
        slopes = [np.abs(unit_slopes(network, found.codes[side])) for side in (r, r + 1)]
        slope = np.maximum(*slopes)[changed]
        errors.append(16 * EPS * np.min(sizes[changed] / np.where(slope > 0, slope, 1e-300)))
    return np.array(errors)


def unit_slopes(network, code):
    """The derivative of every pre-activation by z on the region with this code."""
    slope, found = np.ones(1), []
    for layer, part in zip(network.layers, network.split_code(code), strict=True):
        if not isinstance(layer, Dense):
            found.append(slope)
        slope = layer.derivative(part) @ slope
    return np.concatenate(found)


def test_implementations_agree():
    """Both find the same codes, and breakpoints that differ by rounding, on 200 random networks."""
    for index, network in random_networks(200):
        mine, other = partition(fast, network), partition(reference, network)
        assert mine.n_regions == other.n_regions, (index, network)
        np.testing.assert_array_equal(mine.codes, other.codes, err_msg=f"network {index}")
        gap = np.abs(mine.breakpoints - other.breakpoints)
        assert np.all(gap <= 2 * root_errors(network, mine)), (index, network, gap)
        sizes = magnitudes(network, 0.0)[1]
        assert np.all(np.abs(mine.offsets - other.offsets) <= 1e-13 * sizes), index


def sample_points(found, rng, count=40):
    """Points of all scales, and points inside every region, none within 1e-9 of a breakpoint."""
    z = rng.standard_normal(count) * 10.0 ** rng.uniform(-2, 3, count)
    breaks = found.breakpoints
    if breaks.size:
        z = np.concatenate([z, 0.5 * (breaks[1:] + breaks[:-1]), breaks[[0, -1]] + [-1.0, 1.0]])
        near = np.min(np.abs(z[:, None] - breaks), axis=1)
        z = z[near > 1e-9 * (1 + np.abs(z))]
    return z


def test_every_point_lies_in_its_region(impl):
    """locate() names the region whose code the forward pass has, and halfspaces() hold it alone."""
    rng = np.random.default_rng(6)
    for index, network in random_networks(60):
        found = partition(impl, network)
        z = sample_points(found, rng)
        regions = found.locate(z[:, None])
        inside = np.array(
            [
                np.all(n @ z[None, :] + o[:, None] > 0, axis=0)
                for n, o in map(found.halfspaces, range(found.n_regions))
            ]
        )
        np.testing.assert_array_equal(inside, np.arange(found.n_regions)[:, None] == regions)
        for point, region in zip(z, regions, strict=True):
            pre = pre_activations(network, point)
            sure = np.abs(pre) > 100 * EPS * magnitudes(network, point)[0]
            code = found.codes[region]
            np.testing.assert_array_equal(
                np.sign(pre[sure]), code[sure], err_msg=f"network {index}, z = {point!r}"
            )


def test_affine_maps_are_the_forward_pass(impl):
    """A_ω z + b_ω = g(z) at random z to 1e-12 of the magnitude of the terms summed."""
    rng = np.random.default_rng(7)
    for index, network in random_networks(60):
        found = partition(impl, network)
        z = sample_points(found, rng)
        regions = found.locate(z[:, None])
        affine = found.slopes[regions, :, 0] * z[:, None] + found.offsets[regions]
        sizes = np.array([magnitudes(network, point)[1] for point in z])
        error = np.abs(affine - network(z[:, None])) / sizes
        assert error.max() <= 1e-12, (index, network, error.max())


def test_affine_maps_are_continuous(impl):
    """From both sides of every breakpoint the maps meet each other and g(z).

    A breakpoint's own rounding moves the two sides apart by the change of slope times it, which is
    a few ε of the magnitude of the terms summed, like the rounding of the maps.
    """
    for index, network in random_networks(60):
        found = partition(impl, network)
        z = found.breakpoints
        if not z.size:
            continue
        sizes = np.array([magnitudes(network, point)[1] for point in z])
        left = found.slopes[:-1, :, 0] * z[:, None] + found.offsets[:-1]
        right = found.slopes[1:, :, 0] * z[:, None] + found.offsets[1:]
        exact = network(z[:, None])
        error = np.maximum(np.abs(left - exact), np.abs(right - exact)) / sizes
        assert error.max() <= 1e-12, (index, network, error.max())


def test_neighbours_have_different_codes(impl):
    """A region is a cell of constant code: breakpoints increase, and the code changes at each."""
    for index, network in random_networks(60):
        found = partition(impl, network)
        assert np.all(np.diff(found.breakpoints) > 0), index
        assert np.all(np.any(found.codes[1:] != found.codes[:-1], axis=1)), index
        assert len(np.unique(found.codes, axis=0)) == found.n_regions, index


def test_shapes(impl):
    """The arrays have the documented shapes and types."""
    found = partition(impl, Network.random([1, 4, 3, 2], ReLU(), 0))
    count = found.n_regions
    assert (found.codes.shape, found.codes.dtype) == ((count, 7), np.int8)
    assert (found.slopes.shape, found.offsets.shape) == ((count, 2, 1), (count, 2))
    assert found.breakpoints.shape == (count - 1,)
    assert found.locate(np.zeros((5, 1))).shape == (5,)


def test_a_breakpoint_belongs_to_its_right(impl):
    """locate() sends a breakpoint to the region on its right; no open region holds it."""
    found = partition(impl, folding(4))
    np.testing.assert_array_equal(found.locate(found.breakpoints[:, None]), np.arange(1, 16))
    for r in range(found.n_regions):
        normals, offsets = found.halfspaces(r)
        assert not np.any(np.all(normals @ found.breakpoints[None] + offsets[:, None] > 0, axis=0))


# Limits


def test_max_regions_is_inclusive(impl):
    """A limit of exactly R regions is enough, R - 1 is not; the message names the argument."""
    assert partition(impl, folding(5), max_regions=32).n_regions == 32
    with pytest.raises(ValueError, match=r"^max_regions:.*larger max_regions"):
        partition(impl, folding(5), max_regions=31)


def test_max_regions_raises_before_memory_is_spent(impl):
    """2^40 regions are refused with less than 4 kB per allowed region (and 200 kB) spent."""
    network, limit = folding(40), {reference: 40, fast: 20_000}[impl]
    tracemalloc.start()
    with pytest.raises(ValueError, match="max_regions"):
        partition(impl, network, max_regions=limit)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000 + 4_000 * limit
