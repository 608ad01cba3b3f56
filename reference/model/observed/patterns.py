"""Which entries of data are observed: NaN stands for one that is not."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from reference.model.arrays import Array, Indices


class Pattern(NamedTuple):
    """Rows of data of which the same entries are observed.

    Attributes
    ----------
    rows : ndarray of int, shape (n,)
        Which rows.
    observed : ndarray of int, shape (d,)
        Which of their entries are observed, in order.
    """

    rows: Indices
    observed: Indices

    def of(self, X: Array) -> Array:
        """Return what is observed of these rows.

        Parameters
        ----------
        X : ndarray, shape (N, D)
            The data.

        Returns
        -------
        ndarray, shape (n, d)
            Numbers, none of them NaN.
        """
        return X[np.ix_(self.rows, self.observed)]


def is_whole(X: Array) -> bool:
    """Tell whether everything is observed.

    Parameters
    ----------
    X : ndarray, shape (N, D)
        Data.

    Returns
    -------
    bool
        Whether there is no NaN.
    """
    return not np.any(np.isnan(X))


def patterns(X: Array) -> list[Pattern]:
    """Group rows by what is observed of them.

    Parameters
    ----------
    X : ndarray, shape (N, D)
        Data; NaN where an entry is not observed.

    Returns
    -------
    list of Pattern
        Every row is in one of them, in order.
    """
    masks, which = np.unique(~np.isnan(X), axis=0, return_inverse=True)
    which = which.reshape(-1)
    return [
        Pattern(np.flatnonzero(which == i), np.flatnonzero(mask)) for i, mask in enumerate(masks)
    ]


def check_indices(value: Any, name: str, dimension: int) -> Indices:
    """Return an argument as places of entries of x.

    Parameters
    ----------
    value : object
        What was given: a list of integers.
    name : str
        The argument's name, for the message.
    dimension : int
        D, how many entries there are.

    Returns
    -------
    ndarray of int, shape (d,)
        The places, in the order given.

    Raises
    ------
    ValueError
        Unless they are one or more distinct integers from 0 to D - 1.
    """
    wanted = f"{name}: expected one or more distinct integers from 0 to {dimension - 1}"
    try:
        found = np.asarray(value)
    except (TypeError, ValueError):  # rows of unequal length
        raise ValueError(f"{wanted}, got {value!r}") from None
    if found.ndim != 1 or not found.size or found.dtype.kind not in "iu":
        raise ValueError(f"{wanted}, got {value!r}")
    if np.any(found < 0) or np.any(found >= dimension) or len(np.unique(found)) < len(found):
        raise ValueError(f"{wanted}, got {value!r}")
    return found.astype(np.intp)
