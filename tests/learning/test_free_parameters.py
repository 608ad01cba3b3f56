"""How many parameters the distribution of x can tell: by formula, and by the rank of the scores."""

import numpy as np
import pytest

import fast
import reference
from fast.training.ends.chart import Chart, coordinate_count
from fast.training.ends.scores import scores
from reference import (
    Abs,
    Dense,
    Flatten,
    Hardtanh,
    LeakyReLU,
    MaxPool,
    Network,
    PiecewiseAffine,
    PReLU,
    ReLU,
    Reshape,
)

#: Singular values of scores in units of each coordinate: along the gauge there are 1e-13 and less
#: by rounding, and what units tell that bend among the data is above 1e-9.
GAUGE = 1e-11
STRUCTURES = ("isotropic", "diagonal", "full")
#: Saturation on either side, with a knot within the reach of most units.
BENDS = {
    "relu": ReLU(),
    "leaky relu": LeakyReLU(0.3),
    "abs": Abs(),
    "hardtanh": Hardtanh(-0.5, 0.5),
    "two pieces off zero": PiecewiseAffine([0.4], [0.2, 1.0]),
    "three pieces": PiecewiseAffine([-0.5, 0.0], [0.1, 1.0, 0.4], 0.2),
    "at zero, but not 0 there": PiecewiseAffine([0.0], [0.3, 1.0], 0.7),
    "a knot that is none": PiecewiseAffine([-0.5, 0.0], [0.3, 0.3, 1.0]),
}


def noise(structure, size):
    variances = np.linspace(0.01, 0.02, size)
    full = np.diag(variances) + 0.004
    return {"isotropic": np.array(0.01), "diagonal": variances, "full": full}[structure]


def network(widths, activation, seed):
    """Units that bend near 0, and Dense layers beside each other where a width is negative."""
    rng, layers = np.random.default_rng([seed, 5]), []
    for inputs, outputs in zip(np.abs(widths), widths[1:], strict=False):
        size = abs(outputs)
        weight = 1.5 * rng.standard_normal((size, inputs)) / np.sqrt(inputs)
        layers += [Dense(weight, 0.4 * rng.standard_normal(size))]
        layers += [activation] if outputs > 0 else []
    return Network(layers[:-1])


def rank(dgn, seed=0):
    """Of the Fisher information by the exact scores of the model's own draws: what changes no
    density has no score for any datum, so that three times as many draws as coordinates do."""
    X = dgn.rvs(3 * coordinate_count(dgn, None), seed)
    chart = Chart.of(dgn, None, np.array(0.0), None, len(X))
    rows = np.concatenate([chart.pulled(some) for some in scores(dgn, X)])
    size = np.sqrt(np.square(rows).mean(axis=0) * len(rows))
    values = np.linalg.svd(rows / np.where(size > 0, size, 1.0), compute_uv=False)
    return int(np.sum(values > GAUGE))


def both(dgn):
    """The number by either implementation, which derive it in different ways."""
    other = reference.DGN(dgn.network, dgn.cov_x, dgn.cov_z)
    found = fast.free_parameters(dgn)
    assert reference.free_parameters(other) == found
    return found


def check(widths, activation, structure):
    """No model has a larger rank, and some has this one, with all units among its data: it is
    returned."""
    ranks = []
    for seed in range(8):
        dgn = fast.DGN(network(widths, activation, seed), noise(structure, abs(widths[-1])), 1.3)
        expected = both(dgn)
        ranks.append(rank(dgn))
        assert ranks[-1] <= expected
        if ranks[-1] == expected:
            return dgn
    raise AssertionError(f"{expected} by formula, by rank {ranks}")


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("bend", BENDS)
@pytest.mark.parametrize("latent", [1, 2])
def test_one_hidden_layer(latent, bend, structure):
    check([latent, 3, 2], BENDS[bend], structure)


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize(
    "widths",
    [[1, 1, 2], [2, 1, 2], [3, 2, 2], [2, 3, 1], [1, 2, 4], [2, 3, 2, 3], [2, 4, 3, 2]],
    ids=str,
)
def test_widths(widths, structure):
    """Fewer units than latent dimensions, one feature, two hidden layers."""
    check(widths, LeakyReLU(0.3), structure)


