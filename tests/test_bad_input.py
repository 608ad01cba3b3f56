"""Bad input raises ValueError with the argument's name, before any work is done.

Tables: each row is a call and the argument that its message must start with.
"""

import sys

import numpy as np
import pytest

from reference import Abs, Dense, LeakyReLU, Network, ReLU

NAN, INF = float("nan"), float("inf")

# Values that are no finite real array of shape (2, 2), (2,) or (), whatever the argument.
NO_NUMBERS = {
    "None": None,
    "string": "one",
    "strings": [["a", "b"], ["c", "d"]],
    "numeric strings": [["1.0", "0.0"], ["0.0", "1.0"]],
    "complex": [[1j, 0.0], [0.0, 1.0]],
    "ragged": [[1.0, 0.0], [1.0]],
    "objects": [[object(), 1.0], [1.0, 1.0]],
    "dict": {"a": 1.0},
    "four axes": np.ones((1, 1, 2, 2)),
}


def network(latent=1):
    """[1, 3, 2], leaky."""
    return Network.random([latent, 3, 2], LeakyReLU(0.1), 0)


def dgn(impl, **options):
    """A small sound model."""
    return impl.DGN(network(), 0.5, **options)


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


# Every argument that is an array, and something that is none


ARRAYS = [
    ("Dense weight", "weight", lambda impl, bad: Dense(bad, [0.0, 0.0])),
    ("Dense bias", "bias", lambda impl, bad: Dense(np.eye(2), bad)),
    ("Network call", "Z", lambda impl, bad: network()(bad)),
    ("LeakyReLU", "slope", lambda impl, bad: LeakyReLU(bad)),
    (
        "Network.with_parameters",
        "2.bias",
        lambda impl, bad: network().with_parameters({"2.bias": bad}),
    ),
    ("DGN cov_x", "cov_x", lambda impl, bad: impl.DGN(network(), bad)),
    ("DGN.with_parameters", "cov_x", lambda impl, bad: dgn(impl).with_parameters({"cov_x": bad})),
    ("logpdf", "X", lambda impl, bad: dgn(impl).logpdf(bad)),
    ("posterior", "X", lambda impl, bad: dgn(impl).posterior(bad)),
    ("Posterior.logpdf", "Z", lambda impl, bad: dgn(impl).posterior([[0.0, 1.0]]).logpdf(bad)),
    ("statistics", "X", lambda impl, bad: dgn(impl).statistics(bad)),
    ("expected_complete_loglik", "X", lambda impl, bad: dgn(impl).expected_complete_loglik(bad)),
    ("gradient", "X", lambda impl, bad: dgn(impl).gradient(bad)),
    ("elbo X", "X", lambda impl, bad: dgn(impl).elbo(bad, [[0.0]], [[1.0]])),
    ("elbo q_mean", "q_mean", lambda impl, bad: dgn(impl).elbo(np.eye(2), bad, [[1.0], [1.0]])),
    ("elbo q_cov", "q_cov", lambda impl, bad: dgn(impl).elbo(np.eye(2), [[0.0], [0.0]], bad)),
    ("kl X", "X", lambda impl, bad: dgn(impl).kl(bad, [[0.0]], [[1.0]])),
    ("kl q_mean", "q_mean", lambda impl, bad: dgn(impl).kl(np.eye(2), bad, [[1.0], [1.0]])),
    ("kl q_cov", "q_cov", lambda impl, bad: dgn(impl).kl(np.eye(2), [[0.0], [0.0]], bad)),
    ("locate", "Z", lambda impl, bad: dgn(impl).partition().locate(bad)),
    ("fit_em X", "X", lambda impl, bad: impl.fit_em(network(), bad, cov_x=0.5)),
    ("fit_em cov_x", "cov_x", lambda impl, bad: impl.fit_em(network(), np.eye(2), cov_x=bad)),
    (
        "polyhedron normals",
        "normals",
        lambda impl, bad: impl.gaussian_on_polyhedron(bad, [0.0, 0.0], [[0.0]], [[1.0]]),
    ),
    (
        "polyhedron offsets",
        "offsets",
        lambda impl, bad: impl.gaussian_on_polyhedron([[1.0], [2.0]], bad, [[0.0]], [[1.0]]),
    ),
    (
        "polyhedron means",
        "means",
        lambda impl, bad: impl.gaussian_on_polyhedron([[1.0]], [0.0], bad, [[1.0]]),
    ),
    (
        "polyhedron cov",
        "cov",
        lambda impl, bad: impl.gaussian_on_polyhedron([[1.0]], [0.0], [[0.0]], bad),
    ),
]


