"""Regions thinner than rounding: no mass, and no harm to any other number."""

from dataclasses import replace

import numpy as np
import pytest

import fast
from fast import Dense, LeakyReLU, MaxPool, Network, PiecewiseAffine, ReLU
from fast.integration.interval import interval_moments
from fast.partition.layer_maps import Maps
from fast.partition.partition import Partition
from fast.partition.region_polyhedra import Polyhedra
from fast.polyhedra.face_lattice import joined
from fast.polyhedra.from_halfspaces import lattice_of_halfspaces

NETWORKS = {
    1: Network.random([1, 5, 3], LeakyReLU(0.1), 4),
    2: Network.random([2, 4, 3], ReLU(), 2),
}


def with_empty_interval(partition, at):
    """The partition with one more interval, of width 0, at a breakpoint."""
    place = partition.breakpoints[at]
    slope = partition.slopes[at] + 1.0
    image = partition.slopes[at, :, 0] * place + partition.offsets[at]
    return Partition(
        codes=np.insert(partition.codes, at + 1, partition.codes[at], axis=0),
        network=partition.network,
        breakpoints=np.insert(partition.breakpoints, at, place),
        found=Maps(
            np.insert(partition.slopes, at + 1, slope, axis=0),
            np.insert(partition.offsets, at + 1, image - slope[:, 0] * place, axis=0),
        ),
    )


def with_empty_polygon(partition, in_lattice):
    """The partition with one more region, all of whose corners are one double; or none at all, so
    that it is in no lattice."""
    shapes = partition.polyhedra
    normals = np.array([[1.0, 0.0], [-1.0, 1.0], [0.0, -1.0]])
    offsets = np.array([-0.5, 0.0, 0.5])
    lattices = shapes.lattices
    if in_lattice:
        triangle = lattice_of_halfspaces(normals, np.array([0.0, 0.0, 1.0]))
        corners = np.full_like(triangle.positions, 0.5)
        thin = replace(triangle, positions=corners, offsets=-triangle.normals.sum(axis=1) / 2)
        (regions, lattice), *others = lattices
        lattices = [(np.append(regions, partition.n_regions), joined([lattice, thin])), *others]
    more = Polyhedra(
        starts=np.append(shapes.starts, shapes.starts[-1] + 3),
        normals=np.concatenate([shapes.normals, normals]),
        offsets=np.concatenate([shapes.offsets, offsets]),
        corners=None,
        dimension=shapes.dimension,
    )
    more.__dict__["lattices"] = lattices
    around = partition.locate(np.full((1, 2), 0.5))
    return Partition(
        codes=np.concatenate([partition.codes, partition.codes[around]]),
        network=partition.network,
        breakpoints=partition.breakpoints,
        shapes=more,
    )


def models(kind, cov_x=0.05):
    """The same model with and without one more region, and that region's number."""
    latent = 1 if kind.startswith("interval") else 2
    plain, thin = (fast.DGN(NETWORKS[latent], cov_x) for _ in range(2))
    if latent == 1:
        at = len(plain.partition().breakpoints) // 2
        thin._found = with_empty_interval(plain.partition(), at)
        return plain, thin, at + 1
    thin._found = with_empty_polygon(plain.partition(), kind == "polygon in a lattice")
    return plain, thin, plain.partition().n_regions


def quantities(dgn, X):
    """Everything public that does not list regions."""
    latent = dgn.network.latent_dimension
    q = np.full((len(X), latent), 0.3), np.full((len(X), latent), 0.5)
    posterior, sums = dgn.posterior(X), dgn.statistics(X)
    gradient = dgn.gradient(X)
    return {
        "logpdf": dgn.logpdf(X),
        "mean": dgn.mean(),
        "cov": dgn.cov(),
        "elbo": dgn.elbo(X, *q),
        "kl": dgn.kl(X, *q),
        "expected": dgn.expected_complete_loglik(X),
        "posterior mean": posterior.mean(),
        "posterior cov": posterior.cov(),
        "entropy": posterior.entropy(),
        "mode": posterior.mode(),
        "density": posterior.logpdf(np.full((1, latent), 0.2)),
        "scatter": sums.scatter,
        "loglik": sums.loglik,
        "second moments": sums.e2.sum(axis=0),
        "zero noise": dgn.zero_noise_latent(X),
        **gradient,
    }


