"""Every limit that is stated, in docs/limits.md and on the first page, is checked by a test.

One of another file, which is named here; one of this file; or none, for a reason that is given.
"""

import ast
import inspect
import re
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mpmath import mp, mpf

import exactdgn
import fast
import fast.integration.far
import fast.many_dimensions.far_data
import reference
from fast.polyhedra.exact_nearest import NearestPoint
from reference import Abs, Dense, LeakyReLU, MaxPool, Network, ReLU, UnverifiedWarning

ROOT = Path(exactdgn.__file__).resolve().parents[1]
EPSILON = np.finfo(float).eps
#: Errors of log p that are rounding alone, for S = 1, 2: what is allowed elsewhere, too.
ROUNDING = 1e-13

#: Tests of other files, by a phrase of the limit.
EPS = np.finfo(np.float64).eps
CHECKED_ELSEWHERE = {
    # Torch and JAX
    "have first derivatives alone": (
        "tests/learning/test_from_torch_loops.py::test_what_it_cannot_do_it_says"
    ),
    "`to_torch` has no module for `PiecewiseAffine`": (
        "tests/model/test_from_torch_and_back.py::test_layers_that_torch_does_not_have"
    ),
    "takes D² doubles a datum": (
        "tests/distributions/test_reconstruction.py::test_matrices_that_are_too_large_are_refused"
    ),
    "It does not vouch where the weights' tail is heavy": (
        "tests/estimates/test_logpdf_estimate.py::"
        "test_nothing_is_vouched_for_where_the_search_has_missed_the_mode"
    ),
    "`reconstruction_cov` refuses (ArithmeticError)": (
        "tests/distributions/test_reconstruction.py::test_needles_are_refused_before_rounding_hides_them"
    ),
    # Missing entries
    "a model for each pattern of what is observed": (
        "tests/distributions/test_missing_data.py::test_each_pattern_is_a_model"
    ),
    "A fit refuses a column of which nothing is observed": (
        "tests/learning/test_missing_data_fits.py::test_a_column_of_nothing_is_refused"
    ),
    # How many latent dimensions, and digits
    "`fast` for 1 to 6 latent dimensions (ValueError beyond), `reference` for 1 to 3": (
        "tests/contract/test_argument_limits.py::test_latent_dimensions"
    ),
    "above the true error in all of some 300 cases tried": (
        "tests/contract/test_told_errors.py::test_coarse_rules_tell_their_error"
    ),
    "`Posterior.error` and `.log_mass_error` estimate how many": (
        "tests/contract/test_told_errors.py::test_the_posterior_s_error_covers_the_truth"
    ),
    "Moments have about as many": ("tests/integration/test_polyhedra.py::test_four_dimensions"),
    # Sums of signed terms
    "half-spaces beyond 4.5 standard deviations": (
        "tests/contract/test_thresholds.py::test_where_the_reference_vouches"
    ),
    "slivers) it raises `OutsideValidity`": (
        "tests/integration/test_reference_gaussian.py::test_slivers_are_not_empty_but_outside_validity"
    ),
    # What is left out
    "`DGN(..., negligible=0)` leaves out none": (
        "tests/distributions/test_many_dimensions.py::test_what_is_left_out"
    ),
    "q holds less than exp(-80)": (
        "tests/contract/test_thresholds.py::test_regions_of_little_mass_count_under_q"
    ),
    "change no probability by more than rounding does": (
        "tests/distributions/test_local.py::test_every_quantity_is_that_of_the_whole_partition"
    ),
    # Machine code
    "Where neither folder can be written to, every process does it anew": (
        "tests/integration/test_simplices.py::test_without_a_folder_for_machine_code"
    ),
    # Data far away
    "what is of the size of the distance is computed in integers": (
        "tests/distributions/test_far_data.py::test_shares_keep_their_digits"
    ),
    "Data whose squared distance is no double": (
        "tests/distributions/test_many_dimensions.py::test_data_whose_squares_overflow_are_refused"
    ),
    "ε times what log p(x, z) climbs and falls between the regions": (
        "tests/distributions/test_far_tails.py::test_the_more_accurate_way_is_taken"
    ),
    # Places far away
    "its last digit may be many of the posterior's standard deviations": (
        "tests/distributions/test_far_data.py::test_means_of_regions"
    ),
    # Neurons that are all but dead
    "Both implementations find every region": (
        "tests/partition/test_refinement.py::test_nothing_goes_missing_far_away"
    ),
    "`fast` keeps the digits of what is near": (
        "tests/partition/test_refinement.py::test_a_neuron_all_but_dead"
    ),
    "has no likelihood with one beyond 1e150": (
        "tests/partition/test_refinement.py::test_squares_beyond_doubles_are_refused"
    ),
    # Matrices of doubles
    "all digits are there, however thin": (
        "tests/integration/test_boxes.py::test_thin_boxes_have_their_digits"
    ),
    # Half-spaces of any kind
    "takes half-spaces as the doubles that they are": (
        "tests/integration/test_kinds_of_sets.py::test_one_unit_in_the_last_place_decides"
    ),
    "from 7e153 standard deviations on": (
        "tests/integration/test_far.py::test_beyond_doubles_it_says_so"
    ),
    "where a variance would be below 2e-308": (
        "tests/integration/test_far.py::test_variances_below_doubles"
    ),
    # Laplace priors
    "training ends with `NotSolvedError` as its outcome and the model before": (
        "tests/learning/test_weight_priors.py::test_what_does_not_settle_is_an_error"
    ),
    # Modules of torch
    "`from_torch` reads what is piecewise affine": "tests/model/test_from_torch.py::test_refused",
    "no tanh, sigmoid or softplus": "tests/model/test_from_torch.py::test_refused",
    # Where training ends
    "judged from the scores of 4,096 data": (
        "tests/learning/test_stationarity.py::test_no_more_scores_than_memory_holds"
    ),
    # Estimators
    "A model with dead or equal units has fewer": (
        "tests/learning/test_free_parameters.py::test_parameters_do_not_change_it"
    ),
    "other layers are refused": (
        "tests/learning/test_free_parameters.py::test_what_it_does_not_count_it_refuses"
    ),
    "is a share of draws, with a binomial interval": (
        "tests/estimators/test_outliers.py::test_the_probability_of_what_is_as_unlikely"
    ),
    # How many regions
    "is an estimate: within a factor of 3 for up to four latent dimensions": (
        "tests/partition/test_cost.py::test_regions_of_random_networks"
    ),
    "where finding them takes more than `max_memory`": (
        "tests/partition/test_cost.py::test_memory_is_predicted"
    ),
    "past `max_regions` (a million)": (
        "tests/contract/test_argument_limits.py::test_max_regions_is_the_number_of_regions"
    ),
    "In many dimensions a partition takes memory for its corners": (
        "tests/partition/test_by_corners.py::test_many_dimensions_take_little_memory"
    ),
    "`DGN` refuses early what is seen to be too many": (
        "tests/partition/test_by_corners.py::test_far_too_many_are_not_begun"
    ),
    "The number of regions grows with width and depth, and with it time and memory": (
        "tests/partition/test_partition.py::test_maximum_is_reached"
    ),
    # Weights as they are
    "Weights are taken as the doubles that they are, and the regions": (
        "tests/partition/test_exact_walk.py::test_rows_equal_to_some_digits"
    ),
    "its mass is that of its exact width all the same": (
        "tests/partition/test_exact_walk.py::test_intervals_between_equal_doubles"
    ),
    "Weights are taken as the doubles that they are: regions": (
        "tests/partition/test_exact_decisions.py::test_codes_are_those_of_exact_arithmetic"
    ),
    # What leaves the range of doubles
    "(`PartitionError`) only what leaves the range of doubles": (
        "tests/partition/test_exact_walk.py::test_values_out_of_range_are_named"
    ),
    "What leaves the range of doubles is refused, not guessed": (
        "tests/partition/test_spaces.py::test_values_out_of_range_are_named"
    ),
    # Problems that are ill-conditioned
    "The oracle says when": ("tests/oracle/test_oracle_two_dimensions.py::test_condition_numbers"),
}

