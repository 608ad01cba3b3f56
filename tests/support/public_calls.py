"""Every public function with sound arguments, and of each argument its kind, a value away from its
default, and what shows that it is heeded. Completeness is asserted from the signatures."""

import contextlib
import functools
import inspect
import io
import sys
import tempfile
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from argument_kinds import (
    TINY,
    AnyNumber,
    Bounds,
    Choice,
    Count,
    Covariance,
    Covariances,
    Data,
    DistinctPlaces,
    End,
    Flag,
    Function,
    Groups,
    Integers,
    Kind,
    Mapping,
    Names,
    Number,
    Numbers,
    Observations,
    Pair,
    PathName,
    Places,
    Rows,
    RowsOf,
    Seed,
    Single,
    Something,
    Weights,
    prior,
)

import fast
import reference
from reference import (
    Abs,
    AdaptiveAvgPool,
    AvgPool,
    Dense,
    Flatten,
    GaussianPrior,
    Hardsigmoid,
    Hardtanh,
    LaplacePrior,
    LeakyReLU,
    MaxPool,
    Network,
    PiecewiseAffine,
    PixelShuffle,
    PReLU,
    ReLU,
    Reshape,
    Residual,
    UniformPrior,
    Upsample,
    ZeroPad,
)
from reference.model.images.convolutions import CONVOLUTIONS

# Exact in single precision, so that the same numbers come in every guise.
WEIGHTS = np.array([[1.0, 0.25], [-0.5, 1.0]]), np.array([[1.0, 0.5], [-0.5, 0.25], [0.25, 0.75]])
X = np.array([[0.5, -0.25, 1.0], [1.0, 0.5, 0.25], [-0.5, 0.25, 0.75], [0.25, 1.5, -1.0]])
MEANS = np.array([[0.5, 0.25], [0.0, -0.5], [0.25, 0.0], [1.0, 0.5]])
COVS = np.array([[[0.5, 0.125], [0.125, 0.25]]] * 4)
COV_Z = np.array([[1.0, 0.5], [0.5, 2.0]])
COV_X = np.array([[2.0, 0.5, 0.25], [0.5, 1.0, 0.0], [0.25, 0.0, 1.5]])
Z = np.array([[0.5, -1.0], [2.0, 0.25], [-0.75, 0.5]])
BOX = {"lower": np.array([-0.5, -1.0]), "upper": np.array([1.0, 0.75])}


def network(slope=0.25, bias=0.5):
    """[2, 2, 3], with four regions."""
    first, last = WEIGHTS
    return Network([Dense(first, [bias, -0.25]), LeakyReLU(slope), Dense(last, [0.5, 0.0, -0.25])])


def dgn(impl, cov_x=2.0):
    """A sound model, with noise wide enough for `reference`."""
    return impl.DGN(network(), cov_x)


@functools.cache
def found_already(impl):
    """The same, its partition found once."""
    return dgn(impl)


# Where a function is: one in each implementation, or one that `fast` takes from `reference`.
EACH, SHARED = ("reference", "fast"), ("both",)
IMPLEMENTATIONS = {"reference": reference, "fast": fast, "both": fast}


@dataclass(frozen=True)
class Argument:
    """kind: what it accepts. other: a value that is neither the default nor the sound one. beside:
    what else is set, for it to matter. shown: what it changes, if not what the call's own shows.
    named: how an error begins, if not with its name. ignored: it is documented to change
    nothing."""

    kind: Kind
    other: Any
    beside: dict[str, Any] = field(default_factory=dict)
    shown: Callable[[Any], Any] | None = None
    named: str | None = None
    ignored: bool = False


@dataclass(frozen=True)
class Call:
    """do(impl, **arguments) with sound(impl), and what shows what the arguments did."""

    do: Callable[..., Any]
    sound: Callable[[Any], dict[str, Any]]
    shown: Callable[[Any], Any]
    arguments: dict[str, Argument]
    of: tuple[str, ...] = EACH


def itself(result):
    """What a call returns."""
    return result


def constructor(kind, sound, shown, **arguments):
    """A class of both implementations, which `fast` takes from `reference`."""
    return Call(lambda impl, **a: kind(**a), lambda impl: sound, shown, arguments, SHARED)


