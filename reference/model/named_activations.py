"""The activations that networks have, as piecewise affine functions [Sec. 2]."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from reference.model.activations import PiecewiseAffine, in_words
from reference.model.arrays import freeze
from reference.model.validation import check_array, check_bounds, check_number

# A number that every double lies within.
_LARGEST = float(np.finfo(np.float64).max)


class ReLU(PiecewiseAffine):
    """max(h, 0), elementwise: the entries of D are 0 or 1 [Sec. 2].

    Examples
    --------
    >>> import numpy as np
    >>> from reference import ReLU
    >>> ReLU().apply(np.array([-1.0, 2.0]))
    array([-0.,  2.])
    """

    #: η, the slope for negative inputs.
    slope: ClassVar[float] = 0.0

    def __init__(self) -> None:
        super().__init__([0.0], [0.0, 1.0])

    def __repr__(self) -> str:
        return "ReLU()"


class Abs(PiecewiseAffine):
    """|h|, elementwise: the entries of D are -1 or 1 [Sec. 2].

    Examples
    --------
    >>> import numpy as np
    >>> from reference import Abs
    >>> Abs().apply(np.array([-1.0, 2.0]))
    array([1., 2.])
    """

    #: η, the slope for negative inputs.
    slope: ClassVar[float] = -1.0

    def __init__(self) -> None:
        super().__init__([0.0], [-1.0, 1.0])

    def __repr__(self) -> str:
        return "Abs()"


class LeakyReLU(PiecewiseAffine):
    """max(h, 0) + slope min(h, 0), elementwise: the entries of D are slope or 1 [Sec. 2].

    Parameters
    ----------
    slope : float, default 0.01
        η, the slope for negative inputs: any number, above 1 or negative too.

    Raises
    ------
    ValueError
        If the slope is not a finite number.

    Examples
    --------
    >>> import numpy as np
    >>> from reference import LeakyReLU
    >>> LeakyReLU(0.1).apply(np.array([-1.0, 2.0]))
    array([-0.1,  2. ])
    """

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = check_number(slope, "slope", -_LARGEST, _LARGEST)
        super().__init__([0.0], [self.slope, 1.0])

    def __repr__(self) -> str:
        return f"LeakyReLU({self.slope})"


class PReLU(PiecewiseAffine):
    """max(h, 0) + slope min(h, 0) with a slope for each channel.

    Parameters
    ----------
    slope : array_like, shape (C,)
        η of each channel; of vectors, each entry is a channel. It stays as it is in learning.

    Raises
    ------
    ValueError
        If the slopes are not finite numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from reference import PReLU
    >>> PReLU([0.1, 0.5]).placed((2,)).apply(np.array([-1.0, -1.0]))
    array([-0.1, -0.5])
    """

    def __init__(self, slope: ArrayLike) -> None:
        self.slope = check_array(slope, "slope", (None,))
        if not len(self.slope):
            raise ValueError("slope: expected at least one channel, got none")
        freeze(self.slope)
        super().__init__([0.0], np.column_stack([self.slope, np.ones(len(self.slope))]))

    def __repr__(self) -> str:
        return f"PReLU({in_words(self.slope)})"


class Hardtanh(PiecewiseAffine):
    """min(max(h, lower), upper), elementwise: h clipped.

    Parameters
    ----------
    lower, upper : float
        The least and the largest value, -1 and 1 by default; either may be infinite, not both.

    Raises
    ------
    ValueError
        If lower is not below upper, or both are infinite.

    Examples
    --------
    >>> import numpy as np
    >>> from reference import Hardtanh
    >>> Hardtanh(0.0, 6.0).apply(np.array([-1.0, 2.0, 7.0]))
    array([0., 2., 6.])
    """

    def __init__(self, lower: float = -1.0, upper: float = 1.0) -> None:
        self.lower = float(check_bounds(lower, "lower", ()))
        self.upper = float(check_bounds(upper, "upper", ()))
        if self.lower == math.inf:
            raise ValueError("lower: expected a number or -infinity, got infinity")
        if self.upper == -math.inf:
            raise ValueError("upper: expected a number or infinity, got -infinity")
        if not self.lower < self.upper:
            raise ValueError(f"lower: expected less than upper, got {lower} and {upper}")
        below, above = self.lower > -math.inf, self.upper < math.inf
        if not (below or above):
            raise ValueError("lower, upper: expected one that is finite, got none")
        knots = [self.lower] * below + [self.upper] * above
        slopes = [0.0] * below + [1.0] + [0.0] * above
        super().__init__(knots, slopes, min(max(0.0, self.lower), self.upper))

    def __repr__(self) -> str:
        return f"Hardtanh({self.lower}, {self.upper})"


class ReLU6(Hardtanh):
    """min(max(h, 0), 6), elementwise.

    Examples
    --------
    >>> import numpy as np
    >>> from reference import ReLU6
    >>> ReLU6().apply(np.array([-1.0, 2.0, 7.0]))
    array([0., 2., 6.])
    """

    def __init__(self) -> None:
        super().__init__(0.0, 6.0)

    def __repr__(self) -> str:
        return "ReLU6()"


class Hardsigmoid(PiecewiseAffine):
    """min(max(slope h + value, 0), 1), elementwise: a sigmoid of three pieces.

    Parameters
    ----------
    slope : float, default 1/6
        The slope between the clips.
    value : float, default 1/2
        The value at 0, between 0 and 1.

    Raises
    ------
    ValueError
        If the slope is not positive or the value is not between 0 and 1.

    Notes
    -----
    The knots -value/slope and (1 - value)/slope are rounded to doubles; so the upper piece is 1 to
    rounding.

    Examples
    --------
    >>> import numpy as np
    >>> from reference import Hardsigmoid
    >>> Hardsigmoid().apply(np.array([-4.0, 0.0, 4.0])).round(12)
    array([0. , 0.5, 1. ])
    """

    def __init__(self, slope: float = 1 / 6, value: float = 0.5) -> None:
        self.slope = check_number(slope, "slope", float(np.finfo(np.float64).tiny), _LARGEST)
        level = check_number(value, "value", 0.0, 1.0)
        knots = [-level / self.slope, (1.0 - level) / self.slope]
        super().__init__(knots, [0.0, self.slope, 0.0], level)

    def __repr__(self) -> str:
        return f"Hardsigmoid({self.slope}, {self.value})"
