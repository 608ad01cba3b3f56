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

    Parameters
    ----------
    X : Array, shape (N, D)
        The data, D > 1.

    Returns
    -------
    DGN
        With one latent dimension and one region.

    Notes
    -----
    Of the eigenvalues of the data's covariance, the largest is the variance along the line, and the
    mean of the others is the variance of the noise.
    """
    covariance = np.cov(X, rowvar=False, bias=True)
    last = len(covariance) - 1
    largest, vector = eigh(covariance, subset_by_index=[last, last])
    noise = (np.trace(covariance) - largest[0]) / last
    direction = np.sqrt(largest[0] - noise) * vector
    return DGN(Network([Dense(direction, X.mean(axis=0))]), noise)


def affine_losses(latent: int, train: Array, test: Array) -> Array:
    """What the most likely generator that is one affine layer reaches.

    Parameters
    ----------
    latent : int
        The number of latent dimensions.
    train : Array, shape (N, D)
        The data it is fitted to, D > latent.
    test : Array, shape (M, D)
        Held-out data.

    Returns
    -------
    Array, shape (2,)
        Mean negative log-likelihood of the training and of the held-out data, nats.

    Notes
    -----
    Along the first principal directions its covariance is the data's; along all others the variance
    is the mean of the data's.
    """
    values, vectors = np.linalg.eigh(np.cov(train, rowvar=False, bias=True))
    small = values[:-latent].mean()
    top = vectors[:, -latent:]
    cov = small * np.eye(len(values)) + (top * (values[-latent:] - small)) @ top.T
    model = multivariate_normal(train.mean(axis=0), cov)
    return np.array([-model.logpdf(data).mean() for data in (train, test)])