def method(owner, name, sound, shown=itself, of=EACH, /, **arguments):
    """A method of owner(impl)."""
    return Call(
        lambda impl, **a: getattr(owner(impl), name)(**a), lambda impl: sound, shown, arguments, of
    )


def through(before, shape):
    """What shows a layer: its images of inputs of this shape."""
    inputs = np.random.default_rng(0).standard_normal((4, int(np.prod(shape))))
    return lambda layer: before(layer).placed(shape).apply(inputs)


def image_of(shape):
    """Images of a layer itself."""
    return through(lambda layer: layer, shape)


def model_shown(model):
    """What the constructor's arguments change: the law of x."""
    return {"draws": model.rvs(5, 0), "latent": model.cov_z, "log p": model.logpdf(X)}


def regions_found(model):
    """How many regions there are, or that they are too many."""
    try:
        return model.partition().n_regions
    except ValueError as error:
        return type(error).__name__


def fit_shown(result):
    """What a fit ended with."""
    return {"history": result.history, **{k: v for k, v in result.dgn.parameters().items()}}


def parameters_of(model):
    """Arrays by name."""
    return model.parameters()


@functools.cache
def posterior(impl):
    """Of four data."""
    return found_already(impl).posterior(X)


GAPS = np.where([[True, False, False]], np.nan, X)


@functools.cache
def conditional(impl):
    """Of four data, of which the first entry is missing."""
    return found_already(impl).conditional(GAPS)


@functools.cache
def conditional_of_one(impl):
    """Of one datum: `reference` looks for the end of an interval by integrals of every region."""
    return found_already(impl).conditional(GAPS[:1])


@functools.cache
def truncated(impl):
    """Four Gaussians on a box."""
    return impl.gaussian_on_box(BOX["lower"], BOX["upper"], MEANS, COV_Z)


def as_module(factor=1.0):
    """What `from_torch` reads as a Linear."""
    tensor = types.SimpleNamespace
    array = lambda a: tensor(detach=lambda: tensor(cpu=lambda: tensor(numpy=lambda: a)))  # noqa: E731
    Linear = type("Linear", (), {"weight": array(factor * np.eye(2)), "bias": None})
    return Linear()


def file_of(factor=1.0):
    """A file that holds a network, which outlives the call and is removed at the end."""
    path = Path(_FOLDER.name) / f"{factor}.npz"
    if not path.exists():
        Network([Dense(factor * np.eye(2), [0.0, 0.0])]).save(path)
    return path


_FOLDER = tempfile.TemporaryDirectory()


def saved_as(impl, path):
    """Save a network; the names of the files there are then."""
    network().save(path)
    found = Path(path).name if Path(path).exists() else None
    Path(path).unlink(missing_ok=True)
    return found


def file_of_model(noise=2.0):
    """A file that holds a model, which outlives the call."""
    path = Path(_FOLDER.name) / f"model of {noise}.npz"
    if not path.exists():
        dgn(fast, noise).save(path)
    return path


def saved_model(impl, path):
    """Save a model; the names of the files there are then."""
    dgn(impl).save(path)
    found = Path(path).name if Path(path).exists() else None
    Path(path).unlink(missing_ok=True)
    return found


def fitted(function):
    """A fit that may end at its limit, with what it says on stderr."""

    def do(impl, **arguments):
        said = io.StringIO()
        with contextlib.redirect_stderr(said), warnings.catch_warnings():
            warnings.simplefilter("ignore", impl.ConvergenceWarning)
            result = getattr(impl, function)(**arguments)
        if arguments.get("checkpoint") is not None:
            Path(arguments["checkpoint"]).unlink()  # which shows that it was written
        object.__setattr__(result, "said", said.getvalue())
        return result

    return do


def whether_kept(file):
    """A callback that says on stderr whether training keeps its state in the file."""

    def callback(*_):
        print(file.exists(), file=sys.stderr)

    return callback


