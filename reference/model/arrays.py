"""Types of the arrays that travel between modules, and of random states; and arrays that stay
read-only in copies and pickles, where numpy alone would let them be written."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int8]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]
RandomState = int | np.random.Generator | None


class ReadOnly:
    """A base of immutable classes: their arrays are read-only, in copies and pickles too."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        freeze(*state.values())


def of_tensor(tensor: Any) -> Any:
    """Return what numpy can hold of a tensor of torch: also of one that requires grad, and of one
    of bfloat16, which numpy has no type for.

    Parameters
    ----------
    tensor : torch.Tensor
        A tensor, or what has its methods.

    Returns
    -------
    ndarray
        Its numbers, all of them exactly.
    """
    held = tensor.detach().cpu()
    try:
        return held.numpy()
    except TypeError:  # bfloat16, and other floats of eight or sixteen bits
        return held.float().numpy()


def freeze(*values: object) -> None:
    """Make arrays read-only.

    Parameters
    ----------
    *values : object
        Arrays, and tuples that may hold arrays. Anything else is left alone.
    """
    for value in values:
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
        elif isinstance(value, tuple):
            freeze(*value)
