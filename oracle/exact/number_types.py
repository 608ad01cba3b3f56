"""Names for the types of the oracle's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Doubles: weights, covariances and points as they are given.
Array = NDArray[np.float64]
#: Which entries of an array are meant.
Mask = NDArray[np.bool_]
#: A number of mpmath, which carries no types.
Real = Any
#: Numbers of mpmath in an array.
Reals = NDArray[np.object_]
