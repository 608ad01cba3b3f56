"""Graphs of layers and additions as lists of layers: the same function, every layer taken once."""

import numpy as np
import pytest

from reference import Dense, ReLU
from reference.model.readers.branches import Node, layers_of_graph
from reference.model.residual import Residual


def dense(seed, n=3):
    rng = np.random.default_rng([41, seed])
    return Dense(rng.standard_normal((n, n)), rng.standard_normal(n))


def value(layers, h):
    """What a list of layers computes: a Residual by its definition, the others by their own."""
    for layer in layers:
        if isinstance(layer, Residual):
            h = value(layer.layers, h) + value(layer.projection or (), h)
        else:
            h = layer.apply(h)
    return h


def graph_value(nodes, h, output):
    values = {"z": h}
    for node in nodes:
        before = [values[name] for name in node.inputs]
        values[node.name] = sum(before) if len(before) == 2 else value(node.layers, *before)
    return values[output]


def leaves(layers):
    """Every layer that is no Residual, with repetitions."""
    for layer in layers:
        if isinstance(layer, Residual):
            yield from leaves(layer.layers)
            yield from leaves(layer.projection or ())
        else:
            yield layer


def graph(**steps):
    """Nodes from name="input" for a layer of its own, name="a b" for a sum."""
    return [
        Node(name, tuple(of.split()), () if " " in of else (dense(i), ReLU()))
        for i, (name, of) in enumerate(steps.items())
    ]


def shape_of(layers):
    """Where the sums lie: a number for consecutive layers, (branch, projection) for a Residual."""
    told = []
    for layer in layers:
        if isinstance(layer, Residual):
            told.append((shape_of(layer.layers), shape_of(layer.projection or ())))
        elif isinstance(layer, Dense):
            told.append("D")
    return told


GRAPHS = {
    "chain": (graph(a="z", b="a"), ["D", "D"]),
    "identity": (graph(a="z", b="a", y="b z"), [(["D", "D"], [])]),
    "identity first": (graph(a="z", b="a", y="z b"), [(["D", "D"], [])]),
    "projection": (graph(a="z", b="a", p="z", y="p b"), [(["D", "D"], ["D"])]),
    # Not as the sum of a value with itself, which is no chain of layers, and then of a.
    "twice and a branch": (graph(a="z", s="z z", y="s a"), [([(["D"], [])], [])]),
    "after a stem": (graph(a="z", b="a", y="b a", c="y"), ["D", (["D"], []), "D"]),
    "one after another": (
        graph(a="z", s="a z", b="s", t="b s", c="t"),
        [(["D"], []), (["D"], []), "D"],
    ),
    "nested": (
        graph(a="z", b="a", s="b a", c="s", y="c z"),
        [(["D", (["D"], []), "D"], [])],
    ),
    "nested in a projection": (
        graph(a="z", p="z", q="p", s="q p", y="a s"),
        [(["D", (["D"], [])], ["D"])],
    ),
    # The first sum is used for the second one alone: b lies before the fork of c.
    "different depths": (
        graph(b="z", c="b", s="c z", y="s b"),
        [(["D", (["D"], [])], [])],
    ),
    "all earlier values": (
        graph(a="z", b="a", c="b", s="a c", t="z b", y="s t"),
        [(["D", (["D", (["D"], [])], [])], [])],
    ),
    "three branches": (
        graph(a="z", b="z", c="z", s="a b", y="s c"),
        [([(["D"], ["D"])], ["D"])],
    ),
    "not needed": (graph(a="z", b="a", c="b", s="c a", y="a z"), [(["D"], [])]),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_same_function_and_shape(name):
    nodes, expected = GRAPHS[name]
    output = nodes[-1].name
    layers = layers_of_graph(nodes, "z", output)
    assert shape_of(layers) == expected
    Z = np.random.default_rng(0).standard_normal((7, 3))
    np.testing.assert_allclose(
        value(layers, Z), graph_value(nodes, Z, output), rtol=1e-12, atol=1e-12
    )


def random_graph(rng):
    """Any values added to any others: often branches that cross."""
    names, nodes = ["z"], []
    for i in range(int(rng.integers(2, 11))):
        name = f"n{i}"
        if len(names) > 1 and rng.random() < 0.45:
            # Mostly recent values, so that much of the graph is needed.
            inputs = tuple(str(n) for n in rng.choice(names[-3:], 2, replace=False))
            nodes.append(Node(name, inputs))
        else:
            nodes.append(Node(name, (str(rng.choice(names[-2:])),), (dense(i), ReLU())))
        names.append(name)
    return nodes, names[-1]


def needed_layers(nodes, output):
    needed, layers = {output}, []
    for node in reversed(nodes):
        if node.name in needed:
            needed.update(node.inputs)
            layers.extend(node.layers)
    return layers


def test_random_graphs():
    """Read rightly, with every layer of the graph once, or refused."""
    rng = np.random.default_rng(5)
    Z = rng.standard_normal((5, 3))
    read = refused = 0
    for _ in range(500):
        nodes, output = random_graph(rng)
        try:
            layers = layers_of_graph(nodes, "z", output)
        except ValueError as error:
            if "branches that are added cross here" in str(error):
                refused += 1
            elif "added to itself" not in str(error):
                raise
            continue
        read += 1
        assert sorted(map(id, leaves(layers))) == sorted(map(id, needed_layers(nodes, output)))
        wanted = graph_value(nodes, Z, output)
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(value(layers, Z), wanted, rtol=0, atol=1e-12 * scale)
    assert read > 200
    assert refused > 20


def test_crossing_branches_are_refused():
    """b lies on both branches of y, and one of them has a part without b."""
    nodes = graph(b="z", c="b", s="c z", d="s", y="d b")
    with pytest.raises(ValueError, match=r"^b: branches that are added cross here; expected skip"):
        layers_of_graph(nodes, "z", "y")


def test_a_value_added_to_itself_is_refused():
    """Readers make a product of it, since they know its shape."""
    nodes = graph(a="z", s="a a", y="s a", b="y")
    with pytest.raises(ValueError, match=r"^a: added to itself; expected a product with 3$"):
        layers_of_graph(nodes, "z", "b")


def test_input_is_output():
    assert layers_of_graph([], "z", "z") == []


def test_long_chains_and_many_blocks():
    """No recursion along a chain of blocks."""
    nodes, before = [], "z"
    for i in range(1500):
        nodes += [Node(f"a{i}", (before,), (ReLU(),)), Node(f"s{i}", (f"a{i}", before))]
        before = f"s{i}"
    assert len(layers_of_graph(nodes, "z", before)) == 1500
