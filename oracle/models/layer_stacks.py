"""The layers of random models: what can be odd about weights, and how layers are put together."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from oracle.models.descriptions import Description, output_shape
from oracle.models.near_degenerate import NearDegeneracy, near_degenerate
from oracle.models.random_choices import Choices

#: What can be odd about the weights; "ordinary" is drawn half of the time.
ODDITIES = (
    "zero biases",
    "shared bias",
    "duplicated neurons",
    "parallel neurons",
    "opposite neurons",
    "dead neurons",
    "width 1",
    "tiny weights",
    "huge weights",
    "low rank",
    "integers",
    "zero first layer",
)
# Of decoders, by latent dimension: of more the oracle has too many regions to draw from.
_MOST_UNITS = {1: 24, 2: 12, 3: 8}
# As many facets as the regular bodies and the truncated icosahedron have.
_WHOLE_BODIES = (6, 8, 12, 20, 32)
#: One of ODDITIES, "ordinary", or what is nearly degenerate.
Oddity = str | NearDegeneracy


def _affine(choices: Choices, odd: Oddity, shape: tuple[int, ...], first: bool) -> tuple[Any, Any]:
    """Weights (n_out, ...) and biases with one oddity put in."""
    fan = int(np.prod(shape[1:]))
    if isinstance(odd, NearDegeneracy):
        weight, bias = near_degenerate(choices, odd, shape[0], fan, first)
        return weight.reshape(shape), bias
    weight = choices.normals((shape[0], fan)) * np.sqrt(2 / fan)
    bias, half = choices.normals(shape[0]), shape[0] // 2
    scale = {
        "duplicated neurons": 1.0,
        "parallel neurons": choices.pick([2.0, 0.5, 0.1, 3.3]),
        "opposite neurons": -1.0,
    }.get(odd)
    if scale is not None and half:
        weight[:half], bias[:half] = scale * weight[-half:], scale * bias[-half:]
    elif odd == "zero biases":
        bias[:] = 0.0
    elif odd == "shared bias":
        bias[:] = bias[0]
    elif odd == "dead neurons":
        weight[:half], bias[:half] = 0.0, (2 * choices.wholes(0, 3, half) + 1) % 3 - 1
    elif odd in ("tiny weights", "huge weights"):
        power = choices.real(-3, 0) if odd == "tiny weights" else choices.real(0, 3)
        if power < -1.5 and half:
            # Neurons that are all but dead, beside others: their boundaries lie very far away.
            weight[:half] *= 10.0 ** (4 * power)
        else:
            weight, bias = weight * 10.0**power, bias * 10.0**power
    elif odd == "low rank":
        weight = np.outer(weight[:, 0], weight[0])
    elif odd == "integers":
        weight = choices.wholes(-2, 3, weight.shape)
        bias = choices.wholes(-2, 3, bias.shape)
    elif odd == "zero first layer" and first:
        weight[:] = 0.0
    return weight.reshape(shape), bias


def _dense(choices: Choices, odd: Oddity, n_in: int, n_out: int, first: bool) -> Description:
    weight, bias = _affine(choices, odd, (n_out, n_in), first)
    return "Dense", {"weight": weight, "bias": bias}


def _activation(choices: Choices) -> Description:
    kind = choices.pick(["ReLU", "LeakyReLU", "Abs"])
    return kind, {"slope": choices.pick([0.01, 0.1, 0.5])} if kind == "LeakyReLU" else {}


def dense_stack(choices: Choices, latent: int, odd: Oddity) -> list[Description]:
    """One to three hidden layers, now and then an activation on the output."""
    depth, most = choices.whole(1, 4), {1: 9, 2: 6, 3: 4}.get(latent, 3)
    hidden = [int(n) for n in choices.wholes(1, most + 1, depth)]
    widths = [latent, *hidden, choices.whole(1, 4)]
    if odd == "width 1":
        widths[choices.whole(1, depth + 1)] = 1
    layers: list[Description] = []
    for i, (n_in, n_out) in enumerate(pairwise(widths)):
        if i:
            layers.append(_activation(choices))
        layers.append(_dense(choices, odd, n_in, n_out, i == 0))
    return [*layers, _activation(choices)] if choices.chance(0.2) else layers


def wide_stack(choices: Choices, latent: int, odd: Oddity) -> list[Description]:
    """A first layer of many units, then none to two layers of a few: boundaries that nearly meet
    need company."""
    most = {1: 24, 2: 14, 3: 12}.get(latent, 9)
    few = {1: 6, 2: 3}.get(latent, 2)
    many = choices.whole(2, most + 1)
    if latent == 3 and isinstance(odd, NearDegeneracy) and odd.arrangement == "solid":
        many = choices.pick(_WHOLE_BODIES, (0.3, 0.3, 0.25, 0.1, 0.05))
    hidden = map(int, choices.wholes(1, few + 1, choices.whole(0, 3)))
    widths = [latent, many, *hidden, choices.whole(1, 4)]
    layers: list[Description] = []
    for i, (n_in, n_out) in enumerate(pairwise(widths)):
        if i:
            layers.append(_activation(choices))
        layers.append(_dense(choices, odd, n_in, n_out, i == 0))
    return layers


def deep_stack(choices: Choices, odd: Oddity) -> list[Description]:
    """One latent dimension, up to four hidden layers of up to 32 units, D up to 20; now and then
    two Dense layers in a row."""
    depth, largest = choices.whole(1, 5), choices.pick([4, 8, 16, 32])
    hidden = [int(n) for n in choices.wholes(1, largest + 1, depth)]
    widths = [1, *hidden, choices.whole(1, 21)]
    if odd == "width 1":
        widths[choices.whole(1, depth + 1)] = 1
    layers: list[Description] = []
    for i, (n_in, n_out) in enumerate(pairwise(widths)):
        if i and not choices.chance(0.05):
            layers.append(_activation(choices))
        layers.append(_dense(choices, odd, n_in, n_out, i == 0))
    return [*layers, _activation(choices)] if choices.chance(0.1) else layers


def maxout_stack(choices: Choices, latent: int, odd: Oddity) -> list[Description]:
    """Groups of neurons of which the largest counts, alone or after an activation."""
    group, groups = choices.whole(2, 4), choices.whole(1, 3)
    layers = [_dense(choices, odd, latent, group * groups, True)]
    if choices.chance(0.4):
        layers.append(_activation(choices))
    layers += [
        ("MaxPool", {"channels": group}),
        _dense(choices, odd, groups, 3, False),
        _activation(choices) if choices.chance(0.5) else ("MaxPool", {"channels": 3}),
    ]
    return layers


def decoder_stack(choices: Choices, latent: int, odd: Oddity) -> list[Description]:
    """A small image or signal made larger by what decoders do it with."""
    axes, most = choices.pick([2, 2, 1]), _MOST_UNITS.get(latent, 6)
    if axes == 2 and choices.chance(0.3):
        # z itself as channels of one pixel.
        layers: list[Description] = [("Reshape", {"shape": (latent, 1, 1)})]
        channels, size = latent, [1, 1]
    else:
        channels, size = choices.whole(1, 3), [int(n) for n in choices.wholes(1, 4, axes)]
        if channels * int(np.prod(size)) > most:
            size = [1] * axes
        count = channels * int(np.prod(size))
        layers = [
            _dense(choices, odd, latent, count, True),
            ("Reshape", {"shape": (channels, *size)}),
        ]
        if choices.chance(0.5):
            layers.append(_activation(choices))
    first = len(layers) == 1
    convolution, size = _convolution(choices, odd, channels, size, first)
    layers.append(convolution)
    channels = len(convolution[1]["bias"])
    if channels * int(np.prod(size)) <= most:
        layers.append(_activation(choices))
    if axes == 2:
        layers.append(_resampling(choices, channels))
        if layers[-1][0] == "AdaptiveAvgPool" and choices.chance(0.5):
            layers.append(("MaxPool", {"kernel_size": (1, 2), "stride": 1, "padding": (0, 1)}))
    elif choices.chance(0.5):
        layers.append(_convolution(choices, odd, channels, size, False)[0])
    return [*layers, ("Flatten", {})]


def _convolution(
    choices: Choices, odd: Oddity, channels: int, size: list[int], first: bool
) -> tuple[Description, list[int]]:
    """A convolution or a transposed one of images or signals, and the size of what comes out."""
    axes = len(size)
    kernel, gaps = ([int(n) for n in choices.wholes(1, 3, axes)] for _ in range(2))
    stride = [int(n) for n in choices.wholes(1, 3, axes)]
    groups = channels if choices.chance(0.5) else 1
    outputs = groups * choices.whole(1, 3 if groups == 1 else 2)
    reach = [d * (k - 1) + 1 for d, k in zip(gaps, kernel, strict=True)]
    settings: dict[str, Any] = {"stride": tuple(stride), "dilation": tuple(gaps), "groups": groups}
    if choices.chance(0.6):
        more = [choices.whole(0, max(s, d)) for s, d in zip(stride, gaps, strict=True)]
        padding = [min(choices.whole(0, 2), (r - 1) // 2) for r in reach]
        shape, kind = (channels, outputs // groups, *kernel), f"ConvTranspose{axes}d"
        settings["output_padding"] = tuple(more)
    else:
        # As much as makes the image no smaller than the kernel.
        least = [-(-(r - n) // 2) for r, n in zip(reach, size, strict=True)]
        padding = [max(choices.whole(0, 2), n) for n in least]
        shape, kind = (outputs, channels // groups, *kernel), f"Conv{axes}d"
    weight, _ = _affine(choices, odd, shape, first)
    _, bias = _affine(choices, odd, (outputs, 1), first)
    settings |= {"weight": weight, "bias": bias, "padding": tuple(padding)}
    return (kind, settings), list(output_shape(kind, settings, (channels, *size))[1:])


def _resampling(choices: Choices, channels: int) -> Description:
    """A layer that makes images larger or smaller without weights."""
    kinds = ["ZeroPad", "AdaptiveAvgPool", "bilinear"] + ["PixelShuffle"] * (channels == 4)
    kind = choices.pick(kinds)
    if kind == "ZeroPad":
        return kind, {"padding": tuple(int(n) for n in choices.wholes(0, 2, 4))}
    if kind == "AdaptiveAvgPool":
        return kind, {"output_size": (choices.whole(1, 3), choices.whole(1, 3))}
    if kind == "PixelShuffle":
        return kind, {"factor": 2}
    factor, aligned = (choices.whole(1, 3), choices.whole(1, 3)), choices.chance(0.5)
    return "Upsample", {"factor": factor, "mode": kind, "align_corners": aligned}


def image_stack(choices: Choices, latent: int, odd: Oddity) -> list[Description]:
    """A small image, convolved, pooled, made larger or flattened."""
    channels, height, width = (int(n) for n in choices.wholes(1, 3, 3))
    kernel = tuple(int(n) for n in choices.wholes(1, 3, 2))
    weight, bias = _affine(choices, odd, (choices.whole(1, 3), channels, *kernel), False)
    padding = choices.whole(0, 2)
    if height + 2 * padding < kernel[0] or width + 2 * padding < kernel[1]:
        padding = 1
    stride = choices.whole(1, 3)
    rows, columns = (
        (n + 2 * padding - k) // stride + 1 for n, k in zip((height, width), kernel, strict=True)
    )
    layers: list[Description] = [
        _dense(choices, odd, latent, channels * height * width, True),
        ("Reshape", {"shape": (channels, height, width)}),
        *([_activation(choices)] if choices.chance(0.5) else []),
        ("Conv2d", {"weight": weight, "bias": bias, "stride": stride, "padding": padding}),
    ]
    pool = (min(2, rows), min(2, columns))
    step = choices.whole(0, 4)
    if step == 0:
        layers += [_activation(choices), ("AvgPool", {"kernel_size": pool, "stride": 1})]
    elif step == 1:
        layers += [("MaxPool", {"kernel_size": pool})]
    elif step == 2:
        layers += [("Upsample", {"factor": (1, 2)}), ("MaxPool", {"kernel_size": 2, "padding": 1})]
    elif len(weight) == 2:
        layers += [_activation(choices), ("MaxPool", {"channels": 2})]
    return [*layers, ("Flatten", {})]
