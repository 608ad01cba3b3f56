"""The graph of a module's own forward, as torch.fx traces it: torch is not imported."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reference.model.arrays import Array
from reference.model.images.resampling import ZeroPad
from reference.model.images.reshaping import Flatten, Reshape
from reference.model.layer_protocol import Layer, Shape
from reference.model.named_activations import Abs
from reference.model.readers.from_torch.functions import CASTS, IDENTITIES, KNOWN, as_module
from reference.model.readers.from_torch.modules import layers_of_module, reason_against
from reference.model.readers.parts import Normalisation, Parts

_ARITHMETIC = {
    "add": "add",
    "iadd": "add",
    "sub": "sub",
    "isub": "sub",
    "subtract": "sub",
    "mul": "mul",
    "imul": "mul",
    "multiply": "mul",
    "truediv": "div",
    "itruediv": "div",
    "div": "div",
    "divide": "div",
    "neg": "neg",
}


@dataclass(frozen=True)
class _Value:
    """A value that depends on z: the name of its part."""

    name: str


# Where the functions come from that are what they are called.
_TRUSTED = ("torch", "_operator", "builtins", "math")


class _Rows:
    """How many rows the input has, whatever that is."""

    def __repr__(self) -> str:
        return "the number of rows"


_ROWS = _Rows()


def read_graph(
    root: Any,
    graph: Any,
    place: str,
    value: str,
    parts: Parts,
    read_module: Callable[[Any, str, str], str],
) -> str:
    """Add the parts of a graph to those read before it.

    Parameters
    ----------
    root : torch.nn.Module
        What the graph's targets are attributes of.
    graph : torch.fx.Graph
        The graph.
    place : str
        The root's place.
    value : str
        The name of its input.
    parts : Parts
        Those read before, to which these are added.
    read_module : callable
        Reads a module that the graph calls: (module, place, value) -> name of the result.

    Returns
    -------
    str
        The name of its output.

    Raises
    ------
    ValueError
        Naming the node that cannot be read.
    """
    return _Graph(root, place, value, parts, read_module).read(graph)


@dataclass
class _Graph:
    root: Any
    place: str
    value: str
    parts: Parts
    read_module: Callable[[Any, str, str], str]
    #: What each node is: a _Value, or a constant.
    known: dict[Any, Any] = field(default_factory=dict)

    def read(self, graph: Any) -> str:
        for node in graph.nodes:
            if node.op == "call_module" and _of_values(self._resolved([node.args, node.kwargs])):
                self.known[node] = self._called_module(node)
                continue
            try:
                self.known[node] = self._node(node)
            except (ValueError, TypeError, RuntimeError) as error:
                reason = str(error).removeprefix("layers: ")
                raise ValueError(f"{self._where(node)}: {reason}") from None
            if node.op == "output":
                return str(self.known[node].name)
        raise ValueError(f"{self.place} ({type(self.root).__name__}): its graph has no output")

    def _where(self, node: Any) -> str:
        return f"{self.place} ({type(self.root).__name__}), {node.name} in its forward"

    def _called_module(self, node: Any) -> _Value:
        module, place = self.root.get_submodule(node.target), self.place
        for name in str(node.target).split("."):
            place += f"[{name}]" if name.isdigit() else f".{name}"
        arguments = self._resolved(node.args)
        if len(arguments) != 1 or node.kwargs or not isinstance(arguments[0], _Value):
            raise ValueError(
                f"{self._where(node)}: expected a module of one input, got {node.args}"
            )
        return _Value(self.read_module(module, place, arguments[0].name))

    def _node(self, node: Any) -> Any:
        if node.op == "placeholder":
            return self._placeholder(node)
        if node.op == "get_attr":
            found = self.root
            for name in str(node.target).split("."):
                found = getattr(found, name)
            return found
        arguments, named = self._resolved(node.args), self._resolved(node.kwargs)
        if node.op == "output":
            if not isinstance(arguments[0], _Value):
                raise ValueError(f"expected one tensor that depends on z, got {node.args[0]!r}")
            return arguments[0]
        if node.op == "call_module":
            return self.root.get_submodule(node.target)(*arguments, **named)
        if not _of_values([arguments, named]):
            return _evaluated(node, arguments, named)
        return self._function(node, arguments, named)

    def _placeholder(self, node: Any) -> Any:
        if not any(isinstance(found, _Value) for found in self.known.values()):
            return _Value(self.value)
        if not node.args:
            raise ValueError("expected a module of one input z, got a second one")
        return node.args[0]

    def _resolved(self, argument: Any) -> Any:
        """An argument with what is known of the nodes in it."""
        if isinstance(argument, tuple | list):
            return type(argument)(self._resolved(entry) for entry in argument)
        if isinstance(argument, dict):
            return {key: self._resolved(entry) for key, entry in argument.items()}
        if isinstance(argument, slice):
            return argument
        return self.known.get(argument, argument) if hasattr(argument, "op") else argument

    def _function(self, node: Any, arguments: Any, named: dict[str, Any]) -> Any:
        """What a function or a method makes of a value."""
        name = _name(node)
        first, *rest = arguments
        if name in _ARITHMETIC:
            if named:
                raise ValueError(f"{name} with {sorted(named)} is not supported")
            return self._arithmetic(node, _ARITHMETIC[name], arguments)
        if not isinstance(first, _Value) or _of_values([rest, named]):
            raise ValueError(_reason(name))
        if name in IDENTITIES:
            return first
        if name in CASTS:
            self.parts.cast = True
            return first
        shape = self.parts.shapes[first.name]
        if name in ("size", "getattr"):
            return _size(shape, name, rest, named)
        read = _read(name, shape, rest, named)
        computed = any(entry.op.startswith("call") for entry in node.all_input_nodes[1:])
        return self._added(node, first, read, arguments, named, computed)

    def _added(
        self,
        node: Any,
        value: _Value,
        read: list[Layer] | Normalisation,
        arguments: Any,
        named: dict[str, Any],
        computed: bool = False,
    ) -> _Value:
        def run(tensor: Any) -> Any:
            return _evaluated(node, *_with(tensor, [list(arguments), named]))

        return _Value(self.parts.add(self._where(node), value.name, read, run, computed))

    def _arithmetic(self, node: Any, name: str, arguments: Any) -> _Value:
        values = [entry for entry in arguments if isinstance(entry, _Value)]
        if len(values) == 2:
            first, second = values
            if name not in ("add", "sub"):
                raise ValueError(
                    f"{name} of two values that depend on z is not piecewise affine; expected "
                    "sums, and products with constants"
                )
            if name == "sub":
                negative = self._affine(second, -1.0, 0.0)
                second = _Value(self.parts.add(self._where(node), second.name, negative, None))
            return _Value(self.parts.add_sum(self._where(node), first.name, second.name))
        (value,) = values
        constant = next((entry for entry in arguments if not isinstance(entry, _Value)), 0.0)
        scale, shift = 1.0, 0.0
        if name == "neg":
            scale = -1.0
        elif name in ("add", "sub"):
            after = arguments[0] is value
            scale = -1.0 if name == "sub" and not after else 1.0
            shift = -constant if name == "sub" and after else constant
        elif name == "mul":
            scale = constant
        elif arguments[0] is value:
            scale = 1.0 / constant
        else:
            raise ValueError("a constant divided by a value is not piecewise affine")
        read = self._affine(value, scale, shift)
        computed = any(entry.op.startswith("call") for entry in node.all_input_nodes)
        return self._added(node, value, read, arguments, {}, computed)

    def _affine(self, value: _Value, scale: Any, shift: Any) -> Normalisation:
        """h -> scale h + shift, with constants of each channel."""
        shape = self.parts.shapes[value.name]
        if not shape:
            raise ValueError(
                "expected Linear or Unflatten first, which tell the latent dimension, before sums "
                "and products"
            )
        scales, shifts = _by_channel(scale, shape), _by_channel(shift, shape)
        return Normalisation(np.zeros(shape[0]), scales, shifts)


def _name(node: Any) -> str:
    """What a node calls. A function of the user's is not known by its name: it may do anything."""
    if node.op == "call_method":
        return str(node.target).rstrip("_")
    function = node.target
    owner = getattr(function, "__objclass__", None)
    home = getattr(function, "__module__", None) or getattr(owner, "__module__", None) or ""
    name = str(function.__name__).rstrip("_")
    return name if home.split(".")[0] in _TRUSTED else f"{home}.{name}"


