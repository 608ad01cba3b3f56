"""A network in integers is the network: against the oracle's own integers, and against doubles."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from oracle.checks.implementations import network_from
from oracle.exact.layers import layers_of
from oracle.exact.regions import exact_regions
from oracle.models.architectures import random_network
from reference.model.exact import Dyadic, ExactNetwork, dyadic

SEEDS = range(40)


def _as_fractions(found: object) -> list[list[Fraction]]:
    numbers, exponent = found  # type: ignore[misc]
    return [[Fraction(n, 1 << exponent) for n in row] for row in numbers.tolist()]


@pytest.mark.parametrize("seed", SEEDS)
def test_maps_and_values_are_those_of_the_oracle(seed: int) -> None:
    drawn = random_network(seed)
    network = network_from(drawn.layers)
    exact, last = ExactNetwork(network), len(network.layers)
    for region in exact_regions(layers_of(network))[:20]:
        scale = 1 << region.exponent
        expected = [[Fraction(int(n), scale) for n in row] for row in region.rows]
        assert _as_fractions(exact.maps(np.array(region.code, dtype=np.int8), last)) == expected
        inner = region.cone.inner_point()
        weight = int(np.lcm.reduce([x.denominator for x in inner] or [1], dtype=object))
        point = np.array([[int(x * weight) for x in inner] + [weight]], dtype=object)
        value = _as_fractions(exact.inputs(point, last))[0]
        assert [v / weight for v in value] == region.map_at(inner)
        for layer in range(last):
            rows, exponent = exact.maps(np.array(region.code, dtype=np.int8), layer)
            reached = Dyadic((rows @ point[0])[None], exponent)
            assert _as_fractions(reached) == _as_fractions(exact.inputs(point, layer))
        direction = np.array([[*(int(x * weight) for x in inner), 0]], dtype=object)
        far = point.copy()
        far[0, :-1] = far[0, :-1] * 10**60
        gain = _as_fractions(exact.inputs(direction, last))[0]
        value = _as_fractions(exact.inputs(far, last))[0]
        # Far out the network is its recession, but for what does not grow.
        assert all(abs(v - g * 10**60) <= 10**40 * weight for v, g in zip(value, gain, strict=True))


def test_doubles_are_taken_as_they_are() -> None:
    rng = np.random.default_rng(5)
    values = rng.standard_normal(300) * 10.0 ** rng.uniform(-300, 300, 300)
    values[:4] = 0.0, 5e-324, -np.finfo(float).max, 1.0
    values[4:50] = rng.integers(-9, 9, 46)
    numbers, exponent = dyadic(values)
    assert [Fraction(n, 1 << exponent) for n in numbers] == [Fraction(v) for v in values.tolist()]
    assert dyadic(np.empty((0, 3))).numbers.shape == (0, 3)
    assert dyadic([[1.0, 2.0]]).exponent == 0
