"""The public API in any order with any numbers: hypothesis looks for a call that breaks its word.

What no call may do is in `fuzzed_calls`. The default run has ordinary networks and sizes, always
the same ones; a deep run has nearly degenerate networks, sizes from 5e-324 to 1e300, and other ones
every time.
"""

import copy
import pickle
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from fuzzed_calls import CHECKS, REFUSED, Drawing, asked, check_polyhedron, documented, kept
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run
from shared_models import covariance

import fast
import reference
from oracle.models.hypothesis_choices import Drawn
from oracle.models.random_choices import Seeded
from reference.model import Dense, LeakyReLU, Network, ReLU

IMPLEMENTATIONS = [pytest.param(impl, id=impl.__name__) for impl in (reference, fast)]
MOST_DIMENSIONS = {"fast": 3, "reference": 2}
#: `reference` takes a second for what `fast` does in milliseconds.
EXAMPLES = {"fast": 25, "reference": 20}
#: Nothing is kept from one run to the next, and no example depends on the clock.
SAME_EVERY_TIME = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    stateful_step_count=8,
    suppress_health_check=list(HealthCheck),
)
DEEP = settings(SAME_EVERY_TIME, derandomize=False, max_examples=2000)


def reopened(dgn):
    """A model of the network read back from a file."""
    with tempfile.TemporaryDirectory() as folder:
        dgn.network.save(Path(folder) / "net.npz")
        network = Network.load(Path(folder) / "net.npz")
    return type(dgn)(network, dgn.cov_x, dgn.cov_z, max_regions=dgn.max_regions)


#: Ways to the same model.
SAME = {
    "pickled": lambda dgn: pickle.loads(pickle.dumps(dgn)),
    "copied": copy.copy,
    "copied in depth": copy.deepcopy,
    "saved": reopened,
    "its own parameters": lambda dgn: dgn.with_parameters(dgn.parameters()),
    "its own covariances": lambda dgn: dgn.with_parameters({"cov_x": dgn.cov_x}),
}


def answers(dgn, X):
    """What a model says of data, bit for bit; or what it says in place of that, but for seconds."""
    found = {}
    for name, ask in {
        "logpdf": lambda: dgn.logpdf(X),
        "posterior mean": lambda: dgn.posterior(X).mean(),
        "scatter": lambda: dgn.statistics(X).scatter,
        "codes": lambda: dgn.partition().codes,
    }.items():
        try:
            found[name] = kept(np.asarray(ask()))
        except Exception as error:
            found[name] = re.sub(r"by estimate [^)]*", "by estimate", repr(error))
    return found


def machine(impl, extreme, degenerate):
    """Calls of one model and its copies, in any order."""

    class Calls(RuleBasedStateMachine):
        dgn = None

        def drawing(self, data):
            return Drawing(Drawn(data.draw), impl, extreme, degenerate)

        @initialize(data=st.data(), latent=st.integers(1, MOST_DIMENSIONS[impl.__name__]))
        def begin(self, data, latent):
            self.dgn = self.drawing(data).model(latent)
            if self.dgn is not None:
                self.X = self.drawing(data).data(self.dgn)

        @precondition(lambda self: self.dgn is not None)
        @rule(data=st.data(), names=st.lists(st.sampled_from(list(CHECKS)), min_size=1, max_size=3))
        def calls(self, data, names):
            draw = self.drawing(data)
            for name in names:
                CHECKS[name](draw, self.dgn, draw.given(self.X))

        @precondition(lambda self: self.dgn is not None)
        @rule(data=st.data())
        def other_data(self, data):
            self.X = self.drawing(data).data(self.dgn)

        @precondition(lambda self: self.dgn is not None)
        @rule(data=st.data())
        def other_covariances(self, data):
            draw = self.drawing(data)
            values = {"cov_x": draw.covariance(self.dgn.network.observed_dimension)}
            other = asked(impl, self.dgn.with_parameters, values=values)
            self.dgn = self.dgn if other is None else other

        @precondition(lambda self: self.dgn is not None)
        @rule(way=st.sampled_from(list(SAME)))
        def the_same_model(self, way):
            same = SAME[way](self.dgn)
            assert answers(same, self.X) == answers(self.dgn, self.X)
            self.dgn = same

        @precondition(lambda self: self.dgn is not None)
        @rule(what=st.sampled_from(list(REFUSED)), name=st.sampled_from(["logpdf", "gradient"]))
        def what_is_no_data(self, what, name):
            with pytest.raises(ValueError, match=r"^X: expected"):
                getattr(self.dgn, name)(REFUSED[what](self.X))

    return Calls


@pytest.mark.parametrize("noise", ["scalar", "diagonal", "full"])
@pytest.mark.parametrize("latent", [1, 2, 3])
def test_models_used_and_pickled_answer_alike(latent, noise):
    """Bit for bit, what was found and kept as well: arrays laid out otherwise are summed in another
    order."""
    for seed in range(3):
        rng = np.random.default_rng([31, seed])
        network = Network.random([latent, 4, 3], LeakyReLU(0.3), rng)
        dgn = fast.DGN(network, covariance(noise, 3, rng))
        X = rng.standard_normal((3, 3))
        expected = answers(dgn, X)
        assert answers(pickle.loads(pickle.dumps(dgn)), X) == expected


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
def test_calls_in_any_order(impl):
    quick = settings(SAME_EVERY_TIME, max_examples=EXAMPLES[impl.__name__])
    run(machine(impl, extreme=0.0, degenerate=False), settings=quick)


