"""The variational autoencoder that exact learning is compared with, in JAX [Sec. 2, eq. 3].

Its decoder is the generator itself: the same layers and the same initial weights. The encoder, two
hidden layers of 32 leaky ReLU, gives q(z|x): a Gaussian, or a mixture of Gaussians. Training is
Adam on the reparameterised ELBO, all in float64; every epoch visits the data in a new order.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fast import DGN, Dense, LeakyReLU, Network
from paper_figures.methods.exact_bound import Mixture
from paper_figures.methods.recipe import Form, Recipe
from reference.model import Array

# Weights and likelihoods travel between here and `fast`: with less they would not be the same.
jax.config.update("jax_enable_x64", True)

BATCH = 50
#: Updates between two looks at the clock; records are at multiples of it.
CHUNK = 100

_HIDDEN = (32, 32)
_ENCODER_SLOPE = 0.1
#: Component means of a mixture start spread over this many standard deviations of the prior.
_SPREAD = 1.5

#: JAX arrays, or NumPy's, by layer: (weight (n_out, n_in), bias (n_out,)).
Layers = list[tuple[Any, Any]]


class Parameters(NamedTuple):
    """All that is learned."""

    encoder: Layers
    decoder: Layers
    log_variance: Any


@dataclass(frozen=True)
class Snapshot:
    """An autoencoder during training. seconds: of processor time so far, compilation left out; of
    recipes trained side by side each counts its share."""

    update: int
    seconds: float
    parameters: Parameters
    recipe: Recipe
    slope: float
    latent_dimension: int

    def is_finite(self) -> bool:
        """Whether training has not diverged to numbers that are none."""
        return all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(self.parameters))

    def dgn(self) -> DGN:
        """The decoder and its noise as the exact model that they are."""
        layers: list[Dense | LeakyReLU] = []
        for weight, bias in self.parameters.decoder:
            layers += [Dense(weight, bias), LeakyReLU(self.slope)]
        return DGN(Network(layers[:-1]), float(np.exp(self.parameters.log_variance)))

    def posterior(self, X: Array) -> Mixture:
        """q(z | x) of every row of X (N, D)."""
        shape = self.recipe.components, self.latent_dimension, self.recipe.full
        log_weights, mean, factor = _encode(self.parameters.encoder, jnp.asarray(X), *shape)
        cov = np.einsum("ncij,nckj->ncik", factor, factor)
        return Mixture(np.exp(log_weights), np.asarray(mean), cov)


def train(
    network: Network,
    deviation: float,
    X: Array,
    recipes: Sequence[Recipe],
    seed: int,
    records: Sequence[int],
) -> Iterator[Snapshot]:
    """Train one autoencoder a recipe, all from the same weights, and yield each at every record.

    network: Dense and LeakyReLU layers in turn. deviation: of the noise, where it starts. X (N, D),
    N a multiple of BATCH. records: increasing numbers of updates, multiples of CHUNK; the first may
    be 0. Recipes next to each other of one form and length are trained side by side, in one
    compiled loop.
    """
    for _, group in groupby(recipes, key=lambda recipe: (recipe.form, recipe.updates)):
        yield from _train_together(network, deviation, X, list(group), seed, records)


def _train_together(
    network: Network,
    deviation: float,
    X: Array,
    recipes: Sequence[Recipe],
    seed: int,
    records: Sequence[int],
) -> Iterator[Snapshot]:
    if len(X) % BATCH:
        raise ValueError(f"X: expected a multiple of {BATCH} data, got {len(X)}")
    first = recipes[0]
    rng = np.random.default_rng([seed, _SEED_OF_ENCODERS])
    latent = network.latent_dimension
    slope = _slope(network)
    encoder, decoder = _encoder(rng, X.shape[1], latent, first), _decoder(network)
    starts = [
        Parameters(encoder, decoder, jnp.asarray(2.0 * np.log(recipe.start_deviation or deviation)))
        for recipe in recipes
    ]
    states = [_State(start, optax.scale_by_adam().init(start)) for start in starts]
    state = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    plan = _Plan(
        jnp.array([recipe.learning_rate for recipe in recipes]),
        jnp.array([recipe.falling for recipe in recipes]),
        jnp.array([recipe.warm_up for recipe in recipes]),
        jnp.array([float(recipe.updates) for recipe in recipes]),
    )
    step = partial(_advance, form=first.form, slope=slope, latent=latent)
    data, key = jnp.asarray(X), jax.random.key(seed)
    # All of it compiled before the clock starts.
    jax.block_until_ready(step(state, plan, data, jax.random.fold_in(key, 0), 0))
    update, seconds = 0, 0.0
    for record in records:
        before = time.process_time()
        while update < record:
            state = step(state, plan, data, jax.random.fold_in(key, update), update)
            update += CHUNK
        jax.block_until_ready(state)
        seconds += time.process_time() - before
        parameters = jax.tree.map(np.asarray, state.parameters)
        for i, recipe in enumerate(recipes):
            mine = jax.tree.map(lambda leaf, i=i: leaf[i], parameters)
            yield Snapshot(update, seconds / len(recipes), mine, recipe, slope, latent)


#: Apart from the seeds of the decoders' weights.
_SEED_OF_ENCODERS = 99


class _State(NamedTuple):
    parameters: Parameters
    optimiser: Any


class _Plan(NamedTuple):
    """What differs between recipes trained side by side, one entry each."""

    rate: Any
    falling: Any
    warm_up: Any
    updates: Any


def _slope(network: Network) -> float:
    """The one slope of the activations."""
    dense, between = network.layers[::2], network.layers[1::2]
    slopes = {layer.slope for layer in between if isinstance(layer, LeakyReLU)}
    if (
        len(slopes) != 1
        or not all(isinstance(layer, Dense) for layer in dense)
        or not all(isinstance(layer, LeakyReLU) for layer in between)
    ):
        raise ValueError("network: expected Dense and LeakyReLU of one slope in turn")
    return slopes.pop()


def _decoder(network: Network) -> Layers:
    dense = [layer for layer in network.layers if isinstance(layer, Dense)]
    return [(jnp.asarray(layer.weight), jnp.asarray(layer.bias)) for layer in dense]


def _encoder(rng: np.random.Generator, observed: int, latent: int, recipe: Recipe) -> Layers:
    """He's initial weights; the last ones a tenth of it, so that every q starts near the prior."""
    factors = latent * (latent + 1) // 2 if recipe.full else latent
    sizes = [observed, *_HIDDEN, recipe.components * (1 + latent + factors)]
    layers: Layers = []
    for n_in, n_out in pairwise(sizes):
        scale = np.sqrt(2.0 / n_in) if len(layers) < len(_HIDDEN) else 0.1 / np.sqrt(n_in)
        layers.append((jnp.asarray(scale * rng.standard_normal((n_out, n_in))), jnp.zeros(n_out)))
    if recipe.components > 1:
        weight, bias = layers[-1]
        spread = jnp.linspace(-_SPREAD, _SPREAD, recipe.components)
        means = slice(recipe.components, recipe.components * (1 + latent), latent)
        layers[-1] = weight, bias.at[means].set(spread)
    return layers


