"""Nothing depends on how many rows are worked on at once, nor on which rows are beside which."""

import ast
import sys
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
from chunk_cases import KINDS, LATENT, case, differences, of_partition, per_datum, summed
from chunk_lengths import (
    Place,
    RowsLeftOut,
    all_places,
    calls_of_sources,
    name_called,
    rows_per_chunk,
    trees,
)
from scipy.sparse import csr_array
from scipy.stats import truncnorm

import fast
import fast.many_dimensions.local.descent as descent
import reference
from fast.partition.cost import sampled_facets
from fast.partition.cost.regions import regions_after_layers
from fast.partition.refined_vertices import refined
from fast.polyhedra.chunks import chunks, uneven_chunks
from fast.training.frame import Frame
from fast.training.objective import State
from fast.training.parameter_vector import Packing
from oracle.mutants.mutant import Mutant
from oracle.mutants.trial import applied
from reference import Dense, Network, ReLU
from reference.integration import draws as sampling


@cache
def in_chunks(latent, kind, rows):
    """Every method of `fast` on one case, in chunks of so many rows; and what was reached."""
    given = case(latent, kind)
    with rows_per_chunk(rows) as reached:
        dgn = fast.DGN(given.network, given.cov_x, given.cov_z)
        values = of_partition(dgn.partition())
        values |= per_datum(dgn, given, slice(None))
        values |= summed(dgn, given)
    return values, reached


#: Loops over data: in every case they come to a ragged chunk.
OVER_DATA = {
    1: {
        ("one_dimension.model", "OneDimension.logpdf", "chunks"),
        ("one_dimension.model", "OneDimension.posterior", "chunks"),
        ("one_dimension.e_step", "statistics", "chunks"),
        ("one_dimension.e_step", "expected_complete_loglik", "chunks"),
        ("one_dimension.e_step", "elbo", "chunks"),
        ("one_dimension.e_step", "kl", "chunks"),
        ("distributions.zero_noise", "zero_noise_latent", "chunks"),
    },
    2: {
        ("many_dimensions.model", "ManyDimensions.logpdf", "chunks"),
        ("many_dimensions.model", "ManyDimensions.posterior", "chunks"),
        ("many_dimensions.posterior", "PolyhedralPosterior.mode", "chunks"),
        ("many_dimensions.e_step", "statistics", "chunks"),
        ("many_dimensions.e_step", "expected_complete_loglik", "chunks"),
        ("many_dimensions.gaussians", "gaussians_on_regions", "chunks"),
        ("distributions.zero_noise", "zero_noise_latent", "chunks"),
        ("partition.location", "locate", "chunks"),
    },
}


def over_data(latent):
    """The places that loop over data, or over points."""
    return {Place(f"fast.{module}", *names) for module, *names in OVER_DATA[min(latent, 2)]}


#: Row by row every pair of three dimensions takes ten milliseconds.
LENGTHS = [
    pytest.param(*one, marks=pytest.mark.deep if one in product([3], KINDS[:4], [1]) else ())
    for one in product(LATENT, KINDS, [1, 2, 3])
]


@pytest.mark.parametrize(("latent", "kind", "rows"), LENGTHS)
def test_chunks_change_nothing(latent, kind, rows):
    """Every method of `fast`: chunks of 1, 2 and 3 rows give what one chunk gives."""
    expected, whole = in_chunks(latent, kind, None)
    values, reached = in_chunks(latent, kind, rows)
    assert not whole.second & over_data(latent)
    assert over_data(latent) <= reached.second
    if rows > 1:
        assert over_data(latent) <= reached.ragged
    assert differences(values, expected) == []


def test_the_cases_have_every_layer():
    """Of every kind of layer there is one, for S = 1, 2 and 3."""
    for latent in LATENT:
        used = {type(layer) for kind in KINDS for layer in case(latent, kind).network.layers}
        known = {getattr(fast, name) for name in fast.__all__}
        layers = {one for one in known if hasattr(one, "propagate") and one is not Network}
        # Blocks are made of layers that have no name of their own.
        assert {one for one in used if one.__name__ in fast.__all__} == layers


