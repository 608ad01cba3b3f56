"""Shares of regions far from the manifold: small differences of large numbers."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

import fast
import fast.one_dimension.pairs
import reference
import reference.distributions.responsibilities
from fast.one_dimension.far_tail import Direct, Line, relative_peaks
from oracle.exact.layers import layers_of
from oracle.truths.one_dimension import exact_values
from reference import Dense, Hardtanh, LeakyReLU, Network, ReLU

# Wide enough for peaks hundreds of units along an arm.
PRIOR = 1e4 * np.eye(1)


def random_far_case(seed):
    """A random network and points hundreds of σ away, where several regions share the posterior."""
    rng = np.random.default_rng([23, seed])
    network = Network.random([1, 6, 6, 15], LeakyReLU(0.1), rng)
    cov_x = 10.0 ** rng.uniform(-2, 0, 15)
    direction = rng.standard_normal((3, 15))
    direction *= 10 ** rng.uniform(2, 3.1, (3, 1)) / np.linalg.norm(direction, axis=1)[:, None]
    return network, cov_x, network(rng.standard_normal((3, 1))) + direction * np.sqrt(cov_x)


def shallow_fold(seed):
    """g(z) = (z, s |z|), turned and shifted, and points far above it: both arms hold a peak.

    With θ the arms' angle and x = (δ, h), log p at the peaks differs by h δ sin 2θ; it falls by
    (h sin θ)² / 2, at most 900, from each to the kink between them.
    """
    rng = np.random.default_rng([29, seed])
    theta, turn = rng.uniform(0.01, 0.03), rng.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    arms = rotation @ [[1.0, -1.0], [np.tan(theta), np.tan(theta)]]
    shift = rng.standard_normal(2)
    network = Network([Dense([[1.0], [-1.0]], [0.0, 0.0]), ReLU(), Dense(arms, shift)])
    height = rng.uniform(300, 1400, 3)
    across = rng.uniform(-2, 2, 3) / (height * np.sin(2 * theta))
    return network, np.ones(2), np.column_stack([across, height]) @ rotation.T + shift


def far_case(seed):
    """Six random networks, then six folds."""
    return random_far_case(seed) if seed < 6 else shallow_fold(seed)


def truth(seed):
    """The oracle's log p(x) and e0 by code, point by point."""
    network, cov_x, X = far_case(seed)
    zeros = np.zeros(len(X))
    values = exact_values(layers_of(network), cov_x, PRIOR, X, zeros, zeros + 1)[1:]
    return [
        {
            key[1] if key[0] == "e0" else "log p": float(v.value)
            for key, v in row.items()
            if key[0] in ("e0", "log p")
        }
        for row in values
    ]


@pytest.fixture(scope="module")
def cases():
    """Twelve cases with their truth."""
    return [(far_case(seed), truth(seed)) for seed in range(12)]


def worst_share(impl, cases):
    """The largest absolute error of e0 over all cases, points and regions."""
    worst = 0.0
    for (network, cov_x, X), rows in cases:
        dgn = impl.DGN(network, cov_x, PRIOR)
        codes = [tuple(int(v) for v in code) for code in dgn.partition().codes]
        for e0, row in zip(dgn.posterior(X).e0, rows, strict=True):
            worst = max(worst, *(abs(a - row[code]) for a, code in zip(e0, codes, strict=True)))
    return worst


def test_the_cases_are_far_and_shared(cases):
    """log p down to about -1e6, and posteriors that more than one region shares."""
    logs = [row["log p"] for _, rows in cases for row in rows]
    largest = [max(v for k, v in row.items() if k != "log p") for _, rows in cases for row in rows]
    assert min(logs) < -3e5
    assert sum(share < 0.999 for share in largest) >= 6


def test_shares_hold_in_the_far_tail(impl, cases):
    """e0 to 1e-12 absolute: the steps along the line round by ε times their own size."""
    assert worst_share(impl, cases) <= 1e-12