@pytest.mark.parametrize("bad", NO_NUMBERS.values(), ids=NO_NUMBERS)
@pytest.mark.parametrize(("name", "call"), rows(ARRAYS))
def test_what_is_no_array(impl, name, call, bad):
    """Strings, complex numbers, ragged lists, objects, None, and too many axes."""
    refuses(lambda: call(impl, bad), name)


@pytest.mark.parametrize("bad", NO_NUMBERS.values(), ids=NO_NUMBERS)
@pytest.mark.parametrize("name", ["DGN", "fit_em", "with_parameters"])
def test_what_is_no_latent_covariance(impl, name, bad):
    """The same for cov_z, where None means the default except as a new value."""
    calls = {
        "DGN": lambda: dgn(impl, cov_z=bad),
        "fit_em": lambda: impl.fit_em(network(), np.eye(2), cov_x=0.5, cov_z=bad),
        "with_parameters": lambda: dgn(impl).with_parameters({"cov_z": bad}),
    }
    if bad is not None:
        refuses(calls[name], "cov_z")


# Wrong shapes, NaN and infinity, one value at a time


def data_calls(impl, X):
    """Every method that takes data X (N, 2)."""
    model, n = dgn(impl), len(X)
    return {
        "logpdf": lambda: model.logpdf(X),
        "posterior": lambda: model.posterior(X),
        "statistics": lambda: model.statistics(X),
        "expected_complete_loglik": lambda: model.expected_complete_loglik(X),
        "gradient": lambda: model.gradient(X),
        "elbo": lambda: model.elbo(X, np.zeros((n, 1)), np.ones((n, 1))),
        "kl": lambda: model.kl(X, np.zeros((n, 1)), np.ones((n, 1))),
        "fit_em": lambda: impl.fit_em(network(), X, cov_x=0.5),
    }


DATA_METHODS = [
    "logpdf",
    "posterior",
    "statistics",
    "expected_complete_loglik",
    "gradient",
    "elbo",
    "kl",
    "fit_em",
]
BAD_DATA = {
    "no rows": np.empty((0, 2)),
    "one axis": np.zeros(2),
    "too few columns": np.zeros((3, 1)),
    "too many columns": np.zeros((3, 3)),
    "three axes": np.zeros((3, 2, 1)),
    "NaN": [[0.0, NAN]],
    "inf": [[0.0, 1.0], [INF, 0.0]],
    "-inf": [[-INF, 0.0]],
}


@pytest.mark.parametrize("bad", BAD_DATA.values(), ids=BAD_DATA)
@pytest.mark.parametrize("method", DATA_METHODS)
def test_bad_data(impl, method, bad):
    """Empty data, wrong shapes, NaN and infinity in X."""
    refuses(data_calls(impl, bad)[method], "X")


def covariance_calls(impl, bad):
    """Every way to give a covariance of the observations, and its name."""
    return {
        "DGN": lambda: impl.DGN(network(), bad),
        "with_parameters": lambda: dgn(impl).with_parameters({"cov_x": bad}),
        "fit_em": lambda: impl.fit_em(network(), np.eye(2), cov_x=bad),
    }


BAD_COVARIANCE = {
    "zero": 0.0,
    "negative": -1.0,
    "NaN": NAN,
    "inf": INF,
    "zero variance": [1.0, 0.0],
    "negative variance": [1.0, -1.0],
    "NaN variance": [1.0, NAN],
    "wrong length": [1.0, 1.0, 1.0],
    "empty": [],
    "wrong shape": np.eye(3),
    "not square": np.ones((2, 3)),
    "asymmetric": [[1.0, 0.5], [0.4, 1.0]],
    "singular": [[1.0, 1.0], [1.0, 1.0]],
    "indefinite": [[1.0, 2.0], [2.0, 1.0]],
    "negative definite": -np.eye(2),
    "NaN matrix": [[1.0, NAN], [NAN, 1.0]],
    "inf matrix": [[INF, 0.0], [0.0, 1.0]],
}


