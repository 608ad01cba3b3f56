"""Models that are the same by construction, or parts of one another, and what must follow."""

import numpy as np
import pytest

import fast
import reference
from reference import Conv2d, Dense, Flatten, LeakyReLU, Network, ReLU, Reshape

RNG = np.random.default_rng(12)
W1, V1 = RNG.standard_normal((3, 2)), RNG.standard_normal(3)
W2, V2 = RNG.standard_normal((2, 3)), RNG.standard_normal(2)
FULL = np.array([[0.5, 0.2], [0.2, 0.3]])
PRIOR = np.array([[1.2, 0.3], [0.3, 0.7]])
X = np.array([[0.4, -0.3], [1.5, 1.1]])
Q = np.array([[0.1, -0.4], [0.3, 0.8]]), np.array([[0.5, 0.2], [0.3, 0.9]])
#: `reference` vouches for 1e-9 of p(x); what is compared has weights of the size of Σx^-1.
ALLOWED = {reference: 1e-7, fast: 1e-9}
LEAKY = LeakyReLU(0.2)
BASE = Network([Dense(W1, V1), LEAKY, Dense(W2, V2)])
ORDER = [2, 0, 1]
MIX = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, -1.0], [0.5, 0.0, 1.0]])
SCALES = np.array([0.5, 2.0, 3.0])

#: Networks that are the same function as BASE.
SAME = {
    "units in another order": Network(
        [Dense(W1[ORDER], V1[ORDER]), LEAKY, Dense(W2[:, ORDER], V2)]
    ),
    "units scaled": Network(
        [Dense(SCALES[:, None] * W1, SCALES * V1), LEAKY, Dense(W2 / SCALES, V2)]
    ),
    "first layer in two": Network(
        [Dense(np.linalg.solve(MIX, W1), np.zeros(3)), Dense(MIX, V1), LEAKY, Dense(W2, V2)]
    ),
    "last layer in two": Network(
        [
            Dense(W1, V1),
            LEAKY,
            Dense(MIX, np.ones(3)),
            Dense(w2 := W2 @ np.linalg.inv(MIX), V2 - w2.sum(1)),
        ]
    ),
    "an identity at the end": Network(
        [*BASE.layers, Dense(np.eye(2), np.zeros(2)), LeakyReLU(1.0), Dense(np.eye(2), np.zeros(2))]
    ),
    "a convolution of single pixels": Network(
        [
            Dense(W1, V1),
            LEAKY,
            Reshape((3, 1, 1)),
            Conv2d(W2[:, :, None, None], V2),
            Flatten(),
        ]
    ),
    "a leaky unit as two ReLU units": Network(
        [
            Dense(np.vstack([W1, -W1]), np.append(V1, -V1)),
            ReLU(),
            Dense(np.hstack([W2, -0.2 * W2]), V2),
        ]
    ),
}


def values(dgn, X=X):
    """What a model says that does not depend on how its regions are numbered."""
    posterior, sums = dgn.posterior(X), dgn.statistics(X)
    return {
        "log p": dgn.logpdf(X),
        "posterior mean": posterior.mean(),
        "posterior cov": posterior.cov(),
        "entropy": posterior.entropy(),
        "ELBO": dgn.elbo(X, *Q),
        "complete": dgn.expected_complete_loglik(X),
        "mean": dgn.mean(),
        "cov": dgn.cov(),
        "e2": sums.e2.sum(axis=0),
        "residual0": sums.residual0.sum(axis=0),
        "residual1": sums.residual1.sum(axis=0),
        "scatter": sums.scatter,
        "by cov_x": dgn.gradient(X)["cov_x"],
        "by cov_z": dgn.gradient(X)["cov_z"],
    }


def assert_same(found, expected, impl, maps=None):
    """Compare what two models say, the second after a map of its values."""
    for name, value in expected.items():
        value = maps[name](value) if maps and name in maps else value
        scale = 1 + np.max(np.abs(value))
        np.testing.assert_allclose(
            found[name], value, rtol=0, atol=ALLOWED[impl] * scale, err_msg=name
        )


@pytest.mark.parametrize("name", SAME)
def test_the_same_function(impl, name):
    expected = values(impl.DGN(BASE, FULL, PRIOR))
    assert_same(values(impl.DGN(SAME[name], FULL, PRIOR)), expected, impl)


