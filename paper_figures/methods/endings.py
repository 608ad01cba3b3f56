"""Where an autoencoder's training ended, diverged or not."""

from __future__ import annotations

import numpy as np

from fast import DGN
from paper_figures.methods.autoencoder import Snapshot
from paper_figures.methods.exact_bound import elbo
from paper_figures.methods.exact_fits import TROUBLE, nll
from reference.model import Array

#: The errors with which exact values fail for a model, or a q, that has diverged.
DIVERGED = (*TROUBLE, ValueError)


def model_of(end: Snapshot) -> DGN:
    """The generator that an autoencoder has learned, as an exact model.

    Parameters
    ----------
    end : Snapshot
        Of its training.

    Returns
    -------
    DGN
        The decoder and its noise.

    Raises
    ------
    ArithmeticError
        If its parameters are not finite, or are not those of a model.
    """
    if not end.is_finite():
        raise ArithmeticError("parameters are not finite")
    try:
        return end.dgn()
    except ValueError as error:
        raise ArithmeticError(str(error)) from error


def loss_and_divergence(end: Snapshot, X: Array) -> tuple[float, float]:
    """The loss of an autoencoder's generator, and how far its q is from the posterior.

    Parameters
    ----------
    end : Snapshot
        Of its training.
    X : Array, shape (N, D)
        The data.

    Returns
    -------
    loss : float
        The mean negative log-likelihood, nats; NaN if the model has diverged.
    divergence : float
        The mean KL(q ‖ p(z|x)), nats; NaN if the model or its q has diverged.
    """
    try:
        dgn = model_of(end)
        loss = nll(dgn, X)
    except DIVERGED:
        return np.nan, np.nan
    try:
        return loss, -loss - float(np.mean(elbo(dgn, X, end.posterior(X))))
    except DIVERGED:
        return loss, np.nan