@pytest.mark.parametrize(
    "widths",
    [[1, -2, 3, 2], [2, -1, 3, 2], [2, 3, -1, 3], [2, 3, -2, 3, 2], [2, 3, -4, -1, 2]],
    ids=str,
)
def test_layers_without_a_nonlinearity_between(widths):
    """A negative width is that of a layer that the next follows at once: a product of matrices,
    which a narrow one among them holds to its rank."""
    check(widths, ReLU(), "diagonal")


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize(
    ("latent", "size"), [(1, 1), (1, 2), (1, 4), (2, 3), (2, 5), (3, 4), (4, 4), (3, 2)]
)
def test_linear_networks(latent, size, structure):
    """Probabilistic PCA's count and that of factor analysis, where a Gaussian has as many."""
    rng = np.random.default_rng(1)
    net = Network([Dense(rng.standard_normal((size, latent)), rng.standard_normal(size))])
    dgn = fast.DGN(net, noise(structure, size))
    found = both(dgn)
    if latent < 4:  # many dimensions take long
        assert found == rank(dgn)
    gaussian = size + size * (size + 1) // 2
    textbook = size * latent - latent * (latent - 1) // 2 + size
    textbook += {"isotropic": 1, "diagonal": size, "full": gaussian}[structure]
    assert found == min(textbook, gaussian) or latent > size
    if (latent, size, structure) == (2, 5, "isotropic"):
        assert found == 5 * 2 - 1 + 5 + 1
    if (latent, size, structure) == (2, 5, "diagonal"):
        assert found == 5 * 2 - 1 + 5 + 5


def test_parameters_do_not_change_it():
    """But a unit that no data reach tells nothing there, which the rank says and the formula does
    not."""
    dgn = check([1, 3, 2], ReLU(), "isotropic")
    dead = dgn.with_parameters({"0.bias": dgn.parameters()["0.bias"] - [1e3, 0.0, 0.0]})
    assert both(dead) == both(dgn)
    assert rank(dead) < both(dgn)


def test_units_of_a_channel_each():
    """Of which one bends once, and one twice."""
    first, last = network([2, 2, 3], ReLU(), 0).layers[::2]
    bent = fast.DGN(Network([first, PReLU([0.1, 0.5]), last]), 0.01)
    assert both(bent) == rank(bent) == both(fast.DGN(Network([first, ReLU(), last]), 0.01))
    mixed = PiecewiseAffine([-0.3, 0.2], [[0.2, 0.2, 1.0], [0.2, 0.6, 1.0]])
    found = fast.DGN(Network([first, mixed, last]), 0.01)
    assert both(found) == rank(found) == both(bent) + 1


def test_an_activation_at_the_end():
    """Nothing takes the scale of its units."""
    layers = network([2, 3, 2], ReLU(), 0).layers
    dgn = fast.DGN(Network([*layers, LeakyReLU(0.3)]), 0.01)
    assert both(dgn) == rank(dgn) == both(fast.DGN(Network(layers), 0.01))


#: One unit after another.
CHAIN = [Dense([[1.0]], [0.0]), Hardtanh(), Dense([[1.0]], [0.0]), Hardtanh()]


@pytest.mark.parametrize(
    "layers",
    [
        [Reshape((2,)), ReLU(), Dense(np.ones((2, 2)), [0, 0])],
        [Dense(np.ones((4, 2)), np.zeros(4)), MaxPool(channels=2), Dense(np.ones((1, 2)), [0])],
        [Dense(np.ones((2, 2)), [0, 0]), LeakyReLU(1.0), Dense(np.ones((2, 2)), [0, 0])],
        [Dense(np.ones((2, 2)), [0, 0]), PReLU([0.1, 1.0]), Dense(np.ones((2, 2)), [0, 0])],
        [Dense(np.ones((2, 2)), [0, 0]), ReLU(), Abs(), Dense(np.ones((2, 2)), [0, 0])],
        [Dense(np.ones((2, 2)), [0, 0]), Flatten()],
        [*CHAIN, Dense(np.ones((2, 1)), [0, 0])],
        CHAIN,
    ],
    ids=[
        "activation first",
        "pooling",
        "straight",
        "straight unit",
        "two activations",
        "flatten",
        "clamps of a clamp",
        "clamps at the end",
    ],
)
def test_what_it_does_not_count_it_refuses(impl, layers):
    with pytest.raises(ValueError, match=r"^dgn: expected"):
        impl.free_parameters(impl.DGN(Network(layers), 1.0))
