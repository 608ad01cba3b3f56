"""Of a module that cannot be read as a whole, the attributes that can: a decoder within a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

#: How many inputs and outputs a module has; None if it cannot be read, or has no weights.
Sizes = Callable[[Any], tuple[int, int] | None]


def told_of_attributes(module: Any, sizes_of: Sizes) -> str:
    """Which attributes of a module can be read, with their sizes, or nothing where none can.

    Parameters
    ----------
    module : torch.nn.Module
        A module of a user's class.
    sizes_of : callable
        Gives the numbers of inputs and outputs of a module; None if it cannot be read.

    Returns
    -------
    str
        What a message that refuses the module ends with.
    """
    found = list(_readable(module, "module", sizes_of))
    # A decoder has more outputs than inputs.
    found.sort(key=lambda one: one[1] >= one[2])
    if not found:
        return ""
    names = ", ".join(f"{name} ({n_in} -> {n_out})" for name, n_in, n_out in found)
    return f"; if the decoder is one of its attributes, pass that: {names}"


def _readable(module: Any, place: str, sizes_of: Sizes) -> Iterator[tuple[str, int, int]]:
    """Names, and numbers of inputs and outputs, of parts that can be read and have weights."""
    for name, part in module.named_children():
        where, sequential = f"{place}.{name}", type(part).__name__ == "Sequential" and len(part) > 1
        sizes = sizes_of(part)
        if sizes is None and sequential:
            # A last Sigmoid is no part of what is modelled.
            where, sizes = f"{where}[:-1]", sizes_of(part[:-1])
        if sizes is not None:
            yield where, *sizes
        elif not sequential:
            yield from _readable(part, where, sizes_of)