#: {z : normals z + offsets > 0} with ragged numbers of corners to try, for S = 2 and 3.
HALF_SPACES = {
    2: ([[1.0, 0.2], [-1.0, 0.3], [0.1, 1.0], [0.3, -1.0], [1.0, 1.0]], [1.0, 0.7, 0.4, 1.1, 0.9]),
    3: ([[1.0, 0.2, 0.0], [-1.0, 0.3, 0.2], [0.1, 1.0, 0.5], [0.3, -1.0, -0.4]], [1, 0.7, 0.4, 1]),
}


DRAWS = 4_000
#: Standard errors. Of a normal 6.5 are exceeded with probability 8e-11: there are 500 comparisons.
MOST_ERRORS = 6.5


@cache
def on_polyhedron(latent, rows):
    """Seven Gaussians on a polyhedron; and what was reached."""
    means = 2 * np.random.default_rng(latent).standard_normal((7, latent))
    with rows_per_chunk(rows) as reached:
        found = fast.gaussian_on_polyhedron(*HALF_SPACES[latent], means, np.eye(latent) + 0.3)
        draws = found.rvs(DRAWS, 7)
    values = {"mass": found.log_mass, "mean": found.mean, "cov": found.cov}
    values |= {"error": found.log_mass_error, "entropy": found.entropy()}
    return values, reached, (found, draws)


@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("latent", HALF_SPACES)
def test_chunks_of_means_change_nothing(latent, rows):
    """`gaussian_on_polyhedron` in chunks of means, and of corners tried. Draws have the law of each
    mean by itself."""
    values, reached, (found, draws) = on_polyhedron(latent, rows)
    for loop in ("truncated", "draw"):
        place = Place("fast.integration.on_polyhedron", f"_OnLattice.{loop}", "chunks")
        assert place in reached.second
        if rows > 1:
            assert place in reached.ragged
    assert differences(values, on_polyhedron(latent, None)[0]) == []
    away = draws - found.mean[:, None]
    errors = np.sqrt(np.einsum("mss->ms", found.cov) / DRAWS)
    assert np.all(np.abs(away.mean(axis=1)) < MOST_ERRORS * errors)
    spread = np.einsum("mds,mdt->mdst", away, away)
    errors = spread.std(axis=1) / np.sqrt(DRAWS)
    assert np.all(np.abs(spread.mean(axis=1) - found.cov) < MOST_ERRORS * errors)


@cache
def among_many_regions():
    """A model of 37 regions, and data far from all images, that many of them may hold; the search
    for their modes begins with the first region, where few of them are."""
    dgn = fast.DGN(Network.random([2, 8, 3], ReLU(), 0), 1.0)
    X = 3 * np.random.default_rng(0).standard_normal((11, 3))
    posterior = dgn.posterior(X)
    first = np.zeros(len(X), dtype=np.intp)
    posterior._references = replace(posterior._references, region=first)
    return dgn, X, posterior


@cache
def modes(rows):
    """Their modes, and limits without noise; and what was reached."""
    dgn, X, posterior = among_many_regions()
    with rows_per_chunk(rows) as reached:
        return {"mode": posterior.mode(), "zero noise": dgn.zero_noise_latent(X)}, reached


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_chunks_do_not_change_where_regions_compete(rows):
    """Modes of data beyond the first chunk, also where the region that is looked at first has not
    got it: in some of the later ones."""
    expected, _ = modes(None)
    values, reached = modes(rows)
    assert (
        Place("fast.many_dimensions.posterior", "PolyhedralPosterior._peaks", "items")
        in reached.second
    )
    assert differences(values, expected) == []
    dgn, _, posterior = among_many_regions()
    first = posterior._references.region
    assert np.sum(dgn.partition().locate(expected["mode"])[rows:] != first[rows:]) >= 3


