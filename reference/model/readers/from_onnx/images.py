"""ONNX operators on images and signals: convolutions, pools, resampling and padding."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from reference.model.arrays import Array
from reference.model.images.convolutions import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from reference.model.images.max_pool import MaxPool
from reference.model.images.resampling import AvgPool, PixelShuffle, Upsample, ZeroPad
from reference.model.layer_protocol import Layer
from reference.model.readers.from_onnx.file import Operator
from reference.model.readers.from_onnx.operators import needed, require
from reference.model.readers.from_onnx.values import Reader, Value, Values


@dataclass(frozen=True)
class Window:
    """How the windows of an operator lie along each axis of an image or signal."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def even(self) -> bool:
        """Whether both ends are padded alike."""
        return self.before == self.after

    def zeros(self) -> ZeroPad:
        """The padding as a layer of images."""
        (above, left), (below, right) = _two(self.before, 0), _two(self.after, 0)
        return ZeroPad((left, right, above, below))


def _two(sizes: Sequence[int], missing: int) -> tuple[int, int]:
    """Numbers for two axes: a signal is an image of one row."""
    first, second = (missing, *sizes)[-2:]
    return first, second


def _spatial(value: Value) -> tuple[int, ...]:
    """The axes of images or signals beside batch and channels."""
    require(
        len(value.shape) in (3, 4) and value.shape[0] == 1,
        f"shape {value.shape}; expected (batch, channels, length) or (batch, channels, height, "
        "width)",
    )
    return value.shape[2:]