def test_plain_differences_would_not(monkeypatch, impl, cases):
    """The same from differences of log p(x, z), each rounded by ε |log p|."""
    if impl is fast:
        monkeypatch.setattr(fast.one_dimension.pairs, "_FAR_TAIL", np.inf)
    else:
        monkeypatch.setattr(
            reference.distributions.responsibilities,
            "log_relative_peaks",
            lambda x, terms, *model: (
                np.array([t.log_peak for t in terms]) - max(t.log_peak for t in terms)
            ),
        )
    assert worst_share(impl, cases) > 2e-12


EPS = np.finfo(float).eps


def line_of_peaks(rng, constant, off):
    """A row of eight regions, one of whose widths is a share `off` from true: the arguments of
    relative_peaks, the exact heights of the peaks less the largest, and the smaller of two ways
    there, in nats that are rounded: what is travelled along the line, with what the width is off,
    and how far both are below a height `constant` above the largest."""
    regions = 8
    lower = rng.uniform(-60, 40, regions)
    upper = lower + rng.uniform(0.1, 30, regions)
    widths = upper - lower
    lower[0], upper[-1] = -np.inf, np.inf
    at_ends = [Fraction(0)]
    for low, high in zip(lower[1:-1], upper[1:-1], strict=True):
        at_ends.append(at_ends[-1] + (Fraction(low) ** 2 - Fraction(high) ** 2) / 2)
    anchor, rise = np.zeros(regions, dtype=int), []
    for region, ends in enumerate(zip(lower, upper, strict=True)):
        second = int(abs(ends[1]) < abs(ends[0]))
        anchor[region] = region - 1 + second
        inside = ends[0] < 0 < ends[1]
        rise.append(Fraction(ends[second]) ** 2 / 2 if inside else Fraction(0))
    heights = [at_ends[a] + r for a, r in zip(anchor, rise, strict=True)]
    top = max(heights)
    best = heights.index(top)
    loose, blurred = widths.copy(), int(rng.integers(1, regions - 1))
    loose[blurred] *= max(1.0, off / EPS)
    climbs = [
        abs(b - a) * (1 + Fraction(extra) * Fraction(1 / width))
        for (a, b), extra, width in zip(pairwise(at_ends), loose[1:-1], widths[1:-1], strict=True)
    ]
    travelled = [
        float(sum(climbs[min(a, anchor[best]) : max(a, anchor[best])]) + r + rise[best])
        for a, r in zip(anchor, rise, strict=True)
    ]
    fall = np.array([float(top + Fraction(constant) - h) for h in heights])
    exact = np.array([float(h - top) for h in heights])
    widths[blurred] *= 1 + rng.choice([-1, 1]) * off
    line = Line(lower[None], upper[None], widths, loose, np.zeros(regions - 1))
    direct = Direct(lambda _, one, other: fall[other] - fall[one], fall[None] + constant)
    rises = np.array([[float(r) for r in rise]])
    arguments = line, anchor[None], rises, fall[None], direct
    return arguments, exact, np.minimum(travelled, fall + constant)


@pytest.mark.parametrize("off", [0.0, 1e-10])
@pytest.mark.parametrize("constant", [0.1, 30.0, 1e3, 1e9])
def test_the_more_accurate_way_is_taken(constant, off):
    """Along the line from the highest peak, or as a difference of what is left of both."""
    rng = np.random.default_rng(31)
    for _ in range(300):
        arguments, exact, size = line_of_peaks(rng, constant, off)
        found = relative_peaks(*arguments)[0]
        assert np.all(np.abs(found - exact) <= 8 * EPS * (size + np.abs(exact)))


def steep_steps(bend, height):
    """g climbs from 0 to (0, height) within 2^-19 of a bend, and comes down as fast a little
    beyond."""
    ramps = Dense([[2.0**19], [2.0**19]], [-bend * 2.0**19, -(bend + 0.25) * 2.0**19])
    return Network([ramps, Hardtanh(0.0, 1.0), Dense([[0.0, 0.0], [height, -height]], np.zeros(2))])