@pytest.mark.parametrize("bad", BAD_COVARIANCE.values(), ids=BAD_COVARIANCE)
@pytest.mark.parametrize("method", ["DGN", "with_parameters", "fit_em"])
def test_bad_observation_covariance(impl, method, bad):
    """cov_x that is not finite, not symmetric, not positive definite, or of another dimension."""
    refuses(covariance_calls(impl, bad)[method], "cov_x")


BAD_LATENT_COVARIANCE = {
    "zero": 0.0,
    "negative": -1.0,
    "NaN": NAN,
    "wrong length": [1.0, 1.0],
    "wrong shape": np.eye(2),
    "negative matrix": [[-1.0]],
    "inf matrix": [[INF]],
}


@pytest.mark.parametrize("bad", BAD_LATENT_COVARIANCE.values(), ids=BAD_LATENT_COVARIANCE)
@pytest.mark.parametrize("where", ["DGN", "with_parameters", "fit_em", "polyhedron"])
def test_bad_latent_covariance(impl, where, bad):
    """The same for cov_z, and for the covariance of a Gaussian on a polyhedron."""
    calls = {
        "DGN": lambda: dgn(impl, cov_z=bad),
        "with_parameters": lambda: dgn(impl).with_parameters({"cov_z": bad}),
        "fit_em": lambda: impl.fit_em(network(), np.eye(2), cov_x=0.5, cov_z=bad),
        "polyhedron": lambda: impl.gaussian_on_polyhedron([[1.0]], [0.0], [[0.0]], bad),
    }
    refuses(calls[where], "cov" if where == "polyhedron" else "cov_z")


@pytest.mark.parametrize("shape", [(3, 3), (4, 4)], ids=str)
def test_asymmetric_covariances_are_refused_for_every_dimension(impl, shape):
    """One entry of a large matrix is enough."""
    cov = np.eye(shape[0])
    cov[0, 1] = 1e-6
    wide = Network.random([1, 2, shape[0]], ReLU(), 0)
    refuses(lambda: impl.DGN(wide, cov), "cov_x")


