"""reference.DGN in two and three latent dimensions: identities, nested quadrature, bad input.

The nested quadrature fixes z_1, which leaves a network on one latent dimension with other biases,
and integrates its exact p(x) (S = 1, checked against the oracle) over z_1, between the corners of
the partition.
"""

import itertools

import numpy as np
import pytest
from scipy import stats

import fast
import reference
from reference import DGN, Abs, Dense, LeakyReLU, MaxPool, Network, OutsideValidity, ReLU
from reference.distributions.e_step import log_joint_size, square_root
from reference.distributions.marginal import log_conditional, posterior_mode
from reference.distributions.prior import gaussian_on_region, log_prior, region_weight

# Absolute, of sums of some 20 masses: see reference.integration.signed_sum.
TOLERANCE = 1e-11


def covariance(dimension, seed):
    factor = np.random.default_rng([seed, 99]).standard_normal((dimension, dimension))
    return factor @ factor.T / dimension + 0.3 * np.eye(dimension)


NETWORKS = {
    "leaky": ([2, 3, 3, 2], LeakyReLU(0.1)),
    "ReLU": ([2, 4, 2], ReLU()),
    "abs": ([2, 3, 1], Abs()),
    "one unit": ([2, 1, 2], LeakyReLU(0.3)),
    "S = 3": ([3, 3, 2], LeakyReLU(0.1)),
}


def model(name, cov_x=None):
    """A small model with correlated latents and diagonal noise, and three of its data."""
    widths, activation = NETWORKS[name]
    network = Network.random(widths, activation, 3)
    noise = np.linspace(0.2, 0.4, widths[-1]) if cov_x is None else cov_x
    dgn = DGN(network, noise, covariance(widths[0], 1))
    return dgn, dgn.rvs(3, 5)


@pytest.fixture(params=NETWORKS, scope="module")
def case(request):
    """Model, data and posterior of every network in turn."""
    dgn, X = model(request.param)
    return dgn, X, dgn.posterior(X)


# Identities


def test_shares_and_weights_sum_to_one(case):
    """Σ_ω Φ_ω(0, Σz) = 1 [Proposition 1] and Σ_ω e0_ω = 1; prior moments on the regions add up to
    the prior's."""
    dgn, _, posterior = case
    partition, latent = dgn.partition(), len(dgn.cov_z)
    zero = np.zeros(latent)
    parts = [gaussian_on_region(r, partition, zero, dgn.cov_z) for r in range(partition.n_regions)]
    weights = [region_weight(r, partition, dgn.cov_z) for r in range(partition.n_regions)]
    assert weights == [part.mass for part in parts]
    assert abs(sum(weights) - 1) < TOLERANCE
    np.testing.assert_allclose(sum(p.mass * p.mean for p in parts), zero, atol=TOLERANCE)
    second = sum(p.mass * (p.cov + np.outer(p.mean, p.mean)) for p in parts)
    np.testing.assert_allclose(second, dgn.cov_z, atol=TOLERANCE)
    np.testing.assert_allclose(posterior.e0.sum(axis=1), 1.0, atol=1e-14)


def test_score(case):
    """∇_x log p(x) = Σx^-1 (E[g(z) | x] - x), by fourth-order differences at steps of 1e-3."""
    dgn, X, posterior = case
    partition, step = dgn.partition(), 1e-3
    image = np.einsum("nrs,rds->nd", posterior.e1, partition.slopes)
    image += posterior.e0 @ partition.offsets
    expected = (image - X)[0] / dgn.cov_x
    for d in range(X.shape[1]):
        moves = step * np.eye(X.shape[1])[d] * np.array([[-2], [-1], [1], [2]])
        slope = np.array([1, -8, 8, -1]) @ dgn.logpdf(X[0] + moves) / (12 * step)
        assert slope == pytest.approx(expected[d], abs=1e-8)


