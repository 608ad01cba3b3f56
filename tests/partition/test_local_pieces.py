"""Networks folded to the units that bend in a box, and boxes cut into pieces: bounds hold in exact
arithmetic, pieces are parts of the box on which the network is what is said."""

from fractions import Fraction

import numpy as np
import pytest
from local_networks import networks

import fast.partition.local.folding as folding
from fast.partition.cell_complex import Complex, InconsistentSigns, TooManyCells
from fast.partition.layer_maps import Maps, maps_to
from fast.partition.local.bends import Bends
from fast.partition.local.boxes import Boxes
from fast.partition.local.folding import Folding, in_bands
from fast.partition.local.pieces import cut
from oracle.mutants.mutant import Mutant
from oracle.mutants.trial import applied
from reference.model import ExactNetwork

NETWORKS = networks()


def some_boxes(latent, count=6, seed=0):
    """Large and small ones, near 0 and away from it, one of them around it."""
    rng = np.random.default_rng(seed)
    halves = 2.0 ** rng.integers(-8, 3, count)
    centres = np.round(rng.standard_normal((count, latent)) / halves[:, None]) * halves[:, None]
    centres[0] = 0.0
    return Boxes(centres, np.tile(halves[:, None], latent))


def folded(network, boxes, most):
    return Folding(network, boxes, most).to(len(network.layers))


def exact_values(network, boxes, u):
    """g at points u (m, S) of every box in fractions, (B, m, D)."""
    exact, result = ExactNetwork(network), []
    for centre, half in zip(*boxes, strict=True):
        # Of few digits: as doubles they are exact.
        numbers = (centre + half * u) * 2.0**30
        assert np.all(numbers == np.round(numbers))
        places = np.array([[*map(int, row), 2**30] for row in numbers.tolist()], dtype=object)
        values, exponent = exact.inputs(places, len(network.layers))
        common = 2 ** (30 + exponent)
        result.append([[Fraction(int(n), common) for n in row] for row in values.tolist()])
    return result


def in_fractions(rows):
    return [[Fraction(float(x)) for x in row] for row in rows]


def outside_of_bands(network, boxes, most, u):
    """How many exact images are outside of what the bands allow for."""
    found = folded(network, boxes, most)
    bands = in_bands(found.maps, found.slots)
    outside = 0
    for box, values in enumerate(exact_values(network, found.boxes, u)):
        slopes, offsets = in_fractions(bands.slopes[box]), bands.offsets[box].tolist()
        doubts = found.doubts[box].tolist()
        for point, row in zip(u.tolist(), values, strict=True):
            for own, offset, doubt, value in zip(slopes, offsets, doubts, row, strict=True):
                along = sum(s * Fraction(p) for s, p in zip(own, point, strict=False))
                spread = sum(map(abs, own[len(point) :]), Fraction(doubt))
                outside += abs(value - Fraction(offset) - along) > spread
    return outside


def points_of(latent, count=12, seed=1):
    """Points of few digits, corners among them."""
    u = np.round(np.random.default_rng(seed).uniform(-1, 1, (count, latent)) * 1024) / 1024
    u[:2] = 1.0
    u[1, 0] = -1.0
    return u


@pytest.mark.parametrize("most", [0, 2, 32])
@pytest.mark.parametrize("name", NETWORKS)
def test_images_are_within_the_bands(name, most):
    network = NETWORKS[name]
    boxes = some_boxes(network.latent_dimension)
    assert outside_of_bands(network, boxes, most, points_of(network.latent_dimension)) == 0


#: Bounds that do not hold.
DEFECTS = [
    Mutant(
        "a chord's distance too small",
        "fast",
        "partition.local.bends",
        "Bends.bands",
        "0.5 * (most - least)",
        "0.45 * (most - least)",
        "a bound a tenth too tight",
    ),
    Mutant(
        "the middle of a band at its end",
        "fast",
        "partition.local.bends",
        "Bends.bands",
        "0.5 * (least + most)",
        "least",
        "a band around its lower end",
    ),
    Mutant(
        "units without a slot forgotten",
        "fast",
        "partition.local.folding",
        "Folding._bent",
        "steep[box, unit], shift[box, unit], off[box, unit] = bands",
        "steep[box, unit], shift[box, unit], _ = bands",
        "the distance from a chord is not among the doubts",
    ),
    Mutant(
        "signs decided by the middle",
        "fast",
        "partition.local.folding",
        "Folding._bounds",
        "radius += rows.doubts + rounding * rows.terms",
        "radius *= 0.9",
        "a unit that bends in a corner is taken for decided",
    ),
]


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_bounds_that_do_not_hold_are_seen(defect):
    with applied(defect):
        assert any(
            outside_of_bands(network, some_boxes(network.latent_dimension, 4), most, points)
            for network in NETWORKS.values()
            for most in (2, 32)
            for points in [points_of(network.latent_dimension)]
        )


def test_rounding_is_among_the_doubts(monkeypatch):
    """Without ε the doubts of a network without bends are 0, and its images are rounded."""
    network, boxes = NETWORKS["no units"], some_boxes(2)
    points = points_of(2)
    assert outside_of_bands(network, boxes, 2, points) == 0
    monkeypatch.setattr(folding, "_EPS", 0.0)
    assert outside_of_bands(network, boxes, 2, points) > 0


def pieces_of(network, boxes, most=64):
    found = folded(network, boxes, most)
    mine = np.flatnonzero(found.whole)
    bends, _ = Bends.of(network)
    pieces = cut(found.boxes.at(mine), found.slots.at(mine), bends, 10**6)
    maps = Maps(found.maps.slopes[mine], found.maps.offsets[mine])
    return found.boxes.at(mine), pieces, maps, found.codes[mine]


