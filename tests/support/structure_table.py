"""A table of small models in which every two choices of structure meet (or, deep, every three)."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations, product
from typing import Any, NamedTuple

import numpy as np
from decoders import decoders
from definitions import Definitions, forward

from oracle.exact.regions import exact_regions
from oracle.models.descriptions import Description, specs_of

#: Every choice there is. "observed" is D, or what the last Dense layer puts out, beside the width
#: of the last hidden layer (S, if there is none); "images" the layers that are no Dense, and where.
FACTORS: dict[str, tuple[Any, ...]] = {
    "latent": (1, 2, 3),
    "activation": ("ReLU", "LeakyReLU", "Abs", "maxout"),
    "depth": (1, 2, 3),
    "images": ("none", "Conv2d inside", "Conv2d", "Upsample", "AvgPool", "MaxPool", "Flatten"),
    "end": ("affine", "activation"),
    "observed": ("fewer", "as many", "more"),
    "noise": ("scalar", "diagonal", "full"),
    "prior_cov": ("identity", "scalar", "diagonal", "full"),
    "weights": (
        "ordinary",
        "zero biases",
        "dead unit",
        "twin units",
        "opposite units",
        "deficient first",
        "deficient last",
    ),
    "data": ("one", "several", "duplicates", "far", "on a kink"),
    "q": ("diagonal", "full"),
    "weight_prior": ("none", "Gaussian", "Laplace", "uniform"),
    "training": ("guarded", "paper", "damped"),
    "form": ("float64", "float32", "integers", "lists", "Fortran", "strided", "read-only"),
}


#: No weight is larger: the bound of the uniform prior.
BOUND = 2.0


class Row(NamedTuple):
    """One choice of each factor, in the order of FACTORS."""

    latent: int
    activation: str
    depth: int
    images: str
    end: str
    observed: str
    noise: str
    prior_cov: str
    weights: str
    data: str
    q: str
    weight_prior: str
    training: str
    form: str

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self._asdict().items())


def goes_together(chosen: Mapping[str, Any]) -> bool:
    """Whether some choices can be made at once: with one Dense layer nothing lies inside, and the
    layer is first and last at once."""
    if chosen.get("depth") != 1:
        return True
    return chosen.get("images") != "Conv2d inside" and chosen.get("weights") != "deficient last"


def meetings(row: tuple[Any, ...], strength: int) -> set[tuple[tuple[int, Any], ...]]:
    """Every `strength` or three choices of a row, as (place of the factor, choice)."""
    return set(combinations(enumerate(row), strength)) | set(combinations(enumerate(row), 3))


#: Of which every three meet in any table: sums and updates go different ways by all of them.
CROSSED = [
    *combinations(("latent", "end", "observed", "noise", "weight_prior"), 3),
    ("images", "end", "noise"),
]


@cache
def possible_meetings(strength: int) -> frozenset[tuple[tuple[int, Any], ...]]:
    """All that a table must hold."""
    found = set()
    names = list(FACTORS)
    crossed = [tuple(sorted(map(names.index, three))) for three in CROSSED]
    for places in (*combinations(range(len(FACTORS)), strength), *crossed):
        for values in product(*(list(FACTORS.values())[place] for place in places)):
            chosen = dict(zip(places, values, strict=True))
            if goes_together({name: chosen[i] for i, name in enumerate(FACTORS) if i in chosen}):
                found.add(tuple(chosen.items()))
    return frozenset(found)


@cache
def rows(strength: int) -> tuple[Row, ...]:
    """Rows in which every `strength` choices that go together meet: each row is the one of some
    random ones, all with a meeting still missing, that has most of those missing; of equals the one
    with the smaller S, whose integrals are cheaper."""
    rng = np.random.default_rng(74)
    missing, table = set(possible_meetings(strength)), []
    values = list(FACTORS.values())
    while missing:
        wanted = min(missing, key=repr)
        candidates = []
        while len(candidates) < 60:
            row = [options[rng.integers(len(options))] for options in values]
            for place, value in wanted:
                row[place] = value
            if goes_together(dict(zip(FACTORS, row, strict=True))):
                candidates.append(Row(*row))
        best = max(candidates, key=lambda r: (len(meetings(r, strength) & missing), -r.latent))
        missing -= meetings(best, strength)
        table.append(best)
    return tuple(table)


@dataclass(frozen=True, eq=False)
class Model:
    """A row's model: its truth, and the same inputs in the form that the row gives them."""

    row: Row
    layers: tuple[Description, ...]
    truth: Definitions
    #: cov_x, cov_z, X, q_mean, q_cov and points Z as they are handed over.
    inputs: dict[str, Any]