def test_moments_of_the_posterior(case):
    """e1, e2 against mean() and cov(); covariances semi-definite; entropy and E log p(x, z)."""
    dgn, X, posterior = case
    mean = posterior.e1.sum(axis=1)
    np.testing.assert_allclose(posterior.mean(), mean, atol=1e-14)
    cov = posterior.e2.sum(axis=1) - np.einsum("ni,nj->nij", mean, mean)
    np.testing.assert_allclose(posterior.cov(), cov, atol=TOLERANCE)
    assert np.all(np.linalg.eigvalsh(posterior.cov()) > 0)
    known = ~np.isnan(posterior.region_mean[:, :, 0])
    assert np.all(np.linalg.eigvalsh(posterior.region_cov[known]) >= 0)
    assert posterior.e0[known].sum() > 0.999 * len(X)
    assert np.all(np.isfinite(posterior.e2))
    np.testing.assert_allclose(
        dgn.expected_complete_loglik(X), dgn.logpdf(X) - posterior.entropy(), atol=TOLERANCE
    )


def test_kl_of_the_posterior_moments(case):
    """The gap is positive, unless next to nothing is beyond one region, and 0 if there is but one;
    log p is the ELBO plus it."""
    dgn, X, posterior = case
    q = posterior.mean(), posterior.cov()
    gap = dgn.kl(X, *q)
    assert np.all(gap > -TOLERANCE)
    assert gap.max() > 1e-4
    np.testing.assert_allclose(dgn.elbo(X, *q) + gap, dgn.logpdf(X), rtol=1e-13)
    latent = len(dgn.cov_z)
    affine = DGN(Network([Dense(np.ones((2, latent)), [0.1, 0.2])]), 0.3, dgn.cov_z)
    X = X @ np.ones((X.shape[1], 2))
    exact = affine.posterior(X)
    np.testing.assert_allclose(affine.kl(X, exact.mean(), exact.cov()), 0.0, atol=1e-13)


def test_gradient(case):
    """By Fisher's identity, against central differences of logpdf."""
    dgn, X, _ = case
    found, step = dgn.gradient(X), 1e-5
    rng = np.random.default_rng(2)
    for name in ("0.weight", "0.bias", "cov_x", "cov_z"):
        value = dgn.parameters()[name]
        direction = rng.standard_normal(value.shape)
        if name == "cov_z":
            direction = direction + direction.T
        ends = [
            dgn.with_parameters({name: value + s * step * direction}).logpdf(X).mean()
            for s in (1, -1)
        ]
        slope = (ends[0] - ends[1]) / (2 * step)
        assert np.sum(found[name] * direction) == pytest.approx(slope, abs=1e-7), name


def test_statistics(case):
    """Sums of the posterior's moments, and residuals from their definition."""
    dgn, X, posterior = case
    got, partition = dgn.statistics(X), dgn.partition()
    np.testing.assert_allclose(got.e1, posterior.e1.sum(axis=0), atol=1e-13)
    np.testing.assert_allclose(got.e2, posterior.e2.sum(axis=0), atol=1e-13)
    assert got.loglik == pytest.approx(dgn.logpdf(X).sum(), rel=1e-14)
    slopes, offsets = partition.slopes, partition.offsets
    scatter = np.zeros(X.shape[1])
    for x, e0, e1, e2 in zip(X, posterior.e0, posterior.e1, posterior.e2, strict=True):
        away = x - offsets
        mixed = np.einsum("rd,rds,rs->d", away, slopes, e1)
        scatter += e0 @ away**2 - 2 * mixed + np.einsum("rds,rst,rdt->d", slopes, e2, slopes)
    np.testing.assert_allclose(got.scatter, scatter, atol=TOLERANCE)