SHAPES = [
    ("weight of one axis", "weight", lambda impl: Dense([1.0, 2.0], [0.0])),
    ("weight without rows", "weight", lambda impl: Dense(np.empty((0, 1)), [])),
    ("weight without columns", "weight", lambda impl: Dense(np.empty((2, 0)), [0.0, 0.0])),
    ("weight NaN", "weight", lambda impl: Dense([[NAN]], [0.0])),
    ("weight inf", "weight", lambda impl: Dense([[INF]], [0.0])),
    ("bias of another length", "bias", lambda impl: Dense([[1.0]], [0.0, 1.0])),
    ("bias of two axes", "bias", lambda impl: Dense([[1.0]], [[0.0]])),
    ("bias NaN", "bias", lambda impl: Dense([[1.0]], [NAN])),
    ("slope above 1", "slope", lambda impl: LeakyReLU(1.5)),
    ("slope below 0", "slope", lambda impl: LeakyReLU(-0.1)),
    ("slope NaN", "slope", lambda impl: LeakyReLU(NAN)),
    ("slope array", "slope", lambda impl: LeakyReLU([0.1, 0.2])),
    ("Z of one axis", "Z", lambda impl: network()([1.0])),
    ("Z of two columns", "Z", lambda impl: network()([[1.0, 2.0]])),
    ("Z NaN", "Z", lambda impl: network()([[NAN]])),
    (
        "values of another shape",
        "2.bias",
        lambda impl: network().with_parameters({"2.bias": [1.0]}),
    ),
    ("values NaN", "2.bias", lambda impl: network().with_parameters({"2.bias": [1.0, NAN]})),
    ("unknown value", "values", lambda impl: network().with_parameters({"1.bias": [1.0]})),
    ("unknown value of a DGN", "values", lambda impl: dgn(impl).with_parameters({"mean": [1.0]})),
    ("no layers", "layers", lambda impl: Network([])),
    ("layers that do not fit", "layers[1]", lambda impl: Network([Dense([[1]], [0]), two_in()])),
    ("layers None", "layers", lambda impl: Network(None)),
    ("one layer, no list", "layers", lambda impl: Network(Dense([[1.0]], [0.0]))),
    ("first layer no Dense", "layers[0]", lambda impl: Network([ReLU(), two_in()])),
    ("unknown layer", "layers[1]", lambda impl: Network([two_in(), "relu"])),
    ("layer class", "layers[1]", lambda impl: Network([two_in(), ReLU])),
    ("layer class with arguments", "layers[0]", lambda impl: Network([Dense])),
    ("function as layer", "layers[1]", lambda impl: Network([two_in(), np.tanh])),
    ("one width", "widths", lambda impl: Network.random([1])),
    ("no widths", "widths", lambda impl: Network.random([])),
    ("widths a number", "widths", lambda impl: Network.random(3)),
    ("S = 0", "widths[0]", lambda impl: Network.random([0, 2])),
    ("width 0", "widths[1]", lambda impl: Network.random([1, 0, 2])),
    ("width -1", "widths[2]", lambda impl: Network.random([1, 2, -1])),
    ("width 1.5", "widths[1]", lambda impl: Network.random([1, 1.5, 2])),
    ("width True", "widths[1]", lambda impl: Network.random([1, True, 2])),
    ("activation name", "activation", lambda impl: Network.random([1, 2], "relu")),
    ("activation class", "activation", lambda impl: Network.random([1, 2], ReLU)),
    ("activation Dense", "activation", lambda impl: Network.random([1, 2], two_in())),
    ("network None", "network", lambda impl: impl.DGN(None, 1.0)),
    ("network of layers", "network", lambda impl: impl.DGN([two_in()], 1.0)),
    ("network class", "network", lambda impl: impl.DGN(Network, 1.0)),
    ("q_mean of one axis", "q_mean", lambda impl: dgn(impl).elbo(np.eye(2), [0.0, 0.0], ones())),
    ("q_mean of one row", "q_mean", lambda impl: dgn(impl).elbo(np.eye(2), [[0.0]], ones())),
    ("q_mean NaN", "q_mean", lambda impl: dgn(impl).kl(np.eye(2), [[NAN], [0.0]], ones())),
    ("q_cov of one row", "q_cov", lambda impl: dgn(impl).kl(np.eye(2), 0 * ones(), [[1.0]])),
    ("q_cov one axis", "q_cov", lambda impl: dgn(impl).elbo(np.eye(2), 0 * ones(), [1.0, 1.0])),
    ("q_cov two columns", "q_cov", lambda impl: dgn(impl).elbo(np.eye(2), 0 * ones(), np.eye(2))),
    ("q_cov zero", "q_cov", lambda impl: dgn(impl).elbo(np.eye(2), 0 * ones(), 0 * ones())),
    ("q_cov negative", "q_cov", lambda impl: dgn(impl).kl(np.eye(2), 0 * ones(), -ones())),
    ("q_cov inf", "q_cov", lambda impl: dgn(impl).kl(np.eye(2), 0 * ones(), INF * ones())),
    ("posterior Z columns", "Z", lambda impl: posterior(impl).logpdf([[1.0, 2.0]])),
    ("posterior Z NaN", "Z", lambda impl: posterior(impl).logpdf([[NAN]])),
    ("posterior Z rows", "Z", lambda impl: posterior(impl).logpdf(np.zeros((3, 2, 1)))),
    ("posterior Z number", "Z", lambda impl: posterior(impl).logpdf(0.0)),
    ("locate columns", "Z", lambda impl: dgn(impl).partition().locate([[1.0, 2.0]])),
    ("locate NaN", "Z", lambda impl: dgn(impl).partition().locate([[NAN]])),
    ("region -1", "region", lambda impl: dgn(impl).partition().halfspaces(-1)),
    ("region R", "region", lambda impl: past_the_end(impl)),
    ("region 0.5", "region", lambda impl: dgn(impl).partition().halfspaces(0.5)),
    ("region string", "region", lambda impl: dgn(impl).partition().halfspaces("0")),
    ("region None", "region", lambda impl: dgn(impl).partition().halfspaces(None)),
    ("normals S = 0", "normals", lambda impl: polyhedron(impl, normals=np.empty((1, 0)))),
    ("normals one axis", "normals", lambda impl: polyhedron(impl, normals=[1.0])),
    ("normals NaN", "normals", lambda impl: polyhedron(impl, normals=[[NAN]])),
    ("normals inf", "normals", lambda impl: polyhedron(impl, normals=[[INF]])),
    ("offsets two", "offsets", lambda impl: polyhedron(impl, offsets=[0.0, 1.0])),
    ("offsets inf", "offsets", lambda impl: polyhedron(impl, offsets=[INF])),
    ("means one axis", "means", lambda impl: polyhedron(impl, means=[0.0])),
    ("means two columns", "means", lambda impl: polyhedron(impl, means=[[0.0, 1.0]])),
    ("means NaN", "means", lambda impl: polyhedron(impl, means=[[NAN]])),
    ("means no rows", "means", lambda impl: polyhedron(impl, means=np.empty((0, 1)))),
]


