"""log p(x) as the authors' published code computes it, S = 1: for figure 13 alone.

The latent line is cut off at ±18; a region's mass is a difference of two survival functions; and
1e-42 is added to every mass before its logarithm is taken, so that there is one.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

from fast import DGN
from reference.model import Array

BOX = 18.0
FLOOR = 1e-42


def log_density(dgn: DGN, X: Array) -> Array:
    """[eq. 5] with that box and that floor, X (N, D) -> (N,), nats. Σx isotropic, Σz = I."""
    partition = dgn.partition()
    ends = np.concatenate([[-BOX], np.clip(partition.breakpoints, -BOX, BOX), [BOX]])
    noise, identity = float(dgn.cov_x), np.eye(X.shape[1])
    terms = []
    for region in np.flatnonzero(np.diff(ends) > 0):
        slope, offset = partition.slopes[region, :, 0], partition.offsets[region]
        variance = 1.0 / (1.0 + slope @ slope / noise)
        mean = variance * (X - offset) @ slope / noise
        low, high = ((end - mean) / np.sqrt(variance) for end in ends[region : region + 2])
        mass = norm.sf(low) - norm.sf(high)
        marginal = multivariate_normal(offset, noise * identity + np.outer(slope, slope))
        terms.append(marginal.logpdf(X) + np.log(mass + FLOOR))
    return np.asarray(logsumexp(terms, axis=0))
