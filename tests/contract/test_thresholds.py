"""What decides, from both sides: of boundaries, signs and ties an ulp does; of integrals and fits
what rounding leaves.
"""

import numpy as np
import pytest
from scipy.special import log_ndtr

import fast
import reference
from reference import Dense, LeakyReLU, MaxPool, Network, ReLU

ULP = 2.0**-52
#: Every implementation with every latent dimension; the reference's walk in space takes seconds.
SPACES = [
    pytest.param(impl, latent, id=f"{impl.__name__}-{latent}", marks=marks)
    for impl, latent, marks in (
        (reference, 1, ()),
        (reference, 2, ()),
        (reference, 3, pytest.mark.deep),
        (fast, 1, ()),
        (fast, 2, ()),
        (fast, 3, ()),
    )
]
in_every_space = pytest.mark.parametrize(("impl", "latent"), SPACES)


def in_space(latent, rows):
    """Rows that depend on z1 alone, and the other axes below them."""
    first = np.zeros((len(rows), latent))
    first[:, 0] = rows
    return np.vstack([first, np.eye(latent)[1:]])


def regions_of(impl, layers):
    """The codes of all regions."""
    found = impl.DGN(Network(layers), 1.0).partition()
    return {tuple(int(c) for c in code) for code in found.codes}


def beside(place, gap, latent):
    """Units that vanish at z1 = place and at gap ulps beyond, and one for every other axis."""
    bias = [-place, -(place + gap * np.spacing(place)), *np.full(latent - 1, -0.25)]
    weight = in_space(latent, [1.0, 1.0])
    return [Dense(weight, bias), ReLU(), Dense(np.ones((1, latent + 1)), [0.0])]


@in_every_space
@pytest.mark.parametrize("place", [1.25, 3e5])
def test_what_is_a_thousand_ulps_apart_is_apart(impl, latent, place):
    """The region between is there, at 1e3 and 1e6 ulps, for every side of the other units."""
    for gap in (1e3, 1e6):
        codes = regions_of(impl, beside(place, gap, latent))
        assert len(codes) == 3 * 2 ** (latent - 1)
        assert sum(code[:2] == (1, -1) for code in codes) == 2 ** (latent - 1)


@in_every_space
@pytest.mark.parametrize("place", [1.25, 3e5])
def test_an_ulp_makes_two_boundaries(impl, latent, place):
    for gap in (0, 1, 4):
        intervals = 3 if gap else 2
        assert len(regions_of(impl, beside(place, gap, latent))) == intervals * 2 ** (latent - 1)


def at_an_angle(angle, third):
    """Two lines at an angle; third: and one across them."""
    weight = [[1.0, 0.0], [1.0, angle], [0.0, 1.0]][: 2 + third]
    return [Dense(weight, [0.3, 0.4, 0.1][: 2 + third]), ReLU(), Dense([[1.0] * len(weight)], [0])]


@pytest.mark.parametrize("angle", [1e-4, 1e-6, 1e-8, 1e-9, 1e-10])
def test_small_angles_are_angles(impl, angle):
    """Two lines make four regions however far away they meet, three lines seven."""
    assert len(regions_of(impl, at_an_angle(angle, third=False))) == 4
    assert len(regions_of(impl, at_an_angle(angle, third=True))) == 7


@pytest.mark.parametrize("angle", [0.0, 2.0**-53, ULP, 1e-13, 1e-11])
def test_angles_of_an_ulp_are_angles(impl, angle):
    """`fast` starts from independent boundaries, however nearly they are parallel."""
    crossing = angle > 0
    assert len(regions_of(impl, at_an_angle(angle, third=False))) == 3 + crossing
    assert len(regions_of(impl, at_an_angle(angle, third=True))) == 6 + crossing


def difference(ulps, latent):
    """A unit (1 + δ) h - h of two equal units h of one boundary, δ = ulps times 2^-52."""
    first = in_space(latent, [1.0, 1.0])
    weight = np.append([1 + ulps * ULP, -1.0], np.zeros(latent - 1))[None]
    layers = [Dense(first, np.zeros(len(first))), LeakyReLU(0.5), Dense(weight, [0.0]), ReLU()]
    return [*layers, Dense([[1.0]], [0.0])]