@cache
def far_away(rows):
    """What is known of far data, of all of their regions; and what was reached."""
    dgn = fast.DGN(Network.random([2, 4, 3], ReLU(), 0), 1.0, negligible=0.0)
    X = 1e7 * np.random.default_rng(1).standard_normal((5, 3))
    with rows_per_chunk(rows) as reached:
        posterior = dgn.posterior(X)
        values = {"shares": posterior.e0, "mode": posterior.mode(), "log p": dgn.logpdf(X)}
        values["mean"] = posterior.mean()
        posterior.rvs(20, 0)
    return values, reached


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_chunks_of_far_data_change_nothing(rows):
    assert differences(far_away(rows)[0], far_away(None)[0]) == []


@cache
def in_boxes(rows):
    """Everything that a local partition tells of five data; and what was reached."""
    network = Network.random([2, 4, 3], ReLU(), 0)
    dgn = fast.DGN(network, 0.3, negligible=1e-6, partition="local")
    X = dgn.rvs(5, random_state=0)
    q = 0.3 * X[:, :2], np.full((5, 2), 0.1)
    few = descent._FEW
    descent._FEW = 3
    try:
        with rows_per_chunk(rows) as reached:
            posterior = dgn.posterior(X)
            values = {"log p": dgn.logpdf(X), "mode": posterior.mode(), "kl": dgn.kl(X, *q)}
            values |= {"mean": posterior.mean(), "cov": posterior.cov(), "elbo": dgn.elbo(X, *q)}
            values["expected"] = dgn.expected_complete_loglik(X)
            values |= {"score": dgn.score(X), "spread": posterior.reconstruction_cov()}
            values["variances"] = posterior.reconstruction_cov(diagonal=True)
            for n in range(5):
                values[f"spread of {n}"] = dgn.posterior(X[n : n + 1]).reconstruction_cov()
            statistics = vars(dgn.statistics(X))
            values |= {f"statistics {name}": value for name, value in statistics.items()}
            draws = posterior.rvs(50, 0)
    finally:
        descent._FEW = few
    whole = fast.DGN(network, 0.3, partition="full").posterior(X)
    assert np.all(np.isfinite(whole.logpdf(draws)))
    return values, reached


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_chunks_of_boxes_change_nothing(rows):
    assert differences(in_boxes(rows)[0], in_boxes(None)[0]) == []


@cache
def in_five_dimensions(rows):
    """The regions of networks of five dimensions, one of them with parallels that meet far out, as
    many regions as are allowed, and a lattice; and what was reached."""
    axes = np.concatenate([np.eye(5), np.eye(5)[:2], [[1.0, 2.0, -1.0, 0.5, 1.5]]])
    parallel = Network([Dense(axes, [0, 0, 0, 0, 0, 1, -1, 0.3]), ReLU()])
    networks = [Network.random([5, 7, 1], ReLU(), 0), parallel]
    values = {}
    with rows_per_chunk(rows) as reached:
        for i, network in enumerate(networks):
            regions = fast.DGN(network, 1.0).partition().n_regions
            found = fast.DGN(network, 1.0, max_regions=regions).partition()
            ((_, lattice),) = found.polyhedra.lattices
            values |= {f"codes {i}": found.codes, f"offsets {i}": found.polyhedra.offsets}
            values |= {f"corners {i}": lattice.positions, f"heights {i}": lattice.heights[1]}
    return values, reached


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_chunks_of_cells_change_nothing(rows):
    """Edges and facets of many cells at once, from their corners."""
    values, expected = in_five_dimensions(rows)[0], in_five_dimensions(None)[0]
    # Faces are numbered as they are met: heights are those of the same, in another order.
    for found in (values, expected):
        for name in ("heights 0", "heights 1"):
            found[name] = np.sort(found[name])
    assert differences(values, expected) == []


