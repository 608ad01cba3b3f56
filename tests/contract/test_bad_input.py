"""Layers that make no network, and that bad input is refused before any work is done.

What every single argument refuses, up to its threshold, is in
tests/contract/test_argument_limits.py.
"""

import sys

import numpy as np
import pytest

from reference import Dense, LeakyReLU, Network, ReLU

INF = float("inf")


def network(latent=1):
    """[1, 3, 2], leaky."""
    return Network.random([latent, 3, 2], LeakyReLU(0.1), 0)


def dgn(impl):
    """A small sound model."""
    return impl.DGN(network(), 0.5)


def refuses(call, name):
    """The call raises a ValueError whose message starts with the name and a colon."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is checked below
        call()
    message = str(caught.value)
    assert message.startswith(f"{name}:"), message
    assert len(message) > len(name) + 10, "the message says what was expected"


def rows(table):
    """Parameters from (id, ...) tuples."""
    return [pytest.param(*row[1:], id=row[0]) for row in table]


STRUCTURES = [
    ("weight without rows", "weight", lambda impl: Dense(np.empty((0, 1)), [])),
    ("weight without columns", "weight", lambda impl: Dense(np.empty((2, 0)), [0.0, 0.0])),
    ("no layers", "layers", lambda impl: Network([])),
    ("layers that do not fit", "layers[1]", lambda impl: Network([Dense([[1]], [0]), two_in()])),
    ("layers None", "layers", lambda impl: Network(None)),
    ("one layer, no list", "layers", lambda impl: Network(Dense([[1.0]], [0.0]))),
    ("first layer no Dense", "layers[0]", lambda impl: Network([ReLU(), two_in()])),
    ("unknown layer", "layers[1]", lambda impl: Network([two_in(), "relu"])),
    ("layer class", "layers[1]", lambda impl: Network([two_in(), ReLU])),
    ("layer class with arguments", "layers[0]", lambda impl: Network([Dense])),
    ("function as layer", "layers[1]", lambda impl: Network([two_in(), np.tanh])),
    ("S = 0", "widths[0]", lambda impl: Network.random([0, 2])),
    ("width 0", "widths[1]", lambda impl: Network.random([1, 0, 2])),
    ("width -1", "widths[2]", lambda impl: Network.random([1, 2, -1])),
    ("activation class", "activation", lambda impl: Network.random([1, 2], ReLU)),
    ("activation Dense", "activation", lambda impl: Network.random([1, 2], two_in())),
    ("network class", "network", lambda impl: impl.DGN(Network, 1.0)),
    ("normals S = 0", "normals", lambda impl: polyhedron(impl, normals=np.empty((1, 0)))),
]


def two_in():
    """A Dense layer of two inputs, sound by itself."""
    return Dense([[1.0, 1.0]], [0.0])


def polyhedron(impl, **changes):
    """gaussian_on_polyhedron on a half-line, with some arguments replaced."""
    sound = {"normals": [[1.0]], "offsets": [0.0], "means": [[0.0]], "cov": [[1.0]]}
    return impl.gaussian_on_polyhedron(**{**sound, **changes})


@pytest.mark.parametrize(("name", "call"), rows(STRUCTURES))
def test_bad_structures(impl, name, call):
    """One wrong argument at a time."""
    refuses(lambda: call(impl), name)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"], ids=repr)
def test_bad_file(tmp_path, content):
    """Network.load of what is no saved network."""
    path = tmp_path / "net.npz"
    path.write_bytes(content)
    refuses(lambda: Network.load(path), "path")


# Good input of unusual form is accepted


def test_lists_integers_and_subclasses_are_numbers(impl):
    """Nested lists, integers, float32 and scalars of numpy mean the same as float64 arrays."""
    model = dgn(impl)
    expected = model.logpdf(np.array([[1.0, 2.0]]))
    for same in ([[1, 2]], ((1.0, 2.0),), np.array([[1, 2]], dtype=np.float32)):
        np.testing.assert_array_equal(model.logpdf(same), expected)
    other = impl.DGN(network(), np.float32(0.5), cov_z=[[1]], max_regions=np.int64(100))
    np.testing.assert_array_equal(other.logpdf([[1, 2]]), expected)
    assert model.rvs(np.int64(2), np.int64(1)).shape == (2, 2)


# Before any work: the regions of the network are not looked for.

OF_DATA = {
    "logpdf": lambda m, X, q: m.logpdf(X),
    "posterior": lambda m, X, q: m.posterior(X),
    "zero_noise_latent": lambda m, X, q: m.zero_noise_latent(X),
    "statistics": lambda m, X, q: m.statistics(X),
    "expected_complete_loglik": lambda m, X, q: m.expected_complete_loglik(X),
    "gradient": lambda m, X, q: m.gradient(X),
    "elbo": lambda m, X, q: m.elbo(X, q, q**2),
    "kl": lambda m, X, q: m.kl(X, q, q**2),
}


@pytest.fixture
def unopened(impl, monkeypatch):
    """The implementation, with an enumeration that fails the test."""

    def enumerated(*_):
        pytest.fail("the regions were enumerated first")

    partitioning = sys.modules[f"{impl.__name__}.partition.partition"]
    monkeypatch.setattr(partitioning, "partition", enumerated)
    return impl


@pytest.mark.parametrize("method", OF_DATA)
@pytest.mark.parametrize("latent", [1, 2, 7])
def test_bad_data_is_refused_before_the_regions_are_enumerated(unopened, latent, method):
    model = unopened.DGN(network(latent), 0.5)
    refuses(lambda: OF_DATA[method](model, [[0.0, INF]], np.ones((1, latent))), "X")


@pytest.mark.parametrize("method", ["elbo", "kl"])
@pytest.mark.parametrize("latent", [1, 2])
def test_bad_gaussians_are_refused_before_the_regions_are_enumerated(unopened, latent, method):
    model = unopened.DGN(network(latent), 0.5)
    refuses(lambda: OF_DATA[method](model, [[0.0, 1.0]], np.ones((2, latent))), "q_mean")
    refuses(lambda: OF_DATA[method](model, [[0.0, 1.0]], np.zeros((1, latent))), "q_cov")


@pytest.mark.parametrize("method", [name for name in OF_DATA if name != "zero_noise_latent"])
def test_too_many_dimensions_are_refused_before_the_regions_are_enumerated(unopened, method):
    """ValueError of fast, NotImplementedError of reference."""
    model = unopened.DGN(network(7), 0.5)
    with pytest.raises((ValueError, NotImplementedError), match="latent dimensions"):
        OF_DATA[method](model, [[0.0, 1.0]], np.ones((1, 7)))


@pytest.mark.parametrize("latent", [1, 2])
def test_a_q_whose_bound_is_no_double_is_named(impl, latent):
    """By its datum; warnings are errors here."""
    model, X = impl.DGN(network(latent), 0.5), np.zeros((3, 2))
    means = np.zeros((3, latent))
    assert np.all(np.isfinite(model.elbo(X, means, np.ones((3, latent)))))
    means[1] = 1e200
    with pytest.raises(ArithmeticError, match="q_mean, q_cov: the ELBO of datum 1 is not finite"):
        model.elbo(X, means, np.ones((3, latent)))
