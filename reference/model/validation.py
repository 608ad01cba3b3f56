"""Checks of every input before any work starts; each error names the argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from reference.model.arrays import Array, RandomState, of_tensor

# How asymmetric a covariance may be, over its largest entry. Computed ones are by rounding, some
# D ε of it: 1e-12 for D = 5,000. A mistake in one entry is far more.
ASYMMETRY = 1e-10


def check_array(value: ArrayLike, name: str, *shapes: Sequence[int | None]) -> Array:
    """Return an argument as a finite float64 array of one of the given shapes.

    Parameters
    ----------
    value : object
        What was given.
    name : str
        The argument's name, for the message.
    *shapes : sequence of int or None
        The shapes that are allowed; None allows any length.

    Returns
    -------
    ndarray
        A new array of doubles.

    Raises
    ------
    ValueError
        If the value is not real numbers, has another shape, or holds NaN, infinity or masked
        entries. Guarded by tests/contract/test_argument_limits.py.
    """
    array = _doubles(value, name, shapes)
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    return array


def check_entries(value: ArrayLike, name: str, *shapes: Sequence[int | None]) -> Array:
    """Return the same, where NaN stands for what is not observed.

    Parameters
    ----------
    value, name, *shapes
        As of `check_array`, which raises the same errors.

    Returns
    -------
    ndarray
        A new array of doubles, none of them infinite.
    """
    array = _doubles(value, name, shapes)
    if np.any(np.isinf(array)):
        raise ValueError(f"{name}: expected finite numbers, or NaN for what is not observed")
    return array


def check_bounds(value: ArrayLike, name: str, *shapes: Sequence[int | None]) -> Array:
    """Return an argument as a float64 array of bounds: infinite entries are where none is.

    Parameters
    ----------
    value : object
        What was given.
    name : str
        The argument's name, for the message.
    *shapes : sequence of int or None
        The shapes that are allowed; None allows any length.

    Returns
    -------
    ndarray
        A new array of doubles.

    Raises
    ------
    ValueError
        As `check_array`, but for infinity. Guarded by tests/contract/test_argument_limits.py.
    """
    array = _doubles(value, name, shapes)
    if np.any(np.isnan(array)):
        raise ValueError(f"{name}: expected numbers, of which some may be infinite, got NaN")
    return array


def _doubles(value: ArrayLike, name: str, shapes: Sequence[Sequence[int | None]]) -> Array:
    """A new array of doubles of one of these shapes; ValueError for what is none."""
    if np.ma.is_masked(value):
        raise ValueError(f"{name}: expected every entry to be there, got masked ones")
    try:
        # A table makes an integer of what is missing, if it is not stopped.
        with np.errstate(invalid="raise"):
            raw = np.asarray(of_tensor(value) if hasattr(value, "detach") else value)
    except (TypeError, ValueError):  # rows of unequal length
        raise ValueError(f"{name}: expected an array of real numbers") from None
    except FloatingPointError:
        raise ValueError(
            f"{name}: expected an array of real numbers, got a column of integers with missing "
            "values; convert it to floats"
        ) from None
    if raw.dtype.kind not in "biuf":
        raise ValueError(f"{name}: expected an array of real numbers")
    array = np.array(raw, dtype=np.float64)
    if not any(_fits(array.shape, shape) for shape in shapes):
        wanted = " or ".join(
            "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")" for shape in shapes
        )
        raise ValueError(f"{name}: expected shape {wanted}, got {array.shape}")
    return array


def _fits(have: Sequence[int], want: Sequence[int | None]) -> bool:
    return len(have) == len(want) and all(w in (None, h) for h, w in zip(have, want, strict=True))


def check_points(value: ArrayLike, name: str, dimension: int) -> Array:
    """Return an argument as an array of at least one row.

    Parameters
    ----------
    value : object
        What was given.
    name : str
        The argument's name, for the message.
    dimension : int
        How many columns are expected.

    Returns
    -------
    ndarray, shape (N, dimension)
        A new array of doubles, N >= 1.

    Raises
    ------
    ValueError
        If there is no row, and as in `check_array`.
    """
    array = check_array(value, name, (None, dimension))
    if array.shape[0] == 0:
        raise ValueError(f"{name}: expected at least one row, got none")
    return array


def check_covariance(value: ArrayLike, name: str, dimension: int) -> Array:
    """Return a covariance in the structure it was given in.

    Parameters
    ----------
    value : object
        What was given.
    name : str
        The argument's name, for the message.
    dimension : int
        D.

    Returns
    -------
    ndarray, shape (D, D), (D,) or ()
        Full, a diagonal, or one variance.

    Raises
    ------
    ValueError
        Unless it is finite, symmetric and positive definite.
    """
    array = check_array(value, name, (), (dimension,), (dimension, dimension))
    if array.ndim < 2:
        if not np.all(array > 0):
            raise ValueError(f"{name}: expected positive variances")
        return array
    return np.asarray(_check_matrices(array[None], name)[0])


def check_covariances(covs: Array, name: str) -> Array:
    """Return covariances as full matrices.

    Parameters
    ----------
    covs : ndarray, shape (N, S, S) or (N, S)
        Covariances, or variances.
    name : str
        The argument's name, for the message.

    Returns
    -------
    ndarray, shape (N, S, S)
        The covariances, exactly symmetric.

    Raises
    ------
    ValueError
        Unless they are symmetric and positive definite.
    """
    return _check_matrices(
        covs[:, :, None] * np.eye(covs.shape[1]) if covs.ndim == 2 else covs, name
    )


def _check_matrices(matrices: Array, name: str) -> Array:
    """Matrices (N, S, S), made exactly symmetric.

    Raises ValueError unless they are symmetric to rounding, and positive definite.
    """
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
    """Return an argument as an int of at least `minimum`.

    Parameters
    ----------
    value : object
        What was given.
    name : str
        The argument's name, for the message.
    minimum : int
        The least that is allowed.

    Returns
    -------
    int
        The number.

    Raises
    ------
    ValueError
        If it is not such an integer; a bool is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < minimum:
        raise ValueError(f"{name}: expected an integer of at least {minimum}, got {value!r}")
    return int(value)


