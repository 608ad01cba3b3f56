"""The most likely generator that is one affine layer, in closed form.

It is probabilistic principal component analysis (Tipping and Bishop 1999).
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh
from scipy.stats import multivariate_normal

from fast import DGN, Dense, Network
from reference.model import Array


def best_line(X: Array) -> DGN:
    """The most likely generator that is one straight line: PPCA with one component.

    In closed form from the covariance's eigenvalues: the noise has the mean of all but the largest,
    the largest is the variance along the line (Tipping and Bishop 1999).
    """
    covariance = np.cov(X, rowvar=False, bias=True)
    last = len(covariance) - 1
    largest, vector = eigh(covariance, subset_by_index=[last, last])
    noise = (np.trace(covariance) - largest[0]) / last
    direction = np.sqrt(largest[0] - noise) * vector
    return DGN(Network([Dense(direction, X.mean(axis=0))]), noise)


def affine_losses(latent: int, train: Array, test: Array) -> Array:
    """Training and held-out loss (2,) of the most likely generator that is one affine layer (PPCA):
    its covariance is the data's along the first directions, and flat along the others."""
    values, vectors = np.linalg.eigh(np.cov(train, rowvar=False, bias=True))
    small = values[:-latent].mean()
    top = vectors[:, -latent:]
    cov = small * np.eye(len(values)) + (top * (values[-latent:] - small)) @ top.T
    model = multivariate_normal(train.mean(axis=0), cov)
    return np.array([-model.logpdf(data).mean() for data in (train, test)])