def _perceptron(layers: Layers, hidden: Any, slope: float) -> Any:
    for weight, bias in layers[:-1]:
        hidden = hidden @ weight.T + bias
        hidden = jnp.where(hidden >= 0, hidden, slope * hidden)
    weight, bias = layers[-1]
    return hidden @ weight.T + bias


def _encode(
    encoder: Layers, x: Any, components: int, latent: int, full: bool
) -> tuple[Any, Any, Any]:
    """q(z | x): log weights (N, C), means (N, C, S), Cholesky factors (N, C, S, S)."""
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


def negative_elbo(
    parameters: Parameters,
    x: Any,
    key: Any,
    weight: Any,
    form: Form,
    slope: float,
    latent: int,
) -> Any:
    """The loss of a minibatch x (B, D) [eq. 3]: one number, nats a datum.

    Every component of q is drawn from and counts by its weight, so that the gradient reaches the
    weights too. weight: of KL(q ‖ p(z)), 1 for the ELBO itself. Unbiased: tests/test_autoencoder.py
    compares its mean with the exact ELBO.
    """
    encoder, decoder, log_variance = parameters
    log_weights, mean, factor = _encode(encoder, x, form.components, latent, form.full)
    noise = jax.random.normal(key, (form.samples, *mean.shape))
    step = jnp.einsum("ncij,mncj->mnci", factor, noise)
    z = mean + step  # (M, B, C, S)
    error = x[:, None, :] - _perceptron(decoder, z, slope)
    log_fit = -0.5 * (
        x.shape[1] * (log_variance + jnp.log(2 * jnp.pi))
        + jnp.sum(error**2, axis=-1) * jnp.exp(-log_variance)
    )
    if form.components == 1:
        scale = jnp.diagonal(factor, axis1=-2, axis2=-1)
        divergence = 0.5 * (
            jnp.sum(mean**2, axis=-1) + jnp.sum(factor**2, axis=(-2, -1)) - latent
        ) - jnp.sum(jnp.log(scale), axis=-1)
    else:
        # The density of every component where each was drawn.
        each = _log_normal(z[:, :, :, None, :] - mean[:, None, :, :], factor[:, None])
        log_q = jax.nn.logsumexp(log_weights[:, None, :] + each, axis=-1)
        log_prior = -0.5 * jnp.sum(z**2, axis=-1) - 0.5 * latent * jnp.log(2 * jnp.pi)
        divergence = log_q - log_prior
    bound = jnp.sum(jnp.exp(log_weights) * (log_fit - weight * divergence), axis=-1)
    return -jnp.mean(bound)


