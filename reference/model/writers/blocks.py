"""The blocks with skip connections that a network's layers, one after another, are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reference.model.layer_protocol import Layer, Shape, Surroundings
from reference.model.residual import Beside, Fork, Join


@dataclass(frozen=True)
class Step:
    """A layer by itself, and the shape of its input."""

    layer: Layer
    shape: Shape
    index: int  # which of the network's layers it is


@dataclass(frozen=True)
class Block:
    """h -> steps(h) + projection(h), on inputs of a shape; no projection is the identity."""

    steps: tuple[Step | Block, ...]
    projection: tuple[Step | Block, ...]
    shape: Shape
    output_shape: Shape


def blocks_of(layers: Sequence[Layer], shapes: Sequence[Shape]) -> list[Step | Block]:
    """Undo what `Residual.expanded` does.

    Parameters
    ----------
    layers : sequence of Layer
        Those of a network.
    shapes : sequence of tuple of int
        The shape of each one's input.

    Returns
    -------
    list of Step or Block
        Layers, and blocks of them, that follow one another.
    """
    steps = [
        Step(layer, shape, i) for i, (layer, shape) in enumerate(zip(layers, shapes, strict=False))
    ]
    return _blocks(steps)


def _blocks(steps: Sequence[Step]) -> list[Step | Block]:
    result: list[Step | Block] = []
    start = 0
    while start < len(steps):
        first = steps[start]
        own, around = _alone(first)
        if not isinstance(own, Fork):
            result.append(Step(own, around.shape, first.index))
            start += 1
            continue
        stop = _end(steps, start)
        result.append(_block(own, around, steps[start + 1 : stop], _alone(steps[stop])[0]))
        start = stop + 1
    return result


def _block(fork: Fork, around: Surroundings, inside: Sequence[Step], join: Layer) -> Block:
    """A block from what lies between its fork and its join."""
    # The block's own layers come first, with the input of the other branch behind them.
    own = [step for step in inside if _alone(step)[1].after > around.after]
    assert isinstance(join, Join)
    return Block(tuple(_blocks(own)), tuple(_blocks(inside[len(own) :])), fork.shape, join.shape)


def _end(steps: Sequence[Step], start: int) -> int:
    """Where the join of the fork at `start` is."""
    depth = 0
    for i in range(start, len(steps)):
        layer = _alone(steps[i])[0]
        depth += isinstance(layer, Fork) - isinstance(layer, Join)
        if depth == 0:
            return i
    raise AssertionError("a fork without its join")


def _alone(step: Step) -> tuple[Layer, Surroundings]:
    """A layer without what it leaves alone, and where its entries are."""
    around: Surroundings | None = getattr(step.layer, "surroundings", None)
    if around is None:
        return step.layer, Surroundings(step.shape, 0, 0)
    return step.layer.layer if isinstance(step.layer, Beside) else step.layer, around