KINDS = ("interval", "polygon in a lattice", "polygon in none")


@pytest.mark.parametrize("far", [1.0, 1e9])
@pytest.mark.parametrize("kind", KINDS)
def test_one_more_region_without_mass_changes_nothing(kind, far):
    """No number is NaN, and none differs by more than rounding."""
    plain, thin, _ = models(kind)
    X = far * np.array([[0.3, -1.0, 2.0], [0.1, 0.2, -0.4]])
    expected = quantities(plain, X)
    for name, value in quantities(thin, X).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-11, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_region_without_mass_is_said_to_hold(kind):
    """Nothing, of the posterior, of sums and of the prior; no draw falls into it."""
    _, thin, region = models(kind)
    X = np.array([[0.3, -1.0, 2.0]])
    posterior, sums = thin.posterior(X), thin.statistics(X)
    assert posterior.log_e0[0, region] == -np.inf
    assert posterior.e0[0, region] == 0
    assert np.all(posterior.e1[0, region] == 0)
    assert np.all(posterior.e2[0, region] == 0)
    assert sums.e0[region] == 0
    assert np.all(sums.residual1[region] == 0)
    assert thin._model.prior_on_regions().mass[region] == 0
    assert np.isfinite(posterior.rvs(100, random_state=0)).all()


def test_with_nothing_left_out_a_region_without_mass_still_holds_nothing():
    plain = fast.DGN(NETWORKS[2], 0.05, negligible=0.0)
    thin = fast.DGN(NETWORKS[2], 0.05, negligible=0.0)
    thin._found = with_empty_polygon(plain.partition(), in_lattice=True)
    X = np.array([[0.3, -1.0, 2.0]])
    assert thin.logpdf(X) == pytest.approx(plain.logpdf(X), rel=1e-14)


def test_moments_of_intervals_of_no_width():
    """Outside of the mean, at it, and about it where rounding left the ends a little apart."""
    lower, upper = np.array([2.0, 0.0, -1e-17]), np.array([2.0, 0.0, 1e-17])
    nearest, log_mass, shift, variance = interval_moments(lower, upper, np.zeros(3))
    assert np.all(log_mass == -np.inf)
    assert np.all(shift == 0)
    assert np.all(variance == 0)
    assert np.allclose(nearest, [2.0, 0.0, 0.0], atol=1e-16)


def test_breakpoints_that_are_neighbouring_doubles():
    """An interval as wide as one last digit, about 1: log p(x) as without it."""
    plain = fast.DGN(NETWORKS[1], 0.05)
    thin = fast.DGN(NETWORKS[1], 0.05)
    found = with_empty_interval(plain.partition(), 1)
    ends = found.breakpoints.copy()
    ends[2] = np.nextafter(ends[1], np.inf)
    thin._found = replace(found, breakpoints=ends)
    X = np.array([[0.3, -1.0, 2.0]])
    assert thin.logpdf(X) == pytest.approx(plain.logpdf(X), rel=1e-13)
    share = thin.posterior(X).e0[0, 2]
    assert 0 < share < 1e-15


