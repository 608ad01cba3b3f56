"""The checks of the partition can fail: each breakage of fast's enumeration is caught.

A breakage counts as caught when the oracle's codes differ, when a facet, corner or map is not what
the network has at points drawn from the regions, or when the enumeration itself refuses.
"""

from dataclasses import replace

import numpy as np
import pytest
from tests_support import wrong_at_random_points

import fast
import fast.partition.by_corners.corner_cells
import fast.partition.by_corners.edges
import fast.partition.by_corners.facets
import fast.partition.cell_complex
import fast.partition.cut_line
import fast.partition.cut_space
import fast.partition.cut_vertices
import fast.partition.layer_maps
import fast.partition.location
import fast.partition.partition
import fast.partition.region_polyhedra
import fast.partition.regions
from oracle import exact_regions, layers_of
from reference.model import Dense, Flatten, LeakyReLU, MaxPool, Network, ReLU, Reshape


def nearly_the_same(latent):
    """Rows that are those before them to 12 digits or more, in both layers."""
    rng = np.random.default_rng([72, latent])

    def dense(n_in):
        weight, bias = rng.standard_normal((2, n_in)), rng.standard_normal(2)
        small = 10.0 ** -rng.uniform(12, 16, (2, 1))
        rows = np.concatenate([weight, weight + small * rng.standard_normal((2, n_in))])
        return Dense(rows, np.tile(bias, 2))

    last = Dense(rng.standard_normal((2, 4)), np.zeros(2))
    return Network([dense(latent), ReLU(), dense(4), LeakyReLU(0.1), last])


rng = np.random.default_rng(71)
NETWORKS = {
    "relu": Network.random([2, 5, 4, 2], ReLU(), 21),
    "three dimensions": Network.random([3, 4, 3, 2], LeakyReLU(0.1), 22),
    "twins": Network(
        [
            Dense(
                np.repeat(rng.standard_normal((3, 2)), 2, axis=0), np.repeat([0.3, -0.7, 0.2], 2)
            ),
            ReLU(),
            Dense(rng.standard_normal((3, 6)), np.zeros(3)),
            ReLU(),
            Dense(rng.standard_normal((2, 3)), np.zeros(2)),
        ]
    ),
    "maxout": Network(
        [
            Dense(rng.standard_normal((6, 2)), rng.standard_normal(6)),
            MaxPool(channels=3),
            Dense(rng.standard_normal((4, 2)), rng.standard_normal(4)),
            MaxPool(channels=2),
        ]
    ),
    "overlapping windows": Network(
        [
            Dense([[0.375, 0.125], [0, -0.25], [0, 0], [0, 0]], [-0.275, 0.475, 0.225, 0.225]),
            Reshape((1, 1, 4)),
            MaxPool((1, 2), 1),
            Flatten(),
        ]
    ),
    "one dimension": Network.random([1, 6, 5, 2], ReLU(), 23),
    "five dimensions": Network.random([5, 6, 2, 1], ReLU(), 24),
    "parallels in five dimensions": Network(
        [
            Dense(np.eye(5)[[0, 1, 2, 3, 4, 0, 1]], [0.0, 0.25, 0.0, 0.0, 0.5, 1.0, -1.0]),
            LeakyReLU(0.1),
            Dense([[1.0, 2.0, -1.0, 0.5, 1.5, 0.0, -2.0]], [0.3]),
            ReLU(),
        ]
    ),
    "all corners on many cuts": Network(
        [
            Dense(np.concatenate([np.eye(5), np.eye(5)[[0, 2]] + np.eye(5)[[1, 3]]]), np.zeros(7)),
            ReLU(),
        ]
    ),
    # Corners that are no neighbours have as many cuts in common as neighbours have elsewhere.
    "planes through a line, times a square": Network(
        [
            Dense(
                [*np.eye(5)[[0, 1, 2, 3, 4, 3, 4]], [1, 1, 1, 0, 0], [0.5, 0, 0, 1, 1]],
                [0, 0, 0, 0, 0, -1, -1, 0, -1.25],
            ),
            ReLU(),
        ]
    ),
    "nearly the same": nearly_the_same(2),
    "nearly the same in one dimension": nearly_the_same(1),
}
EXACT = {
    name: {region.code for region in exact_regions(layers_of(network))}
    for name, network in NETWORKS.items()
}


