"""log p(x) as a function of torch: torch is imported here, when it is called."""

from __future__ import annotations

from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from fast.autodiff.models import Models, gradients
from fast.dgn import DGN
from reference.model import Network, of_tensor, torch_parameters

_MODELS = Models()
# What each module was read as, with what tells that it has been changed since.
_READ: WeakKeyDictionary[Any, tuple[Any, Network, dict[str, Any]]] = WeakKeyDictionary()


def torch_log_prob(
    module: Any, x: Any, cov_x: Any, cov_z: Any = None, *, partition: str = "auto"
) -> Any:
    """log p(x) of a decoder that is a module of torch, exact, with its exact gradient.

    Parameters
    ----------
    module : torch.nn.Module
        The decoder g, from z to x: what `Network.from_torch` reads, and `Network.load_into` could
        write into. Its parameters get gradients.
    x : torch.Tensor, shape (N, D)
        Data: rows, or images of any shape with D entries.
    cov_x : torch.Tensor or array_like, shape (D, D), (D,) or ()
        Σx in squared data units; a tensor that requires grad gets a gradient.
    cov_z : torch.Tensor or array_like, shape (S, S), (S,) or (), optional
        Σz in squared latent units; the identity by default.
    partition : {"auto", "full", "local"}, default "auto"
        As of `DGN`.

    Returns
    -------
    torch.Tensor, shape (N,)
        Nats; of the precision and on the device of x.

    Raises
    ------
    ImportError
        If torch is not installed.
    ValueError
        If an argument does not fit, or a weight of the network is no parameter of its own.

    Notes
    -----
    log p(x) [eq. 5], with ∇ log p(x; θ) = E[∇ log p(x, z; θ) | x] by Fisher's identity, and ∇_x as
    of `DGN.score`: exact wherever log p(x) has derivatives. They are computed in double precision
    on the CPU, and are those of `DGN.gradient` to 1e-10. The module is read and verified once; its
    partition is found again when weights have changed. A backward pass costs an E-step, or where
    data have different weights in the loss, one for each weight. There are no second derivatives.
    Guarded by tests/learning/test_from_torch_loops.py.
    """
    torch = _imported()
    dgn_network, parameters = _read(module)
    data = x if isinstance(x, torch.Tensor) else torch.as_tensor(np.asarray(x))
    if not data.is_floating_point():
        data = data.to(torch.float64)
    noise, prior = (
        given if isinstance(given, torch.Tensor) else torch.as_tensor(np.array(given, float))
        for given in (cov_x, 1.0 if cov_z is None else cov_z)
    )
    values = {name: of_tensor(value) for name, value in parameters.items()}
    covariances = of_tensor(noise), of_tensor(prior)
    dgn = _MODELS.model(module, dgn_network, values, covariances, partition)
    named = list(parameters)
    return _function().apply(dgn, named, data, noise, prior, *parameters.values())


def _imported() -> Any:
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "torch_log_prob needs the package torch, which is not installed: see "
            "https://pytorch.org"
        ) from error
    return torch


def _read(module: Any) -> tuple[Network, dict[str, Any]]:
    """The network that a module was read as, and its parameters by their names in the network."""
    state = repr(module), [id(value) for value in getattr(module, "parameters", list)()]
    try:
        known = _READ.get(module)
    except TypeError:  # what is no module, and no key either
        known = None
    if known is None or known[0] != state:
        network = Network.from_torch(module)
        known = _READ[module] = (
            state,
            network,
            torch_parameters(module, network.layers, network.shapes),
        )
    return known[1:]


@cache
def _function() -> Any:
    """The class that torch differentiates by."""
    import torch
    from torch.autograd.function import once_differentiable

    def forward(ctx: Any, dgn: DGN, named: list[str], x: Any, *others: Any) -> Any:
        ctx.dgn, ctx.named = dgn, named
        ctx.save_for_backward(x, *others)
        return torch.from_numpy(dgn.logpdf(x)).to(x.device, x.dtype)

    def backward(ctx: Any, weights: Any) -> Any:
        x, cov_x, cov_z, *values = ctx.saved_tensors
        rows = np.asarray(of_tensor(x), np.float64)
        found = gradients(ctx.dgn, rows, np.asarray(of_tensor(weights), np.float64), cov_z.ndim)
        slopes = [found.by_x, *(found.by_parameter[n] for n in ("cov_x", "cov_z", *ctx.named))]
        tensors = [x, cov_x, cov_z, *values]
        by_tensor = (
            torch.from_numpy(np.array(slope)).to(tensor.device, tensor.dtype)
            for slope, tensor in zip(slopes, tensors, strict=True)
        )
        return None, None, *by_tensor

    members = {"forward": forward, "backward": once_differentiable(backward)}
    statics = {name: staticmethod(member) for name, member in members.items()}
    return type("LogProb", (torch.autograd.Function,), statics)
