"""Every argument away from its default: it is heeded, and it survives every way a model travels.

`public_calls` has a value for each, and an argument without one fails. A model travels in copies,
pickles and files, `with_parameters`, M-steps, fits and their checkpoints.
"""

import copy
import inspect
import pickle
import warnings

import numpy as np
import pytest
from public_calls import (
    COV_X,
    COV_Z,
    IMPLEMENTATIONS,
    MEANS,
    NORMALS,
    OFFSETS,
    X,
    Z,
    all_calls,
    default_of,
    network,
)

import fast
from reference import (
    Abs,
    AvgPool,
    Conv2d,
    Dense,
    Flatten,
    LaplacePrior,
    LeakyReLU,
    MaxPool,
    Network,
    ReLU,
    Reshape,
    UniformPrior,
    Upsample,
)
from reference.model import Convolution

CALLS = all_calls()
ARGUMENTS = [(name, where, a) for (name, where), call in CALLS.items() for a in call.arguments]
EACH = [pytest.param(*one, id=f"{one[0]}({one[2]}) of {one[1]}") for one in ARGUMENTS]


def same(one, other):
    """Whether nested arrays, records and plain values are the same, bit for bit."""
    try:
        np.testing.assert_equal(one, other)
    except AssertionError:
        return False
    return True


# Heeded


@pytest.mark.parametrize(("name", "where", "argument"), EACH)
def test_every_argument_is_heeded(name, where, argument):
    """Another value changes what it is documented to change, and one that is documented to change
    nothing does not."""
    call, impl = CALLS[name, where], IMPLEMENTATIONS[where]
    entry = call.arguments[argument]
    base = {**call.sound(impl), **entry.beside}
    default = default_of(impl, name, argument)
    if default is not inspect.Parameter.empty:
        assert not same(entry.other, default), "a value away from the default"
    shown = entry.shown or call.shown
    before = shown(call.do(impl, **base))
    after = shown(call.do(impl, **{**base, argument: entry.other}))
    assert same(before, after) == entry.ignored


@pytest.mark.parametrize(("name", "where"), CALLS, ids=lambda part: part)
def test_the_same_call_shows_the_same(name, where):
    """What changes above is not chance."""
    call, impl = CALLS[name, where], IMPLEMENTATIONS[where]
    one, other = (call.shown(call.do(impl, **call.sound(impl))) for _ in range(2))
    assert same(one, other)


# Travelling


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
    "pickle, protocol 2": lambda thing: pickle.loads(pickle.dumps(thing, 2)),
    "copy of a pickle": lambda thing: copy.copy(pickle.loads(pickle.dumps(thing))),
}
CONSTRUCTED = [
    pytest.param(name, where, id=f"{name} of {where}")
    for name, where in CALLS
    if inspect.isclass(getattr(IMPLEMENTATIONS[where], name, None))
]


def away_from_defaults(name, where):
    """An object with every argument of its constructor away from the default, and the arguments."""
    call, impl = CALLS[name, where], IMPLEMENTATIONS[where]
    given = call.sound(impl) | {key: entry.other for key, entry in call.arguments.items()}
    if name in ("AvgPool", "MaxPool"):  # one that fits the padding
        given["padding"] = (1, 1)
    if name.startswith("ConvTranspose"):  # one that fits the groups
        given["bias"] = np.ones(2)
    if name == "DGN":
        given["max_regions"] = 4  # as many as it has, so that it has probabilities
    return call.do(impl, **given), given


def assert_has(thing, given):
    """Its attributes are what it was given."""
    for key, value in given.items():
        # `partition` is a method of models: what was chosen has another name.
        mine = getattr(thing, "partition_choice" if key == "partition" else key)
        if isinstance(value, Network):
            assert repr(mine) == repr(value)
            mine, value = mine.parameters(), value.parameters()
        elif isinstance(value, fast.DGN):
            mine, value = mine.parameters(), value.parameters()
        elif key in ("layers", "projection"):
            mine, value = repr(list(mine)), repr(list(value))
        assert same(mine, value), key


def arrays_of(thing):
    """Every array an object holds, in what it holds, too."""
    if isinstance(thing, np.ndarray):
        yield thing
    elif isinstance(thing, tuple | list):
        for one in thing:
            yield from arrays_of(one)
    elif isinstance(thing, Network) or hasattr(thing, "placed"):
        yield from arrays_of(list(vars(thing).values()))
        if hasattr(thing, "matrix"):
            yield thing.matrix.data


