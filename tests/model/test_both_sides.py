"""Points of the latent space that see units on both of their sides."""

import numpy as np
import pytest

from reference import (
    Abs,
    Dense,
    Hardtanh,
    MaxPool,
    Network,
    PReLU,
    ReLU,
    Reshape,
    Residual,
)
from reference.model.readers.both_sides import points_on_both_sides


def search(layers):
    network = Network(layers)
    return network, *points_on_both_sides(
        network.layers, network.shapes[0], np.random.default_rng(0)
    )


def inputs_of(network, index, points):
    """The inputs of one layer."""
    for layer in network.layers[:index]:
        points = layer.apply(points)
    return points


@pytest.mark.parametrize("bias", [0.0, 30.0, -300.0, 900.0])
@pytest.mark.parametrize("activation", [ReLU(), Abs(), PReLU([0.5])], ids=repr)
def test_a_unit_far_out_is_reached(bias, activation):
    """Beyond what is drawn a step along the slope leads to the other side."""
    network, points, sides = search([Dense([[1.0]], [bias]), activation])
    (entry,) = sides
    hidden = inputs_of(network, 1, points)
    assert np.any(hidden < 0)
    assert np.any(hidden > 0)
    assert entry.unseen == 0


def test_what_is_too_far_is_counted():
    """The prior has no mass there: no double could hold it."""
    _, points, (entry,) = search([Dense([[1.0], [1.0]], [1e4, 0.0]), ReLU()])
    assert entry.unseen == 1
    assert np.all(np.abs(points) < 1e3)


def test_both_ends_of_a_clip():
    network, points, (entry,) = search(
        [Dense(np.eye(2), [0.0, 200.0]), Hardtanh(-150.0, 250.0), Dense([[1.0, 1.0]], [0.0])]
    )
    hidden = inputs_of(network, 1, points)
    assert entry.unseen == 0
    for end in (-150.0, 250.0):
        assert np.all(np.any(hidden < end, axis=0))
        assert np.all(np.any(hidden > end, axis=0))


def test_a_unit_of_the_second_layer():
    """relu(z - 200) + relu(z - 400) - 50: where the first unit is off nothing changes, and only
    points that were drawn tell the way."""
    network, points, (first, second) = search(
        [Dense([[1.0], [1.0]], [-20.0, -400.0]), ReLU(), Dense([[1.0, 1.0]], [-500.0]), ReLU()]
    )
    assert (first.unseen, second.unseen) == (0, 0)
    assert np.any(inputs_of(network, 3, points) > 0)


def test_units_that_never_change_are_counted():
    """relu(z) + relu(-z) + 1 is positive everywhere; a unit without slope is what its bias is."""
    _, _, (first, second) = search(
        [
            Dense([[1.0], [-1.0], [0.0]], [0.0, 0.0, 1.0]),
            ReLU(),
            Dense([[1.0, 1.0, 0.0], [1.0, -1.0, 0.0]], [1.0, 0.5]),
            ReLU(),
        ]
    )
    assert (first.unseen, second.unseen) == (1, 1)


def test_every_candidate_of_a_window():
    """Three candidates, of which one wins far out only, one never, and padding is none."""
    dense = Dense([[1.0], [-1.0], [2.0], [0.0]], [0.0, 0.0, -300.0, -1.0])
    network, points, (entry,) = search([dense, Reshape((1, 2, 2)), MaxPool(2)])
    winners = np.argmax(inputs_of(network, 2, points), axis=1)
    assert set(winners) == {0, 1, 2}
    assert entry.unseen == 1
    assert entry.seen.tolist() == [[True, True, True, False]]
    _, _, (entry,) = search([Dense(np.eye(4), np.zeros(4)), Reshape((1, 2, 2)), MaxPool(2, 1, 1)])
    assert entry.unseen == 0


def test_units_of_a_branch():
    """Cuts of a layer on some entries are of those entries."""
    block = Residual(
        [Dense(np.eye(2), [100.0, -200.0]), ReLU()], [Dense(-2.0 * np.eye(2), [5.0, 500.0])]
    )
    _, _, sides = search([Dense(np.eye(2), [0.0, 0.0]), block, ReLU()])
    assert [entry.unseen for entry in sides] == [0, 0]


def test_the_same_points_each_time():
    layers = [Dense(np.ones((5, 2)), np.arange(5.0) * 50), ReLU(), Dense(np.ones((1, 5)), [-300.0])]
    np.testing.assert_array_equal(search(layers)[1], search(layers)[1])


def test_many_units_far_out():
    """Each is sought from the point that came nearest."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((500, 2))
    weight /= np.linalg.norm(weight, axis=1, keepdims=True)
    _, _, (entry,) = search([Dense(weight, rng.uniform(200.0, 800.0, 500)), ReLU()])
    assert entry.unseen == 0


def test_work_is_bounded():
    """A wide network has few points, and not all of its units are sought."""
    rng = np.random.default_rng(0)
    width = 1500
    layers = [Dense(rng.standard_normal((width, 2)), rng.standard_normal(width)), ReLU()]
    layers += [Dense(rng.standard_normal((width, width)) / width, np.full(width, -10.0)), ReLU()]
    _, points, (_, entry) = search(layers)
    assert len(points) * width**2 < 2.5e9
    assert entry.unseen > 0
