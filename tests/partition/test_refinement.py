"""Neurons that are all but dead put vertices very far away: what is near keeps its digits."""

import numpy as np
import pytest
from scipy.sparse import csr_array

import fast
import reference
from fast.partition.refined_vertices import refined
from oracle.checks.random_models import crosscheck
from oracle.exact.layers import layers_of
from oracle.models.architectures import random_case
from oracle.truths.regionwise import LatentSpace
from reference.model import Dense, LeakyReLU, Network, ReLU


def learned():
    """A model that EM arrived at: a hidden neuron with weights of 1e-16, two nearly parallel. A
    vertex at 1e5 was found along an edge from one at 1e16, and off by half a unit."""
    network = Network(
        [
            Dense(
                [
                    [-0.12280159525381418, -0.0283786552756313],
                    [1.716480218989723e-16, 7.639858813106666e-17],
                    [1.253084723211947, 0.2886751909814343],
                ],
                [8.89664112678518, -0.68692384994587, 0.9334390441667805],
            ),
            ReLU(),
            Dense(
                [
                    [-0.0444195268, 0.0, 0.512308494],
                    [0.0718807557, 0.0, -0.7110045],
                    [-0.142475352, 0.0, 1.44579172],
                ],
                [-0.14507731, 0.15409821, -0.84724487],
            ),
        ]
    )
    return network, 5.776, np.array([[1.174, -0.249], [-0.249, 0.68]])


def test_a_neuron_all_but_dead():
    network, cov_x, cov_z = learned()
    X = fast.DGN(network, cov_x, cov_z).rvs(4, 0)
    oracle = LatentSpace(layers_of(network), np.array(cov_x), cov_z)
    exact = [float(oracle.log_evidence(x)) for x in X]
    for impl, accuracy in ((fast, 1e-13), (reference, 1e-9)):
        found = impl.DGN(network, cov_x, cov_z).logpdf(X)
        np.testing.assert_allclose(found, exact, rtol=accuracy)


def test_vertices_lie_on_their_facets():
    """Of every region, to rounding of the terms."""
    partition = fast.DGN(*learned()).partition()
    for region in range(partition.n_regions):
        normals, offsets = partition.halfspaces(region)
        for vertex in partition.vertices(region):
            terms = np.abs(normals) @ np.abs(vertex) + np.abs(offsets)
            nearest = np.sort(np.abs(normals @ vertex + offsets) / terms)[:2]
            assert nearest.max() < 1e-15


@pytest.mark.parametrize("seed", range(10))
def test_refined(seed):
    """A corner displaced by 1e-3 of its distance goes back; one that is right stays."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 5))
    normals = rng.standard_normal((size, size))
    corner = 10.0 ** rng.uniform(0, 8) * rng.standard_normal(size)
    offsets = -normals @ corner
    corner = -np.linalg.solve(normals, offsets)
    on = csr_array(np.ones((size, 1)))
    found, small = refined(corner[None] * 1.001, np.array([True]), on, normals, offsets)
    np.testing.assert_allclose(found[0], corner, rtol=1e-11)
    assert np.all(np.abs(small) <= np.spacing(np.abs(found)))


@pytest.mark.parametrize(("seed", "latent"), [(235, 3), (404, 1), (583, 2)])
def test_seeds_with_faint_neurons(seed, latent):
    """Weights of 1e-7 to 1e-12 beside ordinary ones: these were wrong by up to a hundredth, in
    masses, in the ELBO, and in the nearest point."""
    found = crosscheck(random_case(seed, latent, 2))
    assert not found.breaches, "\n".join(found.breaches[:5])


def test_nothing_goes_missing_far_away():
    """Two pairs of planes that meet at 1e10 only: all regions are there."""
    faint = np.array([[1.7e-10, -1.1e-11, -6.7e-11], [-4.4e-11, 6.9e-11, -2.5e-11]])
    first = np.vstack([faint, [[-1.9, 0.18, 0.78], [0.34, -0.31, -2.2]]])
    mixed = [[0.8, 0, 1.0, 0], [0, 0.8, 0, 1.0], [0.24, 0, -0.12, 0], [0, 0.24, 0, -0.12]]
    network = Network(
        [
            Dense(first, [0.76, -0.32, -0.15, -0.004]),
            Dense(mixed, [-0.72, -0.72, -0.22, -0.22]),
            ReLU(),
            Dense(np.ones((1, 4)), [0.0]),
        ]
    )
    for impl in (fast, reference):
        partition = impl.DGN(network, 1.0).partition()
        Z = np.random.default_rng(0).standard_normal((2000, 3))
        regions = {tuple(code) for code in partition.codes.tolist()}
        inputs = network.layers[1].apply(network.layers[0].apply(Z))
        assert {tuple(row) for row in np.sign(inputs).astype(int).tolist()} <= regions


def test_facets_without_a_direction_in_common():
    """A ray on three facets that have none stays: the least squares' nearest is nothing at all."""
    ray = np.array([[0.6, 0.8, 0.0]])
    normals = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    on = csr_array(np.ones((3, 1)))
    found, small = refined(ray, np.array([False]), on, normals, np.zeros(3))
    np.testing.assert_array_equal(found, ray)
    np.testing.assert_array_equal(small, 0.0)