def test_slivers_far_away_do_no_harm():
    """Boundaries parallel to 1e-8: regions begin 1e8 away. log p(1) by Monte Carlo, to 1e-3."""
    rows = [[0.13, -0.13, 0.64], [0.169, -0.169, 0.832], [0.1, -0.54, 0.36], [0.07, -0.378, 0.252]]
    weight = np.array(rows, dtype=np.float32).astype(np.float64)
    network = Network(
        [Dense(weight, [0.0, 1.0, 0.5, -0.5]), ReLU(), Dense([[1.0, 0.5, -0.3, 0.8]], [0.0])]
    )
    dgn = fast.DGN(network, 0.1)
    assert dgn.logpdf([[1.0]])[0] == pytest.approx(-1.1201, abs=2e-3)
    latents = np.random.default_rng(0).standard_normal((400_000, 3))
    images = network(latents)
    assert dgn.mean() == pytest.approx(images.mean(axis=0), abs=4e-3)
    assert dgn.cov()[0, 0] == pytest.approx(images.var() + 0.1, abs=5e-3)


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9, 1e-12, 2.0**-51])
@pytest.mark.parametrize("latent", [2, 3])
@pytest.mark.parametrize("pooled", [False, True])
def test_thin_regions_of_a_network(gap, latent, pooled):
    """As for S = 1, which has the exact width, with coordinates that have no boundary where there
    is mass: by units of which one vanishes at each end, or by the larger of each and 0."""
    weights, ends = np.array([1.3, 0.9]), np.array([3.3, 3.3 + gap])
    first = Dense(weights[:, None], -weights * ends)
    plain = Network([first, ReLU(), Dense([[1.0, 1.0]], [0.0])])
    both = np.zeros((latent + 1, latent))
    both[:2, 0], both[2:, 1:] = weights, np.eye(latent - 1)
    shifts = np.concatenate([-weights * ends, np.full(latent - 1, 50.0)])
    layers = [Dense(both, shifts), ReLU()]
    if pooled:
        pairs = np.zeros((2 * len(both), latent))
        pairs[::2] = both
        layers = [
            Dense(pairs, np.ravel(np.column_stack([shifts, 0 * shifts]))),
            MaxPool(channels=2),
        ]
    wide = Network([*layers, Dense([[1.0, 1.0, *[0.0] * (latent - 1)]], [0.0])])
    thin, same = fast.DGN(plain, 0.5).posterior([[0.2]]), fast.DGN(wide, 0.5).posterior([[0.2]])
    width = np.longdouble(fast.DGN(plain, 0.5).partition().widths[1])
    codes = fast.DGN(wide, 0.5).partition().codes
    # What lies between: the first unit on, the second off, the others on.
    between = [0, 1, *[0] * (latent - 1)] if pooled else [1, -1, *[1] * (latent - 1)]
    (other,) = np.flatnonzero(np.all(codes == between, axis=1))
    assert width < 1.01 * gap
    assert same.log_e0[0, other] == pytest.approx(thin.log_e0[0, 1], abs=1e-12)
    variance = thin.region_cov[0, 1, 0, 0]
    assert same.region_cov[0, other, 0, 0] == pytest.approx(variance, rel=1e-9)


def test_copies_of_a_neuron_that_pool():
    """Two windows, max(0, 30 f z1 + 1) and max(0, 30 f r z1 + r): with r in exact arithmetic one
    boundary, as doubles two with a region between, which has its mass."""
    slivers = 0
    for factor in (0.1, 0.3, 0.7):
        for ratio in (1.1, 1.3, 1.7, 2.3):
            first = Dense([[factor, 0.0], [0.0, 1.0]], [0.0, 0.0])
            rows = [
                [0.0, 0.0],
                [30.0, 0.0],
                [0.0, 0.0],
                [30.0 * ratio, 0.0],
                [0.0, 1.0],
                [0.0, 0.0],
            ]
            second = Dense(rows, [0.0, 1.0, 0.0, ratio, 0.3, 0.0])
            last = Dense([[1.0, -0.5, 0.4]], [0.0])
            dgn = fast.DGN(Network([first, second, MaxPool(channels=2), last]), 0.3, negligible=0.0)
            codes, posterior = dgn.partition().codes, dgn.posterior([[0.4]])
            thin = np.flatnonzero(codes[:, 0] != codes[:, 1])
            # Between roots that are an ulp or so apart, of the density there.
            widths = np.exp(posterior.log_e0[0, thin])
            assert np.all((widths > 1e-20) & (widths < 1e-15))
            slivers += len(thin)
    assert slivers >= 10


@pytest.mark.parametrize("latent", [1, 2])
def test_slopes_beyond_their_squares_are_refused(latent):
    """Not answered with NaN."""
    first = Dense(np.ones((3, latent)) * [[1.0], [-1.0], [0.5]], [0.0, 0.3, -0.2])
    network = Network(
        [first, PiecewiseAffine([0.0], [1e300, 1.0]), Dense([[1.0, -0.5, 2.0]], [0.1])]
    )
    with pytest.raises(ArithmeticError, match="squared slope"):
        fast.DGN(network, 0.3).logpdf([[0.3]])
