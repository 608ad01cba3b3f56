"""What one module of torch is as layers, read by its attributes: torch is not imported."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from reference.model.arrays import Array, of_tensor
from reference.model.dense import Dense
from reference.model.images.convolutions import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from reference.model.images.max_pool import MaxPool
from reference.model.images.resampling import (
    AdaptiveAvgPool,
    AvgPool,
    PixelShuffle,
    Upsample,
    ZeroPad,
)
from reference.model.images.reshaping import Flatten, Reshape
from reference.model.layer_protocol import Layer, Shape
from reference.model.named_activations import Hardsigmoid, Hardtanh, LeakyReLU, PReLU, ReLU, ReLU6
from reference.model.readers.batch_norm import scale_and_shift
from reference.model.readers.parts import Normalisation
from reference.model.validation import check_array

# Identities, once training is over.
_DROPOUTS = ("Dropout", "Dropout1d", "Dropout2d", "AlphaDropout", "FeatureAlphaDropout")

# Names of classes, and of functions, without a piecewise affine equivalent.
_CURVED = (
    "Sigmoid LogSigmoid Tanh GELU Softplus ELU SELU CELU SiLU Mish Softmax Softmax2d LogSoftmax "
    "Log_Softmax Softmin Softsign Tanhshrink Hardswish GLU Exp Expm1 Log Log1p Sqrt Pow Sin Cos Erf"
)
_NORMALISING = (
    "LayerNorm Layer_Norm GroupNorm Group_Norm InstanceNorm1d InstanceNorm2d Instance_Norm "
    "RMSNorm RMS_Norm LocalResponseNorm Local_Response_Norm Normalize"
)
_REASONS = {
    **dict.fromkeys(
        _CURVED.lower().split(),
        "this is not piecewise affine; as the last module, leave it out (module[:-1] of a "
        "Sequential) and model its input instead (for a Sigmoid, the logits); elsewhere, use ReLU "
        "or LeakyReLU and train again",
    ),
    **dict.fromkeys(
        _NORMALISING.lower().split(),
        "this divides by its input's own size, in eval mode too, so it is not piecewise affine; "
        "use BatchNorm, which in eval mode divides by constants, and train again",
    ),
}


def layers_of_module(kind: str, module: Any, shape: Shape) -> list[Layer] | Normalisation:
    """Return what a module is, or raise ValueError with what of it is not supported.

    Parameters
    ----------
    kind : str
        The name of its class among torch's own.
    module : torch.nn.Module
        The module, or anything with its attributes.
    shape : tuple of int
        The shape of its input; () where that is not known yet, before the first module.

    Returns
    -------
    list of Layer or Normalisation
        Its layers, in order: none for an identity.
    """
    if kind == "Identity" or kind in _DROPOUTS:
        _require(kind == "Identity" or not module.training, "training mode; call .eval() first")
        return []
    if kind in ("BatchNorm1d", "BatchNorm2d"):
        # Before any other module, BatchNorm1d tells the latent dimension by its features.
        axes = (0, 1, 2) if kind == "BatchNorm1d" else (3,)
        _require(len(shape) in axes, f"{kind} on shape {shape}")
        return _normalisation(module)
    if kind not in _READERS:
        raise ValueError(reason_against(kind))
    read = _READERS[kind](module, shape)
    return read if isinstance(read, list) else [read]


def reason_against(kind: str, what: str = "class", known: Iterable[str] | None = None) -> str:
    """Why a class or a function of this name is not read, and what to do instead.

    Parameters
    ----------
    kind : str
        The name.
    what : str, default "class"
        What it is the name of.
    known : iterable of str, optional
        The names that are read; those of modules by default.

    Returns
    -------
    str
        The reason.
    """
    names = ", ".join(_SUPPORTED if known is None else known)
    return _REASONS.get(kind.lower(), f"this {what} is not supported; expected one of {names}")


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(f"not supported: {what}")


def _array(tensor: Any, name: str) -> Array:
    """A tensor as a float64 array. That is exact: every narrower float is a double."""
    try:
        values = of_tensor(tensor)
    except (AttributeError, TypeError, RuntimeError) as error:  # meta tensors, ...
        raise ValueError(
            f"{name}: expected a tensor that numpy can hold, as after .float().cpu() ({error})"
        ) from None
    return check_array(values, name, (None,) * np.ndim(values))


def _weight_and_bias(module: Any) -> tuple[Array, Array]:
    weight = _array(module.weight, "weight")
    if module.bias is None:
        return weight, np.zeros(len(weight))
    return weight, _array(module.bias, "bias")


def _normalisation(module: Any) -> Normalisation:
    _require(not module.training, "training mode; call .eval() first")
    _require(module.running_mean is not None, "no running statistics")
    mean = _array(module.running_mean, "running_mean")
    variance = _array(module.running_var, "running_var")
    weight = None if module.weight is None else _array(module.weight, "weight")
    bias = None if module.bias is None else _array(module.bias, "bias")
    scale, _ = scale_and_shift(mean, variance, module.eps, weight, bias)
    return Normalisation(mean, scale, np.zeros_like(mean) if bias is None else bias)


def _linear(module: Any, shape: Shape) -> Layer:
    return Dense(*_weight_and_bias(module))


def _prelu(module: Any, shape: Shape) -> Layer:
    slope = _array(module.weight, "weight")
    return LeakyReLU(float(slope[0])) if len(slope) == 1 else PReLU(slope)


def _hardtanh(module: Any, shape: Shape) -> Layer:
    lower, upper = (-math.inf if module.min_val is None else module.min_val), module.max_val
    return Hardtanh(lower, math.inf if upper is None else upper)


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
    return _each(value, 2)


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


def _upsample(module: Any, shape: Shape) -> Layer | list[Layer]:
    _require(len(shape) in (2, 3), f"Upsample without images or signals before it, but {shape}")
    signal = len(shape) == 2
    interpolated = "linear" if signal else "bilinear"
    modes = ("nearest", "nearest-exact", interpolated)
    _require(module.mode in modes, f"mode={module.mode!r} on shape {shape}")
    mode = "bilinear" if module.mode == interpolated else "nearest"
    settings = {"mode": mode, "align_corners": bool(module.align_corners)}
    if module.size is not None:
        size = _each(module.size, len(shape) - 1)
        whole = all(new % old == 0 for new, old in zip(size, shape[1:], strict=True))
        _require(whole, f"size={module.size} that is no multiple of {shape[1:]}")
        factor = tuple(new // old for new, old in zip(size, shape[1:], strict=True))
    else:
        given = _each(module.scale_factor, len(shape) - 1)
        _require(all(float(f).is_integer() for f in given), f"scale_factor={module.scale_factor}")
        factor = tuple(int(f) for f in given)
    if not signal:
        return Upsample(factor, **settings)
    # A signal is an image of one row.
    channels, length = shape
    ends = Reshape((channels, 1, length)), Reshape((channels, length * factor[0]))
    return [ends[0], Upsample((1, *factor), **settings), ends[1]]


def _each(value: Any, axes: int) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,) * axes


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
    "PReLU": _prelu,
    "ReLU6": lambda module, shape: ReLU6(),
    "Hardtanh": _hardtanh,
    "Hardsigmoid": lambda module, shape: Hardsigmoid(),
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
_SUPPORTED = ["Sequential", *_READERS, "BatchNorm1d", "BatchNorm2d", "Identity", "Dropout"]