def constant_difference(ulps, latent):
    """The same of two units with slope zero: h + δ - h, h = 1."""
    first = in_space(latent, [1.0, 1.0])
    weight = np.append([1.0, -1.0], np.zeros(latent - 1))[None]
    layers = [Dense(first, np.zeros(len(first))), LeakyReLU(0.5), Dense(weight, [1.0])]
    twice = [Dense([[1.0], [1.0]], [ulps * ULP, 0.0]), Dense([[1.0, -1.0]], [0.0]), ReLU()]
    return [*layers, *twice, Dense([[1.0]], [0.0])]


@in_every_space
@pytest.mark.parametrize("network", [difference, constant_difference])
def test_a_unit_that_vanishes_has_no_sign(impl, network, latent):
    """Any number of ulps is a value, of the sign it has."""
    assert {code[-1] for code in regions_of(impl, network(0, latent))} == {0}
    for ulps in (1, -4, 1024, -1024, 2**20):
        for code in regions_of(impl, network(ulps, latent)):
            side = code[0] if network is difference else 1
            assert code[-1] == np.sign(ulps) * side


def windows(ulps, latent, *, slopes):
    """Two candidates that differ by a number of ulps, everywhere or in slope."""
    weight = np.full((2, latent), 0.5)
    weight[:, 0] = 1.0
    weight[1, 0] += slopes * ulps * ULP
    bias = [0.0, 0.0] if slopes else [1.0, 1.0 + ulps * ULP]
    return [Dense(weight, bias), MaxPool(channels=2), Dense([[1.0]], [0.0])]


@in_every_space
def test_ties_of_max_pooling(impl, latent):
    """Of equal candidates the first wins; a single ulp decides."""
    assert regions_of(impl, windows(0, latent, slopes=False)) == {(0,)}
    assert regions_of(impl, windows(0, latent, slopes=True)) == {(0,)}
    for ulps in (1, 4, 2048, 2**20):
        assert regions_of(impl, windows(ulps, latent, slopes=False)) == {(1,)}
        assert regions_of(impl, windows(-ulps, latent, slopes=False)) == {(0,)}
        assert regions_of(impl, windows(ulps, latent, slopes=True)) == {(0,), (1,)}


@in_every_space
def test_points_beside_a_boundary_are_located(impl, latent):
    """An ulp on either side of a boundary is a side; on it is what lies to the right."""
    place = 1.25
    layers = [Dense(in_space(latent, [1.0]), [-place, *np.full(latent - 1, -8.0)]), ReLU()]
    found = impl.DGN(Network([*layers, Dense(np.ones((1, latent)), [0.0])]), 1.0).partition()
    points = np.zeros((4, latent))
    points[:, 0] = place + np.array([-1, -0.0, 1, 2**20]) * ULP
    sides = found.codes[found.locate(points), 0]
    assert sides.tolist() == [-1, 1, 1, 1]


@pytest.mark.parametrize("latent", [2, 3, 4])
@pytest.mark.parametrize("angle", [1e-6, 1e-9, 1e-12, 1e-15, 1e-30, 1e-150])
def test_wedges_of_an_angle(latent, angle):
    """Half-spaces at any angle of each other have it, whatever lines they contain."""
    normals = np.zeros((2, latent))
    normals[:, :2] = [[0.0, 1.0], [angle, -1.0]]
    found = fast.gaussian_on_polyhedron(normals, np.zeros(2), np.zeros((1, latent)), 1.0)
    assert found.log_mass[0] == pytest.approx(np.log(angle / (2 * np.pi)), rel=1e-13)


@pytest.mark.parametrize("latent", [2, 3, 4])
@pytest.mark.parametrize("width", [1e-4, 1e-6, 1e-9, 1e-12, 1e-13])
def test_slabs_of_a_width(latent, width):
    """Slabs at a distance of one, down to 450 ulps wide."""
    normals = np.zeros((2, latent))
    normals[:, 0] = [1.0, -1.0]
    end = 1.0 + width
    found = fast.gaussian_on_polyhedron(normals, [-1.0, end], np.zeros((1, latent)), 1.0)
    exact = -0.5 - 0.5 * np.log(2 * np.pi) + np.log(end - 1.0) + np.log1p(-0.5 * (end - 1.0))
    assert found.log_mass[0] == pytest.approx(exact, abs=1e-13 + 0.2 * width**2)
    assert (found.mean[0, 0] - 1.0) / width == pytest.approx(0.5, abs=1e-3 + width)


