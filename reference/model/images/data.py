"""Data that are images: taken as rows of numbers, and given back in the shape that they had."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from reference.model.arrays import Array
from reference.model.layer_protocol import Shape
from reference.model.validation import check_array, check_entries


def check_data(
    value: ArrayLike, name: str, dimension: int, *, missing: bool = False
) -> tuple[Array, Shape]:
    """Return data as rows, and the shape of each datum as it was given.

    Parameters
    ----------
    value : object
        What was given: rows, or images and signals of any shape with as many entries.
    name : str
        The argument's name, for the message.
    dimension : int
        D, how many entries a datum has.
    missing : bool, default False
        Whether entries may be NaN: not observed.

    Returns
    -------
    data : ndarray, shape (N, D)
        A new array of doubles, N >= 1.
    shape : tuple of int
        (D,), or the shape of an image; results about x have it.

    Raises
    ------
    ValueError
        If a datum has another number of entries, if there is none, and as in `check_array`.
    """
    try:
        axes = np.ndim(value)
    except (TypeError, ValueError):  # rows of unequal length
        axes = 0
    check = check_entries if missing else check_array
    array = check(value, name, (None,) * max(axes, 2))
    shape = array.shape[1:]
    if math.prod(shape) != dimension:
        raise ValueError(
            f"{name}: expected shape (any, {dimension}), or images with {dimension} entries each, "
            f"got {array.shape}; resize the images, or reshape the data to (N, {dimension})"
        )
    if len(array) == 0:
        raise ValueError(f"{name}: expected at least one row, got none")
    return array.reshape(len(array), dimension), shape