def _window(operator: Operator, size: Sequence[int], kernel: Sequence[int]) -> Window:
    """The windows of a sliding kernel."""
    axes = len(size)
    told = tuple(int(n) for n in operator.attribute("kernel_shape", kernel))
    require(told == tuple(kernel), f"kernel_shape {told} of weights with kernels {tuple(kernel)}")
    require(len(told) == axes, f"kernel_shape {told} on {axes} axes")
    stride = tuple(operator.attribute("strides", [1] * axes))
    dilation = tuple(operator.attribute("dilations", [1] * axes))
    pads = tuple(operator.attribute("pads", [0] * (2 * axes)))
    auto = operator.attribute("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        reach = [(k - 1) * d + 1 for k, d in zip(told, dilation, strict=True)]
        total = [
            max((-(-n // s) - 1) * s + r - n, 0)
            for n, s, r in zip(size, stride, reach, strict=True)
        ]
        pads = _split(total, auto)
    require(min(pads) >= 0, f"negative pads {pads}")
    return Window(told, stride, dilation, pads[:axes], pads[axes:])


def _split(total: Sequence[int], auto: str) -> tuple[int, ...]:
    """Padding before every axis, then after: what is odd goes to the end, or to the beginning."""
    small, large = [n // 2 for n in total], [n - n // 2 for n in total]
    return (*small, *large) if auto == "SAME_UPPER" else (*large, *small)


def _weight_and_bias(values: Values, operator: Operator) -> tuple[Array, Array | None]:
    return needed(values.floats(operator, 1), "kernels"), values.floats(operator, 2)


def conv(values: Values, operator: Operator) -> Value:
    """A convolution; uneven padding becomes a layer before it."""
    value = values.value(operator, 0)
    size = _spatial(value)
    weight, bias = _weight_and_bias(values, operator)
    bias = np.zeros(len(weight)) if bias is None else bias
    window = _window(operator, size, weight.shape[2:])
    groups = operator.attribute("group", 1)
    settings = {"stride": window.stride, "dilation": window.dilation, "groups": groups}
    if window.even:
        kind = Conv2d if len(size) == 2 else Conv1d
        layer = kind(weight, bias, padding=window.before, **settings)
        return values.apply(values.reshaped(value, value.shape[1:]), [layer])
    if len(size) == 1:
        weight = weight[:, :, None, :]
        settings |= {"stride": _two(window.stride, 1), "dilation": _two(window.dilation, 1)}
    return values.on_images(value, [window.zeros(), Conv2d(weight, bias, **settings)])


def conv_transpose(values: Values, operator: Operator) -> Value:
    """A transposed convolution."""
    value = values.value(operator, 0)
    size = _spatial(value)
    weight, bias = _weight_and_bias(values, operator)
    groups = operator.attribute("group", 1)
    bias = np.zeros(weight.shape[1] * groups) if bias is None else bias
    more = tuple(operator.attribute("output_padding", [0] * len(size)))
    # Windows of the output: padding is cut off, and found otherwise if it is not told.
    window = _window(_without_auto(operator), size, weight.shape[2:])
    before, after = _cut_off(operator, size, window, more)
    kind = ConvTranspose2d if len(size) == 2 else ConvTranspose1d
    # Less is cut off at the end: so much is added there.
    more = tuple(m + b - a for m, b, a in zip(more, before, after, strict=True))
    pads = (*before, *after)
    require(min(more) >= 0, f"pads {pads}, which cut off more after an axis than before it")
    steps = map(max, window.stride, window.dilation)
    require(
        all(m < step for m, step in zip(more, steps, strict=True)),
        f"pads {pads} and output_padding that leave a whole stride more after an axis",
    )
    layer = kind(
        weight,
        bias,
        stride=window.stride,
        padding=before,
        output_padding=more,
        dilation=window.dilation,
        groups=groups,
    )
    return values.apply(values.reshaped(value, value.shape[1:]), [layer])


def _without_auto(operator: Operator) -> Operator:
    kept = {k: v for k, v in operator.attributes.items() if k != "auto_pad"}
    return replace(operator, attributes=kept)


def _cut_off(
    operator: Operator, size: Sequence[int], window: Window, more: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Padding of a transposed convolution, before and after each axis."""
    auto = operator.attribute("auto_pad", "NOTSET")
    shape = operator.attribute("output_shape", None)
    if auto in ("SAME_UPPER", "SAME_LOWER") and shape is None:
        shape = [n * s for n, s in zip(size, window.stride, strict=True)]
    if shape is None:
        return window.before, window.after
    reach = [(k - 1) * d + 1 for k, d in zip(window.kernel, window.dilation, strict=True)]
    along = zip(size, window.stride, reach, more, shape[-len(size) :], strict=True)
    total = [s * (n - 1) + m + r - wanted for n, s, r, m, wanted in along]
    require(min(total) >= 0, f"an output larger than kernels reach: {tuple(shape)}")
    pads = _split(total, auto)
    return pads[: len(size)], pads[len(size) :]


def max_pool(values: Values, operator: Operator) -> Value:
    """The largest of each window; padding is never the largest."""
    value, window = _pooled(values, operator)
    require(sum(map(bool, operator.proto.output)) == 1, "indices as an output")
    require(window.even, f"uneven pads {(*window.before, *window.after)}")
    pool = MaxPool(_two(window.kernel, 1), _two(window.stride, 1), _two(window.before, 0))
    return values.on_images(value, [pool])


def average_pool(values: Values, operator: Operator) -> Value:
    """The mean of each window; padding counts as zeros, or is refused."""
    value, window = _pooled(values, operator)
    layers: list[Layer] = [AvgPool(_two(window.kernel, 1), _two(window.stride, 1))]
    if any(window.before) or any(window.after):
        require(
            bool(operator.attribute("count_include_pad", 0)), "count_include_pad=0 with padding"
        )
        layers.insert(0, window.zeros())
    return values.on_images(value, layers)


def _pooled(values: Values, operator: Operator) -> tuple[Value, Window]:
    value = values.value(operator, 0)
    size = _spatial(value)
    window = _window(operator, size, operator.attribute("kernel_shape", ()))
    require(set(window.dilation) == {1}, f"dilations {window.dilation}")
    along = zip(size, window.kernel, window.stride, window.before, window.after, strict=True)
    # Rounded up or down, there are as many windows where they fit in.
    fits = all((n + b + a - k) % s == 0 for n, k, s, b, a in along)
    require(fits or not operator.attribute("ceil_mode", 0), "ceil_mode")
    return value, window


def global_pool(kind: Callable[..., Layer]) -> Reader:
    """The reader of a pool over whole images."""

    def read(values: Values, operator: Operator) -> Value:
        value = values.value(operator, 0)
        return values.on_images(value, [kind(_two(_spatial(value), 1))])

    return read


def reduce_mean(values: Values, operator: Operator) -> Value:
    """The mean of whole images, as libraries write a global average."""
    value = values.value(operator, 0)
    size, count = _spatial(value), len(value.shape)
    array = values.constant(operator, 1)
    told = operator.attribute("axes", []) if array is None else array
    axes = sorted(int(axis) % count for axis in told)
    require(axes == list(range(2, count)), f"a mean over axes {axes} of shape {value.shape}")
    mean = values.on_images(value, [AvgPool(_two(size, 1))])
    return mean if operator.attribute("keepdims", 1) else replace(mean, shape=mean.shape[:2])


def depth_to_space(values: Values, operator: Operator) -> Value:
    """Groups of channels as blocks of pixels."""
    mode = operator.attribute("mode", "DCR")
    require(mode == "CRD", f'mode "{mode}"; expected "CRD", the order of torch.nn.PixelShuffle')
    value = values.value(operator, 0)
    require(len(_spatial(value)) == 2, f"shape {value.shape}; expected images")
    layer = PixelShuffle(operator.attribute("blocksize", 1))
    return values.apply(values.reshaped(value, value.shape[1:]), [layer])


def pad(values: Values, operator: Operator) -> Value:
    """Zeros around images and signals."""
    mode = operator.attribute("mode", "constant")
    require(mode == "constant", f'mode "{mode}"; expected "constant"')
    value = values.value(operator, 0)
    size, count = _spatial(value), len(value.shape)
    constant = values.floats(operator, 2)
    told = operator.attribute("value", 0.0) if constant is None or not constant.size else constant
    require(not np.any(told), f"padding with {np.squeeze(told)}; expected 0")
    array = values.constant(operator, 1)
    pads = [int(n) for n in (operator.attribute("pads", []) if array is None else array)]
    axes_input = values.constant(operator, 3)
    axes = range(count) if axes_input is None else [int(axis) % count for axis in axes_input]
    before, after = [0] * count, [0] * count
    for axis, b, a in zip(axes, pads[: len(pads) // 2], pads[len(pads) // 2 :], strict=True):
        before[axis], after[axis] = b, a
    require(not any(before[:2] + after[:2]), "padding of channels or of the batch")
    require(min(before + after) >= 0, f"negative pads {tuple(pads)}")
    none = (1,) * len(size)
    window = Window(none, none, none, tuple(before[2:]), tuple(after[2:]))
    return values.on_images(value, [window.zeros()])


# Resampling


def resize(values: Values, operator: Operator) -> Value:
    """Images made larger by whole factors, where `Upsample` does the same."""
    value = values.value(operator, 0)
    size = _spatial(value)
    factor = _factors(values, operator, value)
    mode = operator.attribute("mode", "nearest")
    for name, usual in (("antialias", 0), ("exclude_outside", 0)):
        require(operator.attribute(name, usual) == usual, name)
    # Before opset 11 there was one way.
    old = values.file.opset < 11
    way = operator.attribute(
        "coordinate_transformation_mode", "asymmetric" if old else "half_pixel"
    )
    told = f"coordinate_transformation_mode={way!r}"
    if mode == "nearest":
        rounding = operator.attribute("nearest_mode", "floor" if old else "round_prefer_floor")
        along = zip(size, factor, strict=True)
        repeats = all(_repeats(n, f, way, rounding) for n, f in along)
        require(repeats, f"{told}, nearest_mode={rounding!r}, which do not repeat every pixel")
        return values.on_images(value, [Upsample(_two(factor, 1))])
    require(mode in ("linear", "bilinear"), f"mode={mode!r}")
    centred = ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric")
    require(way in (*centred, "align_corners"), f"{told} of mode={mode!r}")
    corners = way == "align_corners"
    return values.on_images(value, [Upsample(_two(factor, 1), "bilinear", corners)])


def _factors(values: Values, operator: Operator, value: Value) -> tuple[int, ...]:
    """How many times as large images become along each axis."""
    # Regions of interest come before the scales since opset 11.
    at = 2 if operator.kind == "Resize" and values.file.opset >= 11 else 1
    scales = values.constant(operator, at)
    sizes = values.constant(operator, 3)
    policy = operator.attribute("keep_aspect_ratio_policy", "stretch")
    require(policy == "stretch", f"keep_aspect_ratio_policy={policy!r}")
    count = len(value.shape)
    axes = [int(axis) % count for axis in operator.attribute("axes", range(count))]
    if sizes is not None and sizes.size:
        told = [Fraction(int(n), value.shape[axis]) for n, axis in zip(sizes, axes, strict=True)]
    else:
        given = operator.attribute("scales", None) if scales is None else scales
        told = [Fraction(float(f)) for f in needed(given, "scales or sizes")]
    factors = [Fraction(1)] * count
    for axis, factor in zip(axes, told, strict=True):
        factors[axis] = factor
    whole = all(f.denominator == 1 and f >= 1 for f in factors)
    text = ", ".join(str(float(f)) for f in factors)
    require(whole, f"factors ({text}) that are not whole")
    require(factors[0] == factors[1] == 1, "more channels or examples")
    return tuple(int(f) for f in factors[2:])


def _repeats(size: int, factor: int, way: str, rounding: str) -> bool:
    """Whether every pixel is repeated, by the standard's definition of the nearest pixel."""
    for i in range(size * factor):
        place = _place(i, size, factor, way)
        if place is None:
            return False
        down, up = math.floor(place), math.ceil(place)
        half = place - down == Fraction(1, 2)
        nearest = {
            "floor": down,
            "ceil": up,
            "round_prefer_floor": down if half else round(place),
            "round_prefer_ceil": up if half else round(place),
        }.get(rounding)
        if nearest is None or min(max(nearest, 0), size - 1) != i // factor:
            return False
    return True


def _place(i: int, size: int, factor: int, way: str) -> Fraction | None:
    """Where the centre of new pixel i lies among the old ones."""
    count = size * factor
    if way == "asymmetric":
        return Fraction(i, factor)
    if way == "align_corners":
        return Fraction(i * (size - 1), count - 1) if count > 1 else Fraction(0)
    if way == "pytorch_half_pixel" and count == 1:
        return Fraction(0)
    if way in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"):
        return Fraction(2 * i + 1, 2 * factor) - Fraction(1, 2)
    return None


READERS: dict[str, Reader] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": global_pool(AvgPool),
    "GlobalMaxPool": global_pool(MaxPool),
    "Resize": resize,
    "Upsample": resize,
    "ReduceMean": reduce_mean,
    "DepthToSpace": depth_to_space,
    "Pad": pad,
}
