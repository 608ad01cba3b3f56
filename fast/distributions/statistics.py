"""Sums over data of posterior expectations [Sec. 4.1]."""

from __future__ import annotations

from dataclasses import dataclass

from reference.model import Array


@dataclass(frozen=True)
class Statistics:
    """Sums over data of posterior expectations: all that the M-step and the gradient need.

    n: how many data. loglik: Σ_x log p(x). e0 (R,), e1 (R, S), e2 (R, S, S): Σ_x E[1 | x], E[z |
    x], E[z zᵀ | x] on each region. residual0 (R, D): Σ_x E[(x - g(z)) 1{z in ω} | x]. residual1 (R,
    D, S): Σ_x E[(x - g(z)) zᵀ 1{z in ω} | x]. scatter: Σ_x E[(x - g(z))(x - g(z))ᵀ | x], in the
    structure of Σx: (D, D), its diagonal (D,), or its trace (). Residuals rather than x itself:
    near a good fit the sums of x would cancel.
    """

    n: int
    loglik: float
    e0: Array
    e1: Array
    e2: Array
    residual0: Array
    residual1: Array
    scatter: Array
