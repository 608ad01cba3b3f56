"""Types of the arrays that travel between modules, and of random states."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int8]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]
RandomState = int | np.random.Generator | None