#: Tests of this file, by a phrase of the limit.
CHECKED_HERE = {
    "their `log_e0` is -inf and their region moments are NaN; e0, e1 and e2 are 0": (
        "test_pairs_left_out_hold_nothing"
    ),
    "times the size of the image in σ above 1e5, or so": "test_where_integers_begin",
    "for S >= 3 those from about 1e100 on": "test_data_at_1e100_and_beyond",
    "for a q across a kink is known to ε ‖x - g(z)‖/σ of its size": "test_bounds_across_a_kink",
    "refuses a vertex beyond the range of doubles": "test_vertices_beyond_doubles",
    "they tell what is across to some 1e-16 of what is along": "test_thin_but_oblique",
    "(1e-140, with any Σz)": "test_boxes_that_are_all_thin",
    "1e5 standard deviations away or farther may be refused": "test_thinner_than_rounding_and_far",
    "meet only 1e100 standard deviations away": "test_half_spaces_that_meet_far_away",
    "it looks for the nearest point in rational numbers, mean by mean": (
        "test_nearest_points_in_rational_numbers"
    ),
    "The posterior of a network does not": "test_no_rational_numbers_for_a_posterior",
    "a region so thin that these leave no interior": "test_pooled_regions_without_an_interior",
    "what is piecewise affine of torch's own modules": "test_modules_that_are_not_read",
    "says by a warning that it could not be run": (
        "test_what_stands_in_for_a_module_is_known_by_its_name"
    ),
    "past `max_regions` (a million)": "test_max_regions_is_a_million",
    "on the cells before those of one code are joined": "test_cells_of_pooled_regions",
    "of all regions take R D (S + 1) doubles": "test_maps_in_memory",
    "A full Σx costs accuracy in proportion to its condition number": "test_condition_of_the_noise",
    "A full Σx costs memory D², and accuracy in proportion": "test_condition_of_the_noise",
    "and D x D memory": "test_memory_of_full_noise",
    "if an activation follows the last Dense layer": "test_memory_of_a_last_activation",
    "VAEs batches of 50": "test_batches_of_fifty",
    "identically zero on a region uses the slope η there": "test_gradient_of_a_unit_that_is_zero",
    "has a partition, but no exact likelihood": "test_seven_dimensions_have_a_partition",
}