def check_number(value: Any, name: str, low: float, high: float) -> float:
    """Return an argument as a finite float in [low, high].

    Parameters
    ----------
    value : object
        What was given.
    name : str
        The argument's name, for the message.
    low : float
        The least that is allowed.
    high : float
        The most that is allowed.

    Returns
    -------
    float
        The number.

    Raises
    ------
    ValueError
        If it is not such a number; a bool is none.
    """
    number = check_array(value, name, ())
    if isinstance(value, bool | np.bool_) or not low <= number <= high:
        raise ValueError(f"{name}: expected a number in [{low:g}, {high:g}], got {value!r}")
    return float(number)


def check_flag(value: Any, name: str) -> bool:
    """Return an argument as a bool.

    Parameters
    ----------
    value : object
        What was given.
    name : str
        The argument's name, for the message.

    Returns
    -------
    bool
        The flag.

    Raises
    ------
    ValueError
        If it is something else, such as "no".
    """
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name}: expected True or False, got {value!r}")
    return bool(value)


def check_names(value: Any, name: str) -> list[str]:
    """Return an argument as a list of names.

    Parameters
    ----------
    value : object
        What was given.
    name : str
        The argument's name, for the message.

    Returns
    -------
    list of str
        The names.

    Raises
    ------
    ValueError
        If it is not a list of strings, and for one string by itself.
    """
    names = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else None
    if names is None or not all(isinstance(one, str) for one in names):
        raise ValueError(f"{name}: expected a list of names, got {value!r}")
    return names


def check_mapping(value: Any, name: str) -> None:
    """Refuse what is not a mapping.

    Parameters
    ----------
    value : object
        What was given.
    name : str
        The argument's name, for the message.

    Raises
    ------
    ValueError
        If it is not a mapping, such as a dict of arrays by name.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"{name}: expected a mapping from names to arrays, got {value!r}")


def check_random_state(value: RandomState, name: str = "random_state") -> np.random.Generator:
    """Return a numpy Generator from a seed or a generator.

    Parameters
    ----------
    value : int, Generator or None
        A seed that is not negative, a generator, which is returned as it is, or None for a seed
        from the operating system.
    name : str
        The argument's name, for the message.

    Returns
    -------
    Generator
        The generator.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    if isinstance(value, np.random.Generator):
        return value
    if value is not None:
        value = check_count(value, name, 0)
    return np.random.default_rng(value)