def _reason(name: str) -> str:
    """Why a function is not read."""
    others = ("abs", "view", "reshape", "pad", "add", "sub", "mul", "div")
    return reason_against(name, "function", (*KNOWN, *others))


def _of_values(argument: Any) -> bool:
    """Whether any of these is a value that depends on z."""
    if isinstance(argument, tuple | list):
        return any(map(_of_values, argument))
    if isinstance(argument, dict):
        return _of_values(list(argument.values()))
    return isinstance(argument, _Value)


def _with(tensor: Any, argument: Any) -> Any:
    """Arguments with a tensor for the value in them, in its precision."""
    if isinstance(argument, tuple | list):
        return type(argument)(_with(tensor, entry) for entry in argument)
    if isinstance(argument, dict):
        return {key: _with(tensor, entry) for key, entry in argument.items()}
    if isinstance(argument, _Value):
        return tensor
    if argument is _ROWS:
        return tensor.shape[0]
    floating = getattr(argument, "is_floating_point", None)
    return argument.to(tensor) if floating is not None and floating() else argument


def _evaluated(node: Any, arguments: Any, named: dict[str, Any]) -> Any:
    """What a function or a method is of these constants."""
    if node.op == "call_method":
        return getattr(arguments[0], node.target)(*arguments[1:], **named)
    return node.target(*arguments, **named)


