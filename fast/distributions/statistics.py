"""Sums over data of posterior expectations [Sec. 4.1]."""

from __future__ import annotations

from dataclasses import dataclass

from reference.model import Array, Codes


@dataclass(frozen=True)
class Statistics:
    """Sums over data of posterior expectations: all that the M-step and the gradient need.

    Made by `DGN.statistics`. All units are those of the data and the latents.

    Parameters
    ----------
    n : float
        How many data: the sum of their weights.
    loglik : float
        Σ_x log p(x), nats.
    codes : ndarray of int8, shape (R, U)
        The codes of the regions that the sums are on: all of the partition's, or with a local
        partition those that matter for some datum.
    e0 : ndarray, shape (R,)
        Σ_x E[1{z in ω} | x] on each region.
    e1 : ndarray, shape (R, S)
        Σ_x E[z 1{z in ω} | x].
    e2 : ndarray, shape (R, S, S)
        Σ_x E[z zᵀ 1{z in ω} | x].
    residual0 : ndarray, shape (R, D)
        Σ_x E[(x - g(z)) 1{z in ω} | x].
    residual1 : ndarray, shape (R, D, S)
        Σ_x E[(x - g(z)) zᵀ 1{z in ω} | x].
    scatter : ndarray, shape (D, D), (D,) or ()
        Σ_x E[(x - g(z))(x - g(z))ᵀ | x] in the structure of Σx: all of it, its diagonal, or its
        trace.

    Notes
    -----
    Of what is not observed of x there are expectations too. Residuals are kept, not x itself: near
    a good fit sums of x would cancel. Guarded by `python -m oracle` and
    tests/distributions/test_distributions.py.
    """

    n: float
    loglik: float
    codes: Codes
    e0: Array
    e1: Array
    e2: Array
    residual0: Array
    residual1: Array
    scatter: Array