def test_mode(case):
    """No point of many is more likely, and small steps from the mode only lead down."""
    dgn, X, posterior = case
    rng, modes = np.random.default_rng(4), posterior.mode()
    latent = len(dgn.cov_z)
    points = rng.standard_normal((2000, latent)) @ np.linalg.cholesky(dgn.cov_z).T
    near = modes[:, None] + rng.standard_normal((300, latent)) * 10.0 ** rng.uniform(
        -6, -1, (300, 1)
    )
    for n, x in enumerate(X):

        def log_joint(z, x=x):
            noise = stats.multivariate_normal(np.zeros(len(x)), np.diag(dgn.cov_x))
            return noise.logpdf(x - dgn.network(z)) - 0.5 * np.einsum(
                "ni,ij,nj->n", z, np.linalg.inv(dgn.cov_z), z
            )

        best = log_joint(modes[n : n + 1])[0]
        assert best >= log_joint(points).max()
        assert best >= log_joint(near[n]).max() - 1e-13


# Nested quadrature


def conditioned(network, factor, t):
    """The network of u_2 alone, z = factor (t, u_2)."""
    first, *rest = network.layers
    weight = first.weight @ factor
    return Network([Dense(weight[:, 1:], first.bias + t * weight[:, 0]), *rest])


def nested(dgn, X):
    """p(x), E[z | x] and E[z zᵀ | x] for S = 2: over u_1 between the corners, u_2 exactly."""
    factor = np.linalg.cholesky(dgn.cov_z)
    partition = dgn.partition()
    corners = np.vstack([partition.vertices(r) for r in range(partition.n_regions)])
    cuts = np.linalg.solve(factor, corners.T)[0]
    ends = np.concatenate([np.linspace(-9, 9, 37), cuts[np.abs(cuts) < 9]])
    nodes, weights = np.polynomial.legendre.leggauss(16)
    total, first, second = 0.0, 0.0, 0.0
    for low, high in itertools.pairwise(np.unique(np.round(ends, 12))):
        for node, weight in zip(nodes, weights, strict=True):
            t = 0.5 * (low + high) + 0.5 * (high - low) * node
            inner = fast.DGN(conditioned(dgn.network, factor, t), dgn.cov_x)
            posterior = inner.posterior(X)
            share = 0.5 * (high - low) * weight * stats.norm.pdf(t) * np.exp(inner.logpdf(X))
            mean = np.column_stack([np.full(len(X), t), posterior.mean()[:, 0]]) @ factor.T
            inner_cov = factor[:, 1:] @ factor[:, 1:].T * posterior.cov()
            total = total + share
            first = first + share[:, None] * mean
            outer = np.einsum("ni,nj->nij", mean, mean) + inner_cov
            second = second + share[:, None, None] * outer
    return total, first / total[:, None], second / total[:, None, None]


@pytest.mark.parametrize("name", ["ReLU", "abs"])
def test_nested_quadrature(name):
    """p(x) and posterior moments; with this noise the outer rule is good to 1e-10."""
    dgn, X = model(name, np.ones(NETWORKS[name][0][-1]))
    density, mean, second = nested(dgn, X)
    posterior = dgn.posterior(X)
    np.testing.assert_allclose(dgn.logpdf(X), np.log(density), atol=1e-9)
    np.testing.assert_allclose(posterior.mean(), mean, atol=1e-9)
    np.testing.assert_allclose(posterior.e2.sum(axis=1), second, atol=1e-9)


def test_brute_force_in_three_dimensions():
    """p(x) as a plain sum over a grid of 130³ points: it errs by a few 1e-5 at the kinks."""
    dgn, X = model("S = 3")
    side = np.linspace(-6.5, 6.5, 130)
    factor, step = np.linalg.cholesky(dgn.cov_z), side[1] - side[0]
    total = np.zeros(len(X))
    for first in side:
        u = np.array(np.meshgrid([first], side, side, indexing="ij")).reshape(3, -1).T
        prior = np.exp(-0.5 * (u**2).sum(axis=1)) / (2 * np.pi) ** 1.5
        images = dgn.network(u @ factor.T)
        for n, x in enumerate(X):
            quadratic = ((x - images) ** 2 / dgn.cov_x).sum(axis=1)
            total[n] += prior @ np.exp(-0.5 * quadratic) * step**3
    total /= np.sqrt(np.prod(2 * np.pi * dgn.cov_x))
    np.testing.assert_allclose(dgn.logpdf(X), np.log(total), atol=2e-4)