def every_call(impl, seed, extreme, degenerate):
    """All that may be asked, of the model and data of a seed."""
    draw = Drawing(Seeded(720, seed), impl, extreme, degenerate)
    dgn = draw.model(1 + seed % MOST_DIMENSIONS[impl.__name__])
    if dgn is not None:
        X = draw.given(draw.data(dgn))
        for check in CHECKS.values():
            check(draw, dgn, X)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
def test_every_call(impl, seed):
    every_call(impl, seed, extreme=0.0, degenerate=False)


@pytest.mark.deep
@pytest.mark.parametrize("extreme", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(6, 206))
@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
def test_every_call_deep(impl, seed, extreme):
    every_call(impl, seed, extreme, degenerate=True)


@pytest.mark.parametrize("latent", [1, 2, 3])
@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
def test_any_polyhedron(impl, latent):
    @SAME_EVERY_TIME
    @given(st.data())
    def check(data):
        check_polyhedron(Drawing(Drawn(data.draw), impl, 0.0, False), latent)

    check()


@pytest.mark.deep
@pytest.mark.parametrize("extreme", [0.0, 0.3])
@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
def test_calls_in_any_order_deep(impl, extreme):
    run(machine(impl, extreme, degenerate=True), settings=DEEP)


@pytest.mark.deep
@pytest.mark.parametrize("extreme", [0.0, 0.3])
@pytest.mark.parametrize("latent", [1, 2, 3, 4])
@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
def test_any_polyhedron_deep(impl, latent, extreme):
    @DEEP
    @given(st.data())
    def check(data):
        check_polyhedron(Drawing(Drawn(data.draw), impl, extreme, True), latent)

    check()


# Each property can fail


def sound(impl):
    """A model with two regions."""
    network = Network([Dense([[1.0], [2.0]], [0.5, -0.25]), ReLU(), Dense([[1.0, 2.0]], [0.5])])
    return impl.DGN(network, 2.0)


def changing(X):
    """Writes into its argument."""
    X[0] = 0.0


def raised(error):
    """An error, in place of a result."""
    raise error


def warning(X):
    """What numpy does with an overflow."""
    return np.float64(1e308) * np.array([1e308])


WRONG = {
    "an error of numpy": (lambda X: np.linalg.inv(np.zeros((2, 2))), "LinAlgError"),
    "an error of Python": (lambda X: [][1], "IndexError"),
    "a class of Python's": (lambda X: raised(OverflowError("X: too large")), "OverflowError"),
    "a division by zero": (lambda X: 1 / 0, "ZeroDivisionError"),
    "an error that names nothing": (lambda X: np.zeros(2) + np.zeros(3), "ValueError: operands"),
    "a warning": (warning, "RuntimeWarning"),
    "a changed argument": (changing, "X was changed"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_breaks_its_word_is_told(impl, name):
    function, words = WRONG[name]
    with pytest.raises(AssertionError, match=words):
        asked(impl, function, X=np.ones(2))


def test_what_is_documented_is_no_failure(impl):
    def refusing(X):
        raise impl.PartitionError("partition: two boundaries nearly coincide")

    assert asked(impl, refusing, X=1.0) is None
    assert (NotImplementedError in documented(impl)) == (impl is reference)


def off(dgn, name, change):
    """The model with a method whose result is changed."""
    broken = copy.copy(dgn)
    object.__setattr__(broken, name, lambda *a, **k: change(getattr(dgn, name)(*a, **k)))
    return broken


BREAKAGES = {
    "logpdf": ("logpdf", lambda found: found * np.nan, "not finite"),
    "gradient": ("gradient", lambda found: {**found, "cov_x": np.zeros(2)}, "shape"),
    "marginal": ("cov", lambda found: -found, "variance"),
    "elbo, kl": ("elbo", lambda found: found[:-1], "shape"),
    "posterior": ("posterior", lambda found: _with_more(found), "Not equal to tolerance"),
}


def _with_more(posterior):
    """A posterior whose shares sum to more than 1."""
    if isinstance(posterior, fast.Posterior):
        shares = posterior.shares
        posterior.shares = shares._replace(log_e0=shares.log_e0 + 1e-8)
    else:
        posterior.log_e0 = posterior.log_e0 + 1e-8
    return posterior


@pytest.mark.parametrize("name", BREAKAGES)
def test_wrong_results_are_told(impl, name):
    draw = Drawing(Seeded(0), impl, 0.0, False)
    X = np.array([[0.5], [1.5]])
    CHECKS[name](draw, sound(impl), X)
    method, change, words = BREAKAGES[name]
    with pytest.raises(AssertionError, match=words):
        CHECKS[name](draw, off(sound(impl), method, change), X)


def test_another_model_is_told(impl):
    one, other = sound(impl), sound(impl).with_parameters({"2.bias": [0.5 + 2**-40]})
    X = np.array([[0.5]])
    assert answers(one, X) == answers(sound(impl), X)
    assert answers(one, X) != answers(other, X)