#: Why there is no test, by a phrase of the limit.
NO_TEST = {
    "a few milliseconds for each region that matters": "a time",
    "5 to 130 ms each": "a time",
    "finds some hundred regions a second": "a time",
    "do not make EM find the global maximum": "that there are local maxima bounds nothing",
    "overfits like any other": "of maximum likelihood, not of this library",
    "Exact EM is not global": "that there are local maxima bounds nothing",
}


def plain(text):
    """With single spaces."""
    return " ".join(text.split())


def bullets():
    """The limits of both pages, each on one line."""
    whole = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    first = (ROOT / "README.md").read_text(encoding="utf-8")
    short = first.split("\n## Limits\n")[1].split("\n\n[All limits]")[0]
    return [plain(one) for page in (whole, short) for one in re.split(r"^- ", page, flags=re.M)[1:]]


def functions_of(path):
    """The names of the functions of a test file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


PHRASES = [*CHECKED_ELSEWHERE, *CHECKED_HERE, *NO_TEST]


@pytest.mark.parametrize("limit", bullets(), ids=lambda limit: limit[:50])
def test_every_limit_is_accounted_for(limit):
    """A new one needs a test, or a reason why there is none."""
    assert any(phrase in limit for phrase in PHRASES)


@pytest.mark.parametrize("phrase", PHRASES)
def test_every_phrase_is_that_of_a_limit(phrase):
    """A limit that is gone takes its entry with it; one that is changed is looked at anew."""
    assert any(phrase in limit for limit in bullets())


@pytest.mark.parametrize("node", sorted(set(CHECKED_ELSEWHERE.values())))
def test_named_tests_are_there(node):
    path, name = node.split("::")
    assert name in functions_of(path)


def test_named_tests_of_this_file_are_there():
    mine = {name for name, value in globals().items() if inspect.isfunction(value)}
    assert set(CHECKED_HERE.values()) <= mine


# What is left out


def test_pairs_left_out_hold_nothing():
    """Whatever of one datum is left out: -inf, NaN and zeros; with negligible=0 nothing is."""
    network = Network.random([2, 8, 8, 2], ReLU(), 0)
    X = fast.DGN(network, 0.01).rvs(3, 0)
    posterior = fast.DGN(network, 0.01).posterior(X)
    out = posterior.log_e0 == -np.inf
    assert np.any(out)
    assert np.all(np.isnan(posterior.region_mean[out]))
    assert np.all(np.isnan(posterior.region_cov[out]))
    assert not np.any(np.isnan(posterior.region_mean[~out]))
    for sums in (posterior.e0, posterior.e1, posterior.e2):
        assert np.all(sums[out] == 0)
    assert np.all(fast.DGN(network, 0.01, negligible=0.0).posterior(X).log_e0 > -np.inf)


# Data far away


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("product", "integers"), [(1e4, False), (1e6, True)])
def test_where_integers_begin(seed, product, integers, monkeypatch):
    """A decade on either side; the image is as large as six of its standard deviations."""
    calls, evaluate = [], fast.many_dimensions.far_data.evaluate_far

    def counted(*given):
        calls.append(0)
        return evaluate(*given)

    monkeypatch.setattr(fast.many_dimensions.far_data, "evaluate_far", counted)
    network = Network.random([2, 6, 5], LeakyReLU(0.1), seed)
    dgn = fast.DGN(network, 0.01)
    size = 6 * np.sqrt(np.trace(dgn.cov()) - 5 * 0.01) / 0.1
    away = np.array([0.6, -0.3, 0.5, -0.4, 0.2]) / np.sqrt(0.9)
    dgn.posterior(network(np.zeros((1, 2))) + 0.1 * product / size * away)
    assert bool(calls) == integers


@pytest.mark.parametrize("latent", [1, 2, 3])
@pytest.mark.parametrize("scale", [1e110, 1e140])
def test_data_at_1e100_and_beyond(latent, scale):
    """log p(x) grows as the square of the distance, to rounding; or, for S >= 3, an error."""
    dgn = fast.DGN(Network.random([latent, 3, 3], ReLU(), 1), 1.0)
    x = np.array([[0.3, -1.0, 2.0]])
    known = dgn.logpdf(1e60 * x)[0] / 1e60**2
    try:
        found = dgn.logpdf(scale * x)[0]
    except ArithmeticError:
        assert latent >= 3
    else:
        assert found / scale**2 == pytest.approx(known, rel=ROUNDING)


def bounds_of_a_fold(x, mean, variance, noise):
    """ELBO and KL of q = N(mean, variance) for g(z) = |z| and a datum x < 0, to 80 digits."""
    m, s, v = mpf(mean), mp.sqrt(mpf(variance)), mpf(noise)
    absolute = s * mp.sqrt(2 / mp.pi) * mp.exp(-m * m / (2 * s * s)) + m * mp.erf(
        m / s / mp.sqrt(2)
    )
    square = x * x - 2 * x * absolute + m * m + s * s
    bound = -mp.log(2 * mp.pi * v) / 2 - square / (2 * v)
    bound += mp.log(s) + (1 - m * m - s * s) / 2
    t = -x / mp.sqrt(v * (1 + v))
    tail = mp.hyperu(mpf(1) / 2, mpf(1) / 2, t * t / 2) / mp.sqrt(mp.pi)  # erfcx(t / √2)
    log_p = mp.log(tail) - t * t / 2 - mp.log(2 * mp.pi * (1 + v)) / 2 - x * x / (2 * (1 + v))
    return bound, log_p - bound


@pytest.mark.parametrize(
    ("impl", "latent"),
    [(fast, 1), (fast, 2), (reference, 1)],
    ids=lambda one: getattr(one, "__name__", str(one)),
)
@pytest.mark.parametrize("distance", [1e2, 1e6, 1e12])
def test_bounds_across_a_kink(impl, latent, distance):
    """Of q about the kink of g(z) = |z1|: log p(x) and the ELBO are the square of the distance,
    the KL is the distance, where they cancel."""
    noise, mean, variance = 0.09, np.zeros((1, latent)), np.ones((1, latent))
    mean[0, 0], variance[0, 0] = 0.3, 0.5
    dgn = impl.DGN(Network([Dense(np.eye(1, latent), [0.0]), Abs()]), noise)
    x = -distance * np.sqrt(noise)
    with mp.workdps(80):
        exact = bounds_of_a_fold(mpf(x), 0.3, 0.5, noise)
        found = [dgn.elbo([[x]], mean, variance)[0], dgn.kl([[x]], mean, variance)[0]]
        errors = [float(abs(mpf(f) / e - 1)) for f, e in zip(found, exact, strict=True)]
    assert max(errors) <= EPSILON * distance


# Vertices very far away


@pytest.mark.parametrize("latent", [1, 2, 3])
@pytest.mark.parametrize("weight", [1e-155, 5e-324])
def test_vertices_beyond_doubles(latent, weight):
    """At 1e155, and where the largest double is 1e16 times too small. `reference` finds all
    regions, and of two and more latent dimensions log p(x), as if what is far were nowhere."""
    first, last = np.eye(latent), np.ones((1, latent))
    faint = np.vstack([first, weight * last])
    bias = np.full(latent, 0.25)
    out = Dense(np.ones((1, latent + 1)), [0.0])
    network = Network([Dense(faint, np.append(bias, 1.0)), ReLU(), out])
    near = Network([Dense(first, bias), ReLU(), Dense(last, [1.0])])
    if weight == 5e-324:
        with pytest.raises(fast.PartitionError, match="range of double precision"):
            fast.DGN(network, 1.0).partition()
    else:
        assert fast.DGN(network, 1.0).partition().n_regions == 2 ** (latent + 1) - 1
        with pytest.raises(ArithmeticError):
            fast.DGN(network, 1.0).logpdf([[0.3]])
    if latent < 3:  # three take seconds
        dgn = reference.DGN(network, 1.0)
        assert dgn.partition().n_regions == 2 ** (latent + 1) - 1
    if latent == 1:
        with pytest.raises(ArithmeticError, match="too far away"):
            dgn.logpdf([[0.3]])
    if latent == 2:
        expected = reference.DGN(near, 1.0).logpdf([[0.3]])[0]
        assert dgn.logpdf([[0.3]])[0] == pytest.approx(expected, abs=1e-11)


# Matrices of doubles


@pytest.mark.parametrize("width", [1e-6, 1e-9, 1e-20])
def test_thin_but_oblique(width):
    """A slab along (0.8, -0.6): the covariance says of what is across, width² / 12, no more than
    2 ε of what is along; along an axis it says all."""
    for across, accuracy in (([0.6, 0.8], 2 * EPSILON), ([1.0, 0.0], 1e-10 * width**2 / 12)):
        normals = np.array([across, np.negative(across)])
        found = fast.gaussian_on_polyhedron(normals, [0.0, width], np.zeros((1, 2)), 1.0)
        spread = normals[0] @ found.cov[0] @ normals[0]
        assert spread == pytest.approx(width**2 / 12, rel=0, abs=accuracy)


@pytest.mark.parametrize("latent", [1, 2, 3])
def test_boxes_that_are_all_thin(latent):
    """1e-140 wide, with a full covariance: the density is the same everywhere."""
    root = np.random.default_rng(latent).standard_normal((latent, latent)) + 2 * np.eye(latent)
    mean, cov = np.full((1, latent), 0.3), root @ root.T
    found = fast.gaussian_on_box(0.0, 1e-140, mean, cov)
    square = mean[0] @ np.linalg.solve(cov, mean[0])
    _, log_det = np.linalg.slogdet(2 * np.pi * cov)
    expected = latent * np.log(1e-140) - 0.5 * (log_det + square)
    # What is promised of S = 3; the variances by their own size, 1e-281.
    assert found.log_mass[0] == pytest.approx(expected, rel=1e-10)
    assert found.mean[0] / 1e-140 == pytest.approx(np.full(latent, 0.5), rel=1e-8)
    assert np.diag(found.cov[0]) * 12e280 == pytest.approx(np.ones(latent), rel=1e-8)


# Half-spaces of any kind


def nearly_parallel(seed, latent):
    """Three boundaries that are parallel but for 1e-14 to 1e-18, and one 1e5 or more away."""
    rng = np.random.default_rng([latent, seed])
    one, far, *noise = rng.standard_normal((4, latent))
    size = 10.0 ** -rng.uniform(14, 18)
    normals = np.array([one, -(one + size * noise[0]), 1.3 * one + size * noise[1], far])
    return normals, np.array([0.3, size - 0.3, 0.39, -(10.0 ** rng.uniform(5.5, 9))])


@pytest.mark.parametrize("latent", [2, 3])
def test_thinner_than_rounding_and_far(latent):
    """A log mass and a finite error; or -inf, and that it is not known if the set is full; or an
    ArithmeticError."""
    finite = 0
    for seed in range(40):
        normals, offsets = nearly_parallel(seed, latent)
        try:
            found = fast.gaussian_on_polyhedron(normals, offsets, np.zeros((1, latent)), 1.0)
        except ArithmeticError:
            continue
        known = np.isfinite(found.log_mass[0])
        finite += known
        assert known or found.log_mass[0] == -np.inf
        assert np.isfinite(found.log_mass_error[0]) == (known or found.kind != "full")
        assert not known or found.kind == "full"
    assert 0 < finite < 40


@pytest.mark.parametrize("latent", [2, 3])
@pytest.mark.parametrize("exponent", [105, 150, 160, 300])
def test_half_spaces_that_meet_far_away(latent, exponent):
    """z1 > 0 and z1 < z2 / 10^exponent - 1: both end within one standard deviation of the mean,
    and what they have in common begins 10^exponent away."""
    normals = np.zeros((2, latent))
    normals[:, :2] = [[1.0, 0.0], [-1.0, 10.0**-exponent]]
    with pytest.raises(ArithmeticError):
        fast.gaussian_on_polyhedron(normals, [0.0, -1.0], np.zeros((1, latent)), 1.0)


@pytest.fixture
def points(monkeypatch):
    """The nearest points that are looked for in rational numbers."""
    found = []

    def counted(*given):
        found.append(NearestPoint(*given))
        return found[-1]

    monkeypatch.setattr(fast.integration.far, "NearestPoint", counted)
    return found


@pytest.mark.parametrize("latent", [2, 3, 4])
def test_nearest_points_in_rational_numbers(latent, points):
    """One for each mean that is more than 1e5 standard deviations outside, none for others."""
    means = np.zeros((4, latent))
    means[:, 0] = [0.0, -0.9e5, -1.1e5, -1e9]
    fast.gaussian_on_polyhedron(np.eye(latent)[:1], [0.0], means, 1.0)
    assert len(points) == 2


def test_no_rational_numbers_for_a_posterior(points):
    """Whose regions are 1e9 standard deviations from the peaks of their own formulas."""
    dgn = fast.DGN(Network.random([2, 4, 3], LeakyReLU(0.1), 0), 1e-2, negligible=0.0)
    assert np.isfinite(dgn.posterior([[3e8, -1e8, 2e8]]).mean()).all()
    assert not points


# Regions that pool


def sliver(factor, ratio):
    """S = 4. Two windows, max(0, 30 f z1 + 1) and max(0, 30 f r z1 + r): with r in exact arithmetic
    one boundary, as doubles two with a region between; and one window for each other coordinate."""
    first = Dense(np.diag([factor, 1.0, 1.0, 1.0]), np.zeros(4))
    rows, levels = np.zeros((10, 4)), np.zeros(10)
    rows[[1, 3], 0], levels[[1, 3]] = [30.0, 30.0 * ratio], [1.0, ratio]
    rows[[4, 6, 8], [1, 2, 3]], levels[[4, 6, 8]] = 1.0, [0.3, 0.1, -0.2]
    last = Dense([[1.0, -0.5, 0.4, 0.3, 0.2]], [0.0])
    return Network([first, Dense(rows, levels), MaxPool(channels=2), last])


def test_pooled_regions_without_an_interior():
    """Some have none as rounded, and no mass."""
    empty = 0
    for factor, ratio in ((0.1, 1.1), (0.3, 1.3), (0.7, 1.7), (0.7, 2.3)):
        dgn = fast.DGN(sliver(factor, ratio), 0.3, negligible=0.0)
        codes, posterior = dgn.partition().codes, dgn.posterior([[0.4]])
        slivers = np.flatnonzero(codes[:, 0] != codes[:, 1])
        assert np.all(posterior.e0[0, slivers] <= 1e-15)
        empty += np.sum(posterior.log_e0[0, slivers] == -np.inf)
        assert abs(posterior.e0.sum() - 1.0) <= 1e-12
    assert empty > 0


# Modules of torch


def stand_in(kind, **attributes):
    """A module of a class with this name."""
    return type(kind, (SimpleNamespace,), {})(training=False, **attributes)


def stand_in_for_linear(**attributes):
    """One input, two outputs."""
    tensor = SimpleNamespace(numpy=lambda: np.ones((2, 1)))
    tensor.detach = tensor.cpu = lambda: tensor
    return stand_in("Linear", weight=tensor, bias=None, **attributes)


@pytest.mark.parametrize("kind", ["Tanh", "LayerNorm", "Mystery"])
def test_modules_that_are_not_read(kind):
    module = type("Sequential", (list,), {})([stand_in_for_linear(), stand_in(kind)])
    with pytest.raises(ValueError, match=rf"^module\[1\] \({kind}\): this "):
        Network.from_torch(module)


def test_what_stands_in_for_a_module_is_known_by_its_name():
    """Whatever it would do: it cannot be run, and that is said."""
    with pytest.warns(UnverifiedWarning, match="not run"):
        network = Network.from_torch(stand_in_for_linear(does=np.tanh))
    assert [type(layer) for layer in network.layers] == [Dense]


# How many regions


def test_max_regions_is_a_million(impl):
    assert inspect.signature(impl.DGN).parameters["max_regions"].default == 10**6


@pytest.mark.parametrize("candidates", [3, 4])
def test_cells_of_pooled_regions(candidates):
    """`fast` needs room for more cells than there are regions, `reference` does not."""
    rng = np.random.default_rng(0)
    first = Dense(rng.standard_normal((candidates, 2)), rng.standard_normal(candidates))
    network = Network([first, MaxPool(channels=candidates), Dense([[1.0]], [0.0])])
    regions = fast.DGN(network, 1.0).partition().n_regions
    with pytest.raises(fast.TooManyRegionsError):
        fast.DGN(network, 1.0, max_regions=regions).partition()
    found = reference.DGN(network, 1.0, max_regions=regions).partition()
    assert found.n_regions == regions


# Memory


@pytest.mark.parametrize("latent", [1, 2])
def test_maps_in_memory(impl, latent):
    """8 bytes for each of R D (S + 1) numbers; and what that is for the example."""
    found = impl.DGN(Network.random([latent, 4, 5], ReLU(), 0), 1.0).partition()
    doubles = found.n_regions * 5 * (latent + 1)
    assert np.asarray(found.slopes).nbytes + np.asarray(found.offsets).nbytes == 8 * doubles
    assert 5.5e9 < 8 * 300_000 * 784 * (2 + 1) < 6.5e9


def peak(call):
    """The most memory that a call has at a time, bytes."""
    tracemalloc.start()
    call()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def wide_network(size, last=()):
    """As many outputs, of which five depend on z; the others stay at 1."""
    hidden = Network.random([1, 3, 5], LeakyReLU(0.1), 0).layers
    weight = np.zeros((size, 3))
    weight[:5] = hidden[2].weight
    return Network([*hidden[:2], Dense(weight, np.ones(size)), *last])


def test_memory_of_full_noise(impl):
    """A model with a full Σx holds one matrix at least, one with a diagonal none."""
    size = 300
    network, X = wide_network(size), np.ones((2, size))
    square = 8 * size**2
    assert peak(lambda: impl.DGN(network, 0.2 * np.eye(size)).logpdf(X)) >= square
    assert peak(lambda: impl.DGN(network, np.full(size, 0.2)).logpdf(X)) < square


def test_memory_of_a_last_activation(impl):
    """Of the regions' maps: a D x D matrix in `reference`, none in `fast`, none without."""
    size = 400
    square = 8 * size**2
    assert peak(lambda: impl.DGN(wide_network(size), 0.2).partition()) < square / 2
    network = wide_network(size, [LeakyReLU(0.3)])
    most = peak(lambda: impl.DGN(network, 0.2).partition())
    assert most >= square if impl is reference else most < square / 2