@pytest.mark.parametrize("limit", [2.0**-40, 2.0**-20, 0.5, 16.0, 2.0**18])
def test_lines_through_a_corner(limit):
    """A third boundary through a corner, or outside, changes nothing; one that cuts a few ulps off
    it is a facet."""
    normals = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    for ulps, corners in ((0.0, 1), (-4.0, 1), (4.0, 2), (4096.0, 2)):
        offsets = np.array([-limit, -limit, -2 * limit * (1 + ulps * ULP)])
        lattice = fast.polyhedra.from_halfspaces.lattice_of_halfspaces(normals, offsets)
        assert np.count_nonzero(lattice.points) == corners


@pytest.mark.parametrize("latent", [2, 3])
def test_directions_the_image_does_not_show(impl, latent):
    """An image 1e-11 times as long in one direction shows where z is; one of 3e-15 is rounding, and
    the prior decides."""
    for size, shown in ((1e-6, 1.0), (1e-11, 1.0), (3e-15, 0.0), (0.0, 0.0)):
        slope = np.diag([1.0, *np.full(latent - 1, size)])
        network = Network([Dense(slope, np.zeros(latent))])
        x = slope @ np.array([2.0, *np.full(latent - 1, 3.0)])
        found = impl.DGN(network, 1.0).zero_noise_latent(x[None])[0]
        assert found == pytest.approx([2.0, *np.full(latent - 1, 3.0 * shown)], rel=1e-4)


@pytest.mark.parametrize("latent", [1, 2, 3])
def test_ties_of_the_nearest_image(impl, latent):
    """g(z) = (|z1 - 1/2|, δ (z1 - 1/2)+) comes to (1, 1) at -1/2 and, nearer by δ, at 3/2: 1e-11 of
    a distance decides, 1e-14 is a tie that the prior breaks."""
    for nearer, place in ((1e-6, 1.5), (1e-11, 1.5), (1e-14, -0.5), (0.0, -0.5)):
        first = np.zeros((2, latent))
        first[:, 0] = [1.0, -1.0]
        layers = [Dense(first, [-0.5, 0.5]), ReLU(), Dense([[1.0, 1.0], [nearer, 0.0]], [0.0, 0.0])]
        found = impl.DGN(Network(layers), 1.0).zero_noise_latent([[1.0, 1.0]])[0]
        assert found == pytest.approx([place, *np.zeros(latent - 1)], abs=1e-5)


@pytest.mark.parametrize("latent", [1, 2, 3])
def test_ties_between_peaks(impl, latent):
    """g rises to 1 + δ at z1 = -3 and to 1 at z1 = 1; of x = 2 the first is nearer if δ is 1e-10,
    and they are as near if it is 1e-14: then the prior decides. Every affine piece comes as
    near as any other beyond its region, so that nothing but the comparison itself tells."""
    for higher, place in ((1e-10, -3.0), (1e-14, 1.0)):
        fall = -0.5 * (1 + higher)
        first = np.zeros((5, latent))
        first[:, 0] = [1.0, -1.0, 1.0, 1.0, 1.0]
        turns = [1.0, -1.0, fall - 1.0, 0.5 - fall, -1.5]
        layers = [Dense(first, [0.0, 0.0, 3.0, 1.0, -1.0]), ReLU(), Dense([turns], [4 + higher])]
        found = impl.DGN(Network(layers), 1.0).zero_noise_latent([[2.0]])[0]
        assert found == pytest.approx([place, *np.zeros(latent - 1)], abs=1e-6)