def fit_arguments(impl):
    """What both trainings take."""
    return {
        "network": Argument(Something(), network(0.5), named="network"),
        "X": Argument(Observations(), X + 0.25),
        "sample_weight": Argument(Weights(), np.array([1.0, 0.5, 2.0, 0.25])),
        "cov_x": Argument(Covariance(optional=impl is fast), COV_X),
        "cov_z": Argument(Covariance(optional=True), COV_Z),
        "weight_prior": Argument(prior(), LaplacePrior(0.25)),
        "max_iter": Argument(Count(0), 0),
        "tol": Argument(
            Number(0.0), 0.0, {"max_iter": 2, "gtol": 1e3, "tol": 0.5}, lambda fit: fit.outcome
        ),
        "gtol": Argument(Number(0.0), 1e3, {"max_iter": 2, "tol": 0.5}, lambda fit: fit.outcome),
        "noise_floor": Argument(Number(0.0, 1.0), 1.0, {"cov_x": 0.125}),
        "random_state": Argument(Seed(), 3, ignored=True),
        "callback": Argument(
            Function(), lambda *_: True, {"max_iter": 2}, lambda fit: (fit.n_iter, fit.outcome)
        ),
    }


def sound_fit(impl):
    """The least training."""
    return {"network": network(), "X": X, "cov_x": 2.0, "max_iter": 1}


NEW_STARTS = {"init": "random", "random_state": 0}
FAST_ALONE = {
    "init": Argument(Choice(("given", "data", "random")), "data", {"random_state": 0}),
    "n_init": Argument(Count(1), 2, NEW_STARTS, lambda fit: len(fit.losses)),
    "random_state": Argument(Seed(), 3, {"init": "data", "random_state": 0}),
    "progress": Argument(Flag(), True, {}, lambda fit: fit.said.strip()),
    "checkpoint": Argument(
        PathName(optional=True),
        Path(_FOLDER.name) / "fit",
        {"callback": whether_kept(Path(_FOLDER.name) / "fit")},
        lambda fit: fit.said,
    ),
}


def em(of, **more):
    """fit_em of one implementation."""
    printed = {"m_step": "paper"}
    own = {
        "m_step": Argument(Choice(("guarded", "paper")), "paper"),
        "damping": Argument(Number(TINY, 1.0), 0.5, printed),
        "accelerate": Argument(Flag(), True, {"max_iter": 2}),
    }
    return Call(
        fitted("fit_em"), sound_fit, fit_shown, {**fit_arguments(of), **own, **more}, (of.__name__,)
    )


@functools.cache
def sound_step(impl):
    """A model and its statistics."""
    model = found_already(impl)
    return {"dgn": model, "statistics": model.statistics(X)}


def step_arguments(impl):
    """Of m_step."""
    other, noisy = impl.DGN(network(0.5), 2.0), dgn(impl, cov_x=0.5)
    return {
        "dgn": Argument(Something(), other),
        "statistics": Argument(Something(), noisy.statistics(X)),
        "parameters": Argument(Names(), ["0.bias"]),
        "damping": Argument(Number(TINY, 1.0), 0.5),
        "weight_prior": Argument(prior(), GaussianPrior(0.25)),
        "noise_floor": Argument(Number(0.0, 1.0), 1.0),
    }


def moments(result):
    """Of a truncated Gaussian."""
    return [*result, result.log_mass_error]


NORMALS = np.array([[1.0, 0.5], [-0.5, 1.0], [-1.0, -1.0]])
OFFSETS = np.array([0.5, 1.0, 1.5])
FACTOR = np.array([[1.0, 0.0], [0.5, 0.25]])
DATA = {"X": Argument(Observations(), X + 0.25)}
WEIGHTED = {**DATA, "sample_weight": Argument(Weights(), np.array([1.0, 0.5, 2.0, 0.25]))}
VARIATIONAL = {
    "X": Argument(Observations(), X + 0.25),
    "q_mean": Argument(Numbers(), MEANS + 0.25),
    "q_cov": Argument(Covariances(), COVS * 2),
}
DRAWS = {"size": Argument(Count(1), 3), "random_state": Argument(Seed(), 3)}
KERNELS = np.arange(1.0, 17.0).reshape(2, 1, 2, 4)
REGION = {"region": Argument(Count(0, 6), 2)}
NEW_VALUES = {"values": Argument(Mapping(), {"2.bias": [1.0, 2.0, 3.0]})}
LOCATED = {"Z": Argument(Numbers(free=(0,)), -4.0 * Z)}


@functools.cache
def partition(impl):
    """Of seven regions, with three vertices."""
    return impl.DGN(Network.random([2, 3, 2], random_state=0), 1.0).partition()


