"""Every argument of every public function, one value on either side of what it accepts.

`public_calls` says how each is called, `argument_kinds` what it must refuse; an argument without an
entry fails. Each error is a ValueError that begins with the argument's name and says what was
expected.
"""

import numpy as np
import pytest
from argument_kinds import Covariance, Numbers
from decoders import decoders
from public_calls import (
    COV_X,
    COV_Z,
    IMPLEMENTATIONS,
    X,
    all_calls,
    arguments_in_signatures,
    dgn,
    network,
)

import fast
import reference
from reference import (
    Abs,
    Dense,
    GaussianPrior,
    LaplacePrior,
    LeakyReLU,
    MaxPool,
    Network,
    ReLU,
    UniformPrior,
)

CALLS = all_calls()
ARGUMENTS = [(name, impl, a) for (name, impl), call in CALLS.items() for a in call.arguments]
EACH = [pytest.param(*one, id=f"{one[0]}({one[2]}) of {one[1]}") for one in ARGUMENTS]


def objection(name, call):
    """What is wrong with the way in which a call refuses, or nothing."""
    try:
        call()
    except ValueError as error:
        said = str(error)
        begins = said.startswith(name) and said[len(name) :][:1] in tuple(":[ (")
        if not begins or not ("expected" in said or "expects" in said):
            return f"said {said!r}"
    except Exception as error:
        return f"raised {error!r}"
    else:
        return "was accepted"
    return None


#: Arguments that cannot be tried without a package of an extra: onnx's file, in
#: tests/model/test_from_onnx_refusals.py.
ELSEWHERE = {"Network.from_onnx.path"}


def test_every_argument_has_an_entry(impl):
    """A new argument of a public function cannot go untested, nor an entry outlive its own."""
    places = (impl.__name__, "both")
    here = {f"{n}.{a}" for n, w, a in ARGUMENTS if w in places}
    assert arguments_in_signatures(impl) == here | ELSEWHERE


@pytest.mark.parametrize(("name", "where", "argument"), EACH)
def test_what_is_wrong_is_refused(name, where, argument):
    call, impl = CALLS[name, where], IMPLEMENTATIONS[where]
    entry, sound = call.arguments[argument], call.sound(impl)
    failures = {}
    for what, bad in entry.kind.wrong(entry.other).items():
        changed = {**sound, **entry.beside, argument: bad}
        said = objection(entry.named or argument, lambda given=changed: call.do(impl, **given))
        if said is not None:
            failures[what] = said
    assert not failures


@pytest.mark.parametrize(("name", "where", "argument"), EACH)
def test_what_is_right_is_accepted(name, where, argument):
    """Up to the threshold, and in every guise of the same numbers with the same result."""
    call, impl = CALLS[name, where], IMPLEMENTATIONS[where]
    entry = call.arguments[argument]
    least = {"max_iter": 0} if "max_iter" in call.arguments else {}  # training is not meant here
    beside = {**call.sound(impl), **entry.beside, **least}
    guises = type(entry.kind) is Numbers
    expected = call.shown(call.do(impl, **{**beside, argument: entry.other})) if guises else None
    for value in entry.kind.right(entry.other).values():
        result = call.do(impl, **{**beside, argument: value})
        if guises:  # another layout in memory may change the order of sums
            assert_close(call.shown(result), expected)


def assert_close(shown, expected):
    """Nested arrays agree to rounding."""
    if isinstance(expected, dict):
        assert shown.keys() == expected.keys()
        shown, expected = shown.values(), expected.values()
    if isinstance(expected, np.ndarray | float | int | str):
        np.testing.assert_allclose(shown, expected, rtol=1e-12, atol=1e-12)
    else:
        for one, other in zip(shown, expected, strict=True):
            assert_close(one, other)


# Thresholds that are of more than one argument


@pytest.mark.parametrize("prior", [GaussianPrior(1.0), LaplacePrior(1.0), UniformPrior(1.0)])
def test_weights_up_to_a_uniform_priors_bound(impl, prior):
    """At the bound they may start; one unit in the last place beyond it they may not."""
    at, beyond = (Network([Dense([[w], [0.5]], [0.0, 0.0])]) for w in (1.0, np.nextafter(1.0, 2)))
    for fit in {impl.fit_em, fast.fit_mle}:
        fit(at, [[1.0, 0.5]], cov_x=1.0, max_iter=0, weight_prior=prior)
        start = {"cov_x": 1.0, "max_iter": 0, "weight_prior": prior}
        said = objection("network", lambda fit=fit, start=start: fit(beyond, [[1.0, 0.5]], **start))
        assert said == (None if isinstance(prior, UniformPrior) else "was accepted")