def middles(pieces, lattice):
    """A point inside every piece."""
    corners = lattice.corners
    total = np.zeros((pieces.count, pieces.vertices.shape[1]))
    np.add.at(total, corners.owners, pieces.vertices[corners.values])
    return total / corners.counts[:, None]


def volumes(pieces, lattice):
    """Of every piece, by pyramids from its middle over its facets, of length-one normals."""
    inside = middles(pieces, lattice)
    dimension, owners = pieces.vertices.shape[1], lattice.facets.owners
    faces, corners = lattice.facets.values, lattice.faces[-1].corners
    lengths = np.linalg.norm(lattice.normals, axis=1)
    heights = np.einsum("fs,fs->f", lattice.normals, inside[owners]) + lattice.offsets
    result = np.zeros(pieces.count)
    for facet, (owner, face) in enumerate(zip(owners, faces, strict=True)):
        own = pieces.vertices[corners.values[corners.starts[face] : corners.starts[face + 1]]]
        normal = lattice.normals[facet] / lengths[facet]
        result[owner] += heights[facet] / lengths[facet] * size_of(own, normal) / dimension
    return result


def size_of(points, normal):
    """The length of an edge, or the area of a polygon with this normal."""
    if len(normal) == 2:
        return np.linalg.norm(points[1] - points[0])
    away = points - points.mean(axis=0)
    first = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
    first /= np.linalg.norm(first)
    flat = np.stack([away @ first, away @ np.cross(normal, first)])
    flat = flat[:, np.argsort(np.arctan2(flat[1], flat[0]))]
    return 0.5 * abs(np.sum(flat[0] * np.roll(flat[1], -1) - flat[1] * np.roll(flat[0], -1)))


@pytest.fixture
def no_zeros(monkeypatch):
    """Signs contradict each other wherever a vertex may lie on a cut. What was tried is told."""
    tries, original = [], Complex.cut

    def failing(self, signs, max_cells):
        tries.append(bool(np.any(signs == 0)))
        if tries[-1]:
            raise InconsistentSigns
        return original(self, signs, max_cells)

    monkeypatch.setattr(Complex, "cut", failing)
    return tries


@pytest.mark.parametrize("name", NETWORKS)
def test_pieces_that_cuts_with_shifts_make(name, no_zeros):
    """Where signs contradict each other: slivers are left where boundaries meet."""
    check_pieces(NETWORKS[name])
    if name in ("zero biases", "copies of neurons", "quantised"):
        assert any(no_zeros)


@pytest.mark.parametrize("name", NETWORKS)
def test_pieces_are_the_box_and_the_network_is_affine_on_them(name):
    """They have the points in their middle inside, whatever is nearly a sliver apart."""
    least = check_pieces(NETWORKS[name])
    assert least > 0 or name == "nearly copies"


def check_pieces(network):
    """Their volumes add up; the maps and codes are the network's. The least height of a middle
    over a facet is told."""
    boxes, pieces, maps, decided = pieces_of(network, some_boxes(network.latent_dimension, 8))
    lattice = pieces.lattice()
    u = middles(pieces, lattice)
    total = np.bincount(pieces.box, volumes(pieces, lattice), boxes.number)
    np.testing.assert_allclose(total, 2.0**network.latent_dimension, rtol=1e-10)
    own = pieces.maps(maps)
    images = network(boxes.places(pieces.box, u))
    size = 1.0 + np.abs(own.slopes).sum(axis=2) + np.abs(own.offsets)
    got = np.einsum("pds,ps->pd", own.slopes, u) + own.offsets
    # Slivers are as thin as rounding, and their maps are off by as much.
    assert np.max(np.abs(got - images) / size) < 1e-11
    coded = maps_to(network, pieces.codes(decided), len(network.layers))
    again = np.einsum("pds,ps->pd", coded.slopes, boxes.places(pieces.box, u)) + coded.offsets
    assert np.max(np.abs(again - images) / size) < 1e-11
    heights = np.einsum("fs,fs->f", lattice.normals, u[lattice.facets.owners]) + lattice.offsets
    return np.min(heights)


def test_cubes_are_as_the_orthants():
    """One cut through two cubes: vertices, edges and faces of each."""
    for dimension in (2, 3):
        cubes = Complex.cubes(dimension, 2)
        corners = np.tile(
            np.array(np.meshgrid(*[[-1, 1]] * dimension, indexing="ij")).reshape(dimension, -1).T,
            (2, 1),
        )
        assert cubes.counts[0] == len(corners)
        assert cubes.counts[-1] == 2
        ends = corners[cubes.edges]
        np.testing.assert_array_equal(np.abs(ends[0] - ends[1]).sum(axis=1), 2)
        own = cubes.vertices_of(dimension).toarray() > 0
        np.testing.assert_array_equal(own.sum(axis=1), 2**dimension)
        sides = cubes.vertices_of(dimension - 1).toarray() > 0
        assert len(sides) == 4 * dimension
        for side in sides:
            assert np.any(np.abs(corners[side].sum(axis=0)) == 2 ** (dimension - 1))
        made = cubes.cut(np.where(corners[:, 0] > 0, 1, -1).astype(np.int8), 10)
        assert cubes.n_cells == 4
        assert len(made.above) == 2 * 2 ** (dimension - 1)


def test_too_many_pieces_are_refused_before_they_are_made():
    network = NETWORKS["two layers"]
    found = folded(network, Boxes(np.zeros((1, 2)), np.full((1, 2), 4.0)), 64)
    bends, _ = Bends.of(network)
    with pytest.raises(TooManyCells):
        cut(found.boxes, found.slots, bends, 10)