@cache
def put_back(rows):
    """Crossings of two lines each that were moved off them; and what was reached."""
    angles = 2 * np.pi * np.arange(7) / 7
    normals, offsets = np.stack([np.cos(angles), np.sin(angles)], axis=1), np.linspace(-1, -2, 7)
    pairs = [(i, (i + 1) % 7) for i in range(7)]
    facets = np.zeros((7, 7))
    corners = np.empty((7, 2))
    for k, pair in enumerate(pairs):
        facets[list(pair), k] = 1.0
        corners[k] = np.linalg.solve(normals[list(pair)], -offsets[list(pair)])
    moved = corners + 1e-9 * np.arange(14.0).reshape(7, 2)
    with rows_per_chunk(rows) as reached:
        found = refined(moved, np.ones(7, dtype=bool), csr_array(facets), normals, offsets)
    np.testing.assert_allclose(found[0], corners, rtol=1e-14, atol=1e-14)
    return {"positions": found[0]}, reached


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_chunks_of_vertices_change_nothing(rows):
    assert differences(put_back(rows)[0], put_back(None)[0]) == []


@cache
def turned(rows):
    """Coordinates of a fit by the scores of some data; and what was reached."""
    given = case(1, "relu")
    dgn = fast.DGN(given.network, given.cov_x, given.cov_z)
    with rows_per_chunk(rows) as reached:
        state = State.of(dgn, given.X, None)
        frame = Frame.turned(state, Packing(dgn.parameters(), sorted(dgn.parameters())), given.X)
    return {"metric": frame.turn @ frame.turn.T}, reached


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_chunks_of_scores_change_nothing(rows):
    assert differences(turned(rows)[0], turned(None)[0]) == []


@cache
def estimated(rows):
    """Estimates by draws, which are the same however many are held; and what was reached."""
    dgn = fast.DGN(Network.random([2, 4, 3], ReLU(), 0), 0.3)
    with rows_per_chunk(rows) as reached:
        found = dgn.estimate_logpdf([[0.1, -0.2, 0.4]], standard_error=0.1, random_state=0)
    return {"log p": found.log_p, "error": found.standard_error}, reached


@pytest.mark.parametrize("rows", [2, 3])
def test_chunks_of_draws_change_nothing(rows):
    assert differences(estimated(rows)[0], estimated(None)[0]) == []


@cache
def costs(rows):
    """Facets on thirteen pieces of lines; and what was reached."""
    few = {"_UNITS": 0, "_FEWEST": 13}
    usual = {name: getattr(sampled_facets, name) for name in few}
    vars(sampled_facets).update(few)
    try:
        with rows_per_chunk(rows) as reached:
            networks = [case(latent, "relu").network for latent in LATENT]
            values = {f"S = {n.latent_dimension}": regions_after_layers(n) for n in networks}
    finally:
        vars(sampled_facets).update(usual)
    return values, reached


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_chunks_of_lines_change_nothing(rows):
    assert differences(costs(rows)[0], costs(None)[0]) == []


DRAWS = 4_000
#: Standard errors. Of a normal 6.5 are exceeded with probability 8e-11: there are 250 comparisons.
MOST_ERRORS = 6.5


@cache
def drawn(latent, rows):
    """Draws from the posteriors of four data; and what was reached."""
    given = case(latent, "relu")
    posterior = fast.DGN(given.network, given.cov_x, given.cov_z).posterior(given.X[:4])
    with rows_per_chunk(rows) as reached:
        return posterior, posterior.rvs(DRAWS, 7), reached