def assert_read_only(thing):
    """What it holds cannot be written to."""
    for array in arrays_of([thing, *vars(thing).values()]):
        assert not array.flags.writeable


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize(("name", "where"), CONSTRUCTED)
def test_copies(name, where, way):
    """Attributes, behaviour and that nothing can be written to."""
    thing, given = away_from_defaults(name, where)
    shown = CALLS[name, where].shown
    for used in (False, True):  # before anything is found and kept, and after
        other = COPIES[way](thing)
        assert type(other) is type(thing)
        assert_has(other, given)
        assert_read_only(other)
        assert same(shown(other), shown(thing)), used
        assert repr(other) == repr(thing)


LAYERS = [
    pytest.param(name, where, id=name)
    for name, where in CALLS
    if hasattr(getattr(IMPLEMENTATIONS[where], name, None), "placed")
]


def in_a_network(layer):
    """The layer behind a Dense one, on inputs that it accepts."""
    shapes = {"Dense": (2,), "LeakyReLU": (5,), "Upsample": (1, 2, 2), "Reshape": (12,)}
    shape = shapes.get(type(layer).__name__, (2, 6, 6))
    if isinstance(layer, Convolution):
        shape = (layer.in_channels, 4, 6) if layer.axes == 2 else (layer.in_channels, 24)
    size = int(np.prod(shape))
    first = np.random.default_rng(1).standard_normal((size, 2))
    return Network([Dense(first, first[:, 0]), Reshape(shape), layer])


@pytest.mark.parametrize("way", [*COPIES, "file", "with_parameters"])
@pytest.mark.parametrize(("name", "where"), LAYERS)
def test_layers_in_networks(tmp_path, name, where, way):
    """Every setting of a layer, with the network it is in."""
    layer, given = away_from_defaults(name, where)
    whole = in_a_network(layer)
    if way == "file":
        whole.save(tmp_path / "net")
        other = Network.load(tmp_path / "net")
    elif way == "with_parameters":
        other = whole.with_parameters({"0.bias": whole.layers[0].bias})
    else:
        other = COPIES[way](whole)
    assert_has(other.layers[2], given)
    assert_read_only(other.layers[2])
    assert same(other(Z), whole(Z))
    assert repr(other) == repr(whole)
    assert other.shapes == whole.shapes


@pytest.mark.parametrize(("name", "where"), LAYERS)
def test_a_layers_settings_are_in_its_name(name, where):
    """repr, by which a checkpoint tells networks apart, says every setting that is no array: to
    the last digit."""
    call, entries = CALLS[name, where], CALLS[name, where].arguments
    sound = call.sound(None)
    for argument, entry in entries.items():
        base = {**sound, **entry.beside}
        changed = {**base, argument: entry.other}
        if np.ndim(entry.other) < 2 and argument != "bias" and not entry.ignored:
            assert repr(call.do(None, **base)) != repr(call.do(None, **changed)), argument
    assert repr(LeakyReLU(0.1)) != repr(LeakyReLU(np.nextafter(0.1, 1)))


def test_results(impl):
    """Posterior, Statistics, Partition, truncated moments and fits travel as models do."""
    model = impl.DGN(network(), COV_X, COV_Z, max_regions=4)
    posterior = model.posterior(X)
    truncated = impl.gaussian_on_polyhedron(NORMALS, OFFSETS, MEANS, COV_Z)
    fit = impl.fit_em(network(), X, cov_x=COV_X, cov_z=COV_Z, max_iter=1, tol=0.0)
    for travelled in COPIES.values():
        other = travelled(posterior)
        for say in (
            lambda p: [p.e0, p.e1, p.e2, p.mean(), p.cov(), p.mode(), p.entropy(), p.logpdf(Z)],
            lambda p: p.rvs(2, 0),
        ):
            assert same(say(other), say(posterior))
        sums, found = model.statistics(X), model.partition()
        assert same(vars(travelled(sums)), vars(sums))
        other = travelled(found)
        assert_read_only(other)
        assert same(other.codes, found.codes)
        assert same(other.locate(Z), found.locate(Z))
        for r in range(found.n_regions):
            assert same(other.halfspaces(r), found.halfspaces(r))
            assert same(other.vertices(r), found.vertices(r))
        other = travelled(truncated)
        assert same([*other, other.log_mass_error], [*truncated, truncated.log_mass_error])
        other = travelled(fit)
        assert same(other.history, fit.history)
        assert same(other.dgn.parameters(), fit.dgn.parameters())
        assert (other.outcome, other.n_iter) == (fit.outcome, fit.n_iter)


# Models made from models


