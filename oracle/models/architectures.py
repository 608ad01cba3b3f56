"""Random models, ordinary and ugly, each reproduced by its seed: the one generator of the project.

`random_network(seed)` draws layers, `random_case(seed)` a model with points that the oracle can
afford; `draw_network` and `draw_case` do so from any source of choices
(oracle.models.random_choices).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from oracle.exact.layer_specs import LayerSpec, unit_slopes
from oracle.exact.number_types import Array
from oracle.exact.regions import exact_regions
from oracle.models.case import Case
from oracle.models.descriptions import Description, specs_of
from oracle.models.layer_stacks import (
    ODDITIES,
    decoder_stack,
    deep_stack,
    dense_stack,
    image_stack,
    maxout_stack,
    wide_stack,
)
from oracle.models.near_degenerate import draw_near_degeneracy
from oracle.models.random_choices import Choices, Seeded
from oracle.models.variety import varied

#: How the layers are put together; "deep" with one latent dimension only. Half of what is drawn as
#: "images" is a "decoder".
PLANS = ("dense", "maxout", "images", "decoder")
#: Structures of Σx.
NOISES = ("scalar", "diagonal", "full", "near-singular")
#: Where points are put, in turn.
PLACES = ("manifold", "sample", "far", "boundary")
#: The most regions of a case, by latent dimension: of more the oracle takes minutes.
MOST_REGIONS = {1: 400, 2: 120, 3: 16, 4: 12}


#: Seeds of nearly degenerate networks from this on are `varied`; earlier ones are what they were
#: when faults were found with them.
FIRST_VARIED = 10_000

_DEGENERATE_PLANS = {
    "wide": wide_stack,
    "dense": dense_stack,
    "maxout": maxout_stack,
    "images": image_stack,
    "decoder": decoder_stack,
}
# What is drawn of these; half of "images" are decoders.
_DEGENERATE_SHARES = {"wide": 0.6, "dense": 0.1, "maxout": 0.15, "images": 0.15}


class RandomNetwork(NamedTuple):
    """seed, what it is, S, and its layers."""

    seed: int
    label: str
    latent_dimension: int
    layers: tuple[Description, ...]


def random_network(seed: int, latent: int | None = None) -> RandomNetwork:
    """The network of a seed, with up to some hundred regions.

    Parameters
    ----------
    seed : int
        Which network.
    latent : int or None, optional
        The latent dimension; by default 1, 2, 3 in turn.

    Returns
    -------
    RandomNetwork
        The same network every time.

    Notes
    -----
    Guarded by tests/oracle/test_architectures.py.
    """
    size = 1 + seed % 3 if latent is None else latent
    label, layers = draw_network(Seeded(713, seed), size)
    other, layers = varied(Seeded(715, seed), size, layers)
    return RandomNetwork(seed, f"S = {size}, {label}{other}", size, layers)


def random_case(seed: int, latent: int = 1, points: int = 3) -> Case:
    """The case of a seed: the first one drawn that has no more regions than MOST_REGIONS.

    Parameters
    ----------
    seed : int
        Which case.
    latent : int, optional
        The latent dimension, 1 to 4.
    points : int, optional
        How many points.

    Returns
    -------
    Case
        The same case every time.

    Notes
    -----
    Points are of four kinds in turn: on the manifold; drawn from the model; up to 1600 σ away, with
    log p to about -1e6; and a few ulp from the boundary between two regions. The kind of the first
    point depends on the seed, so that all four are drawn over the seeds, however few the points of
    a case. Guarded by tests/oracle/test_architectures.py.
    """
    attempt = 0
    while True:
        which = seed, latent, attempt
        case = draw_case(Seeded(711, *which), Seeded(717, *which), seed, latent, points)
        if len(exact_regions(case.specs)) <= MOST_REGIONS[latent]:
            return case
        attempt += 1


def degenerate_network(seed: int, latent: int | None = None) -> RandomNetwork:
    """The nearly degenerate network of a seed, with up to some hundred regions.

    Parameters
    ----------
    seed : int
        Which network.
    latent : int or None, optional
        The latent dimension; by default 1, 2, 3, 4 in turn.

    Returns
    -------
    RandomNetwork
        The same network every time.

    Notes
    -----
    Boundaries that nearly coincide, are nearly parallel or nearly meet, in ways that rounding of
    weights brings about (oracle.models.near_degenerate), with every kind of layer. Guarded by
    tests/oracle/test_degenerate_networks.py.
    """
    size = 1 + seed % 4 if latent is None else latent
    label, layers = draw_degenerate(Seeded(714, seed), size)
    other = ""
    if seed >= FIRST_VARIED:
        other, layers = varied(Seeded(716, seed), size, layers)
    return RandomNetwork(seed, f"S = {size}, {label}{other}", size, layers)


def draw_degenerate(choices: Choices, latent: int) -> tuple[str, tuple[Description, ...]]:
    """What a nearly degenerate network is, and its layers."""
    plan = choices.pick(tuple(_DEGENERATE_SHARES), tuple(_DEGENERATE_SHARES.values()))
    odd = draw_near_degeneracy(choices)
    if plan == "images" and choices.chance(0.5):
        plan = "decoder"
    return f"{plan}, {odd.label}", tuple(_DEGENERATE_PLANS[plan](choices, latent, odd))


def draw_network(choices: Choices, latent: int) -> tuple[str, tuple[Description, ...]]:
    """What a network is, and its layers."""
    plan = choices.pick(PLANS[:3], (0.5, 0.25, 0.25))
    odd = choices.pick(ODDITIES) if choices.chance(0.5) else "ordinary"
    if plan == "images" and choices.chance(0.5):
        plan = "decoder"
    builders: dict[str, Callable[[Choices, int, str], list[Description]]] = {
        "dense": dense_stack,
        "maxout": maxout_stack,
        "images": image_stack,
        "decoder": decoder_stack,
    }
    return f"{plan}, {odd}", tuple(builders[plan](choices, latent, odd))


def draw_case(choices: Choices, others: Choices, seed: int, latent: int, points: int) -> Case:
    """A network with covariances and points; see random_case. others: for what `varied` draws."""
    if latent == 1 and choices.chance(0.6):
        odd = choices.pick(ODDITIES) if choices.chance(0.5) else "ordinary"
        label, layers = f"deep, {odd}", tuple(deep_stack(choices, odd))
    else:
        label, layers = draw_network(choices, latent)
    other, layers = varied(others, latent, layers)
    said = f"S = {latent}, {label}{other}"
    return _with_points(choices, RandomNetwork(seed, said, latent, layers), points)


def degenerate_case(seed: int, latent: int | None = None, points: int = 1) -> Case:
    """The nearly degenerate network of a seed with covariances and points.

    Parameters
    ----------
    seed : int
        Which case.
    latent : int or None, optional
        The latent dimension; by default 1, 2, 3, 4 in turn.
    points : int, optional
        How many points, of the kinds of random_case.

    Returns
    -------
    Case
        The same case every time.

    Notes
    -----
    Guarded by tests/oracle/test_degenerate_networks.py.
    """
    drawn = degenerate_network(seed, latent)
    return _with_points(Seeded(715, seed, drawn.latent_dimension), drawn, points)


def _with_points(choices: Choices, drawn: RandomNetwork, points: int) -> Case:
    """A network with covariances and points of the kinds that its seed says."""
    seed, label, latent, layers = drawn
    specs = specs_of(layers)
    factor_z = _factor(choices, latent) if choices.chance(0.5) else np.eye(latent)
    images = forward(specs, np.zeros(latent))
    structure, cov_x, factor_x = _noise(choices, len(images), latent)
    X, latents = np.empty((points, len(images))), np.empty((points, latent))
    for n in range(points):
        place = PLACES[(seed + n) % len(PLACES)]
        latents[n], X[n] = _point(choices, place, specs, factor_x, factor_z)
    q_mean = latents + 10 ** choices.real(-2, 0.5) * choices.normals((points, latent))
    q_roots = [_factor(choices, latent) * 10 ** choices.real(-2, 0.5) for _ in range(points)]
    return Case(
        seed=seed,
        label=f"{label}, {structure} cov_x",
        layers=layers,
        cov_x=cov_x,
        cov_z=_symmetric(factor_z),
        X=X,
        q_mean=q_mean,
        q_cov=np.array([_symmetric(root) for root in q_roots]).reshape(points, latent, latent),
    )


def forward(layers: tuple[LayerSpec, ...], z: Array) -> Array:
    """g(z) in doubles: only where a point is put, never a value that is compared."""
    return _traced(layers, z)[0]


def _traced(layers: tuple[LayerSpec, ...], z: Array) -> tuple[Array, tuple[int, ...]]:
    """g(z) in doubles, and on which side of every boundary it was."""
    hidden, code = np.asarray(z, dtype=float), []
    for kind, *values in layers:
        if kind == "dense":
            hidden = np.asarray(values[0]) @ hidden + np.asarray(values[1])
        elif kind == "slope":
            slopes, acting = unit_slopes(values[0], len(hidden))
            code += [int(h > 0) for h in hidden[acting]]
            hidden = np.where(hidden > 0, hidden, np.array(slopes) * hidden)
        else:
            winners = [max(window, key=lambda c: hidden[c]) for window in values[0]]
            code += winners
            hidden = hidden[winners]
    return hidden, tuple(code)


def _noise(choices: Choices, dimension: int, latent: int) -> tuple[str, Array, Array]:
    """A structure, Σx, and a root of it: variances of 1e-6 to 1e2 (with S > 1 about 1e-4 to 1), a
    full one of condition up to 1e4, or 1e6 to 1e10 if it is to be nearly singular."""
    size = 10.0 ** (choices.real(-6, 2) if latent == 1 else choices.real(-4, 0))
    structure = choices.pick(NOISES, (0.35, 0.3, 0.25, 0.1))
    if structure == "scalar":
        return structure, np.array(size), np.sqrt(size) * np.eye(dimension)
    spread = 10.0 ** choices.real(6, 10) if structure == "near-singular" else 1e4
    places = np.array([choices.real(-0.5, 0.5) for _ in range(dimension)])
    if structure == "near-singular" and dimension > 1:
        places[:2] = -0.5, 0.5
    variances = np.clip(size * spread**places, 1e-6 * size, 1e6 * size)
    if structure == "diagonal":
        return structure, variances, np.diag(np.sqrt(variances))
    basis, _ = np.linalg.qr(choices.normals((dimension, dimension)))
    full = (basis * variances) @ basis.T
    full = 0.5 * (full + full.T)
    return structure, full, np.linalg.cholesky(full)


def _point(
    choices: Choices, place: str, layers: tuple[LayerSpec, ...], factor_x: Array, factor_z: Array
) -> tuple[Array, Array]:
    """A latent point and an x, of one of the kinds that random_case has."""
    size = len(factor_z)
    z = factor_z @ choices.normals(size)
    if place == "boundary":
        z = at_boundary(layers, z, factor_z @ choices.normals(size) * 3)
        z = z * (1 + 2.0**-52 * choices.wholes(-3, 4, size))
    image = forward(layers, z)
    if place == "manifold" or (place == "boundary" and choices.chance(0.5)):
        return z, image
    direction = choices.normals(len(image))
    if place == "far":
        reach = 3.2 if size == 1 else 2.5
        length = max(float(np.sqrt(direction @ direction)), 1e-3)
        direction *= 10 ** choices.real(0, reach) / length
    return z, image + factor_x @ direction


def at_boundary(layers: tuple[LayerSpec, ...], start: Array, stop: Array) -> Array:
    """A point between two where the code changes, to the last bit; the first if it nowhere does."""
    low, high = start, stop
    code = _traced(layers, low)[1]
    if _traced(layers, high)[1] == code:
        return start
    for _ in range(80):
        middle = 0.5 * (low + high)
        if _traced(layers, middle)[1] == code:
            low = middle
        else:
            high = middle
    return high


def _factor(choices: Choices, size: int) -> Array:
    """A lower triangular factor of a covariance, now and then of condition up to 1e6."""
    factor = np.tril(0.5 * choices.normals((size, size)), -1)
    spread = 1.5 if choices.chance(0.1) else 0.5
    return np.asarray(factor + np.diag([10 ** choices.real(-spread, spread) for _ in range(size)]))


def _symmetric(factor: Array) -> Array:
    """Factor times its transpose, symmetric to the last bit."""
    product = factor @ factor.T
    return np.asarray(0.5 * (product + product.T))