# Other forms of the same model


def test_a_plane_in_three_dimensions():
    """A network that sees two of three latent directions is the one on two: all regions have
    lines."""
    dgn, X = model("leaky")
    first, *rest = dgn.network.layers
    # Few digits, of which products and sums are exact: else the regions are no prisms.
    first = Dense(np.round(2.0**20 * first.weight) / 2.0**20, first.bias)
    turn = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, -2.0]])
    dgn = DGN(Network([first, *rest]), dgn.cov_x, dgn.cov_z)
    lifted = Network([Dense(first.weight @ turn, first.bias), *rest])
    back, along = np.linalg.pinv(turn), np.cross(*turn)
    cov_z = back @ dgn.cov_z @ back.T + 0.7 * np.outer(along, along)
    other = DGN(lifted, dgn.cov_x, cov_z)
    assert all(len(other.partition().lines(r)) == 1 for r in range(other.partition().n_regions))
    np.testing.assert_allclose(other.logpdf(X), dgn.logpdf(X), atol=TOLERANCE)
    mine, theirs = dgn.posterior(X), other.posterior(X)
    np.testing.assert_allclose(theirs.mean() @ turn.T, mine.mean(), atol=TOLERANCE)
    np.testing.assert_allclose(turn @ theirs.cov() @ turn.T, mine.cov(), atol=TOLERANCE)
    np.testing.assert_allclose(theirs.mode() @ turn.T, mine.mode(), atol=TOLERANCE)


def test_one_dimension_among_two():
    """A network that sees one of two latent directions has the values of S = 1, which are accurate
    in any tail."""
    small = Network.random([1, 4, 2], LeakyReLU(0.1), 2)
    first, *rest = small.layers
    network = Network([Dense(first.weight @ [[0.6, 0.8]], first.bias), *rest])
    wide, narrow = DGN(network, 0.3), DGN(small, 0.3)
    X = narrow.rvs(5, 1)
    np.testing.assert_allclose(wide.logpdf(X), narrow.logpdf(X), atol=TOLERANCE)
    np.testing.assert_allclose(
        wide.posterior(X).entropy(),
        narrow.posterior(X).entropy() + 0.5 * np.log(2 * np.pi * np.e),
        atol=TOLERANCE,
    )


def test_max_pooling():
    """The identities hold with max-pooling, whose regions are no cells of an arrangement."""
    rng = np.random.default_rng(6)
    layers = [Dense(rng.standard_normal((4, 2)), rng.standard_normal(4)), MaxPool(channels=2)]
    dgn = DGN(Network([*layers, Dense(rng.standard_normal((2, 2)), np.zeros(2))]), 0.3)
    X = dgn.rvs(3, 1)
    partition = dgn.partition()
    weights = [region_weight(r, partition, dgn.cov_z) for r in range(partition.n_regions)]
    assert abs(sum(weights) - 1) < TOLERANCE
    density, mean, _ = nested(dgn, X)
    np.testing.assert_allclose(dgn.logpdf(X), np.log(density), atol=1e-9)
    np.testing.assert_allclose(dgn.posterior(X).mean(), mean, atol=1e-9)


# Outside validity


def test_data_outside_validity_are_named():
    """Where every region's mass is in the tail, an error says which datum, in every method."""
    network = Network.random([2, 4, 3], ReLU(), 0)
    dgn = DGN(network, 1e-3)
    far = np.vstack([network([[0.3, -0.2]]), [[40.0, -60.0, 20.0]]])
    assert np.isfinite(dgn.logpdf(far[:1])[0])
    for method in (dgn.logpdf, dgn.posterior, dgn.statistics, dgn.expected_complete_loglik):
        with pytest.raises(OutsideValidity, match="X: row 1"):
            method(far)