@pytest.mark.parametrize("distance", [10.0, 1e3, 1e6])
def test_steep_places_between_regions(impl, distance):
    """Where the image climbs by 800 deviations within two millionths, the ends of the climb, as
    doubles, leave its width ten digits; shares of the flat regions beyond it have them all."""
    network = steep_steps(0.7, 800.0)
    X = np.array([[distance, 0.0], [distance, 0.7]])
    row = exact_values(layers_of(network), 1.0, np.eye(1), X, np.zeros(2), np.ones(2))[1:]
    dgn = impl.DGN(network, np.asarray(1.0), np.eye(1))
    posterior, partition = dgn.posterior(X), dgn.partition()
    codes = [tuple(int(v) for v in code) for code in partition.codes]
    flat = ~np.any(partition.slopes, axis=(1, 2))
    assert flat.sum() == 3
    for e0, log_e0, known in zip(posterior.e0, posterior.log_e0, row, strict=True):
        for r, code in enumerate(codes):
            share, log_share = known["e0", code], known["log e0", code]
            assert abs(e0[r] - float(share.value)) <= 1e-12
            off = abs(log_e0[r] - float(log_share.value))
            assert not flat[r] or off <= 1e-12 * float(log_share.scale)


def beyond_the_prior(bend):
    """Regions that end only far beyond the prior: the one around 0 is measured from 0."""
    layers = [Dense([[1.0], [0.5]], [0.1, -0.3]), Hardtanh(-bend, bend / 3.0)]
    return Network([*layers, Dense([[1.0, 0.7], [-0.4, 2.0]], [0.3, 0.2])])


def test_images_of_peaks_are_those_of_the_network():
    """Inside of a wide region, at its ends, and beyond."""
    network = beyond_the_prior(70.0)
    geometry = fast.DGN(network, 0.01)._model.geometry
    assert geometry.wide is not None
    X = network(np.array([[-500.0], [-3.0], [0.0], [20.0], [400.0]]))
    y, rest = geometry.coordinates.points(X)
    error = y[:, None] - geometry.images
    ends = fast.one_dimension.pairs._ends(geometry, error)
    peaks = fast.one_dimension.pairs._peaks(geometry, y, rest, error, ends)
    row, region = np.indices(peaks.place.shape).reshape(2, -1)
    at_end = (region == geometry.wide) & (peaks.rise[row, region] == 0)
    assert 0 < np.count_nonzero(at_end) < len(X)
    found = fast.one_dimension.pairs._peak_images(geometry, peaks, row, region)
    expected = network(peaks.place[row, region, None]) - geometry.coordinates.origin
    expected = geometry.coordinates.directions(expected)
    sizes = np.max(np.abs(expected), axis=1, initial=1.0)
    assert np.max(np.abs(found - expected).max(axis=1) / sizes) <= 1e-13


def test_widths_are_no_looser_than_said():
    """Of one hidden layer the ends are -b/w: here a thousand, rounded, and the widths about 1."""
    rng = np.random.default_rng(31)
    weights = rng.uniform(0.5, 2.0, 40)
    biases = -weights * (1e3 + rng.uniform(0.0, 20.0, 40))
    network = Network([Dense(weights[:, None], biases), ReLU(), Dense(np.ones((1, 40)), [0.0])])
    geometry = fast.DGN(network, 1.0)._model.geometry
    exact = sorted(-Fraction(b) / Fraction(w) for w, b in zip(weights, biases, strict=True))
    true = [high - low for low, high in pairwise(exact)]
    given = zip(geometry.widths[1:-1].tolist(), true, strict=True)
    off = np.array([float(abs(Fraction(width) - right)) for width, right in given])
    said = geometry.loose[1:-1] * geometry.scales[1:-1] * float(np.finfo(float).eps)
    assert np.all(off <= said)
    assert off.max() > 0.1 * said.max()