def batches(key: Any, count: int) -> Any:
    """Which data each of CHUNK minibatches holds, (CHUNK, BATCH): all data once an epoch, in a new
    order every epoch."""
    epochs = jax.random.split(key, -(-CHUNK * BATCH // count))
    shuffled = jax.vmap(lambda one: jax.random.permutation(one, count))(epochs)
    return shuffled.reshape(-1, BATCH)[:CHUNK]


@partial(jax.jit, static_argnames=("form", "slope", "latent"))
def _advance(
    state: _State,
    plan: _Plan,
    X: Any,
    key: Any,
    update: Any,
    form: Form,
    slope: float,
    latent: int,
) -> _State:
    """CHUNK updates of every autoencoder, compiled."""
    adam = optax.scale_by_adam()
    order, noise = jax.random.split(key)
    places = batches(order, len(X))

    def advance_one(state: _State, plan: _Plan) -> _State:
        def step(state: _State, now: tuple[Any, Any, Any]) -> tuple[_State, None]:
            place, key, share = now
            weight = jnp.where(
                plan.warm_up > 0, jnp.minimum(1.0, share / jnp.maximum(plan.warm_up, 1e-9)), 1.0
            )
            gradient = jax.grad(negative_elbo)(
                state.parameters, X[place], key, weight, form, slope, latent
            )
            change, optimiser = adam.update(gradient, state.optimiser)
            fall = jnp.where(plan.falling, 0.5 * (1.0 + jnp.cos(jnp.pi * share)), 1.0)
            moved = jax.tree.map(
                lambda value, move: value - plan.rate * fall * move, state.parameters, change
            )
            return _State(moved, optimiser), None

        shares = (update + jnp.arange(CHUNK)) / plan.updates
        keys = jax.random.split(noise, CHUNK)
        return jax.lax.scan(step, state, (places, keys, shares))[0]

    return jax.vmap(advance_one)(state, plan)