def two_in():
    """A Dense layer of two inputs, sound by itself."""
    return Dense([[1.0, 1.0]], [0.0])


def ones():
    """A column of two ones."""
    return np.ones((2, 1))


def posterior(impl):
    """The posterior of two data."""
    return dgn(impl).posterior(np.eye(2))


def past_the_end(impl):
    """Ask for the region after the last."""
    found = dgn(impl).partition()
    return found.halfspaces(found.n_regions)


def polyhedron(impl, **changes):
    """gaussian_on_polyhedron on a half-line, with some arguments replaced."""
    sound = {"normals": [[1.0]], "offsets": [0.0], "means": [[0.0]], "cov": [[1.0]]}
    return impl.gaussian_on_polyhedron(**{**sound, **changes})


@pytest.mark.parametrize(("name", "call"), rows(SHAPES))
def test_bad_shapes_and_values(impl, name, call):
    """One wrong argument at a time."""
    refuses(lambda: call(impl), name)


# Options


BAD_COUNTS = {"-1": -1, "1.5": 1.5, "True": True, "string": "3", "NaN": NAN, "list": [3]}
BAD_SEEDS = {"-1": -1, "1.5": 1.5, "string": "seed", "True": True, "list": [1, 2]}


@pytest.mark.parametrize("bad", [*BAD_COUNTS.values(), None, 0], ids=repr)
def test_bad_sizes(impl, bad):
    """size and max_regions are positive integers."""
    refuses(lambda: dgn(impl).rvs(bad), "size")
    refuses(lambda: posterior(impl).rvs(bad), "size")
    refuses(lambda: dgn(impl, max_regions=bad), "max_regions")


@pytest.mark.parametrize("bad", BAD_SEEDS.values(), ids=BAD_SEEDS)
def test_bad_random_states(impl, bad):
    """random_state is None, a non-negative int or a Generator."""
    refuses(lambda: Network.random([1, 2], None, bad), "random_state")
    refuses(lambda: dgn(impl).rvs(2, bad), "random_state")
    refuses(lambda: posterior(impl).rvs(2, bad), "random_state")
    refuses(lambda: fit(impl, random_state=bad), "random_state")


def fit(impl, **options):
    """fit_em on two points with some options."""
    return impl.fit_em(network(), np.eye(2), cov_x=0.5, **options)


BAD_OPTIONS = [
    *[(f"max_iter {key}", {"max_iter": bad}) for key, bad in BAD_COUNTS.items()],
    ("m_step unknown", {"m_step": "newton"}),
    ("m_step None", {"m_step": None}),
    ("m_step list", {"m_step": ["guarded"]}),
    ("damping 0", {"damping": 0.0}),
    ("damping 2", {"damping": 2.0}),
    ("damping negative", {"damping": -0.5}),
    ("damping NaN", {"damping": NAN}),
    ("damping string", {"damping": "half"}),
    ("damping array", {"damping": [0.5, 0.5]}),
    ("tol negative", {"tol": -1e-6}),
    ("tol NaN", {"tol": NAN}),
    ("tol inf", {"tol": INF}),
    ("tol string", {"tol": "small"}),
    ("callback no function", {"callback": "print"}),
]


