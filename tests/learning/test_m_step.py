"""Every closed-form update is the exact maximiser of the surrogate it claims to maximise: here by
perturbations, and in tests/contract/test_structures.py by its derivatives."""

import numpy as np
import pytest
from decoders import decoders
from shared_models import covariance
from surrogate import Surrogate

import fast
import reference
from fast.closed_form.m_step import _moved
from fast.closed_form.regularised_least_squares import smallest_solution
from fast.partition.layer_maps import Maps
from reference import Abs, Conv2d, Dense, LeakyReLU, Network, ReLU


def perturbation(rng, key, value):
    """A random direction that keeps a covariance symmetric, and positive definite for steps < 1."""
    change = rng.standard_normal(value.shape)
    if key not in ("cov_x", "cov_z"):
        return change
    if value.ndim < 2:
        return value * np.tanh(change)
    return (
        np.linalg.eigvalsh(value)[0] * (change + change.T) / (1 + np.abs(change + change.T).sum())
    )


def case(seed):
    """A small random model with data, its activation and structure of Σx cycling with the seed."""
    rng = np.random.default_rng([5, seed])
    activation = [ReLU(), LeakyReLU(0.1), Abs()][seed % 3]
    dimension = int(rng.integers(1, 5))
    widths = [1, *rng.integers(2, 6, int(rng.integers(1, 3))), dimension]
    network = Network.random(widths, activation, rng)
    if seed % 5 == 4:
        network = Network([*network.layers, LeakyReLU(0.3)])
    cov_x = covariance(["scalar", "diagonal", "full"][seed // 3 % 3], dimension, rng)
    X = fast.DGN(network, cov_x).rvs(40, rng) + 0.3 * rng.standard_normal((40, dimension))
    return network, cov_x, X, rng


def block_names(dgn):
    """Each parameter by itself, and each layer's two jointly."""
    layers = [i for i, layer in enumerate(dgn.network.layers) if isinstance(layer, Dense | Conv2d)]
    return [*dgn.parameters(), *map(str, layers)]


def entries(dgn, name):
    """The arrays a block name stands for."""
    known = dgn.parameters()
    return [name] if name in known else [f"{name}.weight", f"{name}.bias"]


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(18))
def test_update_maximises_the_surrogate(impl, seed):
    """No perturbation of an updated block does better, and the surrogate is stationary there.

    Rounding of the surrogate is about 1e-13 of its size (a few hundred terms). At a maximum the
    values at +step and -step differ only by it and by third-order terms, which for a least squares
    vanish and for a covariance are of the order of the step times the fall.
    """
    network, cov_x, X, rng = case(seed)
    check_updates(impl, impl.DGN(network, cov_x, 1.3), X[:10] if impl is reference else X, rng)


def check_updates(impl, start, X, rng):
    """No perturbation of the update of any block raises the surrogate."""
    statistics, surrogate = start.statistics(X), Surrogate(start, X)
    at_start = surrogate(start)
    for name in block_names(start):
        updated = impl.m_step(start, statistics, [name])
        best = surrogate(updated)
        rounding = 1e-12 * max(1.0, abs(best))
        assert best >= at_start - rounding, name
        for key in entries(start, name):
            value = updated.parameters()[key]
            for _ in range(8):
                change = 1e-2 * perturbation(rng, key, value)
                ends = [
                    surrogate(updated.with_parameters({key: value + s * change})) for s in (1, -1)
                ]
                assert max(ends) <= best + rounding, (name, key)
                fall = max(best - ends[0], best - ends[1])
                assert abs(ends[0] - ends[1]) <= 0.05 * fall + 2 * rounding, (name, key)


@pytest.mark.deep
@pytest.mark.parametrize("structure", ["scalar", "diagonal", "full"])
@pytest.mark.parametrize("name", decoders())
def test_update_before_layers_on_images(impl, name, structure):
    """The same for convolutions, and for Dense layers that convolutions and pools follow."""
    network, rng = decoders()[name], np.random.default_rng(6)
    start = impl.DGN(network, covariance(structure, network.observed_dimension, rng), 1.3)
    n = network.observed_dimension + 6 if structure == "full" else 8
    X = start.rvs(n, rng) + 0.3 * rng.standard_normal((n, network.observed_dimension))
    check_updates(impl, start, X, rng)


def test_dead_units_do_not_move(impl):
    """A singular system moves by the smallest change: a unit that never fires keeps its values."""
    network = Network(
        [
            Dense([[1.0], [-1.0], [0.0]], [0.1, 0.2, -1.0]),
            ReLU(),
            Dense([[1.0, 0.5, 2.0], [-1.0, 1.0, 3.0]], [0.0, 0.3]),
        ]
    )
    dgn = impl.DGN(network, 0.1)
    X = dgn.rvs(20, 0)
    updated = impl.m_step(dgn, dgn.statistics(X), ["0", "2"]).parameters()
    assert updated["0.weight"][2] == 0.0
    assert updated["0.bias"][2] == -1.0
    # To rounding: what is singular is told from what is not by eigenvectors.
    np.testing.assert_allclose(updated["2.weight"][:, 2], [2.0, 3.0], rtol=4e-16)
    assert np.abs(updated["0.weight"][:2] - [[1.0], [-1.0]]).max() > 1e-3


@pytest.mark.parametrize("cov_x", [0.1, np.array([0.1, 0.2])], ids=["scalar", "diagonal"])
def test_outputs_that_are_never_seen_do_not_move(impl, cov_x):
    """A last activation that is flat at one output in every region: 0/0 is no update."""
    network = Network([Dense([[0.0], [0.0]], [1.0, -1.0]), ReLU()])
    dgn = impl.DGN(network, cov_x)
    updated = impl.m_step(dgn, dgn.statistics([[1.5, 0.2], [0.7, 0.3]]), ["0"]).parameters()
    np.testing.assert_allclose(updated["0.bias"], [1.1, -1.0], rtol=1e-14)
    np.testing.assert_allclose(updated["0.weight"], np.zeros((2, 1)), atol=1e-15)


def test_the_scatter_stays_symmetric():
    """Exactly, whatever moves: what rounding leaves of a covariance much smaller than the move
    would else be refused as no symmetric matrix."""
    rng = np.random.default_rng(0)
    dgn = fast.DGN(Network.random([1, 3, 4], LeakyReLU(0.1), 0), np.eye(4))
    statistics = dgn.statistics(dgn.rvs(9, 0))
    shape = statistics.residual1.shape
    change = Maps(rng.standard_normal(shape), rng.standard_normal(shape[:2]))
    scatter = _moved(statistics, change).scatter
    assert np.array_equal(scatter, scatter.T)


@pytest.mark.parametrize("seed", range(18))
def test_output_layer_and_covariances_are_true_em(seed):
    """Blocks that move no region never lower the exact likelihood."""
    network, cov_x, X, _ = case(seed)
    dgn = fast.DGN(network, cov_x, 1.3)
    last = len(network.layers) - 1
    names = ["cov_x", "cov_z"]
    if isinstance(network.layers[last], Dense):
        names.insert(0, str(last))
    before = dgn.logpdf(X).sum()
    for _ in range(3):
        dgn = fast.m_step(dgn, dgn.statistics(X), names)
        after = dgn.logpdf(X).sum()
        assert after >= before - 1e-10 * abs(before)
        before = after


def test_singular_covariance_is_named(impl):
    """One datum on the manifold of a constant generator leaves no noise: an error, not a NaN."""
    network = Network([Dense([[0.0]], [1.0]), ReLU(), Dense([[1.0], [1.0]], [0.0, 0.0])])
    dgn = impl.DGN(network, np.eye(2))
    statistics = dgn.statistics([[1.0, 1.0]])
    with pytest.raises(impl.SingularCovarianceError, match="cov_x"):
        impl.m_step(dgn, statistics, ["cov_x"], noise_floor=0.0)
    raised = impl.m_step(dgn, statistics, ["cov_x"]).cov_x
    np.testing.assert_allclose(raised, 1e-6 * np.eye(2), rtol=1e-9, atol=1e-18)


def test_the_units_of_unknowns_cost_no_digits():
    """A system of condition 10 whose unknowns have units 2^-15 .. 1, which makes it one of 1e10:
    powers of two scale it back without rounding. Ten times the condition times ε is 2e-14; without
    its refinement the solution has errors of 1e-8."""
    rng = np.random.default_rng(0)
    design = np.linalg.qr(rng.standard_normal((30, 4)))[0] * [1.0, 2.0, 3.0, 3.0]
    plain = design.T @ design + 0.1
    units, right = 0.5 ** np.array([10.0, 0.0, 15.0, 5.0]), rng.standard_normal(4)
    expected = np.linalg.solve(plain, right) / units
    found = smallest_solution((plain * np.outer(units, units))[None], (units * right)[None])[0]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
