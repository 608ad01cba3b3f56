"""The checks every input passes before any work starts; each error names the argument."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from reference.model.arrays import Array, RandomState

# How asymmetric a covariance may be, over its largest entry. Computed ones are by rounding, some
# D ε of it: 1e-12 for D = 5,000. A mistake in one entry is far more.
ASYMMETRY = 1e-10


def check_array(value: ArrayLike, name: str, *shapes: Sequence[int | None]) -> Array:
    """Return `value` as a finite float64 array of one of the given shapes (None matches any
    length).

    Raises ValueError naming `name` when `value` is not real numbers, has another shape, or holds
    NaN, infinity or masked entries. Guarded by tests/contract/test_argument_limits.py.
    """
    if np.ma.is_masked(value):
        raise ValueError(f"{name}: expected every entry to be there, got masked ones")
    try:
        raw = np.asarray(value)
    except (TypeError, ValueError):  # rows of unequal length
        raise ValueError(f"{name}: expected an array of real numbers") from None
    if raw.dtype.kind not in "biuf":
        raise ValueError(f"{name}: expected an array of real numbers")
    array = np.array(raw, dtype=np.float64)
    if not any(_fits(array.shape, shape) for shape in shapes):
        wanted = " or ".join(
            "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")" for shape in shapes
        )
        raise ValueError(f"{name}: expected shape {wanted}, got {array.shape}")
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    return array


def _fits(have: Sequence[int], want: Sequence[int | None]) -> bool:
    return len(have) == len(want) and all(w in (None, h) for h, w in zip(have, want, strict=True))


def check_points(value: ArrayLike, name: str, dimension: int) -> Array:
    """Return `value` as an (N, dimension) array with N >= 1; ValueError otherwise."""
    array = check_array(value, name, (None, dimension))
    if array.shape[0] == 0:
        raise ValueError(f"{name}: expected at least one row, got none")
    return array


def check_covariance(value: ArrayLike, name: str, dimension: int) -> Array:
    """Return a covariance as it was given: (D, D) full, (D,) diagonal, or () one scalar variance.

    Raises ValueError naming `name` unless it is finite and symmetric positive definite.
    """
    array = check_array(value, name, (), (dimension,), (dimension, dimension))
    if array.ndim < 2:
        if not np.all(array > 0):
            raise ValueError(f"{name}: expected positive variances")
        return array
    return np.asarray(_check_matrices(array[None], name)[0])


def check_covariances(covs: Array, name: str) -> Array:
    """Covariances (N, S, S), or variances (N, S), as (N, S, S); ValueError unless symmetric and
    positive definite."""
    return _check_matrices(
        covs[:, :, None] * np.eye(covs.shape[1]) if covs.ndim == 2 else covs, name
    )


def _check_matrices(matrices: Array, name: str) -> Array:
    """Matrices (N, S, S) made symmetric; ValueError unless they all but are, and positive
    definite."""
    others = np.swapaxes(matrices, 1, 2)
    sizes = np.max(np.abs(matrices), axis=(1, 2), initial=0.0)
    # Halves, so that nothing overflows.
    uneven = np.max(np.abs(0.5 * matrices - 0.5 * others), axis=(1, 2), initial=0.0)
    if np.any(uneven > 0.5 * ASYMMETRY * sizes):
        raise ValueError(f"{name}: expected a symmetric matrix")
    matrices = np.where(matrices == others, matrices, 0.5 * matrices + 0.5 * others)
    try:
        np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        raise ValueError(f"{name}: expected a positive definite matrix") from None
    return matrices


def check_count(value: Any, name: str, minimum: int) -> int:
    """Return `value` as an int of at least `minimum`; ValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < minimum:
        raise ValueError(f"{name}: expected an integer of at least {minimum}, got {value!r}")
    return int(value)


def check_number(value: Any, name: str, low: float, high: float) -> float:
    """Return `value` as a finite float in [low, high]; ValueError otherwise, for a bool too."""
    number = check_array(value, name, ())
    if isinstance(value, bool | np.bool_) or not low <= number <= high:
        raise ValueError(f"{name}: expected a number in [{low:g}, {high:g}], got {value!r}")
    return float(number)


def check_flag(value: Any, name: str) -> bool:
    """Return `value` as a bool; ValueError if it is something else, such as "no"."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name}: expected True or False, got {value!r}")
    return bool(value)


def check_names(value: Any, name: str) -> list[str]:
    """Return a list of names; ValueError for what is none, and for one name by itself."""
    names = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else None
    if names is None or not all(isinstance(one, str) for one in names):
        raise ValueError(f"{name}: expected a list of names, got {value!r}")
    return names


def check_path(value: Any, name: str) -> Path:
    """Return `value` as a path; ValueError if it is none."""
    if not isinstance(value, str | os.PathLike):
        raise ValueError(f"{name}: expected the path of a file, got {value!r}")
    return Path(value)


def check_mapping(value: Any, name: str) -> None:
    """ValueError unless `value` is a mapping, as a dict of arrays by name is."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{name}: expected a mapping from names to arrays, got {value!r}")


def check_random_state(value: RandomState, name: str = "random_state") -> np.random.Generator:
    """Return a numpy Generator from None, a non-negative int seed, or a Generator."""
    if isinstance(value, np.random.Generator):
        return value
    if value is not None:
        value = check_count(value, name, 0)
    return np.random.default_rng(value)
