"""Groups of features, as a user gives them: a part for each feature, or lists of features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reference.model import Array, Indices, check_indices

_WANTED = "groups: expected the part of each feature, or a list of lists of features"


def feature_groups(given: Any, size: int, names: Array | None) -> list[Indices]:
    """The features of each part.

    given: None, where each of the features, as many as `size`, is a part; integers (size,), the
    part of each; or a list of the features of each part, indices or `names`. Raises ValueError for
    others, naming the group.
    """
    if given is None:
        return [np.array([i]) for i in range(size)]
    if isinstance(given, np.ndarray) and given.dtype.kind in "iu":
        # Rows of indices are lists of them.
        return _of_labels(given, size) if given.ndim == 1 else _of_lists(list(given), size, names)
    if not isinstance(given, Sequence) or isinstance(given, str) or not len(given):
        raise ValueError(f"{_WANTED}, got {given!r}")
    if all(isinstance(x, int | np.integer) and not isinstance(x, bool) for x in given):
        return _of_labels(np.asarray(given), size)
    return _of_lists(list(given), size, names)


def _of_labels(labels: Array, size: int) -> list[Indices]:
    """Of the part of each feature, 0 to G - 1; the columns of the answer are those numbers."""
    if labels.shape != (size,):
        raise ValueError(
            f"{_WANTED}; of integers, which are parts, expected {size}, one for each feature, got "
            f"{labels.size}"
        )
    count = int(labels.max()) + 1
    missing = sorted(set(range(min(count, size + 1))) - set(labels.tolist()))
    if labels.min() < 0 or missing:
        wrong = f"{labels.min()}" if labels.min() < 0 else f"no feature of part {missing[0]}"
        raise ValueError(f"groups: expected parts from 0 on, none of them empty, got {wrong}")
    return [np.flatnonzero(labels == part) for part in range(count)]


def _of_lists(groups: list[Any], size: int, names: Array | None) -> list[Indices]:
    """Of the features of each part."""
    return [
        check_indices(_named(group, f"groups[{i}]", names), f"groups[{i}]", size)
        for i, group in enumerate(groups)
    ]


def _named(group: Any, name: str, names: Array | None) -> Any:
    """Features by their places; what is no name is left to `check_indices`."""
    if isinstance(group, str) or not isinstance(group, Sequence | np.ndarray):
        return group
    if not any(isinstance(feature, str) for feature in group):
        return group
    if names is None:
        raise ValueError(f"{name}: expected indices, as X had no names in fit, got {group!r}")
    places = {feature: place for place, feature in enumerate(names)}
    unknown = [feature for feature in group if feature not in places]
    if unknown:
        raise ValueError(f"{name}: expected names that X had in fit, got {unknown[0]!r}")
    return [places[feature] for feature in group]
