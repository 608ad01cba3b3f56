"""The functions of torch that are the same as one of its modules: torch is not imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

#: No default.
_GIVEN = object()

# What follows the input: the names of arguments in order, and their defaults.
_WINDOW: dict[str, Any] = {"weight": _GIVEN, "bias": None, "stride": 1, "padding": 0}
_CONV = {**_WINDOW, "dilation": 1, "groups": 1}
_TRANSPOSED = {**_WINDOW, "output_padding": 0, "groups": 1, "dilation": 1}
_NO_ARGUMENT: dict[str, Any] = {"inplace": False}
_FUNCTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "relu": ("ReLU", _NO_ARGUMENT),
    "leaky_relu": ("LeakyReLU", {"negative_slope": 0.01, **_NO_ARGUMENT}),
    "prelu": ("PReLU", {"weight": _GIVEN}),
    "relu6": ("ReLU6", _NO_ARGUMENT),
    "hardtanh": ("Hardtanh", {"min_val": -1.0, "max_val": 1.0, **_NO_ARGUMENT}),
    "clamp": ("Hardtanh", {"min": None, "max": None}),
    "clip": ("Hardtanh", {"min": None, "max": None}),
    "clamp_min": ("Hardtanh", {"min": _GIVEN, "max": None}),
    "clamp_max": ("Hardtanh", {"max": _GIVEN, "min": None}),
    "hardsigmoid": ("Hardsigmoid", _NO_ARGUMENT),
    "flatten": ("Flatten", {"start_dim": 0, "end_dim": -1}),
    "unflatten": ("Unflatten", {"dim": _GIVEN, "sizes": _GIVEN}),
    "linear": ("Linear", {"weight": _GIVEN, "bias": None}),
    "matmul": ("Linear", {"other": _GIVEN}),
    "mm": ("Linear", {"mat2": _GIVEN}),
    "conv1d": ("Conv1d", _CONV),
    "conv2d": ("Conv2d", _CONV),
    "conv_transpose1d": ("ConvTranspose1d", _TRANSPOSED),
    "conv_transpose2d": ("ConvTranspose2d", _TRANSPOSED),
    "max_pool2d": (
        "MaxPool2d",
        {
            "kernel_size": _GIVEN,
            "stride": None,
            "padding": 0,
            "dilation": 1,
            "ceil_mode": False,
            "return_indices": False,
        },
    ),
    "avg_pool2d": (
        "AvgPool2d",
        {
            "kernel_size": _GIVEN,
            "stride": None,
            "padding": 0,
            "ceil_mode": False,
            "count_include_pad": True,
            "divisor_override": None,
        },
    ),
    "adaptive_avg_pool2d": ("AdaptiveAvgPool2d", {"output_size": _GIVEN}),
    "pixel_shuffle": ("PixelShuffle", {"upscale_factor": _GIVEN}),
    "interpolate": (
        "Upsample",
        {
            "size": None,
            "scale_factor": None,
            "mode": "nearest",
            "align_corners": None,
            "recompute_scale_factor": None,
            "antialias": False,
        },
    ),
    "batch_norm": (
        "BatchNorm",
        {
            "running_mean": _GIVEN,
            "running_var": _GIVEN,
            "weight": None,
            "bias": None,
            "training": False,
            "momentum": 0.1,
            "eps": 1e-5,
        },
    ),
    "dropout": ("Dropout", {"p": 0.5, "training": True, **_NO_ARGUMENT}),
}
# Arguments of functions that go by another name in the module.
_RENAMED = {"min": "min_val", "max": "max_val", "sizes": "unflattened_size"}
# Settings of torch's windows that modules keep as tuples.
_PER_AXIS = ("stride", "padding", "output_padding", "dilation")

#: The functions that are the same as a module.
KNOWN = tuple(_FUNCTIONS)

#: Functions and methods that leave every value as it is.
IDENTITIES = ("contiguous", "clone", "detach", "identity")
#: Those that change its precision alone.
CASTS = ("to", "type", "float", "double", "half", "bfloat16")


def as_module(
    name: str, arguments: Sequence[Any], named: Mapping[str, Any], axes: int
) -> tuple[str, SimpleNamespace] | None:
    """Return what a call of a function is as a module.

    Parameters
    ----------
    name : str
        The function.
    arguments : sequence
        What is given to it after its input.
    named : mapping
        What is given by name.
    axes : int
        How many axes its input has, without that of the rows.

    Returns
    -------
    (str, SimpleNamespace) or None
        The class of the module, and its attributes; None for a function that is not known.

    Raises
    ------
    ValueError
        On arguments that the function is not known to have.
    """
    if name not in _FUNCTIONS:
        return None
    kind, known = _FUNCTIONS[name]
    if len(arguments) > len(known):
        raise ValueError(f"{name} with {len(arguments)} arguments is not supported")
    values = {**known, **dict(zip(known, arguments, strict=False)), **named}
    for argument, value in values.items():
        if argument not in known or value is _GIVEN:
            raise ValueError(f"{name} with {argument}={value!r} is not supported")
    module = SimpleNamespace(padding_mode="zeros", training=False)
    vars(module).update({_RENAMED.get(key, key): value for key, value in values.items()})
    if kind.startswith("Conv"):
        for setting in _PER_AXIS:
            value = getattr(module, setting, None)
            if isinstance(value, int):
                setattr(module, setting, (value,) * int(kind[-2]))
    if name in ("matmul", "mm"):
        (weight,) = values.values()
        module.weight, module.bias = weight.T, None
    if kind == "BatchNorm":
        kind = "BatchNorm2d" if axes == 3 else "BatchNorm1d"
    return kind, module