def test_one_covariance_in_three_structures(impl):
    """Scatters and gradients are the matrix, its diagonal and its trace; updates of weights are the
    same, those of Σx the matrix's diagonal and its mean."""
    dgns = [impl.DGN(BASE, cov, PRIOR) for cov in (0.4 * np.eye(2), np.full(2, 0.4), 0.4)]
    expected, diagonal, scalar = (values(dgn) for dgn in dgns)
    assert_same(diagonal, expected, impl, {"scatter": np.diag, "by cov_x": np.diag})
    assert_same(scalar, expected, impl, {"scatter": np.trace, "by cov_x": np.trace})
    for name in ("0", "2", "cov_z"):
        moved = [impl.m_step(dgn, dgn.statistics(X), [name]).parameters() for dgn in dgns]
        for key in set(moved[0]) - {"cov_x"}:
            for other in moved[1:]:
                np.testing.assert_allclose(other[key], moved[0][key], atol=1e3 * ALLOWED[impl])


def test_coordinates_and_data_in_another_order(impl):
    """Of x, of z and of the data."""
    expected = values(impl.DGN(BASE, FULL, PRIOR))
    flipped = Network([Dense(W1, V1), LEAKY, Dense(W2[::-1], V2[::-1])])
    turned = impl.DGN(flipped, FULL[::-1, ::-1], PRIOR)
    both = {name: lambda value: value[::-1, ::-1] for name in ("cov", "scatter", "by cov_x")}
    first = {name: lambda value: value[::-1] for name in ("mean", "residual0", "residual1")}
    assert_same(values(turned, X[:, ::-1]), expected, impl, both | first)
    dgn = impl.DGN(BASE, FULL, PRIOR)
    np.testing.assert_allclose(dgn.logpdf(X[::-1]), expected["log p"][::-1], rtol=ALLOWED[impl])
    turned = impl.DGN(
        Network([Dense(W1[:, ::-1], V1), LEAKY, Dense(W2, V2)]), FULL, PRIOR[::-1, ::-1]
    )
    np.testing.assert_allclose(turned.logpdf(X), expected["log p"], atol=ALLOWED[impl])
    mean = turned.posterior(X).mean()[:, ::-1]
    np.testing.assert_allclose(mean, expected["posterior mean"], atol=ALLOWED[impl])


def test_a_product_of_two_lines(impl):
    """Two latent dimensions that share nothing: every quantity is a sum or a pair of those of two
    models with one."""
    lines = [
        impl.DGN(Network([Dense(w, v), LEAKY, Dense(o, [0.1])]), noise, prior)
        for w, v, o, noise, prior in (
            ([[1.1], [-0.7]], [0.3, 0.4], [[0.9, -1.2]], 0.3, 1.4),
            ([[0.8], [1.9]], [-0.2, 0.5], [[0.4, 0.7]], 0.2, 0.6),
        )
    ]
    blocks = [
        np.block([[a.network.layers[i].weight, np.zeros_like(a.network.layers[i].weight)],
                  [np.zeros_like(b.network.layers[i].weight), b.network.layers[i].weight]])
        for a, b in [lines] for i in (0, 2)
    ]  # fmt: skip
    biases = [np.concatenate([line.network.layers[i].bias for line in lines]) for i in (0, 2)]
    network = Network([Dense(blocks[0], biases[0]), LEAKY, Dense(blocks[1], biases[1])])
    both = impl.DGN(network, [0.3, 0.2], [1.4, 0.6])
    assert both.partition().n_regions == 9
    parts = [line.posterior(X[:, [i]]) for i, line in enumerate(lines)]
    whole, allowed = both.posterior(X), ALLOWED[impl]
    each = [line.logpdf(X[:, [i]]) for i, line in enumerate(lines)]
    np.testing.assert_allclose(both.logpdf(X), np.sum(each, axis=0), atol=allowed)
    np.testing.assert_allclose(whole.entropy(), sum(p.entropy() for p in parts), atol=allowed)
    np.testing.assert_allclose(whole.mean(), np.hstack([p.mean() for p in parts]), atol=allowed)
    for n in range(len(X)):
        cov = np.diag([p.cov()[n, 0, 0] for p in parts])
        np.testing.assert_allclose(whole.cov()[n], cov, atol=allowed)
    mean = np.concatenate([line.mean() for line in lines])
    np.testing.assert_allclose(both.mean(), mean, atol=allowed)
    cov = np.diag([line.cov()[0, 0] for line in lines])
    np.testing.assert_allclose(both.cov(), cov, atol=allowed)