@cache
def model(row: Row) -> Model:
    """The model of a row: random, but the same every time."""
    rng = np.random.default_rng([73, *(FACTORS[n].index(v) for n, v in row._asdict().items())])
    layers = tuple(_layers(row, rng))
    if row.form in ("float32", "integers"):
        layers = tuple(
            (kind, {n: _rounded(v, row.form) for n, v in s.items()}) for kind, s in layers
        )
    specs = specs_of(layers)
    latent, dimension = row.latent, len(forward(specs, np.zeros((1, row.latent)))[0])
    values: dict[str, Any] = {
        "cov_x": _covariance(row.noise, dimension, rng, 0.5),
        "cov_z": _covariance(row.prior_cov, latent, rng, 1.2),
    }
    prior = {"identity": np.eye(latent)}.get(row.prior_cov, values["cov_z"])
    values["X"] = _data(row, specs, values["cov_x"], prior, rng)
    count = len(values["X"])
    values["q_mean"] = rng.standard_normal((count, latent))
    values["q_cov"] = np.array([_covariance(row.q, latent, rng, 0.6) for _ in range(count)])
    values["Z"] = rng.standard_normal((4, latent))
    if row.form in ("float32", "integers"):
        values = {
            n: _rounded(v, row.form, n.endswith("cov") or "cov_" in n) for n, v in values.items()
        }
    given = {name: _in_form(value, row.form) for name, value in values.items()}
    if row.prior_cov == "identity":
        values["cov_z"], given["cov_z"] = np.eye(latent), None
    return Model(row, layers, _truth(layers, values), {**given, "points": values["Z"]})


def _truth(layers: tuple[Description, ...], values: dict[str, Any]) -> Definitions:
    names = ("cov_x", "cov_z", "X", "q_mean", "q_cov")
    return Definitions(layers, *(values[name] for name in names))


@cache
def decoder(name: str) -> Model:
    """One of decoders.decoders, whose layers on images have more settings, as a row: noise and
    priors in turn."""
    place = list(decoders()).index(name)
    network = decoders()[name]
    choices = {factor: values[place % len(values)] for factor, values in FACTORS.items()}
    row = Row(**{**choices, "latent": 1, "images": name, "form": "float64", "training": "damped"})
    layers = tuple(_described(layer) for layer in network.layers)
    rng = np.random.default_rng([75, place])
    values: dict[str, Any] = {
        "cov_x": _covariance(row.noise, network.observed_dimension, rng, 0.5),
        "cov_z": _covariance(row.prior_cov, 1, rng, 1.2).reshape(1, 1),
        "q_mean": rng.standard_normal((2, 1)),
        "q_cov": rng.uniform(0.3, 0.9, (2, 1)),
        "Z": rng.standard_normal((4, 1)),
    }
    images = network(rng.standard_normal((2, 1)))
    values["X"] = images + 0.6 * rng.standard_normal(images.shape)
    return Model(row, layers, _truth(layers, values), {**values, "points": values["Z"]})