@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("latent", LATENT)
def test_chunks_do_not_change_the_law_of_draws(latent, rows):
    """Draws of the posterior in chunks of pairs have its mean and its variances, and lie in the
    regions in which they lie without chunks: these are drawn before. For S = 1 there are none."""
    posterior, together, _ = drawn(latent, None)
    _, draws, reached = drawn(latent, rows)
    if latent == 1:
        np.testing.assert_array_equal(draws, together)
        return
    place = Place("fast.many_dimensions.posterior", "PolyhedralPosterior._with_apexes", "items")
    assert place in reached.second
    assert place in reached.ragged or rows < 3  # the pairs are even in number
    given = case(latent, "relu")
    locate = fast.DGN(given.network, given.cov_x, given.cov_z).partition().locate
    flat = -1, latent
    np.testing.assert_array_equal(locate(draws.reshape(flat)), locate(together.reshape(flat)))
    mean, variance = posterior.mean(), np.einsum("nss->ns", posterior.cov())
    away = (draws - mean[:, None]) / np.sqrt(variance)[:, None]
    for power, expected in ((1, 0.0), (2, 1.0)):
        values = away**power
        errors = values.std(axis=1) / np.sqrt(DRAWS)
        assert np.all(np.abs(values.mean(axis=1) - expected) < MOST_ERRORS * errors)
    # Another datum's draws would be noticed, but for one chance in 3e4: 4 standard errors more.
    least = (MOST_ERRORS + 4) * np.sqrt(variance / DRAWS)
    for i in range(len(mean)):
        others = np.delete(mean, i, axis=0)
        assert np.all(np.any(np.abs(others - mean[i]) > least[i], axis=1))


def test_every_loop_comes_to_a_second_and_to_a_ragged_chunk():
    """Wherever `fast` takes chunks, as its source has it: no loop is left out above."""
    second, ragged = set(), set()
    for rows in (2, 3):
        runs = [in_chunks(latent, kind, rows) for latent in LATENT for kind in KINDS]
        runs += [on_polyhedron(latent, rows)[:2] for latent in HALF_SPACES]
        runs += [drawn(latent, rows)[1:] for latent in LATENT]
        runs += [
            far_away(rows),
            in_five_dimensions(rows),
            in_boxes(rows),
            estimated(rows),
            costs(rows),
            put_back(rows),
            turned(rows),
        ]
        second |= set().union(*(reached.second for _, reached in runs))
        ragged |= set().union(*(reached.ragged for _, reached in runs))
    assert second == all_places()
    assert ragged == all_places()


#: Loops that go on until something has happened, and have no chunks.
UNTIL = {
    "fast.training.em: while progress.left > 0",
    "fast.training.search: while self._progress.left > 0",
    "fast.training.ends.stationarity: while True",
    "fast.distributions.observation: while start and _is_affine(network, start) and "
    "(not isinstance(network.layers[start], Dense))",
    "fast.closed_form.regularised_least_squares: while len(moving)",
    "fast.distributions.integers: while np.any(left.numbers) and _magnitude(left) > least",
    "fast.integration.draws: while todo.size",
    "fast.integration.simplex_moments: while m >= 0",
    "fast.integration.simplex_draws: while todo.size",
    "fast.estimates.logpdf_estimate: while done < _MOST_ROUNDS and (done < _FEWEST_ROUNDS or "
    "quiet < _QUIET)",
    "fast.partition.exact_vertices: while here",
    "fast.many_dimensions.pairs: while np.any(stops > at)",
    "fast.partition.cost.sampled_facets: while len(open_)",
    "fast.many_dimensions.local.descent: while (halvings := self._halvings(boxes)) < _DEEPEST",
}


def loops_of_its_own(module, tree):
    """What in a module may loop over chunks that are not taken from fast.polyhedra.chunks, in
    words."""
    taken = list(calls_of_sources(tree))
    given = [call.args[1] for call in taken if "chunks" in name_called(call) and call.args[1:]]
    budgets = {ast.unparse(budget) for budget in given}
    for node in ast.walk(tree):
        if isinstance(node, ast.While):
            yield f"{module}: while {ast.unparse(node.test)}"
        called = name_called(node) if isinstance(node, ast.Call) else ""
        steps = called in ("range", "arange") and len(node.args) == 3
        if called in ("array_split", "batched") or (steps and ast.unparse(node.args[2]) != "-1"):
            yield f"{module}: {ast.unparse(node)}"
        read = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        if read and node.id in budgets and node not in given:
            yield f"{module}: {node.id} for something else"