def calls_of_both():
    """What both implementations have, by name."""
    calls = {
        "Dense": constructor(
            Dense,
            {"weight": np.eye(3, 2), "bias": np.zeros(3)},
            image_of((2,)),
            weight=Argument(Numbers(free=(0, 1)), np.ones((3, 2))),
            bias=Argument(Numbers(), np.ones(3)),
        ),
        "LeakyReLU": constructor(LeakyReLU, {}, image_of((5,)), slope=Argument(AnyNumber(), -0.75)),
        "PReLU": constructor(
            PReLU,
            {"slope": np.array([0.25, -0.5])},
            image_of((2, 3)),
            slope=Argument(Numbers(free=(0,)), np.array([0.125, 3.0])),
        ),
        "Hardtanh": constructor(
            Hardtanh,
            {},
            image_of((5,)),
            lower=Argument(End(-np.inf), 0.25),
            upper=Argument(End(np.inf), 0.75),
        ),
        "Hardsigmoid": constructor(
            Hardsigmoid,
            {},
            image_of((5,)),
            slope=Argument(Number(float(np.finfo(float).tiny)), 0.75),
            value=Argument(Number(0.0, 1.0), 0.25),
        ),
        "PiecewiseAffine": constructor(
            PiecewiseAffine,
            {"knots": np.array([-0.5, 0.75]), "slopes": np.array([0.5, 2.0, -1.0])},
            image_of((2, 3)),
            knots=Argument(Rows(), np.array([0.25, 0.5])),
            slopes=Argument(Rows(), np.array([1.0, 0.0, 3.0])),
            value=Argument(AnyNumber(rows=True), 0.5),
        ),
        "Residual": constructor(
            Residual,
            {"layers": [Dense(2 * np.eye(2), [0.0, 1.0])]},
            lambda block: Network([Reshape((2,)), block])(Z),
            layers=Argument(Something(more=([Dense], [3])), (Dense(np.eye(2), [0.0, 1.0]), ReLU())),
            projection=Argument(Something((), True, more=([Dense], [3])), (Abs(),)),
        ),
        **{kind.__name__: convolution(kind) for kind in CONVOLUTIONS},
        "Upsample": constructor(
            Upsample,
            {"factor": 2},
            image_of((1, 2, 2)),
            factor=Argument(Pair(1), (1, 3)),
            mode=Argument(Choice(("nearest", "bilinear")), "bilinear"),
            align_corners=Argument(Flag(), True, {"mode": "bilinear"}),
        ),
        "AdaptiveAvgPool": constructor(
            AdaptiveAvgPool,
            {"output_size": 2},
            image_of((1, 3, 4)),
            output_size=Argument(Pair(1), (1, 3)),
        ),
        "ZeroPad": constructor(
            ZeroPad, {"padding": 1}, image_of((1, 2, 3)), padding=Argument(Count(0), (0, 1, 2, 0))
        ),
        "PixelShuffle": constructor(
            PixelShuffle, {"factor": 2}, image_of((4, 2, 3)), factor=Argument(Count(1), 1)
        ),
        "AvgPool": pool(AvgPool, {"kernel_size": 3}),
        "MaxPool": pool(
            MaxPool, {"kernel_size": 3}, channels=Argument(Count(1), 2, {"kernel_size": 2})
        ),
        "Reshape": constructor(
            Reshape,
            {"shape": (2, 3, 2)},
            lambda layer: layer.placed((12,)).output_shape((12,)),
            shape=Argument(Integers(1, 3), (3, 4), named="shape"),
        ),
        "GaussianPrior": scale(GaussianPrior, "scale"),
        "LaplacePrior": scale(LaplacePrior, "scale"),
        "UniformPrior": scale(UniformPrior, "bound"),
        "Network": constructor(
            Network,
            {"layers": [Dense(np.eye(2), [0.0, 1.0])]},
            lambda net: net(Z),
            layers=Argument(
                Something(
                    more=(
                        Dense(np.eye(2), [0, 0]),
                        [ReLU()],
                        [Dense],
                        [Dense(np.eye(2), [0, 0]), 3],
                    )
                ),
                [Dense(np.eye(2), [0.0, 1.0]), ReLU(), LeakyReLU(0.5)],
                named="layers",
            ),
        ),
        "Network.__call__": method(
            lambda impl: network(), "__call__", {"Z": Z}, itself, SHARED, **LOCATED
        ),
        "Network.with_parameters": method(
            lambda impl: network(),
            "with_parameters",
            {"values": {}},
            parameters_of,
            SHARED,
            **NEW_VALUES,
        ),
        "Network.random": method(
            lambda impl: Network,
            "random",
            {"widths": (2, 3, 2), "random_state": 0},
            lambda net: net(Z),
            SHARED,
            widths=Argument(Integers(2), (2, 4, 2), named="widths"),
            activation=Argument(
                Something(
                    (Abs(), LeakyReLU(1.0)), True, more=(Dense(np.eye(2), [0, 0]), Flatten())
                ),
                LeakyReLU(0.5),
            ),
            random_state=Argument(Seed(), 3),
        ),
        "Network.from_torch": method(
            lambda impl: Network,
            "from_torch",
            {"module": as_module()},
            lambda net: net(Z),
            SHARED,
            module=Argument(Something(), as_module(2.0)),
        ),
        "Network.save": Call(
            saved_as,
            lambda impl: {"path": Path(_FOLDER.name) / "one"},
            itself,
            {"path": Argument(PathName(), Path(_FOLDER.name) / "two")},
            SHARED,
        ),
        "Network.load": method(
            lambda impl: Network,
            "load",
            {"path": file_of()},
            lambda net: net(Z),
            SHARED,
            path=Argument(PathName(), file_of(2.0)),
        ),
        "DGN.with_parameters": method(
            dgn, "with_parameters", {"values": {}}, parameters_of, **NEW_VALUES
        ),
        "DGN.rvs": method(found_already, "rvs", {"random_state": 0}, **DRAWS),
        "Posterior.reconstruction_cov": method(
            posterior, "reconstruction_cov", {}, itself, diagonal=Argument(Flag(), True)
        ),
        "Posterior.rvs": method(posterior, "rvs", {"random_state": 0}, **DRAWS),
        "TruncatedMoments.rvs": method(truncated, "rvs", {"random_state": 0}, **DRAWS),
        "Posterior.logpdf": method(posterior, "logpdf", {"Z": Z}, **LOCATED),
        "Partition.locate": method(partition, "locate", {"Z": Z}, **LOCATED),
        "gaussian_on_polyhedron": Call(
            lambda impl, **a: impl.gaussian_on_polyhedron(**a),
            lambda impl: {"normals": NORMALS, "offsets": OFFSETS, "means": MEANS, "cov": COV_Z},
            moments,
            {
                "normals": Argument(Numbers(free=(0, 1)), 2 * NORMALS[:, ::-1]),
                "offsets": Argument(Bounds(), OFFSETS + 0.5),
                "means": Argument(Numbers(free=(0,), least=1), MEANS + 0.25),
                "cov": Argument(Covariance(optional=True), 2 * COV_Z),
                "factor": Argument(
                    Numbers(optional=True), FACTOR, {"cov": None, "factor": np.eye(2)}
                ),
            },
        ),
    }
    calls["gaussian_on_box"] = Call(
        lambda impl, **a: impl.gaussian_on_box(**a),
        lambda impl: {**BOX, "means": MEANS, "cov": COV_Z},
        moments,
        {
            "lower": Argument(Bounds(scalar=True), BOX["lower"] - 0.25),
            "upper": Argument(Bounds(scalar=True), BOX["upper"] + 0.5),
            **{name: calls["gaussian_on_polyhedron"].arguments[name] for name in ("cov", "factor")},
            "means": Argument(Numbers(free=(0, 1), least=1), MEANS + 0.25),
        },
    )
    for name in ("logpdf", "score", "expected_complete_loglik"):
        calls[f"DGN.{name}"] = method(found_already, name, {"X": X}, vars_or_itself, **DATA)
    for name in ("statistics", "gradient"):
        calls[f"DGN.{name}"] = method(found_already, name, {"X": X}, vars_or_itself, **WEIGHTED)
    calls["DGN.marginal"] = method(
        found_already,
        "marginal",
        {"indices": [0, 2]},
        lambda part: part.logpdf(X[:, :2]),
        indices=Argument(DistinctPlaces(3), [2, 1]),
    )
    calls["DGN.posterior"] = method(
        found_already, "posterior", {"X": X}, lambda p: p.mean(), **DATA
    )
    calls["DGN.conditional"] = method(
        found_already,
        "conditional",
        {"X": GAPS},
        lambda c: c.mean(),
        X=Argument(Observations(), GAPS + 0.25),
    )
    calls["Conditional.logpdf"] = method(
        conditional, "logpdf", {"values": X}, values=Argument(RowsOf(), X + 0.25)
    )
    calls["Conditional.cov"] = method(
        conditional, "cov", {}, itself, diagonal=Argument(Flag(), True)
    )
    drawn = {"size": Argument(Count(1), 3, ignored=True)}
    drawn["random_state"] = Argument(Seed(), 3, ignored=True)
    calls["Conditional.cdf"] = method(
        conditional,
        "cdf",
        {"index": 0, "values": np.array([0.5, 0.25, -0.5, 1.0])},
        itself,
        values=Argument(Numbers(), np.array([0.75, 0.5, -0.25, 2.0])),
        **drawn | {"index": Argument(Count(0, 2), 1)},
    )
    calls["Conditional.interval"] = method(
        conditional_of_one,
        "interval",
        {"index": 0},
        itself,
        level=Argument(Number(0.0, 0.999999), 0.5),
        **drawn | {"index": Argument(Count(0, 2), 1)},
    )
    calls["Conditional.rvs"] = method(conditional, "rvs", {"random_state": 0}, **DRAWS)
    calls["DGN.zero_noise_latent"] = method(found_already, "zero_noise_latent", {"X": X}, **DATA)
    for name in ("elbo", "kl"):
        sound = {"X": X, "q_mean": MEANS, "q_cov": COVS}
        calls[f"DGN.{name}"] = method(found_already, name, sound, **VARIATIONAL)
    for name in ("halfspaces", "vertices", "rays"):
        calls[f"Partition.{name}"] = method(partition, name, {"region": 1}, **REGION)
    no_lines = {"region": Argument(Count(0, 6), 2, ignored=True)}
    calls["Partition.lines"] = method(partition, "lines", {"region": 1}, **no_lines)
    return calls