def caught():
    """What the checks say of fast as it is now: the first complaint, or None. A refusal counts: a
    partition is then not given out."""
    for name, network in NETWORKS.items():
        try:
            found = fast.DGN(network, 1.0).partition()
        except fast.PartitionError:
            return f"{name}: refused"
        if {tuple(map(int, code)) for code in found.codes} != EXACT[name]:
            return f"{name}: codes"
        # Inside of regions thinner than rounding lies no double.
        thin = name.startswith("nearly")
        if complaint := None if thin else wrong_at_random_points(network, found):
            return f"{name}: {complaint}"
    return None


def test_nothing_is_wrong_unbroken():
    assert caught() is None


def wrapped(place, name, change):
    """Replace a function or method by `change` of it."""

    def breakage(monkeypatch):
        monkeypatch.setattr(place, name, change(getattr(place, name)))

    return breakage


def after(change):
    """A wrapper that changes what a function returns."""
    return lambda function: lambda *args, **kwargs: change(function(*args, **kwargs))


def lost(regions):
    """Without the second region."""
    keep = np.arange(len(regions.codes)) != 1
    starts = np.delete(regions.polyhedra.starts, 1)
    return regions._replace(
        codes=regions.codes[keep],
        polyhedra=replace(regions.polyhedra, starts=starts, corners=None),
    )


def maps(**changes):
    """The named arrays of the maps changed."""
    return after(
        lambda m: m._replace(**{n: change(getattr(m, n)) for n, change in changes.items()})
    )


def nudged(array):
    """One entry off by 1e-9 of itself."""
    array = array.copy()
    array.reshape(-1)[0] *= 1 + 1e-9
    return array


def misplaced(function):
    """New vertices in the middle of their edges."""

    def broken(self, cut, made_by, values, errors):
        return function(self, cut, made_by, np.sign(values), errors)

    return broken


def untold(function):
    """The parts below a cut keep the code of the parts above."""

    def broken(self, signs, max_cells):
        cut = function(self, signs, max_cells)
        sides = cut.sides.copy()
        sides[len(sides) - len(cut.parents) :] = 1
        return cut._replace(sides=sides)

    return broken


def deaf(function):
    """Every second cut splits nothing."""
    calls = []

    def broken(self, signs, max_cells):
        calls.append(1)
        return function(self, np.abs(signs) if len(calls) % 2 else signs, max_cells)

    return broken


def swapped_points(function):
    """A direction at infinity taken for a point."""

    def broken(self, exact, places):
        return function(self, exact, np.where(places == 0, 1, places))

    return broken


def swapped_ends(function):
    """The two ends of each cut edge exchanged."""

    def broken(self, cut, made_by):
        return function(self, cut._replace(above=cut.below, below=cut.above), made_by)

    return broken