def test_no_module_makes_chunks_of_its_own():
    """In the source of `fast` no loop goes in steps, and a number of rows or numbers held at once
    is given to `fast.polyhedra.chunks` and to nothing else."""
    found = {line for module, tree in trees().items() for line in loops_of_its_own(module, tree)}
    assert found == UNTIL
    for bad in (
        "for i in range(0, n, _BATCH):\n    f(x[i : i + _BATCH])",
        "while i < n:\n    i += 2",
    ):
        assert list(loops_of_its_own("fast.bad", ast.parse(bad)))


def quick(impl, latent, kind):
    """Whether a case takes less than a second: a region of a plane costs the reference 3 ms a
    datum, one of R^3 15 ms."""
    return impl is fast or latent == 1 or kind in ("maxout", "max-pooling")


COMPANY = [
    pytest.param(*one, marks=() if quick(*one) else pytest.mark.deep)
    for one in product((fast, reference), LATENT, KINDS)
]


@pytest.mark.parametrize(("impl", "latent", "kind"), COMPANY)
def test_a_row_does_not_depend_on_its_company(impl, latent, kind):
    """Every method that has a row for each datum gives the same in whatever order and company; the
    sums over data are those over their parts."""
    given = case(latent, kind)
    dgn = impl.DGN(given.network, given.cov_x, given.cov_z)
    order = [3, 0, 4, 1, 2]
    parts = [order[:1], order[1:3], order[3:]]
    whole = per_datum(dgn, given, np.arange(5))
    rows = [per_datum(dgn, given, part) for part in parts]
    joined = {name: np.concatenate([row[name] for row in rows]) for name in whole}
    assert differences(joined, {name: value[order] for name, value in whole.items()}) == []
    total = dict(vars(dgn.statistics(given.X[:5])))
    sums = [vars(dgn.statistics(given.X[part])) for part in parts]
    codes = total.pop("codes", None)  # of the regions, not of data
    assert all(np.array_equal(s.get("codes"), codes) for s in sums) or codes is None
    assert differences({name: sum(s[name] for s in sums) for name in total}, total) == []


@pytest.mark.parametrize("latent", HALF_SPACES)
def test_a_mean_does_not_depend_on_its_company(impl, latent):
    """`gaussian_on_polyhedron` gives the same for each mean by itself."""
    means = np.random.default_rng(latent).standard_normal((3, latent))
    cov = np.eye(latent) + 0.3

    def moments(some):
        found = impl.gaussian_on_polyhedron(*HALF_SPACES[latent], some, cov)
        return {"mass": found[0], "mean": found[1], "cov": found[2]}

    alone = [moments(means[i : i + 1]) for i in range(3)]
    joined = {name: np.concatenate([one[name] for one in alone]) for name in alone[0]}
    assert differences(joined, moments(means)) == []


@pytest.mark.parametrize("proposals", [1, 2, 3])
def test_proposals_of_the_reference_come_in_any_number(proposals, monkeypatch):
    """How many proposals `reference` makes at once leaves the law of its draws alone, also where
    several rounds are needed: truncated normals, whose moments SciPy knows."""
    monkeypatch.setattr(sampling, "_PROPOSALS", proposals)
    mean, deviation, ends = np.array([0.3, -0.2]), np.array([0.7, 1.4]), np.array([0.5, -0.5])
    rng, count = CountedDraws(0), 500
    draws = [
        sampling.draw_on_polyhedron(np.eye(2), -ends, mean, np.diag(deviation**2), rng)
        for _ in range(count)
    ]
    assert rng.rounds > 1.2 * count
    law = truncnorm((ends - mean) / deviation, np.inf, mean, deviation)
    errors = law.std() / np.sqrt(count)
    assert np.all(np.abs(np.mean(draws, axis=0) - law.mean()) < MOST_ERRORS * errors)
    # What is not truncated, or has the proposals' law, is far off.
    assert np.all(law.mean() - mean > (MOST_ERRORS + 4) * errors)


