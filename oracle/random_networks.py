"""Random networks on one to three latent dimensions, of every kind of layer, ordinary and ugly.

A network is a list of (kind, settings): the name of a layer and what it is made from.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.architectures import UGLINESS

Array = NDArray[np.float64]
Description = tuple[str, dict[str, Any]]

_PLANNED = {"consecutive dense layers", "activation at the output"}
#: What can be odd about the weights; "ordinary" is drawn half of the time.
ODDITIES = (*(o for o in UGLINESS if o not in _PLANNED), "integers", "zero first layer")
#: How the layers are put together.
PLANS = ("dense", "maxout", "images")


class RandomNetwork(NamedTuple):
    """seed, what it is, and its layers."""

    seed: int
    label: str
    latent_dimension: int
    layers: list[Description]


def random_network(seed: int) -> RandomNetwork:
    """The network of a seed: S = 1, 2, 3 in turn, with up to some hundred regions."""
    rng = np.random.default_rng([713, seed])
    latent = 1 + seed % 3
    plan = str(rng.choice(PLANS, p=[0.5, 0.25, 0.25]))
    odd = str(rng.choice(ODDITIES)) if rng.random() < 0.5 else "ordinary"
    build = {"dense": _dense_stack, "maxout": _maxout_stack, "images": _image_stack}[plan]
    return RandomNetwork(seed, f"S = {latent}, {plan}, {odd}", latent, build(rng, latent, odd))


def _affine(rng: np.random.Generator, odd: str, shape: tuple[int, ...], first: bool) -> Any:
    """Weights (n_out, ...) and biases with one oddity put in."""
    fan = int(np.prod(shape[1:]))
    weight = rng.standard_normal((shape[0], fan)) * np.sqrt(2 / fan)
    bias, half = rng.standard_normal(shape[0]), shape[0] // 2
    scale = {
        "duplicated neurons": 1.0,
        "parallel neurons": float(rng.choice([2.0, 0.5, 0.1, 3.3])),
        "opposite neurons": -1.0,
    }.get(odd)
    if scale is not None and half:
        weight[:half], bias[:half] = scale * weight[-half:], scale * bias[-half:]
    elif odd == "zero biases":
        bias[:] = 0.0
    elif odd == "shared bias":
        bias[:] = bias[0]
    elif odd == "dead neurons":
        weight[:half], bias[:half] = 0.0, rng.choice([0.0, -1.0, 1.0], half)
    elif odd in ("tiny weights", "huge weights"):
        size = 10.0 ** (rng.uniform(-3, 0) if odd == "tiny weights" else rng.uniform(0, 3))
        weight, bias = weight * size, bias * size
    elif odd == "low rank":
        weight = np.outer(weight[:, 0], weight[0])
    elif odd == "integers":
        weight = rng.integers(-2, 3, weight.shape).astype(float)
        bias = rng.integers(-2, 3, bias.shape).astype(float)
    elif odd == "zero first layer" and first:
        weight[:] = 0.0
    return weight.reshape(shape), bias


def _dense(rng: np.random.Generator, odd: str, n_in: int, n_out: int, first: bool) -> Description:
    weight, bias = _affine(rng, odd, (n_out, n_in), first)
    return "Dense", {"weight": weight, "bias": bias}


def _activation(rng: np.random.Generator) -> Description:
    kind = str(rng.choice(["ReLU", "LeakyReLU", "Abs"]))
    return kind, {"slope": float(rng.choice([0.01, 0.1, 0.5]))} if kind == "LeakyReLU" else {}


def _dense_stack(rng: np.random.Generator, latent: int, odd: str) -> list[Description]:
    """One to three hidden layers, now and then an activation on the output."""
    depth, most = int(rng.integers(1, 4)), {1: 9, 2: 6, 3: 4}[latent]
    widths = [latent, *map(int, rng.integers(1, most + 1, depth)), int(rng.integers(1, 4))]
    if odd == "width 1":
        widths[int(rng.integers(1, depth + 1))] = 1
    layers: list[Description] = []
    for i, (n_in, n_out) in enumerate(pairwise(widths)):
        if i:
            layers.append(_activation(rng))
        layers.append(_dense(rng, odd, n_in, n_out, i == 0))
    return [*layers, _activation(rng)] if rng.random() < 0.2 else layers


def _maxout_stack(rng: np.random.Generator, latent: int, odd: str) -> list[Description]:
    """Groups of neurons of which the largest counts, alone or after an activation."""
    group, groups = int(rng.integers(2, 4)), int(rng.integers(1, 3))
    layers = [_dense(rng, odd, latent, group * groups, True)]
    if rng.random() < 0.4:
        layers.append(_activation(rng))
    layers += [
        ("MaxPool", {"channels": group}),
        _dense(rng, odd, groups, 3, False),
        _activation(rng) if rng.random() < 0.5 else ("MaxPool", {"channels": 3}),
    ]
    return layers


def _image_stack(rng: np.random.Generator, latent: int, odd: str) -> list[Description]:
    """A small image, convolved, pooled, made larger or flattened."""
    channels, height, width = (int(n) for n in rng.choice([1, 2], 3))
    kernel = tuple(int(n) for n in rng.integers(1, 3, 2))
    weight, bias = _affine(rng, odd, (int(rng.integers(1, 3)), channels, *kernel), False)
    padding = int(rng.integers(0, 2))
    if height + 2 * padding < kernel[0] or width + 2 * padding < kernel[1]:
        padding = 1
    stride = int(rng.integers(1, 3))
    rows, columns = (
        (n + 2 * padding - k) // stride + 1 for n, k in zip((height, width), kernel, strict=True)
    )
    layers: list[Description] = [
        _dense(rng, odd, latent, channels * height * width, True),
        ("Reshape", {"shape": (channels, height, width)}),
        *([_activation(rng)] if rng.random() < 0.5 else []),
        ("Conv2d", {"weight": weight, "bias": bias, "stride": stride, "padding": padding}),
    ]
    pool = (min(2, rows), min(2, columns))
    step = int(rng.integers(0, 4))
    if step == 0:
        layers += [_activation(rng), ("AvgPool", {"kernel_size": pool, "stride": 1})]
    elif step == 1:
        layers += [("MaxPool", {"kernel_size": pool})]
    elif step == 2:
        layers += [("Upsample", {"factor": (1, 2)}), ("MaxPool", {"kernel_size": 2, "padding": 1})]
    elif len(weight) == 2:
        layers += [_activation(rng), ("MaxPool", {"channels": 2})]
    return [*layers, ("Flatten", {})]