def _described(layer: Any) -> Description:
    """A layer as the arguments that it is made from."""
    names = list(inspect.signature(type(layer).__init__).parameters)[1:]
    settings = {name: getattr(layer, name) for name in names if hasattr(layer, name)}
    clipped = {"weight": lambda v: np.clip(v, -BOUND, BOUND)}
    return type(layer).__name__, {
        name: clipped[name](value) if name in clipped else value for name, value in settings.items()
    }


def in_form(model: Model) -> tuple[Description, ...]:
    """The layers with their weights in the row's form."""
    return tuple(
        (
            kind,
            {
                n: _in_form(v, model.row.form) if n in ("weight", "bias") else v
                for n, v in s.items()
            },
        )
        for kind, s in model.layers
    )


def _layers(row: Row, rng: np.random.Generator) -> list[Description]:
    double = 2 if row.activation == "maxout" else 1
    # Few units where integrals are costly: 2 to 30 regions.
    hidden = 3 if row.latent == 1 else 2 // double
    layers: list[Description] = []
    width = row.latent
    for position in range(row.depth - 1):
        layers += [_dense(rng, hidden * double, width)]
        width = hidden * double
        if position == 0 and row.images == "Conv2d inside":
            kernel = rng.standard_normal((double, 1, 1, 2))
            conv = {"weight": kernel, "bias": rng.standard_normal(double), "padding": (0, 1)}
            layers += [("Reshape", {"shape": (1, 1, width)}), ("Conv2d", conv)]
            layers += [_activation(row.activation), ("Flatten", {})]
            width += 1
        else:
            layers += [_activation(row.activation)]
            width //= double
    sizes = {
        "fewer": max(1, width - 1),
        "as many": width,
        "more": width + 2 - (row.end == "activation"),
    }
    outputs = sizes[row.observed]
    tail = double if row.end == "activation" and row.images in ("none", "Flatten") else 1
    if row.images in ("AvgPool", "MaxPool"):
        outputs = max(outputs, 2)
    layers += [_dense(rng, outputs * tail, width)]
    layers += _images(row, outputs * tail, rng)
    if row.end == "activation":
        layers += [_activation(row.activation if tail == double else "LeakyReLU")]
    return _made_odd(layers, row)


def _dense(rng: np.random.Generator, n_out: int, n_in: int) -> Description:
    weight = rng.standard_normal((n_out, n_in)) * np.sqrt(2 / n_in)
    return "Dense", {"weight": weight, "bias": 0.7 * rng.standard_normal(n_out)}


def _activation(name: str) -> Description:
    if name == "maxout":
        return "MaxPool", {"channels": 2}
    return name, {"slope": 0.25} if name == "LeakyReLU" else {}


def _images(row: Row, width: int, rng: np.random.Generator) -> list[Description]:
    """Layers on images that follow the last Dense layer."""
    if row.images in ("none", "Conv2d inside"):
        return []
    if row.images == "Flatten":
        return [("Flatten", {})]
    settings: dict[str, dict[str, Any]] = {
        "Conv2d": {
            "weight": rng.standard_normal((2, 1, 1, 2)),
            "bias": 0.5 * rng.standard_normal(2),
            "padding": (0, 1) if width == 1 else 0,
        },
        "Upsample": {"factor": (1, 2)},
        "AvgPool": {"kernel_size": (1, 2), "stride": 1},
        "MaxPool": {"kernel_size": (1, 2), "stride": 1},
    }
    return [
        ("Reshape", {"shape": (1, 1, width)}),
        (row.images, settings[row.images]),
        ("Flatten", {}),
    ]


