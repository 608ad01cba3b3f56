"""reference, fast and the exact rational oracle find the same regions, code for code.

The oracle decides every sign exactly, and so does reference. In fast boundaries that nearly
coincide are merged: so a region of the oracle may be absent if it is thinner than rounding, and
nothing else may differ. "Thin" is the distance of its centre from its nearest facet, in units of 1
plus the distance of the centre from 0.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from shared_models import codes_of
from tests_support import deep

import fast
import reference
from oracle import certify, exact_regions, layers_of, random_network
from oracle.checks.implementations import network_from
from oracle.checks.partitions import compare
from reference.model import (
    Abs,
    Conv2d,
    Dense,
    Flatten,
    LeakyReLU,
    MaxPool,
    Network,
    ReLU,
    Reshape,
    Upsample,
)

REGRESSIONS = sorted((Path(__file__).parents[1] / "data" / "regressions").glob("*.npz"))


def check(impl, network, exact):
    """The implementation's codes are the oracle's, each once."""
    assert compare(impl.DGN(network, 1.0).partition(), exact) == []


@pytest.mark.parametrize("seed", [*range(22), *range(23, 30), *deep(22, *range(30, 60))])
def test_all_three_agree(seed):
    """Codes as the oracle's, with maps that are the oracle's to 1e-12."""
    drawn = random_network(seed)
    network = network_from(drawn.layers)
    exact = exact_regions(layers_of(network))
    check(fast, network, exact)
    check(reference, network, exact)
    mine, other = (impl.DGN(network, 1.0).partition() for impl in (fast, reference))
    by_code = {region.code: region for region in exact}
    for found in (mine, other):
        for r, code in enumerate(codes_of(found)):
            z = by_code[code].cone.inner_point()
            image = np.array([float(x) for x in by_code[code].map_at(z)])
            point = np.array([float(x) for x in z])
            terms = np.abs(found.slopes[r]) @ np.abs(point) + np.abs(found.offsets[r])
            # Entries of A_ω are sums too: at most 1e2 times as large before they cancel.
            error = np.abs(found.slopes[r] @ point + found.offsets[r] - image)
            assert np.all(error <= 1e-12 * (1e-2 + terms + np.abs(image)))


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_networks_that_once_failed(path):
    """Files written with Network.save: what was wrong with each is its name."""
    network = Network.load(path)
    exact = exact_regions(layers_of(network))
    check(fast, network, exact)
    check(reference, network, exact)
    assert certify(layers_of(network), codes_of(fast.DGN(network, 1.0).partition())).holds


@pytest.mark.parametrize("block", [*range(10), *deep(*range(10, 20))])
def test_fast_agrees_with_the_oracle(block):
    """300 networks, 600 in deep runs."""
    for seed in range(1000 + 30 * block, 1030 + 30 * block):
        network = network_from(random_network(seed).layers)
        check(fast, network, exact_regions(layers_of(network)))


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e-6, 1e6, 1e12, 1e30])
def test_weights_of_any_scale(scale):
    """Two to five layers, biases of the weights' size or none: values from 1e-150 to 1e150, and
    constants far smaller than what the units that are off behind them had as inputs."""
    for seed in range(12):
        rng = np.random.default_rng([81, seed])
        latent, depth = int(rng.integers(2, 4)), int(rng.integers(2, 5))
        widths = [latent, *[4] * depth, 2]
        layers = []
        for n_in, n_out in pairwise(widths):
            if layers:
                layers.append(ReLU() if rng.random() < 0.5 else Abs())
            bias = rng.standard_normal(n_out) * (scale if rng.random() < 0.5 else 0.0)
            layers.append(Dense(scale * rng.standard_normal((n_out, n_in)), bias))
        network = Network(layers)
        check(fast, network, exact_regions(layers_of(network)))


@pytest.mark.parametrize("decades", [3, 6])
def test_rows_of_any_scale(decades):
    """Every unit of every layer scaled by up to 10^±6: none is lost in the noise of the others."""
    for seed in range(25):
        rng = np.random.default_rng([82, seed])
        layers = []
        for n_in, n_out in pairwise([[2, 4, 4, 1], [2, 3, 3, 3, 1], [3, 4, 4, 1]][seed % 3]):
            size = 10.0 ** rng.uniform(-decades, decades, (n_out, 1))
            weight, bias = rng.standard_normal((n_out, n_in)), rng.standard_normal(n_out)
            layers += [Dense(size * weight, size[:, 0] * bias), ReLU()]
        network = Network(layers[:-1])
        check(fast, network, exact_regions(layers_of(network)))


@pytest.mark.parametrize("exponent", [-100, -50, -40, 40, 50, 100])
def test_units_of_measurement_do_not_matter(exponent):
    """Hidden layers in other units, by a power of two, are the same network exactly."""
    network = Network.random([2, 6, 5, 2], LeakyReLU(0.1), 1)
    values, scale = network.parameters(), 2.0**exponent
    powers = {"0.weight": 1, "0.bias": 1, "2.weight": 1, "2.bias": 2}
    moved = {name: values[name] * scale**power for name, power in powers.items()}
    assert codes_of(fast.DGN(network.with_parameters(moved), 1.0).partition()) == codes_of(
        fast.DGN(network, 1.0).partition()
    )


def overlapping_windows(seed):
    """Max-pooling with stride 1 over images with constant borders and repeated pixels."""
    rng = np.random.default_rng([83, seed])
    latent, height, width = 1 + seed % 3, 2, int(rng.integers(2, 4))
    weight = rng.integers(-2, 3, (height * width, latent)).astype(float)
    kernel = rng.integers(-1, 2, (1, 1, 2, 2)).astype(float)
    layers = [
        Dense(weight, rng.standard_normal(height * width)),
        Reshape((1, height, width)),
        Conv2d(kernel, rng.standard_normal(1), padding=int(rng.integers(0, 2))),
    ]
    if seed % 2 and Network(layers).sizes[-1] < 5:
        layers.append(Upsample(2))
    _, rows, columns = Network(layers).shapes[-1]
    return Network([*layers, MaxPool((min(2, rows), min(2, columns)), 1), Flatten()])


@pytest.mark.parametrize("block", range(5))
def test_overlapping_windows(block):
    """A pixel that ties in one window is compared with others in the next."""
    for seed in range(30 * block, 30 * block + 30):
        network = overlapping_windows(seed)
        exact = exact_regions(layers_of(network))
        check(fast, network, exact)
        if len(exact) <= 12:
            check(reference, network, exact)


@pytest.mark.deep
@pytest.mark.parametrize("block", range(30))
def test_all_three_agree_deep(block):
    """300 more networks for all three, 3,000 for fast and the oracle."""
    for seed in range(10_000 + 100 * block, 10_100 + 100 * block):
        network = network_from(random_network(seed).layers)
        exact = exact_regions(layers_of(network))
        check(fast, network, exact)
        if seed % 10 == 0:
            check(reference, network, exact)


@pytest.mark.parametrize("seed", [13, 20, *deep(8, 9, 11)])
def test_fast_is_certified(seed):
    """The certificate accepts fast's codes, and names what is wrong once they are spoiled."""
    network = network_from(random_network(seed).layers)
    layers = layers_of(network)
    codes = codes_of(fast.DGN(network, 1.0).partition())
    assert certify(layers, codes).holds
    assert certify(layers, codes[1:]).missing == codes[:1]
    assert certify(layers, [*codes, codes[0]]).repeated == codes[:1]
    wrong = next(
        code
        for entry in range(len(codes[0]))
        for sign in (-1, 0, 1)
        if (code := (*codes[0][:entry], sign, *codes[0][entry + 1 :])) not in codes
    )
    assert certify(layers, [*codes, wrong]).empty == [wrong]