def vars_or_itself(result):
    """The fields of a record."""
    return vars(result) if hasattr(result, "__dataclass_fields__") else result


def convolution(kind):
    """A convolution of images or signals, on as many channels as it takes."""
    transposed, axes = "Transpose" in kind.__name__, kind.axes
    weight = KERNELS if axes == 2 else KERNELS[:, :, 0]
    channels = 1 if transposed else 2
    one = Pair if axes == 2 else Single
    sound = {"weight": weight, "bias": np.zeros(channels)}
    more = {}
    if transposed:
        sound["stride"] = 3
        more["output_padding"] = Argument(one(0, most=2), (1, 0)[:axes])

    def image(layer):
        shape = (layer.in_channels, 4, 6) if axes == 2 else (layer.in_channels, 24)
        return image_of(shape)(layer)

    # Its bias fits one number of groups: others are tried in tests/model/test_convolutions.py.
    fixed = {"bias": np.zeros(2), "groups": 2} if transposed else {}
    return constructor(
        kind,
        sound,
        image,
        weight=Argument(Numbers(free=tuple(range(axes + 2))), weight + 1.0),
        bias=Argument(Numbers(), np.ones(channels)),
        stride=Argument(one(1), (2, 1)[:axes], {"output_padding": 0} if transposed else {}),
        padding=Argument(one(0), (1, 0)[:axes]),
        dilation=Argument(one(1), (2, 1)[:axes]),
        groups=Argument(Groups(1), 2, fixed, ignored=transposed),
        **more,
    )