def _size(shape: Shape, name: str, rest: list[Any], named: dict[str, Any]) -> Any:
    """x.size(), x.size(i), x.shape or x.ndim."""
    sizes = (_ROWS, *shape)
    if name == "getattr":
        if rest != ["shape"]:
            raise ValueError(f".{rest[0]} of a tensor is not supported")
        return sizes
    which = [*rest, *named.values()]
    if not which:
        return sizes
    if not shape and which[0] != 0:
        raise ValueError("the size of z is not known here; write it as a number")
    return sizes[which[0]]


def _read(
    name: str, shape: Shape, rest: list[Any], named: dict[str, Any]
) -> list[Layer] | Normalisation:
    """What a function of a value of this shape is, other constants given."""
    if name in ("view", "reshape"):
        sizes = rest[0] if rest and isinstance(rest[0], tuple | list) else rest
        return _reshaped(tuple(sizes or named.get("shape", ())), shape)
    if name == "pad":
        return _padded(rest, named)
    if name in ("abs", "absolute"):
        return [Abs()]
    found = as_module(name, rest, named, len(shape))
    if found is None:
        raise ValueError(_reason(name))
    return layers_of_module(*found, shape)


def _reshaped(sizes: tuple[Any, ...], shape: Shape) -> list[Layer]:
    """A reshape that leaves every row a row."""
    rows, *others = sizes
    total = math.prod(shape)
    if not others or (rows is not _ROWS and rows != -1) or _ROWS in others:
        raise ValueError(f"a reshape to {sizes} is not one of each row; use x.size(0) first")
    if rows is _ROWS and others.count(-1) == 1:
        rest = -math.prod(others)
        if not shape:
            raise ValueError("the size of z is not known here; write it as a number")
        others = [total // rest if n == -1 and rest > 0 else n for n in others]
    if shape and math.prod(others) != total:
        raise ValueError(f"a reshape of {shape} to {sizes} is not one of each row")
    if tuple(others) == shape:
        return []
    return [Flatten()] if shape and len(others) == 1 else [Reshape(tuple(others))]


def _padded(rest: list[Any], named: dict[str, Any]) -> list[Layer]:
    names = ("pad", "mode", "value")
    given = {"mode": "constant", "value": None, **dict(zip(names, rest, strict=False)), **named}
    if given["mode"] != "constant" or given["value"] not in (None, 0) or len(given["pad"]) != 4:
        raise ValueError(f"pad with {given} is not supported; expected zeros around images")
    return [ZeroPad(tuple(given["pad"]))]


def _by_channel(constant: Any, shape: Shape) -> Array:
    """A constant that broadcasts to a value of this shape, as one number for each channel."""
    number = constant if isinstance(constant, int | float) else constant.detach().cpu().numpy()
    array = np.asarray(number, dtype=np.float64)
    whole = np.broadcast_to(array, (1, *shape))[0].reshape(shape[0], -1)
    if np.any(whole != whole[:, :1]) or not np.all(np.isfinite(whole)):
        raise ValueError("a constant that differs within a channel is not supported")
    return np.array(whole[:, 0])