@pytest.mark.parametrize("options", rows(BAD_OPTIONS))
def test_bad_options_of_fit_em(impl, options):
    """Every option of fit_em, refused before any iteration."""
    (name,) = options
    refuses(lambda: fit(impl, **options), name)


@pytest.mark.parametrize("bad", [None, "net", [two_in()], 3], ids=repr)
def test_fit_em_needs_a_network(impl, bad):
    """fit_em of what is no network."""
    refuses(lambda: impl.fit_em(bad, np.eye(2), cov_x=0.5), "network")


BAD_M_STEPS = [
    ("unknown parameter", "parameters", {"parameters": ["mean"]}),
    ("unknown layer", "parameters", {"parameters": ["7.bias"]}),
    ("activation layer", "parameters", {"parameters": ["1.bias"]}),
    ("activation number", "parameters", {"parameters": ["1"]}),
    ("number", "parameters", {"parameters": [0]}),
    ("one string", "parameters", {"parameters": "cov_x"}),
    ("damping 0", "damping", {"damping": 0.0}),
    ("damping 2", "damping", {"damping": 2.0}),
    ("damping NaN", "damping", {"damping": NAN}),
    ("damping string", "damping", {"damping": "half"}),
]


@pytest.mark.parametrize(("name", "options"), rows(BAD_M_STEPS))
def test_bad_options_of_m_step(impl, name, options):
    """Unknown names and damping outside (0, 1]."""
    model = dgn(impl)
    statistics = model.statistics(np.eye(2))
    refuses(lambda: impl.m_step(model, statistics, **options), name)


def test_m_step_needs_its_own_statistics(impl):
    """Statistics of another partition, and what is no statistics."""
    model = dgn(impl)
    other = impl.DGN(Network.random([1, 7, 2], Abs(), 1), 0.5).statistics(np.eye(2))
    refuses(lambda: impl.m_step(model, other), "statistics")
    refuses(lambda: impl.m_step(model, np.eye(2)), "statistics")
    refuses(lambda: impl.m_step(None, model.statistics(np.eye(2))), "dgn")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"], ids=repr)
def test_bad_file(tmp_path, content):
    """Network.load of what is no saved network."""
    path = tmp_path / "net.npz"
    path.write_bytes(content)
    refuses(lambda: Network.load(path), "path")


@pytest.mark.parametrize("bad", [None, 3.5, ["net.npz"]], ids=repr)
def test_bad_path(bad):
    """A path that is none."""
    refuses(lambda: Network.load(bad), "path")


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


def test_rounding_of_a_covariance_is_forgiven(impl):
    """A computed covariance may be asymmetric in its last digits."""
    factor = np.random.default_rng(0).standard_normal((2, 2))
    cov = factor @ factor.T + np.eye(2)
    cov[0, 1] *= 1 + 4e-16
    assert np.all(np.isfinite(impl.DGN(network(), cov).logpdf([[0.0, 0.0]])))


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

    monkeypatch.setattr(sys.modules[impl.DGN.__module__].partitioning, "partition", enumerated)
    return impl


@pytest.mark.parametrize("method", OF_DATA)
@pytest.mark.parametrize("latent", [1, 2, 7])
def test_bad_data_is_refused_before_the_regions_are_enumerated(unopened, latent, method):
    model = unopened.DGN(network(latent), 0.5)
    refuses(lambda: OF_DATA[method](model, [[0.0, NAN]], np.ones((1, latent))), "X")


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


@pytest.mark.parametrize("bad", [[1], None, 3.0, "0.weight", {"0.bias"}])
def test_parameters_are_a_mapping(impl, bad):
    refuses(lambda: dgn(impl).with_parameters(bad), "values")
    refuses(lambda: network().with_parameters(bad), "values")


@pytest.mark.parametrize("bad", [True, False, np.True_])
def test_a_bool_is_no_number(impl, bad):
    refuses(lambda: LeakyReLU(bad), "slope")
    refuses(lambda: impl.fit_em(network(), [[0.0, 1.0]], cov_x=1.0, damping=bad), "damping")
    refuses(lambda: impl.fit_em(network(), [[0.0, 1.0]], cov_x=1.0, tol=bad), "tol")