@pytest.mark.parametrize("exponent", [-160, -250, -303])
@pytest.mark.parametrize("live", [0, 2])
def test_squares_beyond_doubles_are_refused(impl, exponent, live):
    """Weights that learning drives to all but 0 put region ends where squares overflow."""
    weights = np.full((4, 1), 10.0**exponent)
    weights[:live, 0] = [1.0, -0.5][:live]
    network = Network([Dense(weights, np.arange(4.0) - 1.5), ReLU(), Dense(np.eye(4)[:2], [0, 0])])
    with pytest.raises(ArithmeticError, match="a region ends too far away"):
        impl.DGN(network, 0.3).logpdf(np.ones((2, 2)))


@pytest.mark.parametrize("exponent", [0, -1, -2, -3, -4, -6, -8, -12, -20, -35, -100])
def test_every_kink_far_away(exponent):
    """S = 1, and all breakpoints at 1e-exponent: what is measured from one of them has no digits.
    These were wrong silently: the posterior mean by 7e-8 at 1e8, e2 by 1e54 at 1e34."""
    rng = np.random.default_rng(0)
    network = Network(
        [
            Dense(10.0**exponent * rng.standard_normal((4, 1)), rng.standard_normal(4)),
            LeakyReLU(0.1),
            Dense(rng.standard_normal((2, 4)), rng.standard_normal(2)),
        ]
    )
    X = rng.standard_normal((5, 2)) * np.array([[1.0], [1.0], [10.0], [100.0], [1000.0]])
    for variance in (1.0, 4.0):
        quick, slow = fast.DGN(network, 0.3, variance), reference.DGN(network, 0.3, variance)
        np.testing.assert_allclose(quick.logpdf(X), slow.logpdf(X), rtol=1e-14)
        one, other = quick.posterior(X), slow.posterior(X)
        size = 1 + np.abs(other.mean())
        assert np.all(np.abs(one.mean() - other.mean()) <= 1e-13 * size)
        assert np.all(np.abs(one.mode() - other.mode()) <= 1e-13 * size)
        np.testing.assert_allclose(one.cov(), other.cov(), rtol=1e-12)
        sums, others = quick.statistics(X), slow.statistics(X)
        for name in ("e0", "e1", "e2", "residual0", "residual1", "scatter"):
            value, truth = getattr(sums, name), getattr(others, name)
            assert np.max(np.abs(value - truth)) <= 1e-13 * (1 + np.max(np.abs(truth))), name
        gradients = quick.gradient(X), slow.gradient(X)
        for name, value in gradients[0].items():
            truth = gradients[1][name]
            assert np.max(np.abs(value - truth)) <= 1e-12 * (1 + np.max(np.abs(truth))), name


def test_squares_beyond_doubles_are_refused_in_a_plane():
    """A corner at 1e155: there is a partition, and no likelihood that would be wrong."""
    first = Dense([[1e-155, 0.0], [1.0, 1.0]], [-1.0, 0.0])
    network = Network([first, ReLU(), Dense([[1.0, -1.0]], [0.0])])
    dgn = fast.DGN(network, 0.1)
    assert dgn.partition().n_regions == 4
    with pytest.raises(ArithmeticError, match="a region ends too far away"):
        dgn.logpdf([[0.3]])