BREAKAGES = {
    "a region is lost": wrapped(fast.partition.partition, "regions_of_cells", after(lost)),
    "slopes of the next region": wrapped(
        fast.partition.layer_maps, "maps_to", maps(slopes=lambda a: np.roll(a, 1, axis=0))
    ),
    "an offset wrong by 1e-9": wrapped(fast.partition.layer_maps, "maps_to", maps(offsets=nudged)),
    "single-precision slopes": wrapped(
        fast.partition.layer_maps,
        "maps_to",
        maps(slopes=lambda a: a.astype(np.float32).astype(float)),
    ),
    "facets turned round": wrapped(
        fast.partition.regions, "facet_halfspaces", maps(normals=np.negative)
    ),
    "facets of the next region": wrapped(
        fast.partition.regions, "facet_halfspaces", maps(normals=lambda a: np.roll(a, 1, axis=0))
    ),
    "vertices in the middle of edges": wrapped(
        fast.partition.cut_vertices.Vertices, "add", misplaced
    ),
    "directions taken for points": wrapped(
        fast.partition.cut_vertices.Vertices, "__init__", swapped_points
    ),
    "new cells keep the old sign": wrapped(fast.partition.cell_complex.Complex, "cut", untold),
    "every second cut does nothing": wrapped(fast.partition.cell_complex.Complex, "cut", deaf),
    "signs taken from doubles": wrapped(
        fast.partition.cut_vertices.Vertices,
        "settle",
        lambda f: lambda vertices, function, values, errors: (values, errors),
    ),
    "integers give the opposite sign": wrapped(
        fast.partition.exact_vertices.Function,
        "of",
        after(lambda found: found._replace(numbers=-found.numbers)),
    ),
    "vertices in integers on the wrong side of their edges": wrapped(
        fast.partition.exact_vertices.ExactVertices, "add", swapped_ends
    ),
    "edges between corners on many cuts not found": wrapped(
        fast.partition.by_corners.edges, "_alone", after(np.zeros_like)
    ),
    "third corners of an edge not looked for": wrapped(
        fast.partition.by_corners.edges, "_alone", after(np.ones_like)
    ),
    "facets of single corners": wrapped(
        fast.partition.by_corners.facets,
        "_facet_cuts",
        lambda f: lambda rows, simple, sizes, dimension: rows.any(axis=1),
    ),
    "facets on many cuts not found": wrapped(
        fast.partition.by_corners.facets,
        "_facet_cuts",
        lambda f: lambda rows, simple, sizes, dimension: f(rows, simple, sizes, 10**6),
    ),
    "zeros of a cut not on it": wrapped(
        fast.partition.by_corners.corner_cells.CornerCells,
        "_add_vertices",
        lambda f: lambda cells, signs, edges: f(cells, np.where(signs == 0, 1, signs), edges),
    ),
    "parts above a cut keep the corners below": wrapped(
        fast.partition.by_corners.corner_cells.CornerCells,
        "_halve",
        lambda f: lambda cells, whole, kept, new: f(cells, whole, np.ones_like(kept), new),
    ),
    "errors forgotten at new vertices": wrapped(
        fast.partition.cut_vertices, "_between", after(lambda found: (found[0], 0.0 * found[1]))
    ),
    "windows not reduced to their largest": wrapped(
        fast.partition.cut_vertices.Vertices,
        "pass_windows",
        lambda f: lambda vertices, windows: f(vertices, windows[:, :1]),
    ),
    "half-spaces of a facet that is another's": wrapped(
        fast.partition.regions, "_first_difference", after(lambda e: np.maximum(e - 1, 0))
    ),
    "intervals of one dimension not cut": wrapped(
        fast.partition.cut_line,
        "_signs",
        after(lambda found: (found[0], np.zeros_like(found[1]))),
    ),
    "tied candidates go to the last": wrapped(
        fast.partition.cut_space._Cutting, "_challenge", after(np.zeros_like)
    ),
    "points located one region on": wrapped(
        fast.partition.partition, "locate", after(lambda r: r - 1)
    ),
}


@pytest.mark.parametrize("name", list(BREAKAGES))
def test_breakage_is_caught(monkeypatch, name):
    BREAKAGES[name](monkeypatch)
    assert caught() is not None


def test_signs_of_no_function_are_refused(monkeypatch):
    """Signs that are not those of an affine function: named as a fault, not some partition."""
    rng = np.random.default_rng(0)

    def crossed(vertices, function, values, errors):
        return rng.choice([-1.0, 1.0], len(values)), 0.0 * errors

    monkeypatch.setattr(fast.partition.cut_vertices.Vertices, "settle", crossed)
    with pytest.raises(fast.PartitionError, match="a fault of the program"):
        fast.DGN(NETWORKS["relu"], 1.0).partition()
