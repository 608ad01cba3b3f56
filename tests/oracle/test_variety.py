"""What varies random networks: every kind is drawn, and the network's ends stay."""

import numpy as np
import pytest

from oracle.checks.implementations import network_from
from oracle.models.architectures import FIRST_VARIED, degenerate_network, random_network
from oracle.models.variety import KINDS


def kinds_in(layers):
    """The kinds of layers, those in blocks too."""
    for kind, settings in layers:
        yield kind
        for branch in ("layers", "projection"):
            yield from kinds_in(settings.get(branch, []))


@pytest.mark.parametrize("latent", [1, 2, 3, 4])
def test_every_kind_is_drawn(latent):
    drawn = [random_network(seed, latent) for seed in range(300)]
    assert {kind for one in drawn for kind in kinds_in(one.layers)} >= {"Residual", *KINDS}
    told = [one for one in drawn if " with " in one.label]
    # 0.4 of them, less the ones in which nothing came out otherwise.
    assert 60 <= len(told) <= 150
    for one in told:
        words = one.label.split(" with ")[1].split()
        assert set(words) <= set(kinds_in(one.layers)), one.label


def test_knots_multiply_regions_in_one_layer_alone():
    """With S > 1, where regions multiply."""
    many = ("ReLU6", "Hardtanh", "Hardsigmoid")
    for seed in range(300):
        layers = random_network(seed, 2).layers
        knots = [
            2 if kind in many else np.shape(settings["knots"])[-1]
            for kind, settings in layers
            if kind in (*many, "PiecewiseAffine")
        ]
        assert sum(count > 1 for count in knots) <= 1


def test_networks_are_built_with_the_same_ends():
    """S is what was asked for, and every block can be built."""
    for seed in range(100):
        one = random_network(seed)
        assert network_from(one.layers).latent_dimension == one.latent_dimension


def test_nearly_degenerate_seeds_of_old_are_as_they_were():
    """Faults were found with them; later seeds vary."""
    assert all(" with " not in degenerate_network(seed).label for seed in range(200))
    later = [degenerate_network(FIRST_VARIED + seed).label for seed in range(100)]
    assert 10 <= sum(" with " in label for label in later) <= 60
