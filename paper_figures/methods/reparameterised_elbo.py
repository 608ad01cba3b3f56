"""An autoencoder's networks and the estimate of its bound that training follows, in JAX [eq. 3].

z is a differentiable function of q's parameters and of standard normal draws: the
reparameterisation trick.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paper_figures.methods.recipe import Form

# Double precision: weights pass between here and `fast`, and must be the same in both.
jax.config.update("jax_enable_x64", True)

_ENCODER_SLOPE = 0.1

#: JAX arrays, or NumPy's, by layer: (weight (n_out, n_in), bias (n_out,)).
Layers = list[tuple[Any, Any]]


class Parameters(NamedTuple):
    """All that is learned.

    Attributes
    ----------
    encoder : Layers
        From a datum to q(z | x).
    decoder : Layers
        The generator g.
    log_variance : array, shape ()
        Of the noise, the logarithm.
    """

    encoder: Layers
    decoder: Layers
    log_variance: Any


def _perceptron(layers: Layers, hidden: Any, slope: float) -> Any:
    for weight, bias in layers[:-1]:
        hidden = hidden @ weight.T + bias
        hidden = jnp.where(hidden >= 0, hidden, slope * hidden)
    weight, bias = layers[-1]
    return hidden @ weight.T + bias


def encode(
    encoder: Layers, x: Any, components: int, latent: int, full: bool
) -> tuple[Any, Any, Any]:
    """The Gaussian mixtures q(z | x) of several data.

    Parameters
    ----------
    encoder : Layers
        Its weights.
    x : array, shape (N, D)
        The data.
    components : int
        Gaussians in q, C.
    latent : int
        The latent dimension, S.
    full : bool
        Full covariances instead of diagonal ones.

    Returns
    -------
    log_weights : array, shape (N, C)
        Of the components.
    mean : array, shape (N, C, S)
        Of the components.
    factor : array, shape (N, C, S, S)
        The lower Cholesky factors of their covariances.
    """
    out = _perceptron(encoder, x, _ENCODER_SLOPE)
    ends = np.cumsum([components, components * latent, components * latent])
    logits, mean, log_scale, below = jnp.split(out, ends, axis=1)
    mean = mean.reshape(-1, components, latent)
    scale = jnp.exp(log_scale.reshape(-1, components, latent))
    factor = scale[..., None] * jnp.eye(latent)
    if full:
        rows, columns = np.tril_indices(latent, -1)
        below = below.reshape(*mean.shape[:2], len(rows))
        factor = factor.at[:, :, rows, columns].set(below)
    return jax.nn.log_softmax(logits), mean, factor


def _log_normal(offset: Any, factor: Any) -> Any:
    """log N of an offset from the mean (..., S), by the covariance's Cholesky factor."""
    size = offset.shape[-1]
    white: list[Any] = []
    for i in range(size):
        known = sum(factor[..., i, j] * white[j] for j in range(i))
        white.append((offset[..., i] - known) / factor[..., i, i])
    log_det = jnp.sum(jnp.log(jnp.diagonal(factor, axis1=-2, axis2=-1)), axis=-1)
    square = sum(value**2 for value in white)
    return -0.5 * square - log_det - 0.5 * size * jnp.log(2 * jnp.pi)


def _divergence(log_weights: Any, mean: Any, factor: Any, z: Any) -> Any:
    """KL(q ‖ p(z)) of a Gaussian in closed form; of a mixture log q(z) - log p(z) at its draws."""
    latent = mean.shape[-1]
    if mean.shape[1] == 1:
        scale = jnp.diagonal(factor, axis1=-2, axis2=-1)
        return 0.5 * (
            jnp.sum(mean**2, axis=-1) + jnp.sum(factor**2, axis=(-2, -1)) - latent
        ) - jnp.sum(jnp.log(scale), axis=-1)
    # The density of every component where each was drawn.
    each = _log_normal(z[:, :, :, None, :] - mean[:, None, :, :], factor[:, None])
    log_q = jax.nn.logsumexp(log_weights[:, None, :] + each, axis=-1)
    log_prior = -0.5 * jnp.sum(z**2, axis=-1) - 0.5 * latent * jnp.log(2 * jnp.pi)
    return log_q - log_prior


def negative_elbo(
    parameters: Parameters,
    x: Any,
    key: Any,
    weight: Any,
    form: Form,
    slope: float,
    latent: int,
) -> Any:
    """An unbiased estimate of the loss of a minibatch [eq. 3].

    Parameters
    ----------
    parameters : Parameters
        Of the autoencoder.
    x : array, shape (B, D)
        The minibatch.
    key : jax.Array
        JAX's random key, for the draws of z.
    weight : float
        Of KL(q ‖ p(z)); 1 for the ELBO itself.
    form : Form
        Draws, components and kind of covariance.
    slope : float
        Of the decoder's leaky ReLU below 0.
    latent : int
        The latent dimension.

    Returns
    -------
    array, shape ()
        -ELBO, nats per datum.

    Notes
    -----
    z is drawn from every component of q, and each counts by its weight, so that the weights have a
    gradient too. tests/paper_figures/test_autoencoder.py compares the mean of the estimate with the
    exact ELBO.
    """
    encoder, decoder, log_variance = parameters
    log_weights, mean, factor = encode(encoder, x, form.components, latent, form.full)
    noise = jax.random.normal(key, (form.samples, *mean.shape))
    step = jnp.einsum("ncij,mncj->mnci", factor, noise)
    z = mean + step  # (M, B, C, S)
    error = x[:, None, :] - _perceptron(decoder, z, slope)
    log_fit = -0.5 * (
        x.shape[1] * (log_variance + jnp.log(2 * jnp.pi))
        + jnp.sum(error**2, axis=-1) * jnp.exp(-log_variance)
    )
    divergence = _divergence(log_weights, mean, factor, z)
    bound = jnp.sum(jnp.exp(log_weights) * (log_fit - weight * divergence), axis=-1)
    return -jnp.mean(bound)