def _made_odd(layers: list[Description], row: Row) -> list[Description]:
    """The layers with the row's oddity in the weights, within the uniform prior's bound."""
    dense = [i for i, (kind, _) in enumerate(layers) if kind == "Dense"]
    first, last = layers[dense[0]][1], layers[dense[-1]][1]
    weight, bias = first["weight"], first["bias"]
    if row.weights == "zero biases":
        for _, settings in layers:
            if "bias" in settings:
                settings["bias"][:] = 0.0
    elif row.weights == "dead unit":
        weight[0], bias[0] = 0.0, -0.5
    elif row.weights == "twin units" and len(weight) > 1:
        weight[1], bias[1] = weight[0], bias[0]
    elif row.weights == "opposite units" and len(weight) > 1:
        weight[1], bias[1] = -weight[0], -bias[0]
    elif row.weights == "deficient first":
        weight[:] = _parallel(weight) if row.latent > 1 else 0.0
    elif row.weights == "deficient last":
        last["weight"][:] = _parallel(last["weight"]) if 1 not in last["weight"].shape else 0.0
    for _, settings in layers:
        if "weight" in settings:
            np.clip(settings["weight"], -BOUND, BOUND, out=settings["weight"])
    return layers


def _parallel(weight: np.ndarray) -> np.ndarray:
    """Rows that are exact multiples of the first, in single precision and as integers too."""
    factors = np.array([1.0, 2.0, -1.0, 0.5, 1.0, -2.0, 0.5, 1.0])
    return np.outer(np.resize(factors, len(weight)), 2 * np.rint(weight[0]) - 1)


def _covariance(structure: str, size: int, rng: np.random.Generator, scale: float) -> np.ndarray:
    if structure in ("scalar", "identity"):
        return np.array(scale * rng.uniform(0.5, 1.0))
    if structure == "diagonal":
        return scale * rng.uniform(0.3, 1.0, size)
    factor = rng.standard_normal((size, size))
    return scale * (factor @ factor.T / size + 0.3 * np.eye(size))


def _data(row: Row, specs: Any, cov_x: Any, cov_z: Any, rng: np.random.Generator) -> np.ndarray:
    few = row.latent == 3
    count = {"one": 1, "several": 2 if few else 3, "duplicates": 2 if few else 3}.get(row.data, 2)
    latents = rng.standard_normal((count, row.latent))
    if row.data == "on a kink":
        latents = _on_kinks(specs, latents)
    images = forward(specs, latents)
    if row.data == "on a kink":
        return images
    noise = rng.standard_normal(images.shape)
    X = images + 0.6 * noise
    if row.data == "far":
        X[0] += 8 * np.sign(noise[0])
    if row.data == "duplicates":
        X[1] = X[0]
    return X


def _on_kinks(specs: Any, latents: np.ndarray) -> np.ndarray:
    """Each point moved to the boundary of the first region that has one."""
    facets = [f for region in exact_regions(specs) for f, _ in region.cone.facets() if any(f[:-1])]
    if not facets:
        return latents
    side = np.array([float(v / max(map(abs, facets[0]))) for v in facets[0]])
    normal, offset = side[:-1], side[-1]
    away = (latents @ normal + offset) / (normal @ normal)
    return latents - away[:, None] * normal


def _rounded(value: Any, form: str, covariance: bool = False) -> Any:
    """An array at values that the form can hold exactly; covariances remain such."""
    if not isinstance(value, np.ndarray):
        return value
    if form == "float32":
        value = value.astype(np.float32).astype(float)
    elif covariance:
        value = np.rint(2 * value)
        if value.ndim < 2 or value.shape[-1] != value.shape[-2]:
            return np.maximum(value, 1.0)
        return value + (1.0 + np.abs(value).sum()) * np.eye(value.shape[-1])
    else:
        value = np.rint(value)
    return value


def _in_form(value: Any, form: str) -> Any:
    value = np.asarray(value)
    if form == "float32":
        return value.astype(np.float32)
    if form == "integers":
        return value.astype(np.int64)
    if form == "lists":
        return value.tolist()
    if form == "Fortran":
        return np.array(value, order="F")
    if form == "strided" and value.ndim:
        wide = np.full((2 * len(value), *value.shape[1:]), np.nan)
        wide[::2] = value
        return wide[::2]
    if form == "read-only":
        value = value.copy()
        value.flags.writeable = False
    return value
