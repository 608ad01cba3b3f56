"""Layers from the modules of torch, read by class name and attributes: torch is not imported."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from reference.model.arrays import Array
from reference.model.dense import Dense
from reference.model.images.convolutions import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from reference.model.images.kernels import Convolution
from reference.model.images.max_pool import MaxPool
from reference.model.images.resampling import (
    AdaptiveAvgPool,
    AvgPool,
    PixelShuffle,
    Upsample,
    ZeroPad,
)
from reference.model.images.reshaping import Flatten, Reshape
from reference.model.latent_size import latent_size
from reference.model.layer_protocol import Layer, Shape
from reference.model.named_activations import LeakyReLU, ReLU
from reference.model.validation import check_array

# Identities, once training is over.
_DROPOUTS = ("Dropout", "Dropout1d", "Dropout2d", "AlphaDropout", "FeatureAlphaDropout")


def layers_from_torch(module: Any) -> list[Layer]:
    """Return the layers of a torch.nn.Sequential, in order: see `Network.from_torch`.

    Raises ValueError naming the position and class of a module that is not supported.
    """
    layers: list[Layer] = []
    shape: Shape = ()
    for place, part in _modules(module, "module"):
        try:
            layers, shape = _extended(layers, shape, part)
        except ValueError as error:
            reason = str(error).removeprefix("layers: ")
            raise ValueError(f"{place} ({type(part).__name__}): {reason}") from None
    if not layers:
        raise ValueError("module: expected at least one layer, got none")
    return layers


def _modules(module: Any, place: str) -> Iterator[tuple[str, Any]]:
    """The modules inside nested Sequentials, in order, each with its place."""
    if getattr(module, "_forward_hooks", None) or getattr(module, "_forward_pre_hooks", None):
        raise ValueError(f"{place} ({type(module).__name__}): forward hooks are not supported")
    if type(module).__name__ == "Sequential":
        for i, part in enumerate(module):
            yield from _modules(part, f"{place}[{i}]")
    else:
        yield place, module


def _extended(layers: list[Layer], shape: Shape, module: Any) -> tuple[list[Layer], Shape]:
    """The layers, and the shape of their output, with one module after them."""
    kind = type(module).__name__
    if kind == "Identity" or kind in _DROPOUTS:
        _require(kind == "Identity" or not module.training, "training mode; call .eval() first")
        return layers, shape
    if kind in ("BatchNorm1d", "BatchNorm2d"):
        scale, shift = _normalisation(module)
        # Before any other module, BatchNorm1d tells the latent dimension by its features.
        axes = (0, 1, 2) if kind == "BatchNorm1d" else (3,)
        _require(len(shape) in axes, f"{kind} on shape {shape}")
        before = layers[-1] if layers else None
        if isinstance(before, Dense | Convolution):
            return [*layers[:-1], _normalised(before, scale, shift)], shape
        more: list[Layer] = [_scaling(scale, shift, len(shape))]
    elif kind in _READERS:
        read = _READERS[kind](module, shape)
        more = read if isinstance(read, list) else [read]
    else:
        raise ValueError(f"this class is not supported; expected a Sequential of {_SUPPORTED}")
    if not layers:
        latent = latent_size(more[0])
        if latent is None:
            raise ValueError(
                "expected Linear or Unflatten first, which tell the latent dimension; put "
                "Unflatten(1, (channels, height, width)) before it"
            )
        shape = (latent,)
    for layer in more:
        shape = layer.placed(shape).output_shape(shape)
    return [*layers, *more], shape


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(f"not supported: {what}")


def _array(tensor: Any, name: str) -> Array:
    """A tensor as a float64 array. That is exact: every narrower float is a double."""
    try:
        values = tensor.detach().cpu().numpy()
    except (AttributeError, TypeError, RuntimeError) as error:  # bfloat16, meta tensors, ...
        raise ValueError(f"{name}: expected a tensor that numpy can hold ({error})") from None
    return check_array(values, name, (None,) * np.ndim(values))


def _weight_and_bias(module: Any) -> tuple[Array, Array]:
    weight = _array(module.weight, "weight")
    if module.bias is None:
        return weight, np.zeros(len(weight))
    return weight, _array(module.bias, "bias")


def _normalisation(module: Any) -> tuple[Array, Array]:
    """scale and shift (C,) of a batch normalisation in eval mode: h -> scale h + shift."""
    _require(not module.training, "training mode; call .eval() first")
    _require(module.running_mean is not None, "no running statistics")
    mean = _array(module.running_mean, "running_mean")
    variance = _array(module.running_var, "running_var") + module.eps
    _require(bool(np.all(variance > 0)), "running_var + eps that is not positive")
    scale, shift = 1.0 / np.sqrt(variance), np.zeros_like(mean)
    if module.weight is not None:
        scale = scale * _array(module.weight, "weight")
    if module.bias is not None:
        shift = _array(module.bias, "bias")
    return scale, shift - mean * scale


def _normalised(layer: Dense | Convolution, scale: Array, shift: Array) -> Layer:
    """The layer followed by h -> scale h + shift, as one layer."""
    if len(scale) != len(layer.bias):
        raise ValueError(f"expects {len(scale)} features, got {len(layer.bias)}")
    if isinstance(layer, Convolution):
        return layer.scaled(scale, shift)
    weight = layer.weight * scale[:, None]
    return layer.with_parameters({"weight": weight, "bias": layer.bias * scale + shift})


def _scaling(scale: Array, shift: Array, axes: int) -> Layer:
    """h -> scale h + shift on vectors, signals or images, channel by channel."""
    weight = np.diag(scale)
    if axes <= 1:
        return Dense(weight, shift)
    if axes == 2:
        return Conv1d(weight[:, :, None], shift)
    return Conv2d(weight[:, :, None, None], shift)


def _linear(module: Any, shape: Shape) -> Layer:
    return Dense(*_weight_and_bias(module))


def _conv(module: Any, shape: Shape) -> Layer | list[Layer]:
    _require(module.padding_mode == "zeros", f"padding_mode={module.padding_mode!r}")
    weight, bias = _weight_and_bias(module)
    kind = Conv1d if type(module).__name__ == "Conv1d" else Conv2d
    settings = {"stride": module.stride, "dilation": module.dilation, "groups": module.groups}
    padding = module.padding
    if padding == "valid":
        padding = 0
    elif padding == "same":
        total = [gap * (n - 1) for gap, n in zip(module.dilation, weight.shape[2:], strict=True)]
        if any(n % 2 for n in total):
            _require(kind is Conv2d, "padding='same' of a Conv1d that adds an odd number")
            # What is odd goes to the end.
            above, left = (n // 2 for n in total)
            sides = left, total[1] - left, above, total[0] - above
            return [ZeroPad(sides), kind(weight, bias, **settings)]
        padding = tuple(n // 2 for n in total)
    return kind(weight, bias, padding=padding, **settings)


def _transposed(module: Any, shape: Shape) -> Layer:
    _require(module.padding_mode == "zeros", f"padding_mode={module.padding_mode!r}")
    kind = ConvTranspose1d if type(module).__name__ == "ConvTranspose1d" else ConvTranspose2d
    weight = _array(module.weight, "weight")
    channels = weight.shape[1] * module.groups
    bias = np.zeros(channels) if module.bias is None else _array(module.bias, "bias")
    names = ("stride", "padding", "output_padding", "dilation", "groups")
    settings = {name: getattr(module, name) for name in names}
    return kind(weight, bias, **settings)


def _pair(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value, value)


def _max_pool(module: Any, shape: Shape) -> Layer:
    _require(_pair(module.dilation) == (1, 1), f"dilation={module.dilation}")
    _require(not module.return_indices, "return_indices=True")
    _require(not module.ceil_mode, "ceil_mode=True")
    return MaxPool(module.kernel_size, module.stride, module.padding)


def _avg_pool(module: Any, shape: Shape) -> Layer:
    _require(not module.ceil_mode, "ceil_mode=True")
    _require(module.divisor_override is None, f"divisor_override={module.divisor_override}")
    padded = _pair(module.padding) != (0, 0)
    _require(module.count_include_pad or not padded, "count_include_pad=False with padding")
    return AvgPool(module.kernel_size, module.stride, module.padding)


def _upsample(module: Any, shape: Shape) -> Layer:
    modes = ("nearest", "nearest-exact", "bilinear")
    _require(module.mode in modes, f"mode={module.mode!r}")
    mode = "bilinear" if module.mode == "bilinear" else "nearest"
    settings = {"mode": mode, "align_corners": bool(module.align_corners)}
    if module.size is not None:
        _require(len(shape) == 3, f"size without images before it, but shape {shape}")
        size = _pair(module.size)
        whole = all(new % old == 0 for new, old in zip(size, shape[1:], strict=True))
        _require(whole, f"size={module.size} that is no multiple of {shape[1:]}")
        factor = tuple(new // old for new, old in zip(size, shape[1:], strict=True))
        return Upsample(factor, **settings)
    factor = _pair(module.scale_factor)
    _require(all(float(f).is_integer() for f in factor), f"scale_factor={module.scale_factor}")
    return Upsample(tuple(int(f) for f in factor), **settings)


def _flatten(module: Any, shape: Shape) -> Layer:
    axes = module.start_dim, module.end_dim
    _require(axes in ((1, -1), (1, len(shape))), f"start_dim, end_dim = {axes}; expected 1, -1")
    return Flatten()


def _unflatten(module: Any, shape: Shape) -> Layer:
    axis, size = module.dim, tuple(module.unflattened_size)
    _require(axis in (1, -1) and len(shape) < 2, f"dim={axis!r} on shape {shape}; expected 1")
    if size.count(-1) == 1:
        _require(bool(shape), f"unflattened_size={size} first, which does not tell its product")
        rest = -math.prod(size)
        size = tuple(shape[0] // rest if n == -1 and rest > 0 else n for n in size)
    return Reshape(size)


def _adaptive(module: Any, shape: Shape) -> Layer:
    size = _pair(module.output_size)
    _require(len(shape) == 3, f"AdaptiveAvgPool2d on shape {shape}")
    return AdaptiveAvgPool(
        tuple(n if new is None else new for new, n in zip(size, shape[1:], strict=True))
    )


_READERS: dict[str, Callable[[Any, Shape], Layer | list[Layer]]] = {
    "Linear": _linear,
    "Conv1d": _conv,
    "Conv2d": _conv,
    "ConvTranspose1d": _transposed,
    "ConvTranspose2d": _transposed,
    "ReLU": lambda module, shape: ReLU(),
    "LeakyReLU": lambda module, shape: LeakyReLU(module.negative_slope),
    "MaxPool2d": _max_pool,
    "AvgPool2d": _avg_pool,
    "AdaptiveAvgPool2d": _adaptive,
    "ZeroPad2d": lambda module, shape: ZeroPad(module.padding),
    "PixelShuffle": lambda module, shape: PixelShuffle(module.upscale_factor),
    "Upsample": _upsample,
    "UpsamplingNearest2d": _upsample,
    "UpsamplingBilinear2d": _upsample,
    "Flatten": _flatten,
    "Unflatten": _unflatten,
}
_SUPPORTED = ", ".join([*_READERS, "BatchNorm1d", "BatchNorm2d", "Identity, Dropout"])