# A full covariance of the noise


@pytest.mark.parametrize("condition", [1.0, 1e4, 1e8, 1e12])
def test_condition_of_the_noise(impl, condition):
    """log p(x) of a linear model: no more than κ ε of its own size is wrong, beside rounding."""
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    cov = (turn * np.geomspace(1, 1 / condition, 3)) @ turn.T
    cov = (cov + cov.T) / 2
    weight, bias, x = rng.standard_normal((3, 1)), rng.standard_normal(3), rng.standard_normal(3)
    with mp.workdps(60):
        root = mp.matrix(weight.tolist())
        whole = mp.matrix(cov.tolist()) + root * root.T
        away = mp.matrix([mpf(float(a)) - mpf(float(b)) for a, b in zip(x, bias, strict=True)])
        square = (away.T * mp.lu_solve(whole, away))[0]
        exact = float(-(square + mp.log(mp.det(whole)) + 3 * mp.log(2 * mp.pi)) / 2)
    found = impl.DGN(Network([Dense(weight, bias)]), cov).logpdf(x[None])[0]
    assert abs(found - exact) <= (condition * EPSILON + ROUNDING) * max(1.0, abs(exact))


# Learning


def test_batches_of_fifty():
    """Read, not imported: that would import JAX."""
    source = (ROOT / "paper_figures/methods/autoencoder.py").read_text(encoding="utf-8")
    assert re.search(r"^BATCH = 50$", source, re.M)


