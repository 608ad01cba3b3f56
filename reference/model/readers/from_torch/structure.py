"""Which modules a torch module is made of, and in which order: torch is not imported."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from reference.model.layer_protocol import Layer
from reference.model.readers.branches import layers_of_graph
from reference.model.readers.from_torch.attributes import told_of_attributes
from reference.model.readers.from_torch.graph import read_graph
from reference.model.readers.from_torch.modules import layers_of_module
from reference.model.readers.parts import Parts, Z
from reference.model.residual import Residual

# Where torch's hooks that compute a weight before each run are defined: with rounding, and without.
_NORMS = ("torch.nn.utils.weight_norm", "torch.nn.utils.spectral_norm")
_PRUNING = ("torch.nn.utils.prune",)


@dataclass(frozen=True)
class Reading:
    """What was read of a module.

    Parameters
    ----------
    parts : Parts
        Its parts, each with the means to run it.
    layers : list of Layer or Residual
        The layers of the whole.
    output : str
        The name of the value that is its output.
    copy : torch.nn.Module or None
        The copy that the parts belong to; None if the module is not one of torch.
    """

    parts: Parts
    layers: list[Layer | Residual]
    output: str
    copy: Any


def read_torch(module: Any) -> Reading:
    """Read a copy of a module, so that nothing of the module itself is changed.

    Parameters
    ----------
    module : torch.nn.Module
        See `Network.from_torch`; or anything with the names of classes and the attributes of
        torch's modules, which can be read but not run.

    Returns
    -------
    Reading
        Its parts and its layers.

    Raises
    ------
    ValueError
        Naming the module that cannot be read, and the remedy.
    """
    runs = is_torch_module(module)
    try:
        return _reading(module, runs)
    except ValueError as error:
        if not runs or _class_name(module) is not None:
            raise
        raise ValueError(f"{error}{told_of_attributes(module, _sizes)}") from None


def _sizes(module: Any) -> tuple[int, int] | None:
    """How many inputs and outputs a module has; None if it cannot be read, or has no weights."""
    try:
        reading = _reading(module, runs=True)
    except ValueError:
        return None
    if not any(layer.parameters() for part in reading.parts.parts for layer in part.layers):
        return None
    return reading.parts.size(Z), reading.parts.size(reading.output)


def _reading(module: Any, runs: bool) -> Reading:
    reader = _Reader(Parts(), runs)
    with without_traces() if runs else nullcontext():
        read = copied(module) if runs else module
        output = reader.read(read, "module", Z)
    if output == Z:
        raise ValueError("module: expected at least one layer, got none")
    try:
        layers = layers_of_graph(reader.parts.nodes(output), Z, output)
    except ValueError as error:
        name, _, reason = str(error).partition(": ")
        places = {part.name: part.place for part in reader.parts.parts}
        raise ValueError(f"{places.get(name, name)}: {reason}") from None
    return Reading(reader.parts, layers, output, read if runs else None)


def is_torch_module(module: Any) -> bool:
    """Whether this is a module of the torch that its maker imported."""
    nn = getattr(sys.modules.get("torch"), "nn", None)
    return isinstance(module, getattr(nn, "Module", ()))


@contextmanager
def without_traces() -> Iterator[None]:
    """What torch does here leaves no gradients, and random numbers as they were."""
    torch = sys.modules["torch"]
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        yield


def copied(module: Any) -> Any:
    """A deep copy, also of modules that hold weights that were computed from others.

    A copy of a graph runs what the graph says; the graph itself, what it said when it was compiled.
    """
    known: dict[int, Any] = {}
    graph_module = sys.modules["torch"].fx.GraphModule
    for part in module.modules():
        if isinstance(part, graph_module) and part.code != part.graph.python_code("self").src:
            raise ValueError("module: expected graphs that are compiled; call .recompile()")
        for value in vars(part).values():
            if getattr(value, "grad_fn", None) is not None:
                known[id(value)] = value.detach().clone()
    try:
        return copy.deepcopy(module, known)
    except Exception as error:  # whatever a user's class raises
        raise ValueError(f"module: expected one that copy.deepcopy copies ({error})") from None


def _class_name(module: Any) -> str | None:
    """The name of a class of torch's own, or of what stands in for one; None for a user's class.

    A class that derives from one of torch's may do anything, whatever its name.
    """
    if not is_torch_module(module):
        return type(module).__name__
    torch, kind = sys.modules["torch"], type(module)
    if torch.nn.utils.parametrize.is_parametrized(module):
        kind = kind.__bases__[0]
    name = str(kind.__name__)
    return name if getattr(torch.nn, name, None) is kind else None


@dataclass
class _Reader:
    parts: Parts
    runs: bool

    def read(self, module: Any, place: str, value: str) -> str:
        """Add a module to the parts; return the name of its output."""
        kind = _class_name(module)
        where = f"{place} ({type(module).__name__})"
        try:
            rounded = _prepare(module) if self.runs else _refuse_hooks(module)
            if kind is None:
                graph = _graph_of(module)
            elif kind != "Sequential":
                read = layers_of_module(kind, module, self.parts.shapes[value])
                run: Callable[[Any], Any] | None = module if self.runs else None
                return self.parts.add(where, value, read, run, rounded)
        except ValueError as error:
            raise ValueError(f"{where}: {str(error).removeprefix('layers: ')}") from None
        if kind is None:
            return read_graph(module, graph, place, value, self.parts, self.read)
        for i, part in enumerate(module):
            value = self.read(part, f"{place}[{i}]", value)
        return value


def _refuse_hooks(module: Any) -> bool:
    """Raise ValueError for what may do anything; return False: no weight is computed."""
    if getattr(module, "has_uninitialized_params", bool)():
        raise ValueError("its size is not known yet; call it once, or what it is part of")
    before = getattr(module, "_forward_pre_hooks", None) or {}
    unknown = [hook for hook in before.values() if not _defined_in(hook, _NORMS + _PRUNING)]
    if unknown or getattr(module, "_forward_hooks", None):
        raise ValueError(
            "forward hooks are not supported; take them off first, with the .remove() of the "
            "handle that registering them returned"
        )
    if "forward" in getattr(module, "__dict__", ()):
        raise ValueError(
            "its forward was replaced on this one object; put what it does into a module"
        )
    return False


def _prepare(module: Any) -> bool:
    """Refuse what may do anything, and compute the weights that are computed when a module runs.

    Returns whether there are such weights.
    """
    torch = sys.modules["torch"]
    _refuse_hooks(module)
    hooks = list(module._forward_pre_hooks.values())
    rounded = any(
        _defined_in(hook, _NORMS) for hook in hooks
    ) or torch.nn.utils.parametrize.is_parametrized(module)
    if rounded and module.training:
        raise ValueError("not supported: training mode; call .eval() first")
    for hook in hooks:
        hook(module, None)
    return rounded


def _defined_in(hook: Any, modules: tuple[str, ...]) -> bool:
    """Whether a hook is of a class that these modules define, or derives from one."""
    return any(kind.__module__ in modules for kind in type(hook).__mro__)


def _graph_of(module: Any) -> Any:
    """The graph of what a module of a user's class does."""
    torch = sys.modules["torch"]
    fx = torch.fx
    if isinstance(module, fx.GraphModule):
        return module.graph
    # Tracing runs the hooks of what is inside a user's class.
    for name, part in module.named_modules():
        try:
            _refuse_hooks(part)
        except ValueError as error:
            raise ValueError(f"{name} ({type(part).__name__}): {error}") from None
    try:
        return fx.Tracer().trace(module)
    except Exception as error:  # whatever a user's forward raises
        raise ValueError(
            f"its forward cannot be traced ({error}); write it without conditions on its input, "
            "or make a torch.nn.Sequential of its modules"
        ) from None
