"""The certified skip for S >= 2: its bounds hold, level by level, and no more is done than must."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.special import log_ndtr

import fast
import fast.many_dimensions.e_step as e_step
import fast.many_dimensions.gaussians as gaussians
import fast.many_dimensions.pairs as pairs
import fast.many_dimensions.region_gaussians as region_gaussians
import fast.many_dimensions.skipping.outlines as outlines
import fast.many_dimensions.skipping.search as search
from fast import Abs, Dense, LeakyReLU, MaxPool, Network, ReLU, Reshape
from fast.many_dimensions.skipping.region_tree import bounds_by_balls

FULL = np.array([[0.04, 0.01, 0.0], [0.01, 0.03, 0.0], [0.0, 0.0, 0.2]])
PRIOR = np.array([[1.5, 0.4, 0.1], [0.4, 0.8, 0.0], [0.1, 0.0, 1.2]])


def pooled():
    """Max-pooling: regions of several cells."""
    rng = np.random.default_rng(3)
    return Network(
        [
            Dense(rng.standard_normal((8, 2)), rng.standard_normal(8)),
            Reshape((2, 2, 2)),
            MaxPool(2),
            Reshape((2,)),
            Dense(rng.standard_normal((5, 2)), rng.standard_normal(5)),
            LeakyReLU(0.1),
            Dense(rng.standard_normal((3, 5)), rng.standard_normal(3)),
        ]
    )


MODELS = {
    "two layers": lambda: fast.DGN(Network.random([2, 10, 8, 3], random_state=0), 0.05),
    "full covariances": lambda: fast.DGN(
        Network.random([2, 9, 7, 3], Abs(), random_state=1), FULL, PRIOR[:2, :2]
    ),
    "wide": lambda: fast.DGN(Network.random([2, 12, 9, 30], random_state=2), 0.3),
    "three dimensions": lambda: fast.DGN(
        Network.random([3, 7, 6], LeakyReLU(0.2), random_state=3), 0.1, PRIOR
    ),
    "four dimensions": lambda: fast.DGN(Network.random([4, 3, 2], ReLU(), random_state=4), 0.2),
    "pooled": lambda: fast.DGN(pooled(), 0.1),
    "lines": lambda: fast.DGN(
        Network([Dense([[1.0, 2.0], [-2.0, -4.0]], [0.0, 1.0]), ReLU(), Dense(np.eye(2), [0, 0])]),
        0.1,
    ),
}


def data(dgn):
    """Drawn, random and far away."""
    rng, observed = np.random.default_rng(1), dgn.network.observed_dimension
    few = 2 if dgn.network.latent_dimension > 3 else 6
    return np.concatenate(
        [
            dgn.rvs(few, 0),
            3 * rng.standard_normal((few, observed)),
            1e3 * rng.standard_normal((2, observed)),
        ]
    )


@pytest.fixture(params=MODELS)
def model(request, monkeypatch):
    """A model whose bounded regions are all in the tree, which sees two coordinates."""
    monkeypatch.setattr(search, "_FEWEST", 1)
    monkeypatch.setattr(search, "_LARGEST", np.inf)
    monkeypatch.setattr(outlines, "_AXES", 2)
    return MODELS[request.param]()


def truth(dgn, X):
    """Log mass and log p(x, z) at the peak of every pair, (N, R) each, with nothing left out; -inf
    where a region is thinner than rounding."""
    whole = fast.DGN(dgn.network, dgn.cov_x, dgn.cov_z, negligible=0.0)
    geometry = whole._model.geometry
    terms = pairs.pairs_of(geometry, geometry.points(X))
    mass, peak = np.full((2, len(X), geometry.n_regions), -np.inf)
    at = terms.pairs.datum, terms.pairs.region
    mass[at] = terms.log_e0 + terms.log_evidence[terms.pairs.datum]
    peak[at] = terms.pairs.log_joint
    return mass, peak


def below(values, bounds):
    """Whether values are below bounds, but for rounding of the values."""
    return np.all(values <= bounds + 1e-12 * np.maximum(1.0, np.abs(values)))


def listed(dgn, X, *, by_mass):
    """The bounds of all pairs, as they are listed when nothing is known, (N, R)."""
    geometry = dgn._model.geometry
    points = geometry.points(X)
    found = geometry.search.at(points.y).candidates(np.full(len(X), -np.inf), by_mass=by_mass)
    bounds = np.full((len(X), geometry.n_regions), -np.inf)
    bounds[found.datum, found.region] = found.bound + alike(geometry, points)[found.datum]
    return bounds


def alike(geometry, points):
    """What of log p(x, z) does not depend on z, (N,)."""
    return geometry.log_constant - 0.5 * points.rest


def violated(dgn):
    """Which bounds do not hold: of pairs, and of the nodes of the tree by the level."""
    X, geometry = data(dgn), dgn._model.geometry
    mass, peak = truth(dgn, X)
    found = []
    if not below(mass, listed(dgn, X, by_mass=True)):
        found.append("masses of pairs")
    if not below(peak, listed(dgn, X, by_mass=False)):
        found.append("peaks of pairs")
    regions = geometry.search
    if regions.tree is None:
        return found
    points = geometry.points(X)
    seen = regions.projection.seen(points.y)
    starts = [np.arange(len(regions.inner))]
    for children in regions.tree.children[::-1]:
        starts.insert(0, starts[0][children[:-1]])
    for level, (balls, first) in enumerate(zip(regions.tree.levels, starts, strict=True)):
        for datum in range(len(X)):
            every = np.full(len(first), datum)
            bounds = bounds_by_balls(balls, seen, every, regions.tree.log_prior)
            masses = np.logaddexp.reduceat(mass[datum, regions.inner], first)
            peaks = np.maximum.reduceat(peak[datum, regions.inner], first)
            if not below(masses, bounds[0] + alike(geometry, points)[datum]):
                found.append(f"masses of level {level}")
            if not below(peaks, bounds[1] + alike(geometry, points)[datum]):
                found.append(f"peaks of level {level}")
    return found


def test_every_bound_holds(model):
    assert violated(model) == []


def changed(place, name, change):
    """A function of a module whose result is changed."""

    def apply(monkeypatch):
        function = getattr(place, name)
        monkeypatch.setattr(place, name, lambda *args: change(function(*args)))

    return apply


BREAKAGES = {
    "balls a little too small": changed(
        outlines, "_balls", lambda found: (found[0], 0.9 * found[1])
    ),
    "volumes a tenth too small": changed(outlines, "most_log_volumes", lambda found: found - 0.1),
    "what is beyond the axes forgotten": changed(outlines, "_largest", lambda found: 0.0 * found),
    "the projection's distances too large": changed(
        outlines, "pushed", lambda maps: maps._replace(offsets=1.05 * maps.offsets)
    ),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_bound_that_is_a_little_too_tight_is_seen(name, monkeypatch):
    monkeypatch.setattr(search, "_FEWEST", 1)
    monkeypatch.setattr(search, "_LARGEST", np.inf)
    monkeypatch.setattr(outlines, "_AXES", 2)
    BREAKAGES[name](monkeypatch)
    kinds = ("two layers", "wide", "full covariances")
    assert any(violated(MODELS[kind]()) for kind in kinds)


def test_results_do_not_depend_on_the_tree(model, monkeypatch):
    """With and without one, and with nothing left out: the same to what may be left out."""
    X = data(model)
    without = fast.DGN(model.network, model.cov_x, model.cov_z)
    monkeypatch.setattr(search, "_FEWEST", 10**9)
    assert without._model.geometry.search.tree is None
    whole = fast.DGN(model.network, model.cov_x, model.cov_z, negligible=0.0)
    expected = whole.posterior(X)
    for dgn in (model, without):
        assert dgn.logpdf(X) == pytest.approx(whole.logpdf(X), rel=1e-13, abs=1e-13)
        posterior = dgn.posterior(X)
        assert posterior.mean() == pytest.approx(expected.mean(), rel=1e-11, abs=1e-11)
        assert posterior.mode() == pytest.approx(expected.mode(), rel=1e-12, abs=1e-12)
        for scale in (1.0, 1e-6, 9.0):
            q = expected.mean(), scale * expected.cov()
            assert dgn.elbo(X, *q) == pytest.approx(without.elbo(X, *q), rel=1e-12)
        left = np.where(np.isneginf(posterior.log_e0), expected.e0, 0.0).sum(axis=1)
        assert np.all(left <= posterior.skipped + 1e-300)
        assert np.all(posterior.skipped <= 1e-15)


@pytest.mark.parametrize("negligible", [1e-3, 1e-9])
def test_more_may_be_left_out_of_a_tree(negligible):
    dgn = fast.DGN(Network.random([2, 24, 24, 4], random_state=5), 0.01, negligible=negligible)
    whole = fast.DGN(dgn.network, dgn.cov_x)
    X = data(dgn)
    assert dgn._model.geometry.search.tree is not None
    posterior = dgn.posterior(X)
    gap = whole.logpdf(X) - dgn.logpdf(X)
    size = 1e-12 * np.abs(dgn.logpdf(X))
    assert np.all(gap >= -size)
    assert np.all(gap <= -np.log1p(-posterior.skipped) + size)
    assert np.all(posterior.skipped <= negligible)
    assert posterior.skipped.max() > 1e-3 * negligible


BESIDE = np.array([0.5, 0.2, 0.0, 1.0, 0.0, 0.0])


def beside_the_image(kind):
    """A network whose image has two dimensions of six, and the direction of a datum that is
    orthogonal to it: so that its coordinates do not see it, or see it beyond the projection."""
    first = Dense([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [0.0, 0.0, -0.5])
    weight = np.zeros((6, 3))
    weight[:2] = [[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]]
    if kind == "no coordinate":
        return Network([first, ReLU(), Dense(weight, np.zeros(6))])
    # A last layer with a choice in it: all of x are coordinates.
    return Network([first, ReLU(), Dense(weight, np.zeros(6)), LeakyReLU(0.999)])


@pytest.mark.parametrize("kind", ["no coordinate", "beyond the projection"])
@pytest.mark.parametrize("distance", [1e3, 1e6, 1e9, 3e9, 1e10, 1e12])
def test_data_far_beside_the_image(kind, distance, monkeypatch):
    """Their distance is the same for all regions: beside it nothing that differs is lost."""
    monkeypatch.setattr(outlines, "_AXES", 2)
    network = beside_the_image(kind)
    x = BESIDE * np.array([1.0, 1.0, 1.0, distance, 1.0, 1.0])
    some, all_ = fast.DGN(network, 1.0), fast.DGN(network, 1.0, negligible=0.0)
    posterior, expected = some.posterior(x[None]), all_.posterior(x[None])
    assert posterior.skipped[0] <= 1e-15
    assert posterior.mean() == pytest.approx(expected.mean(), rel=1e-9)
    assert posterior.entropy() == pytest.approx(expected.entropy(), rel=1e-9)
    assert posterior.mode() == pytest.approx(expected.mode(), rel=1e-9, abs=1e-9)
    if kind == "no coordinate":
        near = fast.DGN(network, 1.0).posterior(BESIDE[None])
        assert posterior.mean() == pytest.approx(near.mean(), rel=1e-9)


def integrated(dgn, X, monkeypatch):
    """How many pairs are integrated for each datum."""
    counts = np.zeros(len(X), dtype=int)
    evaluate = pairs.evaluate

    def counting(geometry, points, base, datum, region):
        np.add.at(counts, datum, 1)
        return evaluate(geometry, points, base, datum, region)

    with monkeypatch.context() as patched:
        patched.setattr(pairs, "evaluate", counting)
        geometry = dgn._model.geometry
        pairs.pairs_of(geometry, geometry.points(X))
    return counts


def test_no_more_pairs_than_needed(monkeypatch):
    """At most twice as many as if log p(x) were known beforehand."""
    dgn = fast.DGN(Network.random([2, 40, 40, 6], random_state=6), 0.01)
    X = dgn.rvs(20, random_state=0)
    geometry = dgn._model.geometry
    points = geometry.points(X)
    floor = dgn.logpdf(X) - alike(geometry, points) + np.log(1e-15)
    look = geometry.search.at(points.y)
    left = look.candidates(floor, by_mass=True)
    sums = left.sums(floor)
    needed = np.array([np.count_nonzero(sums[left.datum == n] > floor[n]) for n in range(len(X))])
    counts = integrated(dgn, X, monkeypatch)
    assert np.all(counts <= 2 * needed + 2)
    assert counts.mean() < 0.1 * dgn.partition().n_regions


def test_maps_of_all_regions_are_formed_when_they_are_asked_for():
    """Not by any of these."""
    dgn = fast.DGN(Network.random([2, 20, 20, 5], random_state=7), 0.05)
    X = dgn.rvs(4, random_state=0)
    posterior = dgn.posterior(X)
    posterior.mean(), posterior.cov(), posterior.entropy(), posterior.mode(), posterior.rvs(3, 0)
    dgn.logpdf(X), dgn.mean(), dgn.cov(), dgn.zero_noise_latent(X)
    dgn.kl(X, posterior.mean(), posterior.cov())
    partition = dgn.partition()
    assert "_all_maps" not in vars(partition)
    some = partition.maps([5, 3])
    assert np.array_equal(some.slopes, partition.slopes[[5, 3]])
    assert np.array_equal(some.offsets, partition.offsets[[5, 3]])
    assert "_all_maps" in vars(partition)


def test_what_is_kept_of_regions_changes_nothing(monkeypatch):
    """As little as fits, in blocks of any history: to the last bit."""
    network = Network.random([2, 20, 20, 5], random_state=8)
    X = fast.DGN(network, 0.05).rvs(12, random_state=0)
    expected = fast.DGN(network, 0.05).logpdf(X)
    assert np.array_equal(fast.DGN(network, 0.05).logpdf(X[::-1])[::-1], expected)
    monkeypatch.setattr(region_gaussians, "_KEPT", 1)
    dgn = fast.DGN(network, 0.05)
    assert np.array_equal(dgn.logpdf(X), expected)
    assert np.array_equal(dgn.logpdf(X), expected)


def test_a_model_is_used_from_several_threads(monkeypatch):
    """While regions are formed and given up again."""
    monkeypatch.setattr(region_gaussians, "_KEPT", 1 << 14)
    dgn = fast.DGN(Network.random([2, 20, 20, 5], random_state=9), 0.05)
    X = dgn.rvs(30, random_state=0)
    expected = fast.DGN(dgn.network, 0.05).logpdf(X)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda n: dgn.logpdf(X[n : n + 1])[0], np.tile(np.arange(30), 4)))
    assert np.asarray(results) == pytest.approx(np.tile(expected, 4), rel=1e-14)


def test_a_posterior_holds_the_regions_that_matter():
    """Tables of all regions have the same numbers, and are refused where they are too large; all
    else works."""
    network = Network.random([2, 24, 24, 4], random_state=10)
    plain, small = fast.DGN(network, 0.01), fast.DGN(network, 0.01, max_memory=1e5)
    X = plain.rvs(20, random_state=0)
    posterior, other = plain.posterior(X), small.posterior(X)
    shares = posterior.shares
    assert len(shares.datum) < 0.3 * posterior.log_e0.size
    assert np.array_equal(posterior.log_e0[shares.datum, shares.region], shares.log_e0)
    assert np.count_nonzero(posterior.log_e0 > -np.inf) == len(shares.datum)
    assert posterior.e0.sum(axis=1) == pytest.approx(np.ones(20), abs=1e-13)
    assert posterior.e1.sum(axis=1) == pytest.approx(posterior.mean(), rel=1e-13)
    spread = posterior.e2.sum(axis=1) - posterior.mean()[:, :, None] * posterior.mean()[:, None, :]
    assert spread == pytest.approx(posterior.cov(), rel=1e-8, abs=1e-12)
    assert np.array_equal(other.mean(), posterior.mean())
    assert np.array_equal(other.rvs(5, 0), posterior.rvs(5, 0))
    for name in ("log_e0", "region_mean", "region_cov", "e0", "e1", "e2"):
        with pytest.raises(ValueError, match=rf"^max_memory: posterior\.{name} takes .* GB"):
            getattr(other, name)
    with pytest.raises(ValueError, match=r"^max_memory: statistics takes .* GB"):
        small.statistics(X)
    again = pickle.loads(pickle.dumps(posterior))
    assert np.array_equal(again.mean(), posterior.mean())
    assert np.array_equal(again.mode(), posterior.mode())


def left_out_of_expectations(build, negligible):
    """How far ELBO and KL are off where regions are left out, (2, W, N): for Gaussians as wide as
    the posterior, narrower and wider."""
    model = build()
    given = model.network, model.cov_x, model.cov_z
    some, whole = fast.DGN(*given, negligible=negligible), fast.DGN(*given, negligible=0.0)
    flat = model.network.latent_dimension == 2
    X, widths = (model.rvs(12, 3), (0.3, 1.0, 2.5)) if flat else (model.rvs(2, 3), (1.0,))
    posterior = whole.posterior(X)
    mean, covs = posterior.mean(), [width * posterior.cov() for width in widths]
    missed = [
        [
            some.elbo(X, mean, cov) - whole.elbo(X, mean, cov),
            some.kl(X, mean, cov) - whole.kl(X, mean, cov),
        ]
        for cov in covs
    ]
    return np.swapaxes(np.abs(missed), 0, 1)


def many_regions():
    """Of which q holds a hundred and more; they are bounded."""
    return fast.DGN(Network.random([2, 40, 20], random_state=0), 0.05)


def wedges():
    """Half of the regions are unbounded."""
    return fast.DGN(Network.random([2, 8, 3], random_state=0), 0.05)


def cells():
    """In three dimensions."""
    return fast.DGN(Network.random([3, 6, 4], random_state=0), 0.1, PRIOR)


@pytest.mark.parametrize("build", [many_regions, wedges, cells])
@pytest.mark.parametrize("negligible", [1e-4, 1e-9])
def test_expectations_miss_no_more_than_is_negligible(build, negligible):
    """Something is left out, and it is no more than may be."""
    elbo, kl = left_out_of_expectations(build, negligible)
    # KL has the error of log p(x) as well.
    assert elbo.max() <= negligible
    assert kl.max() <= 2 * negligible
    assert kl.max() > 0


@pytest.mark.parametrize(("build", "part"), [(many_regions, "log_tree"), (wedges, "log_others")])
def test_values_taken_for_a_millionth_are_seen(monkeypatch, build, part):
    honest = e_step._worth

    def breakage(*given):
        worth = honest(*given)
        if worth is None:
            return None
        if part == "log_tree":
            return worth._replace(log_tree=worth.log_tree - 14.0)
        return worth._replace(log_others=lambda *at: worth.log_others(*at) - 14.0)

    monkeypatch.setattr(e_step, "_worth", breakage)
    assert left_out_of_expectations(build, 1e-6)[0].max() > 1e-6


def test_what_is_left_out_is_the_least():
    """Of every datum the smallest parts, whose sum is below 1; however large the others are."""
    datum = np.array([0, 0, 0, 0, 3, 3, 4, 4])
    parts = np.append(np.log([0.5, 0.6, 0.3, 700.0, 1.1, 0.9, 0.5, 0.6]), 1e4)
    left = gaussians._least_of_all(np.append(datum, 4), parts)
    assert left.tolist() == [True, False, True, False, False, True, True, False, False]
    assert len(gaussians._least_of_all(datum[:0], np.empty(0))) == 0


def value_over_bound(build):
    """Of what q has of log p(x, z) - base in every region, what part it is of the most that it is
    said to have: in the tree, (P,), and in no tree, (Q,). For data near and far, narrow and wide q.
    """
    dgn = build()
    X = dgn.rvs(4, 5) * np.array([[1.0], [1.0], [3.0], [30.0]])
    means = np.array([[0.1, 0.0], [1.0, -2.0], [0.0, 0.5], [0.0, 0.0]])
    covs = np.array([0.01, 1.0, 9.0, 4.0])[:, None, None] * np.eye(2)
    base, roots = np.array([0.0, -1e4, 20.0, 0.0]), np.linalg.cholesky(covs)
    dgn.logpdf(X)
    geometry = dgn._model.geometry
    points, negligible = geometry.points(X), geometry.negligible
    worth = e_step._worth(geometry, points, base, means, covs)
    given = gaussians._Given(0, means, roots, np.linalg.inv(roots), np.linalg.slogdet(roots)[1])
    in_tree, in_none = [], []
    for found in gaussians.gaussians_on_regions(geometry, means, covs, None):
        d, r = found.datum, found.region
        value = geometry.log_joint(points.y[d], points.rest[d], r, found.mean) - base[d]
        value = np.abs(
            value
            - 0.5
            * np.linalg.norm(geometry.roots[r] @ np.linalg.cholesky(found.cov), axis=(1, 2)) ** 2
        )
        tree = np.isin(r, geometry.search.inner)
        in_tree.append(value[tree] / np.exp(worth.log_tree[d[tree]]) / negligible)
        kept, outside = gaussians._not_far(geometry, given, d[~tree], r[~tree])
        d, r = d[~tree][kept], r[~tree][kept]
        most = worth.log_others(d, r, outside) + np.log(negligible) + log_ndtr(-outside)
        in_none.append((value * np.exp(found.log_mass))[~tree][kept] * np.exp(-most))
    return np.concatenate(in_tree), np.concatenate(in_none)


@pytest.mark.parametrize("build", [many_regions, wedges])
def test_values_are_no_larger_than_said(build):
    """And not much smaller than what is said of them."""
    in_tree, in_none = value_over_bound(build)
    assert 0.3 < in_tree.max() <= 1.0
    assert 0.05 < in_none.max() <= 1.0


def test_values_that_are_not_told_of_spread_are_seen(monkeypatch):
    """A wide q has more of a steep slope than at its mean."""
    monkeypatch.setattr(e_step, "_curvatures", lambda geometry, region, cov: np.zeros(len(region)))
    assert value_over_bound(wedges)[1].max() > 1.0


@pytest.mark.parametrize(("build", "variance"), [(many_regions, 0.05), (wedges, 0.1)])
def test_every_datum_has_its_own_worth(monkeypatch, build, variance):
    """Far from the image values are larger, and less may be left out: one datum a chunk. With what
    the first may leave out the second would be off by 0.008 and 0.08."""
    dgn, negligible = build(), 1e-4
    X = dgn.rvs(2, 5) * np.array([[1.0], [1e3]])
    q = np.tile([0.3, 0.1], (2, 1)), np.tile(variance * np.eye(2), (2, 1, 1))
    monkeypatch.setattr(gaussians, "_CHUNK", 1)
    whole, some = (fast.DGN(dgn.network, dgn.cov_x, negligible=x) for x in (0.0, negligible))
    missed = np.abs(some.elbo(X, *q) - whole.elbo(X, *q))
    assert 0 < missed.max() <= negligible
