"""Polygons in plain doubles: what the general way gives, and what rounding may do is bounded."""

from dataclasses import replace

import numpy as np
import pytest

from fast import gaussian_on_polyhedron
from fast.integration.truncated import _DOUBT, _anywhere, _in_the_plane
from fast.integration.whitened import Whitened
from fast.polyhedra.from_halfspaces import lattice_of_halfspaces
from oracle.mutants.mutant import in_fast
from oracle.mutants.trial import applied

SEEDS = range(300)
#: What log masses, and moments in deviations, may differ by beside what is told: the general way
#: has a rounding of its own. And by how many times what is told.
SMALL, SHARE = (2e-14, 2e-13), (0.25, 3.0)
#: What is told is a bound as long as it is small.
LARGEST = 1e-3


def a_polygon(rng):
    """From one to eight half-planes, so that it is bounded or not, around 0 or not, thin or not."""
    count = rng.integers(1, 9)
    normals = rng.standard_normal((count, 2))
    if rng.random() < 0.4 and count > 1:
        # Nearly a strip, or nearly a half-plane.
        normals[1] = rng.choice([-1, 1]) * normals[0] + 10.0 ** rng.uniform(-9, 0) * normals[1]
    offsets = rng.uniform(-0.1, 1.0, count) * 10.0 ** rng.uniform(-4, 2)
    if rng.random() < 0.2:
        # A rectangle that goes far both ways, turned.
        turn = np.linalg.qr(rng.standard_normal((2, 2)))[0]
        normals, length = np.concatenate([turn, -turn]), 10.0 ** rng.uniform(0, 7)
        offsets = np.array([length, 1.0, length, 1.0]) * rng.uniform(0.1, 1.0, 4)
    if rng.random() < 0.3:
        # Far from 0, beside its size.
        offsets = offsets - normals @ (rng.standard_normal(2) * 10.0 ** rng.uniform(0, 4))
    return lattice_of_halfspaces(normals, offsets)


def gaussians(lattice, rng, count=5):
    """Gaussians on it: near or far, wide or narrow, in any coordinates."""
    maps = rng.standard_normal((2, 2)) * 10.0 ** rng.uniform(-2, 3)
    if rng.random() < 0.3:
        maps = maps @ np.diag([1.0, 10.0 ** rng.uniform(0, 5)]) @ rng.standard_normal((2, 2))
    # From its least corner on, which is not far where it is far from 0 itself.
    corners = lattice.positions[lattice.points]
    means = corners[np.argmin(np.abs(corners).sum(axis=1))] * (rng.random() < 0.5)
    means = means + rng.standard_normal((count, 2)) * 10.0 ** rng.uniform(-3, 2, (count, 1))
    every = np.zeros(count, dtype=np.intp)
    roots = np.broadcast_to(np.linalg.qr(maps)[1], (count, 2, 2))
    centres = np.einsum("nij,nj->ni", roots, means)
    return Whitened.of(lattice, every, roots, centres, means)


def both_ways():
    """Of every polygon: in plain doubles with what may be lost, and the general way."""
    for seed in SEEDS:
        rng = np.random.default_rng([41, seed])
        lattice = a_polygon(rng)
        # Half-planes and strips have lines, which leave an interval.
        if lattice is not None and lattice.dimension == 2:
            items = gaussians(lattice, rng)
            with np.errstate(all="ignore"):
                yield *_in_the_plane(items), _anywhere(items)[0]


def differences(found, expected):
    """Of log masses over max(1, |log mass|), and of moments in deviations, item by item."""
    logs = [t.log_volume - 0.5 * t.square for t in (found, expected)]
    masses = np.abs(logs[0] - logs[1]) / np.maximum(1.0, np.abs(logs[1]))
    deviations = np.sqrt(np.einsum("nii->ni", expected.cov))
    means = (np.abs(found.mean - expected.mean) / deviations).max(axis=1)
    scales = deviations[:, :, None] * deviations[:, None]
    spreads = (np.abs(found.cov - expected.cov) / scales).max(axis=(1, 2))
    entropies = np.abs(found.entropy - expected.entropy)
    return masses, np.maximum(
        np.maximum(means, spreads), entropies / np.maximum(1, np.abs(logs[1]))
    )


def worst():
    """How many Gaussians there were; how many of them were not in doubt; and of these the largest
    differences, over what these may be."""
    count, clear, excess = 0, 0, np.zeros(2)
    for found, doubts, expected in both_ways():
        mine = doubts <= LARGEST
        count, clear = count + len(doubts), clear + np.count_nonzero(doubts <= _DOUBT)
        for i, values in enumerate(differences(found, expected)):
            allowed = SMALL[i] + SHARE[i] * doubts[mine]
            excess[i] = np.maximum(excess[i], np.max(values[mine] / allowed, initial=0.0))
    return count, clear, excess


def test_the_same_as_the_general_way():
    """To what is told, which is little for most, whatever their shape."""
    count, clear, excess = worst()
    assert count >= 1000
    assert clear >= 0.4 * count
    assert np.all(excess <= 1.0)


