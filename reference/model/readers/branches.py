"""From a graph of layers and additions to a list of layers, in which an addition is a Residual."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from reference.model.layer_protocol import Layer
from reference.model.residual import Residual


@dataclass(frozen=True)
class Node:
    """A value of a graph: layers applied to one other value, or the sum of two.

    Parameters
    ----------
    name : str
        What other nodes know the value by.
    inputs : tuple of str
        One name, or two: then the value is their sum.
    layers : sequence of Layer, default ()
        Applied to the one input, in order. None of them is the identity.
    """

    name: str
    inputs: tuple[str, ...]
    layers: Sequence[Layer] = ()


def layers_of_graph(
    nodes: Sequence[Node], graph_input: str, graph_output: str
) -> list[Layer | Residual]:
    """Return the layers that lead from the input of a graph to its output.

    Parameters
    ----------
    nodes : sequence of Node
        In topological order: each after its inputs. Those that the output does not need are left
        out of the result.
    graph_input : str
        The name of the value that no node makes.
    graph_output : str
        The name of a node, or of the input.

    Returns
    -------
    list of Layer or Residual
        A sum is Residual(layers of one branch, those of the other), from the nearest value that
        both branches pass through.

    Raises
    ------
    ValueError
        If branches cross, so that a layer would have to be taken twice; and if nothing but a value
        itself is added to it.

    Notes
    -----
    The result is the same function, but for the order in which three or more terms are added.
    Guarded by tests/model/test_branches.py.
    """
    return _Graph(nodes, graph_input, graph_output).path(graph_input, graph_output)


@dataclass
class _Graph:
    """The nodes that an output needs, and through which values every path to each of them leads."""

    nodes: Sequence[Node]
    start: str
    end: str
    by_name: dict[str, Node] = field(default_factory=dict)
    #: The last value that every path from the start to this one passes through: its dominator.
    dominator: dict[str, str] = field(default_factory=dict)
    depth: dict[str, int] = field(default_factory=dict)
    #: How many times each value is used.
    uses: Counter[str] = field(default_factory=Counter)
    taken: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        needed = {self.end}
        for node in reversed(self.nodes):
            if node.name in needed:
                needed.update(node.inputs)
                self.uses.update(node.inputs)
        self.depth[self.start] = 0
        for node in self.nodes:
            if node.name in needed:
                self.by_name[node.name] = node
                above = self.nearest_common(node.inputs)
                self.dominator[node.name], self.depth[node.name] = above, self.depth[above] + 1

    def nearest_common(self, names: Sequence[str]) -> str:
        """The last value that every path to each of these passes through."""
        common, *others = names
        for other in others:
            while common != other:
                if self.depth[common] < self.depth[other]:
                    other = self.dominator[other]
                else:
                    common = self.dominator[common]
        return common

    def path(self, first: str, last: str) -> list[Layer | Residual]:
        """The layers between two values, of which the first dominates the last."""
        backwards: list[Layer | Residual] = []
        while last != first:
            self._take(last)
            node = self.by_name[last]
            if len(node.inputs) == 1:
                backwards.extend(reversed(node.layers))
            else:
                backwards.append(self._sum(self.dominator[last], self._terms(node)))
            last = self.dominator[last]
        return backwards[::-1]

    def _take(self, name: str) -> None:
        if name in self.taken:
            raise ValueError(
                f"{name}: branches that are added cross here; expected skip connections one after "
                "another or one within another, so that every layer lies on one branch"
            )
        self.taken.add(name)

    def _terms(self, node: Node) -> list[str]:
        """What is added, where sums that are used for nothing else are taken apart."""
        terms: list[str] = []
        for name in node.inputs:
            inner = self.by_name.get(name)
            if inner is not None and len(inner.inputs) == 2 and self.uses[name] == 1:
                self._take(name)
                terms.extend(self._terms(inner))
            else:
                terms.append(name)
        return terms

    def _sum(self, start: str, terms: Sequence[str]) -> Residual:
        """The sum of several values as a function of their nearest common dominator."""
        branches: list[list[Layer | Residual]] = []
        groups: dict[str, list[str]] = {}
        for term in terms:
            if term == start:
                branches.append([])
            else:
                groups.setdefault(self._after(start, term), []).append(term)
        for group in groups.values():
            # Values that share a first stretch are added where they part, not where it begins.
            fork = self.nearest_common(group)
            branch = self.path(start, fork)
            if len(group) > 1:
                branch.append(self._sum(fork, group))
            branches.append(branch)
        # The longest branch is the block; one without layers is the identity.
        first, second, *others = sorted(branches, key=len, reverse=True)
        if not first:
            raise ValueError(f"{start}: added to itself; expected a product with {len(terms)}")
        block = Residual(first, second or None)
        for branch in others:
            block = Residual([block], branch or None)
        return block

    def _after(self, start: str, name: str) -> str:
        """The first value after the start that every path to this one passes through."""
        while self.dominator[name] != start:
            name = self.dominator[name]
        return name