@pytest.mark.parametrize("name", [*decoders(), "S = 1", "S = 2", "S = 3", "affine"])
def test_max_regions_is_the_number_of_regions(impl, name):
    """R are allowed and R - 1 are not, for every kind of layer; with max-pooling the limit is on
    the cells before those of one code are joined, which are no fewer."""
    network = {
        **decoders(),
        "S = 1": Network.random([1, 5, 4, 2], Abs(), 0),
        "S = 2": Network.random([2, 3, 3, 2], ReLU(), 0),
        "S = 3": Network.random([3, 4, 2], LeakyReLU(0.1), 0),
        "affine": Network.random([2, 3], None, 0),
    }[name]
    regions = impl.DGN(network, 1.0).partition().n_regions
    pooled = any(isinstance(layer, MaxPool) for layer in network.layers)
    if not pooled:
        assert impl.DGN(network, 1.0, max_regions=regions).partition().n_regions == regions
    if regions > 1:
        # With two or three latent dimensions `fast` would go on with those that matter for X.
        all_of_them = {"partition": "full"} if impl is fast else {}
        short = impl.DGN(network, 1.0, max_regions=regions - 1, **all_of_them)
        for ask in (short.partition, lambda: short.logpdf(np.zeros((1, short.cov().shape[0])))):
            with pytest.raises(impl.TooManyRegionsError, match=rf"^max_regions: .*{regions - 1} "):
                ask()


def test_latent_dimensions():
    """Six for `fast` and three for `reference`, one more is refused by the argument's name."""
    inside = {"offsets": [0.5], "cov": 1.0}
    for impl, most, refused in ((fast, 6, ValueError), (reference, 3, NotImplementedError)):
        for size in (1, most, most + 1):
            one = np.eye(1, size)
            call = {"normals": one, "means": np.zeros((1, size)), **inside}
            network = Network([Dense(np.ones((2, size)), [0.0, 0.0])])
            if size <= most:
                found = impl.gaussian_on_polyhedron(**call)
                # P(z_1 > -1/2) of a standard normal, from its table.
                np.testing.assert_allclose(found.log_mass, np.log(0.6914624612740131), rtol=1e-9)
                assert np.isfinite(impl.DGN(network, 1.0).logpdf([[0.5, 0.25]])).all()
            else:
                with pytest.raises(refused, match=rf"normals: .*{most}.*{most + 1}"):
                    impl.gaussian_on_polyhedron(**call)
                with pytest.raises(refused, match=rf"{most}.*{most + 1}"):
                    impl.DGN(network, 1.0).logpdf([[0.5, 0.25]])


@pytest.mark.parametrize("factor", [0.0, [[1.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [0.0, 0.0]]])
def test_a_factor_is_invertible(impl, factor):
    size = np.ndim(factor) or 1
    bad = np.reshape(factor, (size, size))
    call = {"normals": np.eye(1, size), "offsets": [0.0], "means": np.zeros((1, size))}
    assert objection("factor", lambda: impl.gaussian_on_polyhedron(**call, factor=bad)) is None


def test_either_a_covariance_or_a_factor(impl):
    call = {"normals": [[1.0]], "offsets": [0.0], "means": [[0.0]]}
    for both in ({}, {"cov": 1.0, "factor": [[1.0]]}, {"cov": None, "factor": None}):
        assert not objection("cov", lambda b=both: impl.gaussian_on_polyhedron(**call, **b))


def test_more_starts_need_new_ones():
    """n_init above 1 with init="given" would train the same start again."""
    for init, n_init, fine in (("given", 1, True), ("given", 2, False), ("data", 2, True)):
        options = {"init": init, "n_init": n_init, "cov_x": 2.0, "max_iter": 0}
        said = objection("n_init", lambda o=options: fast.fit_em(network(), X, **o))
        assert said == ("was accepted" if fine else None)


def test_what_covariances_a_fit_starts_from(impl):
    """Of a network cov_x has none in `reference`, and the data's variance in `fast`; of a DGN it
    has the model's."""
    if impl is reference:
        said = objection("cov_x", lambda: impl.fit_em(network(), X, cov_x=None, max_iter=0))
        assert said is None
        return
    for fit in (fast.fit_em, fast.fit_mle):
        own = fit(network(), X, max_iter=0).dgn.cov_x
        np.testing.assert_allclose(own, np.var(X, axis=0).mean(), rtol=1e-12)
        assert fit(dgn(fast), X, max_iter=0).dgn.cov_x == 2.0


def named_values():
    """The arrays of a model by name, their kind, and a sound value."""
    for name, value in network().parameters().items():
        yield name, Numbers(), value
    yield "cov_x", Covariance(), COV_X
    yield "cov_z", Covariance(), COV_Z


@pytest.mark.parametrize(("name", "kind", "value"), [*named_values()])
def test_values_of_parameters(impl, name, kind, value):
    """with_parameters checks every array as the constructors do, and names it."""
    owners = [dgn(impl)] if name.startswith("cov") else [dgn(impl), network()]
    for with_parameters in (owner.with_parameters for owner in owners):
        for what, bad in kind.wrong(value).items():
            said = objection(name, lambda new={name: bad}, of=with_parameters: of(new))
            assert said is None, (what, said)
        for good in kind.right(value).values():
            with_parameters({name: good})


def test_statistics_are_the_models(impl):
    """Of another number of regions, latent dimension, or structure of Σx: refused by name."""
    model = dgn(impl)
    like = Network.random([1, 3, 3], ReLU(), 0)  # four regions as well
    others = [impl.DGN(like, 2.0), dgn(impl, COV_X), dgn(impl, [1.0, 2.0, 3.0])]
    others.append(impl.DGN(Network.random([2, 3, 3], ReLU(), 0), 2.0))
    assert others[0].partition().n_regions == model.partition().n_regions
    for other in others:
        sums = other.statistics(X)
        assert not objection("statistics", lambda s=sums: impl.m_step(model, s))
    impl.m_step(model, dgn(impl).statistics(X))
