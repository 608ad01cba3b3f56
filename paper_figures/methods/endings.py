"""Where an autoencoder's training ended, diverged or not."""

from __future__ import annotations

import numpy as np

from fast import DGN
from paper_figures.methods.autoencoder import Snapshot
from paper_figures.methods.exact_bound import elbo
from paper_figures.methods.exact_fits import TROUBLE, nll
from reference.model import Array

#: What the exact values of a model or a q may end in that training has led astray.
DIVERGED = (*TROUBLE, ValueError)


def model_of(end: Snapshot) -> DGN:
    """The generator it learned. Raises ArithmeticError if it has diverged."""
    if not end.is_finite():
        raise ArithmeticError("parameters are no numbers")
    try:
        return end.dgn()
    except ValueError as error:
        raise ArithmeticError(str(error)) from error


def loss_and_divergence(end: Snapshot, X: Array) -> tuple[float, float]:
    """Mean NLL and KL(q ‖ p(z|x)), nats: NaN where the model, or its q, has diverged."""
    try:
        dgn = model_of(end)
        loss = nll(dgn, X)
    except DIVERGED:
        return np.nan, np.nan
    try:
        return loss, -loss - float(np.mean(elbo(dgn, X, end.posterior(X))))
    except DIVERGED:
        return loss, np.nan