@pytest.mark.parametrize(
    ("function", "text", "by"),
    [
        (
            "_seen",
            "edges.bounded & (_share(first(edges)[1]",
            "edges.endless & (_share(first(edges)[1]",
        ),
        ("_bends", "return np.asarray(4 * _EPS", "return np.asarray(0 * _EPS"),
        ("_triangles", "np.abs(start) + ratio * np.abs(span)", "np.abs(start + ratio * span)"),
        ("split_polygons", "found.lost[kept] / found.volume[kept]", "0.0 * found.lost[kept]"),
    ],
)
def test_what_is_lost_without_saying_is_seen(function, text, by):
    """What the bound is made of is needed, and so is the care that it speaks of."""
    with applied(in_fast(function, "integration.clear.polygons", function, text, by, "")):
        assert not np.all(worst()[2] <= 1.0)


def test_rays_that_double_precision_takes_for_opposite():
    """Nothing can be said of what lies between them, so that nothing is said to be certain."""
    lattice = lattice_of_halfspaces(np.eye(2), np.zeros(2))
    positions = lattice.positions.copy()
    positions[~lattice.points] = [[0.1, 0.7], [-0.1, -0.7]]
    items = gaussians(replace(lattice, positions=positions), np.random.default_rng(0))
    with np.errstate(all="ignore"):
        assert not np.any(_in_the_plane(items)[1] <= _DOUBT)


#: Half-planes, mean and factor: what was wrong by 1e-10 to 1e-8 without a word, found by a reader.
BESIDE = {
    # The foot of the mean on an edge is so near a corner that their distances are the same.
    "a foot beside a corner": (np.eye(2)[::-1], [0.0, 0.0], [1e-8, -1.0], np.eye(2)),
    "the same, edges turned": (np.eye(2), [0.0, 0.0], [1e-8, -1.0], np.eye(2)),
    # Where the nearest point was rounded to is not where u is 0.
    "a mean on an edge": (
        [
            [-0.03851628205157375, 0.9992579727062094],
            [0.9877030880907373, 0.33829367386343656],
            [-1.0108128573216815, 0.26126110976028905],
        ],
        [-3.482952994977337, 1338.5389652232916, 1577.1547999083596],
        [-163.83852401154894, -2.829597445299873],
        [
            [0.00035365341402595886, -0.03851628205157375],
            [1.3631529610152668e-05, 0.9992579727062094],
        ],
    ),
    "a wide half-strip": (
        [[0.0, 1.0], [1.0, 0.3], [-1.0, 0.3]],
        [-1.4171676172194605, 885.3240813387122, 1310.149729146744],
        [2.5868449373152513, 1.2012812357320768],
        np.diag([0.0008854615030820137, 1.0]),
    ),
}


def on_one(normals, offsets, mean, factor):
    """A Gaussian in both ways, as `both_ways`."""
    lattice = lattice_of_halfspaces(np.array(normals), np.array(offsets))
    roots, none = np.linalg.inv(factor)[None], np.zeros(1, dtype=np.intp)
    items = Whitened.of(lattice, none, roots, None, np.array([mean]))
    with np.errstate(all="ignore"):
        return *_in_the_plane(items), _anywhere(items)[0]


@pytest.mark.parametrize("name", BESIDE)
def test_peaks_beside_the_nearest_point(name):
    found, doubts, expected = on_one(*BESIDE[name])
    masses, moments = differences(found, expected)
    assert doubts[0] < 1e-8
    assert masses[0] <= 1e-13
    assert moments[0] <= 1e-12


@pytest.mark.parametrize(
    ("function", "text", "by"),
    [
        (
            "split_polygons",
            "slopes = _dot(corners, whitened[item, None])",
            "slopes = np.maximum(_dot(corners, whitened[item, None]), 0.0)",
        ),
        ("_nearest", "np.where(inside, 0.0, there)", "np.where(inside, 0.0, nearest[best])"),
    ],
)
def test_peaks_taken_for_the_nearest_point_are_seen(function, text, by):
    with applied(in_fast(function, "integration.clear.polygons", function, text, by, "")):
        found = [differences(*on_one(*case)[::2]) for case in BESIDE.values()]
        assert max(masses[0] + moments[0] for masses, moments in found) > 1e-11


@pytest.mark.parametrize(("scale", "far"), [(1e152, 400.0), (3e153, 4.0)])
def test_where_squares_overflow(scale, far):
    """A triangle whose |det| is no number was left out."""
    normals = np.array([[-1.0, -1.0], [-0.3, -1.0], [-1.0, -0.3]])
    offsets, mean = np.array([1.0, far, far]), np.zeros((1, 2))
    found = gaussian_on_polyhedron(normals, offsets * scale, mean, scale**2)
    expected = gaussian_on_polyhedron(normals, offsets, mean, 1.0)
    assert found.log_mass[0] == pytest.approx(expected.log_mass[0], rel=1e-12)