def pool(kind, sound, **more):
    """AvgPool or MaxPool."""
    return constructor(
        kind,
        sound,
        image_of((2, 6, 6)),
        kernel_size=Argument(Pair(1), (2, 3)),
        stride=Argument(Pair(1, optional=True), (2, 1)),
        padding=Argument(Pair(0, most=1), (1, 0)),  # half of the kernel
        **more,
    )


def scale(kind, name):
    """A prior of the weights."""
    weights = np.array([0.25, -0.125])
    argument = {name: Argument(Number(TINY), 0.5)}
    return constructor(kind, {name: 2.0}, lambda one: one.log_density(weights), **argument)


def calls_of(impl):
    """What one implementation has of its own."""
    where = (impl.__name__,)
    options = {
        "network": Argument(Something(more=([Dense(np.eye(2), [0, 0])],)), network(0.5)),
        "cov_x": Argument(Covariance(extreme=True), COV_X),
        "cov_z": Argument(Covariance(extreme=True, optional=True), COV_Z),
        "max_regions": Argument(Count(1), 3, {}, regions_found),
    }
    calls = {"fit_em": em(impl), "DGN.partition": method(dgn, "partition", {}, codes, where)}
    if impl is fast:
        share = Argument(Number(0.0, 1e-3), 1e-3, {"cov_x": 0.01}, left_out)
        options["negligible"] = share
        words = ("auto", "full", "local")
        options["partition"] = Argument(Choice(words), "local", {}, chosen)
        options["max_memory"] = Argument(Number(0.0), 8.0, {}, tables_told)
        options["progress"] = Argument(Flag(), True, {}, whether_told)
        calls["fit_em"] = em(fast, **FAST_ALONE)
        some = {"regions": Argument(Places(7), [2, 3])}
        calls["Partition.maps"] = method(partition, "maps", {"regions": [1]}, itself, where, **some)
        calls["DGN.estimate_cost"] = method(
            dgn,
            "estimate_cost",
            {"X": X},
            lambda cost: cost.posterior.memory,
            where,
            X=Argument(Observations(), np.concatenate([X, X + 0.25])),
        )
        calls["DGN.estimate_logpdf"] = method(
            dgn,
            "estimate_logpdf",
            {"X": X, "random_state": 0},
            lambda found: found.log_p,
            where,
            X=Argument(Data(), X + 0.25),
            standard_error=Argument(
                Number(1e-6, 1.0), 0.005, {"max_draws": 5000}, lambda found: found.n_draws
            ),
            max_draws=Argument(Count(200), 2000, {"standard_error": 1e-3}),
            size=Argument(Count(0), 3, {}, lambda found: found.draws),
            random_state=Argument(Seed(), 3),
        )
        calls["DGN.save"] = Call(
            saved_model,
            lambda impl: {"path": Path(_FOLDER.name) / "model"},
            itself,
            {"path": Argument(PathName(), Path(_FOLDER.name) / "other_model")},
            where,
        )
        calls["DGN.load"] = method(
            lambda impl: fast.DGN,
            "load",
            {"path": file_of_model()},
            model_shown,
            where,
            path=Argument(PathName(), file_of_model(0.5)),
        )
        weights = {"0.bias": np.array([0.25, 0.5])}
        calls["jax_log_prob"] = Call(
            lambda impl, **a: fast.jax_log_prob(**a),
            lambda impl: {
                "network": network(),
                "weights": network().parameters(),
                "x": X,
                "cov_x": 2.0,
            },
            lambda found: np.asarray(found),
            {
                "network": Argument(Something(more=([Dense(np.eye(2), [0, 0])],)), network(0.5)),
                "weights": Argument(Mapping(), weights),
                "x": Argument(Data(), X + 0.25),
                "cov_x": Argument(Covariance(), COV_X),
                "cov_z": Argument(Covariance(optional=True), COV_Z),
                "partition": Argument(
                    Choice(("auto", "full", "local")), "local", {}, lambda found: last_choice()
                ),
            },
            where,
        )
        callback = Argument(Function(), stopping, {}, itself)
        calls["DGN.partition"] = Call(cut, lambda impl: {}, itself, {"callback": callback}, where)
        learnt = {**FAST_ALONE, "parameters": Argument(Names(empty=False), ["0.bias"])}
        calls["fit_mle"] = Call(
            fitted("fit_mle"), sound_fit, fit_shown, {**fit_arguments(fast), **learnt}, where
        )
        calls["HeldOut"] = Call(
            lambda impl, **a: fast.HeldOut(**a),
            lambda impl: {"start": dgn(impl), "X": X},
            lambda found: np.array([found(k, dgn(fast), 0.0) for k in (1, 2, 3)]),
            {
                "start": Argument(
                    Something(), dgn(fast, cov_x=1.0), {}, lambda found: found.history
                ),
                "X": Argument(Observations(), X + 0.25, {}, lambda found: found.history),
                "patience": Argument(Count(1), 2),
            },
            where,
        )
        calls["initial_network"] = Call(
            lambda impl, **a: fast.initial_network(**a),
            lambda impl: {"network": network(), "X": X, "random_state": 0},
            lambda net: net(Z),
            {
                "network": Argument(Something(), network(0.5)),
                "X": Argument(Observations(), X + 0.25),
                "cov_z": Argument(Covariance(optional=True), COV_Z),
                "random_state": Argument(Seed(), 3),
                "sample_weight": Argument(Weights(), np.array([1.0, 0.5, 2.0, 0.25])),
            },
            where,
        )
    calls["DGN"] = Call(
        lambda impl, **a: impl.DGN(**a),
        lambda impl: {"network": network(), "cov_x": 2.0},
        model_shown,
        options,
        where,
    )
    calls["free_parameters"] = Call(
        lambda impl, **a: impl.free_parameters(**a),
        lambda impl: {"dgn": dgn(impl)},
        itself,
        {"dgn": Argument(Something(more=(network(),)), dgn(impl, [2.0, 1.0, 0.5]))},
        where,
    )
    calls["m_step"] = Call(
        lambda impl, **a: impl.m_step(**a), sound_step, parameters_of, step_arguments(impl), where
    )
    return calls