def test_error_bounds_of_p_hold():
    """Against the same network on one dimension: nothing that is returned is off by more than 1e-9,
    from near the manifold to far from it, and both outcomes occur."""
    small = Network([Dense([[1.0], [-2.0]], [0.3, 0.1]), ReLU(), Dense([[1.0, 0.5]], [0.0])])
    first, *rest = small.layers
    network = Network([Dense(first.weight @ [[0.6, -0.8]], first.bias), *rest])
    returned = 0
    for cov_x in (1.0, 1e-2, 1e-4):
        wide, narrow = DGN(network, cov_x), DGN(small, cov_x)
        for x in np.linspace(-3, 12, 31)[:, None]:
            try:
                got = wide.logpdf(x[None])
            except OutsideValidity:
                continue
            returned += 1
            assert abs(got[0] - narrow.logpdf(x[None])[0]) < 1e-9 * max(1.0, abs(got[0])), x
    assert 30 < returned < 93


def test_unresolved_regions_are_nan_and_their_shares_are_not():
    """Regions far out: region_mean NaN, e0, e1, e2 finite and next to nothing."""
    dgn, X = model("leaky", 0.02)
    posterior = dgn.posterior(X)
    unknown = np.isnan(posterior.region_mean[:, :, 0])
    assert unknown.any()
    assert not unknown.all(axis=1).any()
    np.testing.assert_array_equal(np.isnan(posterior.region_cov[:, :, 0, 0]), unknown)
    assert np.all(posterior.e0[unknown] < 1e-4)
    for moments in (posterior.e0, posterior.e1, posterior.e2, posterior.entropy()):
        assert np.all(np.isfinite(moments))