@pytest.mark.parametrize("latent", [1, 2])
@pytest.mark.parametrize(
    "activation", [ReLU(), LeakyReLU(0.1), Abs()], ids=lambda a: type(a).__name__
)
def test_gradient_of_a_unit_that_is_zero(impl, latent, activation):
    """That of a unit which is next to nothing below zero, where its slope is η."""
    weight = np.zeros((2, latent))
    weight[0, 0] = 1.0
    last = Dense([[1.0, 0.7], [-0.5, 0.3]], [0.1, 0.2])

    def gradient(bias):
        network = Network([Dense(weight, [0.2, bias]), activation, last])
        return impl.DGN(network, 0.3).gradient([[0.4, -0.3]])

    at, below, above = (gradient(bias) for bias in (0.0, -1e-9, 1e-9))
    # As smooth as the model is on either side, 1e-9 moves it by some of that.
    for name, value in at.items():
        assert value == pytest.approx(below[name], abs=1e-7)
    assert abs(at["0.bias"][1] - above["0.bias"][1]) > 1e-3


# More dimensions than there are likelihoods of


def test_seven_dimensions_have_a_partition(impl):
    """Three units in seven dimensions: eight regions. (`reference` ends at three.)"""
    dgn = impl.DGN(Network.random([7, 3, 2], ReLU(), 0), 1.0)
    assert dgn.partition().n_regions == 8
    with pytest.raises((ValueError, NotImplementedError), match="7"):
        dgn.logpdf(np.zeros((1, 2)))