def codes(found):
    """Of all regions."""
    return found.codes


def cut(impl, callback=None):
    """The regions, or what ended the search for them."""
    try:
        return dgn(impl).partition(callback).n_regions
    except InterruptedError:
        return "ended"


def stopping(*_):
    """A callback that ends the enumeration."""
    raise InterruptedError


def tables_told(model):
    """The table of log probabilities, or that it is too large."""
    try:
        return model.posterior(X).log_e0
    except ValueError as error:
        return str(error)


def whether_told(model):
    """Whether anything is told while data are gone through."""
    quiet, said = fast.distributions.progress._QUIET, io.StringIO()
    fast.distributions.progress._QUIET = 0.0
    try:
        with contextlib.redirect_stderr(said):
            model.logpdf(X)
    finally:
        fast.distributions.progress._QUIET = quiet
    return bool(said.getvalue())


def last_choice():
    """Which regions the last model of `jax_log_prob` was to find."""
    (_, model) = list(fast.autodiff.jax_log_prob._MODELS._last.values())[-1]
    return model.partition_choice


def chosen(model):
    """Which regions are to be found."""
    return model.partition_choice


def left_out(model):
    """Which pairs of a datum and a region were left out."""
    return np.isneginf(model.posterior(8 * X).log_e0)


def all_calls():
    """Calls by (name, where)."""
    calls = {}
    for impl in (reference, fast):
        for name, call in {**calls_of_both(), **calls_of(impl)}.items():
            calls |= {(name, w): call for w in call.of if w in (impl.__name__, "both")}
    return calls