@pytest.mark.parametrize("latent", [2, 3])
def test_the_prior_does_not_move_what_the_image_shows(impl, latent):
    """g(z) = (z1 + (z1 - 5)+, z2, ...): an image a little beyond the fold is of a z as little
    beyond it, however the prior pulls."""
    first = np.vstack([np.eye(latent), -np.eye(latent), np.eye(latent)[:1]])
    last = np.hstack([np.eye(latent), -np.eye(latent), np.eye(latent)[:, :1]])
    layers = [Dense(first, [*np.zeros(2 * latent), -5.0]), ReLU(), Dense(last, np.zeros(latent))]
    network = Network(layers)
    for beyond in (1e-8, -1e-8):
        z = np.array([5.0 + beyond, *np.ones(latent - 1)])
        found = impl.DGN(network, 1.0).zero_noise_latent(network(z[None]))[0]
        assert found == pytest.approx(z, abs=1e-12)


def threshold(log_mass):
    """The c with log Φ(-c) = log_mass, by bisection."""
    low, high = 0.0, 40.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if log_ndtr(-middle) > log_mass else (low, middle)
    return low


def steep(latent, start, slope):
    """g(z) = slope (z1 - start)+."""
    weight = np.zeros((1, latent))
    weight[0, 0] = 1.0
    return Network([Dense(weight, [-start]), ReLU(), Dense([[slope]], [0.0])])


@pytest.mark.parametrize("latent", [2, 3])
def test_regions_of_little_mass_count_under_q(latent):
    """exp(-79) of q times a square of exp(79) is what it is; of regions with less than exp(-80) of
    q nothing is looked at, as `Mixture.gaussians` says."""
    for log_mass in (-30.0, -79.0, -81.0):
        start, slope = threshold(log_mass), np.exp(-0.5 * log_mass)
        dgn = fast.DGN(steep(latent, start, slope), 1.0)
        # ∫ (t - c)² φ(t) dt beyond c, by Mills' ratio to the order needed.
        t = np.linspace(0.0, 4.0, 400001)
        tail = np.trapezoid(t * t * np.exp(-start * t - 0.5 * t * t), t)
        second = slope**2 * tail * np.exp(-0.5 * start**2) / np.sqrt(2 * np.pi)
        assert second > 1e-3
        plain = -0.5 * np.log(2 * np.pi)
        expected = plain - 0.5 * second * (log_mass > -80)
        bound = dgn.elbo([[0.0]], np.zeros((1, latent)), np.ones((1, latent)))
        assert bound[0] == pytest.approx(expected, abs=1e-8)
        spread = dgn.cov()[0, 0]
        assert spread == pytest.approx(1.0 + second * (log_mass > -80), abs=1e-8)


@pytest.mark.parametrize("latent", [2, 3])
def test_what_is_skipped_is_told(latent):
    """Behind one boundary the bound on a region's share is exact: what is told left out is its
    share, and no less is allowed for it to be left out."""
    for start in (2.0, 6.0, 9.0):
        network = steep(latent, start, 0.0)
        x = [[0.25]]
        whole = fast.DGN(network, 1.0, negligible=0.0).posterior(x)
        assert whole.skipped[0] == 0
        beyond = int(np.argmin(whole.log_e0[0]))
        share = np.exp(log_ndtr(-start)) / np.exp(log_ndtr(start))
        assert whole.e0[0, beyond] == pytest.approx(np.exp(log_ndtr(-start)), rel=1e-10)
        if share > 1e-3:
            continue
        kept = fast.DGN(network, 1.0, negligible=0.999 * share).posterior(x)
        assert kept.skipped[0] == 0
        assert kept.log_e0[0, beyond] == whole.log_e0[0, beyond]
        left = fast.DGN(network, 1.0, negligible=min(1.001 * share, 1e-3)).posterior(x)
        assert left.log_e0[0, beyond] == -np.inf
        # At least what it is, at most what its bound adds for rounding: 1e-12 of each term.
        assert share * (1 - 1e-9) <= left.skipped[0] <= share * (1 + 1e-9)


