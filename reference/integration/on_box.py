"""Gaussians on boxes, by themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from reference.integration.on_polyhedron import check_dimension, gaussian_on_polyhedron
from reference.integration.truncated_moments import TruncatedMoments
from reference.model.validation import check_array, check_bounds


def gaussian_on_box(
    lower: ArrayLike,
    upper: ArrayLike,
    means: ArrayLike,
    cov: ArrayLike | None = None,
    *,
    factor: ArrayLike | None = None,
) -> TruncatedMoments:
    """Return log mass, mean and covariance of N(means, cov) on {z : lower < z < upper}.

    Parameters
    ----------
    lower : array_like, shape (S,) or ()
        The lower bounds, -inf where there is none; one number for all coordinates.
    upper : array_like, shape (S,) or ()
        The upper bounds, inf where there is none; one number for all coordinates.
    means : array_like, shape (M, S)
        One Gaussian a row; S from 1 to 3.
    cov : array_like, shape (S, S), (S,) or (), optional
        The covariance, variances, or one variance; shared by all Gaussians.
    factor : array_like, shape (S, S), optional
        In place of cov: an invertible matrix with cov = factor factorᵀ.

    Returns
    -------
    TruncatedMoments
        As of `gaussian_on_polyhedron`. A box with an upper bound below its lower one is empty, with
        equal finite ones it is flat.

    Raises
    ------
    ValueError
        If an argument is not of its kind or shape, or a bound is NaN.
    ArithmeticError
        If a result is beyond the range of doubles.
    NotImplementedError
        For S > 3.
    OutsideValidity
        As `gaussian_on_polyhedron`.

    Notes
    -----
    This is `gaussian_on_polyhedron` of the box's 2 S sides, and as accurate. It is a function of
    its own, since a box has other arguments than half-spaces, none of which can be left out; for a
    box cut by half-spaces give that function all of them, where infinite offsets mean the same.
    Guarded by tests/integration/test_boxes.py.

    Examples
    --------
    >>> import numpy as np
    >>> from reference import gaussian_on_box
    >>> box = gaussian_on_box([0.0, -np.inf], [np.inf, 0.0], np.zeros((1, 2)), 1.0)
    >>> print(f"{np.exp(box.log_mass[0]):.6f} {box.mean[0, 0]:.6f} {box.mean[0, 1]:.6f}")
    0.250000 0.797885 -0.797885
    """
    centres = check_array(means, "means", (None, None))
    dimension = centres.shape[1]
    check_dimension(dimension, "means")
    low, high = (
        np.broadcast_to(check_bounds(bound, name, (dimension,), ()), dimension)
        for bound, name in ((lower, "lower"), (upper, "upper"))
    )
    sides = np.concatenate([np.eye(dimension), -np.eye(dimension)])
    return gaussian_on_polyhedron(sides, np.concatenate([-low, high]), centres, cov, factor=factor)