# What the library makes itself, and what makes no promise to users.
RESULTS = {
    "Conditional",
    "Cost",
    "FitResult",
    "LogpdfEstimate",
    "Outcome",
    "Partition",
    "Posterior",
    "Statistics",
    "TruncatedMoments",
}
OF_THE_LIBRARY = {
    "Network.split_code.codes": "region codes as a partition holds them",
    # Torch's own, which the default run lacks: tests/model/test_from_torch_and_back.py.
    "Network.to_torch.dtype": "a type of torch",
    "Network.load_into.module": "a module of torch",
    # tests/learning/test_from_torch_loops.py
    **{
        f"torch_log_prob.{name}": "torch's, which the default run lacks"
        for name in ("module", "x", "cov_x", "cov_z", "partition")
    },
}
WITH_METHODS = {"Conditional", "DGN", "Network", "Partition", "Posterior", "TruncatedMoments"}


def arguments_in_signatures(impl):
    """Every argument a user gives, as "function.argument" or "class.method.argument"."""
    found = set()
    for name in impl.__all__:
        thing = getattr(impl, name)
        if inspect.isclass(thing) and issubclass(thing, Exception):
            continue
        functions = {} if name in RESULTS else {name: thing}
        if name in WITH_METHODS:
            functions |= {
                f"{name}.{key}": value
                for key, value in inspect.getmembers(thing, callable)
                if key == "__call__" or not (key.startswith("_") or hasattr(tuple, key))
            }
        for path, function in functions.items():
            given = set(inspect.signature(function).parameters) - {"self"}
            found |= {f"{path}.{argument}" for argument in given}
    return found - set(OF_THE_LIBRARY)


def default_of(impl, name, argument):
    """The default in the signature; inspect.Parameter.empty if there is none."""
    thing = impl
    for part in name.split("."):
        thing = getattr(thing, part)
    return inspect.signature(thing).parameters[argument].default