STRUCTURES = {"scalar": 2.0, "diagonal": np.array([2.0, 1.0, 1.5]), "full": COV_X}


def settings_of(model):
    """What is no parameter: the limits, the structure of Σx, and the layers' own settings."""
    names = ("max_regions", "negligible", "partition_choice", "max_memory", "progress")
    limits = [getattr(model, name, None) for name in names]
    return *limits, model.cov_x.shape, model.cov_z.shape, repr(model.network)


def made_from(impl, model):
    """Every model that is made from another one."""
    for name, value in model.parameters().items():
        yield f"with {name}", model.with_parameters({name: value})
    yield "with all", model.with_parameters(model.parameters())
    yield "with none", model.with_parameters({})
    sums = model.statistics(X)
    for damping in (1.0, 0.5):
        yield "m_step", impl.m_step(model, sums, damping=damping)
    for part in ("cov_x", "cov_z", "0.bias", "2", "2.weight"):
        yield f"m_step {part}", impl.m_step(model, sums, [part])


@pytest.mark.parametrize("structure", STRUCTURES)
def test_models_made_from_models(impl, structure):
    options = {"max_regions": 1234} | (
        {"negligible": 1e-4, "partition": "full", "max_memory": 5e8, "progress": True}
        if impl is fast
        else {}
    )
    model = impl.DGN(network(1 / 3), STRUCTURES[structure], COV_Z, **options)
    for name, other in made_from(impl, model):
        assert settings_of(other) == settings_of(model), name
        if name.startswith("with"):
            assert same(other.parameters(), model.parameters()), name
        if name == "with all":
            assert same(other.logpdf(X), model.logpdf(X))


@pytest.mark.parametrize("structure", STRUCTURES)
def test_damping_is_of_every_update(impl, structure):
    """Half of each update, whichever parameter it is of; 1e-12 is rounding of numbers near 1."""
    model = impl.DGN(network(), STRUCTURES[structure], COV_Z)
    sums, before = model.statistics(X), model.parameters()
    for name in (*before, "0", "2"):
        whole, half = (impl.m_step(model, sums, [name], damping=d).parameters() for d in (1.0, 0.5))
        moved = {key for key in before if not same(whole[key], before[key])}
        assert moved == {key for key in before if name in (key, key.split(".")[0])}
        for key, value in before.items():
            np.testing.assert_allclose(half[key], (value + whole[key]) / 2, rtol=0, atol=1e-12)


def test_covariances_alone_keep_the_regions(impl):
    """And the parameters that are not named are the old ones, bit for bit."""
    model = impl.DGN(network(), 2.0, COV_Z)
    other = model.with_parameters({"cov_x": COV_X})
    assert same(other.cov_z, COV_Z)
    assert same(other.logpdf(X), impl.DGN(network(), COV_X, COV_Z).logpdf(X))
    assert same(model.with_parameters({"cov_z": 3.0}).cov_z, 3.0 * np.eye(2))


FITS = {
    "em": lambda model, **o: fast.fit_em(model, X, max_iter=2, tol=0.0, **o),
    "printed em": lambda model, **o: fast.fit_em(model, X, max_iter=2, tol=0.0, m_step="paper"),
    "two starts": lambda model, **o: fast.fit_em(
        model, X, max_iter=2, tol=0.0, init="data", n_init=2, random_state=0
    ),
    "mle": lambda model, **o: fast.fit_mle(model, X, max_iter=2, tol=0.0),
    "no iteration": lambda model, **o: fast.fit_em(model, X, max_iter=0),
}


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("fit", FITS)
def test_what_fits_return(fit, structure):
    """Limits, the structure of Σx, and a Σz that stays correlated where nothing was learnt."""
    model = fast.DGN(network(1 / 3), STRUCTURES[structure], COV_Z, max_regions=99, negligible=1e-4)
    seen = []
    found = FITS[fit](model).dgn
    assert settings_of(found) == settings_of(model)
    fast.fit_em(model, X, max_iter=2, tol=0.0, callback=lambda i, m, loss: seen.append(m))
    assert all(settings_of(one) == settings_of(model) for one in seen)
    if fit == "no iteration":
        assert same(found.parameters(), model.parameters())


@pytest.mark.parametrize("structure", STRUCTURES)
def test_fits_from_a_network(impl, structure):
    """The first loss is that of the covariances given, correlated Σz included."""
    start = {"cov_x": STRUCTURES[structure], "cov_z": COV_Z}
    fit = impl.fit_em(network(), X, max_iter=1, tol=0.0, **start)
    assert fit.history[0] == pytest.approx(
        -impl.DGN(network(), **start).logpdf(X).mean(), rel=1e-12
    )
    assert fit.dgn.cov_x.shape == np.shape(start["cov_x"])
    if impl is fast:
        found = fast.fit_mle(network(), X, max_iter=0, **start)
        assert same(found.dgn.parameters(), fast.DGN(network(), **start).parameters())