def test_a_strip_whose_corners_are_one_to_rounding():
    """Two parallel lines 3e-14 apart: the strip between is a region, whose mass is lost. All values
    are those of one line, whose unit has the outgoing weights of both, to what its mass may be."""
    first = Dense([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [-0.5, -0.5 - 3e-14, 0.2])
    dgn = DGN(Network([first, ReLU(), Dense([[1.0, 0.5, -0.3], [0.2, 0.7, 1.0]], [0, 0])]), 0.5)
    merged = (
        Dense(first.weight[1:], first.bias[[0, 2]]),
        ReLU(),
        Dense([[1.5, -0.3], [0.9, 1]], [0, 0]),
    )
    truth = DGN(Network(merged), 0.5)
    assert (dgn.partition().n_regions, truth.partition().n_regions) == (6, 4)
    X, q = np.array([[0.1, 0.2]]), ([[0.5, 0.1]], np.ones((1, 2)))
    np.testing.assert_allclose(dgn.mean(), truth.mean(), atol=1e-12)
    np.testing.assert_allclose(dgn.cov(), truth.cov(), atol=1e-12)
    np.testing.assert_allclose(dgn.logpdf(X), truth.logpdf(X), atol=1e-12)
    np.testing.assert_allclose(dgn.elbo(X, *q), truth.elbo(X, *q), atol=1e-12)
    mine, theirs = dgn.posterior(X), truth.posterior(X)
    np.testing.assert_allclose(mine.mean(), theirs.mean(), atol=1e-12)
    np.testing.assert_allclose(mine.mode(), theirs.mode(), atol=1e-12)
    lost = np.isnan(mine.region_mean[0, :, 0])
    assert lost.sum() == 2
    assert np.all(mine.e0[0, lost] < 1e-13)


def test_q_outside_validity():
    """A variational Gaussian of no width at all fits no signed sum: it is refused by name, or its
    bound is right."""
    dgn, X = model("leaky")
    mean = np.zeros((1, 2))
    wide = dgn.elbo(X[:1], mean, np.ones((1, 2)))
    assert wide[0] < dgn.logpdf(X[:1])[0]
    tiny = dgn.elbo(X[:1], mean + 0.3, np.full((1, 2), 1e-10))
    z = np.array([[0.3, 0.3]])
    noise = stats.multivariate_normal(np.zeros(2), np.diag(dgn.cov_x))
    log_joint = noise.logpdf(X[0] - dgn.network(z)[0])
    log_joint += stats.multivariate_normal(np.zeros(2), dgn.cov_z).logpdf(z[0])
    entropy = np.log(2 * np.pi * np.e * 1e-10)
    assert tiny[0] == pytest.approx(log_joint + entropy, abs=1e-7)


def test_a_bound_of_nearly_nothing_is_not_refused():
    """The error allowed is absolute where the ELBO is below 1: one that is 0, as it is in the right
    unit of x, stands."""
    dgn, X = model("leaky")
    q = np.zeros((1, 2)), np.ones((1, 2))
    unit = np.exp(dgn.elbo(X[:1], *q)[0] / X.shape[1])
    last = len(dgn.network.layers) - 1
    scaled = {
        f"{last}.{name}": unit * dgn.parameters()[f"{last}.{name}"] for name in ("weight", "bias")
    }
    network = dgn.network.with_parameters({**dgn.network.parameters(), **scaled})
    nothing = DGN(network, unit**2 * dgn.cov_x, dgn.cov_z).elbo(unit * X[:1], *q)[0]
    assert 0 < abs(nothing) < 1e-12


@pytest.mark.parametrize("name", ["leaky", "S = 3"])
def test_size_of_the_joint_density_s_coefficients(name):
    """log_joint_size bounds the ELBO's error: the absolute coefficients of log p(x, z), which is
    a + l · w + wᵀ Q w on a region, z = mean + root w, read off from its values, added up."""
    dgn, X = model(name, covariance(2, 4))
    latent = len(dgn.cov_z)
    mean, cov = np.linspace(0.5, -1.0, latent), 0.5 * covariance(latent, 6)
    given = dgn.partition(), dgn.cov_x, dgn.cov_z
    root, axes = square_root(cov), np.eye(latent)
    np.testing.assert_allclose(root @ root.T, cov, atol=1e-13)
    for region in range(2):

        def value(w, region=region):
            z = mean + root @ w
            return log_conditional(X[0], z, region, *given[:2]) + log_prior(z, dgn.cov_z)

        at_0 = value(np.zeros(latent))
        linear = [0.5 * (value(e) - value(-e)) for e in axes]
        # At e + f less at e - f: 2 l_f + 4 Q_ef.
        steps = np.array([[value(e + f) - value(e - f) for f in axes] for e in axes])
        quadratic = 0.25 * (steps - 2 * np.array(linear))
        expected = abs(at_0) + np.abs(linear).sum() + np.abs(quadratic).sum()
        size = log_joint_size(X[0], mean, cov, region, *given)
        assert size == pytest.approx(expected, rel=1e-11)


# Four dimensions


def test_what_four_dimensions_have():
    """Partition, draws of x and the zero-noise latent; the rest names S and points to fast."""
    network = Network.random([4, 3, 2], LeakyReLU(0.1), 0)
    dgn = DGN(network, 0.3)
    assert dgn.zero_noise_latent(np.zeros((1, 2))).shape == (1, 4)
    assert dgn.rvs(2, 0).shape == (2, 2)
    with pytest.raises(NotImplementedError, match="has 4; `fast`"):
        dgn.logpdf(np.zeros((1, 2)))


def test_a_mode_on_no_region_is_caught(monkeypatch):
    """Without the faces the mode would be outside its region: the test of modes sees it."""
    dgn, X = model("ReLU")
    truth = dgn.posterior(X).mode()

    def unconstrained(polyhedron, matrix, target):
        return np.linalg.lstsq(matrix, target, rcond=None)[0]

    monkeypatch.setattr(reference.distributions.marginal, "minimiser", unconstrained)
    partition = dgn.partition()
    moved = [posterior_mode(x, partition, dgn.cov_x, dgn.cov_z) for x in X]
    assert np.abs(np.array(moved) - truth).max() > 1e-3
