"""The variational autoencoder that exact learning is compared with, in JAX [Sec. 2, eq. 3].

Its decoder is the generator itself: it has the same layers and the same initial weights. The
encoder, of leaky ReLU in hidden layers (two of 32, where a recipe says no other), gives q(z|x): a
Gaussian, or a mixture of Gaussians.
Training is Adam on the reparameterised ELBO, all in float64. Every epoch visits the data in a new
order.
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
from paper_figures.methods.reparameterised_elbo import Layers, Parameters, encode, negative_elbo
from reference.model import Array

BATCH = 50
#: Updates between two looks at the clock; records are at multiples of it.
CHUNK = 100

#: Component means of a mixture start spread over this many standard deviations of the prior.
_SPREAD = 1.5


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """An autoencoder during training.

    Attributes
    ----------
    update : int
        Updates made so far.
    seconds : float
        Of processor time so far, without compilation. Recipes that are trained side by side have
        equal shares of it.
    parameters : Parameters
        All that is learned, as NumPy arrays.
    recipe : Recipe
        How it is trained.
    slope : float
        Of the decoder's leaky ReLU below 0.
    latent_dimension : int
        Of z.
    """

    update: int
    seconds: float
    parameters: Parameters
    recipe: Recipe
    slope: float
    latent_dimension: int

    def is_finite(self) -> bool:
        """Whether all parameters are finite."""
        return all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(self.parameters))

    def dgn(self) -> DGN:
        """The decoder and its noise as an exact model.

        Returns
        -------
        DGN
            With the same weights, bit for bit.

        Raises
        ------
        ValueError
            If the parameters are not those of a model.
        """
        layers: list[Dense | LeakyReLU] = []
        for weight, bias in self.parameters.decoder:
            layers += [Dense(weight, bias), LeakyReLU(self.slope)]
        return DGN(Network(layers[:-1]), float(np.exp(self.parameters.log_variance)))

    def posterior(self, X: Array) -> Mixture:
        """The encoder's q(z | x).

        Parameters
        ----------
        X : Array, shape (N, D)
            The data.

        Returns
        -------
        Mixture
            One a datum.
        """
        shape = self.recipe.components, self.latent_dimension, self.recipe.full
        log_weights, mean, factor = encode(self.parameters.encoder, jnp.asarray(X), *shape)
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

    Parameters
    ----------
    network : Network
        Dense and LeakyReLU layers in turn: the decoder at the start.
    deviation : float
        Of the noise at the start, data units.
    X : Array, shape (N, D)
        The data, N a multiple of `BATCH`.
    recipes : sequence of Recipe
        How each is trained. Recipes next to each other, of one form and length, are trained side by
        side in one compiled loop.
    seed : int
        Of the encoder's weights, the minibatches and the draws of z.
    records : sequence of int
        Increasing numbers of updates, multiples of `CHUNK`; the first may be 0.

    Yields
    ------
    Snapshot
        For each record every recipe of a loop; loops one after another.

    Raises
    ------
    ValueError
        If `network` has other layers, or N is not a multiple of `BATCH`.
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
            yield Snapshot(
                update=update,
                seconds=seconds / len(recipes),
                parameters=mine,
                recipe=recipe,
                slope=slope,
                latent_dimension=latent,
            )


#: Added to a seed, so that encoders and decoders do not have the same random weights.
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
    """An encoder with He's initial weights.

    The last layer's are a tenth as large, so that every q starts near the prior.
    """
    factors = latent * (latent + 1) // 2 if recipe.full else latent
    sizes = [observed, *recipe.hidden, recipe.components * (1 + latent + factors)]
    layers: Layers = []
    for n_in, n_out in pairwise(sizes):
        scale = np.sqrt(2.0 / n_in) if len(layers) < len(recipe.hidden) else 0.1 / np.sqrt(n_in)
        layers.append((jnp.asarray(scale * rng.standard_normal((n_out, n_in))), jnp.zeros(n_out)))
    if recipe.components > 1:
        weight, bias = layers[-1]
        spread = jnp.linspace(-_SPREAD, _SPREAD, recipe.components)
        means = slice(recipe.components, recipe.components * (1 + latent), latent)
        layers[-1] = weight, bias.at[means].set(spread)
    return layers


def batches(key: Any, count: int) -> Any:
    """Which data each of `CHUNK` minibatches holds.

    Parameters
    ----------
    key : jax.Array
        JAX's random key.
    count : int
        How many data there are, a multiple of `BATCH`.

    Returns
    -------
    array of int, shape (CHUNK, BATCH)
        All data once an epoch, in a new order every epoch.
    """
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
