"""log p(x) as a function of JAX: jax is imported here, when it is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from fast.autodiff.models import Models, gradients
from fast.distributions.joint_model import checked_partition
from reference.model import (
    Array,
    Network,
    check_array,
    check_covariance,
    check_data,
    check_mapping,
)

_MODELS = Models()


def jax_log_prob(
    network: Network,
    weights: Mapping[str, Any],
    x: Any,
    cov_x: Any,
    cov_z: Any = None,
    *,
    partition: str = "auto",
) -> Any:
    """log p(x) of a decoder whose weights are JAX's, exact, with its exact gradient.

    Parameters
    ----------
    network : Network
        The decoder g, from z to x.
    weights : mapping of str to jax.Array
        Parameters under their names, as `Network.parameters` has them; a pytree. Those that are
        not there are the network's own, and have no gradient.
    x : jax.Array, shape (N, D)
        Data: rows, or images of any shape with D entries.
    cov_x : jax.Array, shape (D, D), (D,) or ()
        Σx in squared data units.
    cov_z : jax.Array, shape (S, S), (S,) or (), optional
        Σz in squared latent units; the identity by default.
    partition : {"auto", "full", "local"}, default "auto"
        As of `DGN`.

    Returns
    -------
    jax.Array, shape (N,)
        Nats; in JAX's precision.

    Raises
    ------
    ImportError
        If jax is not installed.
    ValueError
        If names or shapes do not fit. What of the values does not fit, as a variance that is not
        positive, JAX raises as an error of its own when it runs.

    Notes
    -----
    A custom_vjp around a pure_callback, so that jit, grad and value_and_grad take it; vmap and
    second derivatives do not. All else as of `torch_log_prob`. In single precision, JAX's default,
    results are rounded to it. Guarded by tests/learning/test_jax_loops.py.
    """
    try:
        import jax
    except ImportError as error:
        raise ImportError("jax_log_prob needs the package jax: pip install jax") from error
    if not isinstance(network, Network):
        raise ValueError(f"network: expected a Network, got {network!r}")
    checked_partition(partition, network.latent_dimension)
    values = _weights(jax, network, weights)
    size, latent = network.observed_dimension, network.latent_dimension
    data = _checked(jax, x, partial(_images, size=size))
    noise = _checked(jax, cov_x, partial(check_covariance, name="cov_x", dimension=size))
    given = 1.0 if cov_z is None else cov_z
    prior = _checked(jax, given, partial(check_covariance, name="cov_z", dimension=latent))
    return _function(jax, network, partition)(values, data, noise, prior)


def _images(given: Any, size: int) -> Array:
    """Data as they were given, of so many entries."""
    rows, shape = check_data(given, "x", size)
    return rows.reshape(len(rows), *shape)


def _weights(jax: Any, network: Network, weights: Any) -> dict[str, Any]:
    """Checked parameters by name."""
    check_mapping(weights, "weights")
    known = network.parameters()
    for name in weights:
        if name not in known:
            raise ValueError(f"weights: no parameter {name!r}; expected some of {list(known)}")
    result = {}
    for name, value in weights.items():
        shape = known[name].shape
        result[name] = _checked(jax, value, partial(_parameter, name=name, shape=shape))
    return result


def _parameter(given: Any, name: str, shape: tuple[int, ...]) -> Array:
    """A parameter of this shape."""
    return check_array(given, name, shape)


def _checked(jax: Any, value: Any, check: Callable[[Any], Array]) -> Any:
    """A value that is checked where it is known; of what is traced there is only the shape."""
    if isinstance(value, jax.core.Tracer):
        check(_standing_in(value.shape))
        return value
    return jax.numpy.asarray(check(value))


def _standing_in(shape: tuple[int, ...]) -> Array:
    """Numbers of a shape that all checks of values accept: positive, a matrix definite."""
    return np.eye(*shape) if len(shape) == 2 else np.ones(shape)


def _function(jax: Any, network: Network, partition: str) -> Any:
    """What JAX differentiates, of weights, x, Σx and Σz."""

    def model(weights: Any, cov_x: Any, cov_z: Any) -> Any:
        values = {name: np.asarray(value, np.float64) for name, value in weights.items()}
        covariances = np.asarray(cov_x, np.float64), np.asarray(cov_z, np.float64)
        return _MODELS.model(network, network, values, covariances, partition)

    def on_host(weights: Any, x: Any, cov_x: Any, cov_z: Any) -> Any:
        return np.asarray(model(weights, cov_x, cov_z).logpdf(np.asarray(x)), x.dtype)

    def slopes_on_host(weights: Any, x: Any, cov_x: Any, cov_z: Any, by_value: Any) -> Any:
        rows, by_value = np.asarray(x, np.float64), np.asarray(by_value, np.float64)
        found = gradients(model(weights, cov_x, cov_z), rows, by_value, np.ndim(cov_z))
        by_name = found.by_parameter
        slopes = {name: by_name[name] for name in weights}, found.by_x, by_name["cov_x"]
        like = weights, x, cov_x, cov_z
        every = *slopes, by_name["cov_z"]
        return jax.tree_util.tree_map(lambda s, t: np.asarray(s, t.dtype), every, like)

    def value(*given: Any) -> Any:
        x = given[1]
        return jax.pure_callback(on_host, jax.ShapeDtypeStruct(x.shape[:1], x.dtype), *given)

    def forward(*given: Any) -> Any:
        return value(*given), given

    def backward(given: Any, by_value: Any) -> Any:
        # Constants of a function that is compiled come back as numbers.
        given = jax.tree_util.tree_map(jax.numpy.asarray, given)
        shapes = jax.tree_util.tree_map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), given)
        return jax.pure_callback(slopes_on_host, shapes, *given, by_value)

    differentiable = jax.custom_vjp(value)
    differentiable.defvjp(forward, backward)
    return differentiable