class CountedDraws:
    """A generator that counts the rounds of proposals."""

    def __init__(self, seed):
        self._rng, self.rounds = np.random.default_rng(seed), 0

    def standard_normal(self, shape):
        self.rounds += 1
        return self._rng.standard_normal(shape)

    def random(self, shape):
        return self._rng.random(shape)


@pytest.mark.parametrize("count", [0, 1, 5, 12])
@pytest.mark.parametrize("width", [0, 1, 2, 3, 7])
def test_chunks_are_as_long_as_fits(count, width):
    """All rows in turn, as many at once as fit in the budget, and one if none does."""
    budget = 6
    ends = [part.stop for part in chunks(count, budget, width)]
    rows = max(1, budget // max(1, width))
    assert ends == [*range(rows, count, rows), *([count] if count else [])]
    assert [part.start for part in chunks(count, budget, width)] == [0, *ends][: len(ends)]


def test_budgets():
    """How much each loop holds at once: no result tells, but memory and time do. A change is a
    decision, to be measured."""
    names = {"_BATCH", "_CHUNK", "_PAIRS_PER_CHUNK"}
    modules = [sys.modules[name] for name in sorted(sys.modules) if name.startswith("fast.")]
    found = {
        f"{module.__name__.removeprefix('fast.')}.{name}": np.log2(getattr(module, name))
        for module in modules
        for name in names & vars(module).keys()
    }
    assert found == {
        "one_dimension.geometry._PAIRS_PER_CHUNK": 15,
        "distributions.gradient._BATCH": 22,
        "distributions.reconstruction._CHUNK": 21,
        "polyhedra.exact_corners._BATCH": 14,
        "polyhedra.exact_corners._CHUNK": 6,
        "integration.on_polyhedron._BATCH": 18,
        "closed_form.convolution_update._BATCH": 23,
        "closed_form.em_curvature._BATCH": 21,
        "training.ends.scores._BATCH": 21,
        "partition.location._BATCH": 20,
        "integration.split._BATCH": 18,
        "many_dimensions.geometry._CHUNK": 20,
        "many_dimensions.gaussians._CHUNK": 20,
        "partition.regions._BATCH": 20,
        "partition.refined_vertices._BATCH": 18,
        "partition.cost.sampled_facets._BATCH": 17,
        "partition.region_maps._BATCH": 20,
        "partition.cut_vertices._BATCH": 15,
        "distributions.zero_noise._CHUNK": 20,
        "many_dimensions.skipping.outlines._BATCH": 22,
        "many_dimensions.skipping.search._BATCH": 20,
        "many_dimensions.skipping.region_tree._BATCH": 20,
        "partition.layer_maps._BATCH": 20,
        "many_dimensions.local.descent._BATCH": 21,
        "many_dimensions.local.e_step._BATCH": 22,
        "many_dimensions.local.guess._BATCH": 22,
        "estimates.modes._BATCH": 22,
        "partition.by_corners.incidence._BATCH": 18,
        "partition.by_corners.edges._BATCH": 18,
        "partition.by_corners.close_corners._BATCH": 20,
        "partition.by_corners.facets._BATCH": 20,
        "partition.by_corners.cells_to_come._BATCH": 18,
    }


def test_uneven_chunks_are_as_long_as_fits():
    """Rows with a width of their own: a chunk is closed before the row that reaches the budget, and
    a row wider than that is alone."""
    parts = uneven_chunks(np.array([3, 2, 2, 20, 1, 1, 1, 9, 1]), 7)
    assert [(part.start, part.stop) for part in parts] == [
        (0, 2),
        (2, 3),
        (3, 4),
        (4, 7),
        (7, 8),
        (8, 9),
    ]
    assert list(uneven_chunks(np.array([]), 7)) == []


@cache
def data_on_line(rows):
    """What has one row for each datum, for S = 1, in chunks of so many rows."""
    return _per_datum(case(1, "relu"), rows)


@cache
def data_in_plane(rows):
    """The same for S = 2."""
    return _per_datum(case(2, "relu"), rows)


def _per_datum(given, rows):
    with rows_per_chunk(rows) as reached:
        dgn = fast.DGN(given.network, given.cov_x, given.cov_z)
        return per_datum(dgn, given, slice(None)), reached


def defect(module, function, replaced, by):
    """One of the mistakes that a loop over chunks invites: in a function of `fast` a text for
    another."""
    return Mutant(function, "fast", module, function, replaced, by, "one chunk taken for another")


FIRST, MODE = "[: part.stop - part.start]", "PolyhedralPosterior.mode"
#: What a chunk's rows may be taken for, or written to, where; and the results that show it.
DEFECTS = {
    "log p written to the first rows": (
        data_on_line,
        defect(
            "one_dimension.model", "OneDimension.logpdf", "result[part] =", "result[: len(y)] ="
        ),
    ),
    "ELBO of the first q": (
        data_on_line,
        defect("one_dimension.e_step", "elbo", "q_mean[part]", "q_mean[: len(y)]"),
    ),
    "expected log-likelihood of the first rows": (
        data_on_line,
        defect(
            "one_dimension.e_step",
            "expected_complete_loglik",
            "points(X[part])",
            f"points(X{FIRST})",
        ),
    ),
    "zero noise for the first rows": (
        data_on_line,
        defect("distributions.zero_noise", "zero_noise_latent", "(y[part])", f"(y{FIRST})"),
    ),
    "the last row left out": (
        data_on_line,
        defect("polyhedra.chunks", "_successive", "while start < count", "while start + 1 < count"),
    ),
    "log p of the first rows, S = 2": (
        data_in_plane,
        defect(
            "many_dimensions.model", "ManyDimensions.logpdf", "points(X[part])", f"points(X{FIRST})"
        ),
    ),
    "posterior of the first rows": (
        data_in_plane,
        defect(
            "many_dimensions.model",
            "ManyDimensions.posterior",
            "points.at(part)",
            "points.at(slice(part.stop - part.start))",
        ),
    ),
    "the first point's region": (
        data_in_plane,
        defect("partition.location", "locate", "result[some] = index", "result[:] = index[0]"),
    ),
    "the datum's number within its chunk": (
        data_in_plane,
        defect(
            "many_dimensions.gaussians", "gaussians_on_regions", "datum += some.start", "datum += 0"
        ),
    ),
    "deviations of the first q": (
        data_in_plane,
        defect(
            "many_dimensions.gaussians",
            "gaussians_on_regions",
            "means[some], roots[some]",
            "means[some], roots[: len(means[some])]",
        ),
    ),
    "pairs of the first batch": (
        data_in_plane,
        defect(
            "many_dimensions.pairs",
            "evaluate",
            "datum[mine], region[mine]",
            "datum[mine], region[: len(mine)]",
        ),
    ),
    "modes of the first rows": (
        modes,
        defect(
            "many_dimensions.posterior",
            MODE,
            "_peaks(datum[found.datum], found.region)",
            "_peaks(found.datum, found.region)._replace(datum=datum[found.datum])",
        ),
    ),
    "better modes written to the first rows": (
        modes,
        defect(
            "many_dimensions.posterior",
            MODE,
            "result[datum] =",
            "result[datum - part.start] =",
        ),
    ),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_mistakes_about_chunks_are_seen(name):
    """One chunk's rows taken for another's: chunks of two rows show it."""
    results, mistake = DEFECTS[name]
    expected, _ = results(2)
    with applied(mistake):
        try:
            values, _ = results.__wrapped__(2)
        except RowsLeftOut:
            return
    assert differences(values, expected) != []