def test_starts_have_the_covariance_that_was_given():
    """Units of a start have deviation 1 under the correlated Σz, and would not under another one:
    0.4 % is one standard error of 30,000 draws, and the start's own thousand allow for 2.2 %."""
    for cov_z in (COV_Z, np.array([[1.0, -0.9], [-0.9, 1.0]])):
        wide = Network.random([2, 40, 3], LeakyReLU(0.1), 0)
        start = fast.fit_em(
            fast.DGN(wide, 2.0, cov_z), X, init="data", max_iter=0, random_state=1
        ).dgn
        for net in (start.network, fast.initial_network(wide, X, cov_z, 1)):
            weight = net.layers[0].weight
            deviations = np.sqrt(np.einsum("us,st,ut->u", weight, cov_z, weight))
            # 40 units of the same 1,000 draws: 6 of their 2.2 %.
            assert np.abs(deviations - 1.0).max() < 0.13
            uncorrelated = np.sqrt(np.einsum("us,s,us->u", weight, np.diag(cov_z), weight))
            assert np.abs(uncorrelated - 1.0).max() > 0.15
        assert same(start.cov_z, cov_z)


# Checkpoints


POINTS = np.random.default_rng(2).standard_normal((5, 2))


def line(slope=0.25, bias=0.5):
    """[1, 2, 2], on which training is quick."""
    first, last = Dense([[1.0], [-0.5]], [bias, -0.25]), Dense([[1.0, 0.5], [-0.5, 0.25]], [0, 1])
    return Network([first, LeakyReLU(slope), last])


def started(**options):
    """A fit of a few iterations to a few points."""
    start = {"network": line(), "X": POINTS, "cov_x": 2.0, "max_iter": 3, "tol": 0.0, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fast.ConvergenceWarning)
        return fast.fit_em(**start)


# Every setting of a fit but the file, away from its default; some may differ when it goes on.
SETTINGS = {
    "network": fast.DGN(line(1 / 3), 2.0, max_regions=4, negligible=1e-4),
    "X": POINTS + 0.25,
    "cov_x": np.array([[2.0, 0.5], [0.5, 1.0]]),
    "cov_z": 3.0,
    "weight_prior": LaplacePrior(0.25),
    "m_step": "paper",
    "damping": 0.5,
    "init": "data",
    "n_init": 2,
    "tol": 1e-12,
    "gtol": 1e-12,
    "noise_floor": 1e-3,
    "sample_weight": np.linspace(0.5, 2.0, len(POINTS)),
    "accelerate": True,
    "random_state": 3,
    "max_iter": 4,
    "callback": lambda *_: False,
    "progress": True,
}
MAY_DIFFER = {"max_iter", "callback", "progress"}


def test_checkpoints_know_every_setting():
    given = set(inspect.signature(fast.fit_em).parameters)
    assert set(SETTINGS) == given - {"checkpoint"}


def interrupted(at):
    """A callback that does what Ctrl-C does."""

    def callback(iteration, *_):
        if iteration == at:
            raise KeyboardInterrupt

    return callback


def assert_same_fit(one, other):
    assert same(one.history, other.history)
    assert same(one.dgn.parameters(), other.dgn.parameters())
    assert same(one.losses, other.losses)
    assert (one.outcome, one.steepness) == (other.outcome, other.steepness)
    assert settings_of(one.dgn) == settings_of(other.dgn)


@pytest.mark.parametrize("setting", [*SETTINGS, "all"])
def test_resumed_bit_for_bit(tmp_path, setting):
    """Interrupted and gone on with, as if it had never been, whichever setting is not the
    default."""
    options = {} if setting == "n_init" else {"random_state": 0}
    options |= SETTINGS if setting == "all" else {setting: SETTINGS[setting]}
    options |= {"init": "data"} if setting == "n_init" else {}
    options = {**options, "checkpoint": tmp_path / "fit", "random_state": 5}
    started(**{**options, "callback": interrupted(2)})
    assert (tmp_path / "fit").exists()
    whole = {key: value for key, value in options.items() if key != "checkpoint"}
    assert_same_fit(started(**options), started(**whole))