def test_covariances_symmetric_to_rounding(impl):
    """1e-12 of asymmetry is rounding, 1e-9 is not."""
    network = Network([Dense(np.eye(2), [0.0, 0.0])])
    for size, accepted in ((1e-12, True), (1e-9, False), (4e-6, False)):
        cov = np.array([[2.0, 0.5], [0.5 + size, 1.0]])
        calls = (
            lambda cov=cov: impl.DGN(network, cov),
            lambda cov=cov: impl.DGN(network, 1.0, cov),
            lambda cov=cov: impl.DGN(network, 1.0).elbo([[0.0, 0.0]], [[0.0, 0.0]], cov[None]),
            lambda cov=cov: impl.gaussian_on_polyhedron(np.eye(2), [1.0, 1.0], [[0.0, 0.0]], cov),
        )
        for call in calls:
            if accepted:
                call()
            else:
                with pytest.raises(ValueError, match="symmetric"):
                    call()


@pytest.mark.parametrize("latent", [2, 3])
def test_far_data_are_not_skipped_by_more_than_rounding(latent):
    """1,000 deviations from the image the bound on a share adds 1e-12 of 1e6 for rounding: at most
    a millionth of the share."""
    dgn = fast.DGN(steep(latent, 9.0, 0.0), 1.0, negligible=1e-3)
    share = np.exp(log_ndtr(-9.0)) / np.exp(log_ndtr(9.0))
    assert share <= dgn.posterior([[1000.0]]).skipped[0] <= share * (1 + 3e-6)


@pytest.mark.parametrize("latent", [2, 3])
def test_where_the_reference_vouches(latent):
    """Half-spaces up to 4.5 deviations away by themselves; data of which p(x) is known to 1e-9."""
    normals = np.eye(latent)[:1]
    zero = np.zeros((1, latent))
    for distance in (0.0, 3.0, 4.4):
        found = reference.gaussian_on_polyhedron(normals, [-distance], zero, 1.0)
        assert found.log_mass[0] == pytest.approx(log_ndtr(-distance), abs=1e-6)
    for distance in (5.5, 8.0):
        with pytest.raises(reference.OutsideValidity):
            reference.gaussian_on_polyhedron(normals, [-distance], zero, 1.0)


@pytest.mark.parametrize("latent", [2, 3])
def test_factors_that_can_be_inverted(impl, latent):
    """Coordinates that are all but one another: but for 1e-13 they are a Gaussian's, but for 1e-17
    they are one. Units are no matter."""
    half = np.eye(latent)[:1]
    for ratio, accepted in ((1e-13, True), (1e-17, False)):
        factor = np.eye(latent)
        factor[1], factor[2:] = factor[0] + ratio * factor[1], 2.0 * factor[2:]
        call = impl.gaussian_on_polyhedron
        if accepted:
            found = call(half, [0.0], np.zeros((1, latent)), factor=factor)
            assert found.log_mass[0] == pytest.approx(-np.log(2), abs=1e-12)
        else:
            with pytest.raises(ValueError, match="factor: expected an invertible"):
                call(half, [0.0], np.zeros((1, latent)), factor=factor)


@pytest.mark.parametrize("latent", [2, 3])
def test_where_the_reference_declines_data(latent):
    """g(z) = |z1|, x below: both regions hold a tail Φ(-h), h = x / √2. Its sums err by 1e-15: of
    1e-5 that is within 1e-9, of 1e-8 not."""
    network = Network([Dense(np.eye(latent)[:1], [0.0]), reference.Abs()])
    near, far = -np.sqrt(2) * threshold(np.log(1e-5)), -np.sqrt(2) * threshold(np.log(1e-8))
    dgn = reference.DGN(network, 1.0)
    plain = -0.5 * np.log(4 * np.pi) - near * near / 4
    assert dgn.logpdf([[near]])[0] == pytest.approx(plain + np.log(2e-5), abs=1e-9)
    with pytest.raises(reference.OutsideValidity):
        dgn.logpdf([[far]])


@pytest.mark.parametrize("latent", [2, 3])
def test_what_may_be_left_out_by_default(latent):
    """A share of 2e-15 of p(x) may not be left out, one of 5e-16 may."""
    for share, kept in ((2e-15, True), (5e-16, False)):
        posterior = fast.DGN(steep(latent, threshold(np.log(share)), 0.0), 1.0).posterior([[0.25]])
        assert np.all(posterior.log_e0 > -np.inf) == kept
        assert (posterior.skipped[0] == 0) == kept