OTHERS = {
    **{key: {key: value} for key, value in SETTINGS.items()},
    "n_init": {"n_init": 3, "init": "random"},
    "max_regions": {"network": fast.DGN(line(), 2.0, max_regions=5)},
    "negligible": {"network": fast.DGN(line(), 2.0, negligible=0.0)},
    "slope, last digit": {"network": line(np.nextafter(0.25, 1.0))},
    "a bias, last digit": {"network": line(bias=np.nextafter(0.5, 1.0))},
    "X, last digit": {"X": np.nextafter(POINTS, 9.0)},
    "X, another order": {"X": POINTS[::-1]},
    "cov_x, another structure": {"cov_x": [2.0, 2.0]},
    "a prior of another kind": {"weight_prior": UniformPrior(4.0)},
}


@pytest.mark.parametrize("drawn", [False, True], ids=["given start", "drawn start"])
@pytest.mark.parametrize("other", OTHERS)
def test_resumed_with_other_settings(tmp_path, other, drawn):
    """Refused, and the file stays as it is; or documented to make no difference."""
    path = tmp_path / "fit"
    base = {"init": "random", "random_state": 0} if drawn else {}
    started(**base, checkpoint=path)
    before = path.read_bytes()
    changed = {**base, **OTHERS[other]}
    # From a given start nothing is drawn; drawn weights are new whatever the network's.
    allowed = MAY_DIFFER | ({"a bias, last digit"} if drawn else {"random_state"})
    if other in allowed:
        started(**changed, checkpoint=path)
    else:
        with pytest.raises(ValueError, match=r"^checkpoint: .* other settings"):
            started(**changed, checkpoint=path)
        assert path.read_bytes() == before


def test_numbers_side_by_side(tmp_path):
    """tol = 0.5 and gtol = 10 is not tol = 0.51 and gtol = 0, though their digits are the same."""
    path = tmp_path / "fit"
    started(tol=0.5, gtol=10.0, checkpoint=path)
    with pytest.raises(ValueError, match="checkpoint"):
        started(tol=0.51, gtol=0.0, checkpoint=path)


def test_equal_settings_of_another_type(tmp_path):
    """0.25 of numpy, an integer, a list: the same fit."""
    path = tmp_path / "fit"
    first = started(weight_prior=LaplacePrior(1.0), damping=1.0, tol=0.0, checkpoint=path)
    again = started(
        X=POINTS.tolist(),
        cov_x=np.float32(2.0),
        weight_prior=LaplacePrior(np.float64(1)),
        damping=1,
        tol=np.array(0),
        n_init=np.int64(1),
        checkpoint=str(path),
    )
    assert_same_fit(first, again)


def test_a_pooling_networks_settings_are_in_the_file(tmp_path):
    """Networks with the same weights that differ in one setting of a layer without any."""
    path = tmp_path / "fit"
    rng = np.random.default_rng(0)
    first = Dense(rng.standard_normal((16, 1)), rng.standard_normal(16))

    def net(*layers):
        return Network([first, Reshape((1, 4, 4)), *layers])

    pools = [
        net(AvgPool(2, 2)),
        net(AvgPool(3, 1)),
        net(AvgPool(3, 2, 1)),
        net(MaxPool(2, 2)),
        net(Flatten(), MaxPool(channels=4)),
        net(AvgPool(2, 2), ReLU()),
        net(AvgPool(2, 2), Abs()),
        net(AvgPool((2, 4)), Upsample((1, 2))),
        net(AvgPool((4, 2)), Upsample((2, 1))),
    ]
    data = rng.standard_normal((3, 4))
    for i, kept in enumerate(pools):
        path.unlink(missing_ok=True)
        started(network=kept, X=data, max_iter=1, checkpoint=path)
        for j, other in enumerate(pools):
            if i != j:
                with pytest.raises(ValueError, match="checkpoint"):
                    started(network=other, X=data, max_iter=1, checkpoint=path)


def test_kernels_of_another_stride(tmp_path):
    """The same weights under another stride or padding are another network, in files too."""
    weight, bias = np.ones((1, 1, 2, 2)), np.zeros(1)
    first = Dense(np.linspace(-1, 1, 9)[:, None], np.linspace(1, 0, 9))
    for stride, padding in ((1, 0), (2, 0), (1, 1), ((1, 2), (0, 1))):
        net = Network([first, Reshape((1, 3, 3)), Conv2d(weight, bias, stride, padding)])
        net.save(tmp_path / "net")
        other = Network.load(tmp_path / "net")
        assert same(other([[0.5]]), net([[0.5]]))
        assert same(other.with_parameters(net.parameters())([[0.5]]), net([[0.5]]))
