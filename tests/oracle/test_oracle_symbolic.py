"""The proofs with symbols: every one passes, and each is refuted when its formula is broken."""

from dataclasses import replace
from functools import partial

import pytest
import sympy as sp

from oracle.campaign.coverage import RESULTS
from oracle.proofs import all_proofs as symbolic
from oracle.proofs import e_step, fisher, layers, mixture, simplices
from oracle.proofs import gaussian_product as gaussian
from oracle.proofs import m_step_bias as m_step
from oracle.proofs import m_step_covariances as covariances
from oracle.proofs import m_step_weights as weights
from oracle.proofs import truncated_moments as truncated
from oracle.proofs.proof import Counterexample, Proof, inverse, prove, vanish
from oracle.proofs.zero_test import sums_to_zero

ERRATA = {"Corollary 1", "Lemma 2", "Proposition 1", "Sec. 3.2", "Sec. 4.1", "Sec. 4.2, bias"}


@pytest.fixture(scope="module")
def proofs():
    """All proofs, run once."""
    return symbolic.proofs()


# `python -m oracle` proves them all in every run; what follows breaks each of them.
@pytest.mark.deep
class TestAll:
    def test_every_proof_passes(self, proofs):
        assert [f"{p.result}: {p.statement}" for p in proofs if not p.passed] == []
        assert len(proofs) == len(symbolic.PROOFS) > 50

    def test_names_are_those_of_the_coverage_table(self, proofs):
        told = {name for result in RESULTS for name in result.proofs}
        assert {proof.result for proof in proofs} == told

    def test_every_result_is_covered(self, proofs):
        wanted = [*(f"eq. {n}" for n in (1, 3, 5, 9)), "2, 8", "6, 7", "Theorem 1", "Lemma 4"]
        wanted += ["Sec. 2", "Appendix B", "Fisher", "Sec. 4.2, Σx", "Sec. 4.2, Σz", "weights"]
        results = [p.result for p in proofs]
        assert [name for name in [*wanted, *ERRATA] if not any(name in r for r in results)] == []

    def test_every_erratum_has_its_counterexample(self, proofs):
        refuted = {p.result for p in proofs if p.printed_fails}
        assert all(any(name in result for result in refuted) for name in ERRATA)
        for proof in proofs:
            if proof.printed_fails:
                assert sp.sympify(proof.printed_fails.printed).is_Rational
                assert sp.sympify(proof.printed_fails.true).is_Rational

    def test_no_statement_twice(self, proofs):
        assert len({(p.result, p.statement) for p in proofs}) == len(proofs)


class TestDecisions:
    """Undecided is never proved."""

    x, y = sp.symbols("x y", positive=True)

    def test_rational_functions(self):
        x, y = self.x, self.y
        assert vanish(1 / (x + y) - (x - y) / (x**2 - y**2))
        assert not vanish(1 / (x + y) - 1 / (x - y))
        assert not vanish(sp.Integer(0), x)

    def test_undecided_is_not_proved(self):
        """These are zero, but not within the rules."""
        assert not vanish(sp.sin(self.x) ** 2 + sp.cos(self.x) ** 2 - 1)
        assert not vanish(sp.sqrt(3 + 2 * sp.sqrt(2)) - 1 - sp.sqrt(2))
        assert not vanish(sp.zoo * self.x)
        assert not vanish(sp.nan)
        assert not sums_to_zero(1 / (1 + sp.exp(self.x)) - sp.exp(-self.x) / (1 + sp.exp(-self.x)))

    def test_a_quadratic_form_is_decided_by_its_points(self):
        """As many points as coefficients, and independent."""
        for size in (2, 3, 4):
            rows = [
                [u[i] * u[j] for i in range(size) for j in range(i + 1)]
                for u in gaussian.deciding_points(size)
            ]
            assert sp.Matrix(rows).det() != 0

    def test_nothing_to_decide_raises(self):
        with pytest.raises(ValueError, match="expressions"):
            vanish()
        with pytest.raises(ValueError, match="expressions"):
            vanish(sp.zeros(0, 1))

    def test_exponential_sums(self):
        x, y = self.x, self.y
        square = sp.exp((x + y) ** 2) - sp.exp(x**2) * sp.exp(y**2) * sp.exp(x * y) ** 2
        assert sums_to_zero(square)
        assert not sums_to_zero(sp.exp((x + y) ** 2) - sp.exp(x**2) * sp.exp(y**2))
        assert not sums_to_zero(sp.exp(x) - 1)
        assert not sums_to_zero(sp.exp(x) * (sp.erf(x) - sp.erf(y)))
        assert not sums_to_zero(sp.erf(x) + sp.erf(2 * x))

    def test_roots(self):
        x, y = self.x, self.y
        root = sp.sqrt(x + y)
        assert sums_to_zero(sp.exp(x) * (1 / root - root / (x + y)))
        assert sums_to_zero(sp.exp(x) * ((1 + root) * (1 - root) - 1 + x + y))
        assert not sums_to_zero(root - sp.sqrt(x) - sp.sqrt(y))
        assert not sums_to_zero(sp.exp(x) * (1 / root + root / (x + y)))
        assert not sums_to_zero(sp.sqrt(2 * sp.pi) * x - 2 * x * sp.sqrt(sp.pi))

    def test_a_proof_passes_only_with_both(self):
        """The corrected form holds, and the printed one is refuted by two different numbers."""
        right = Counterexample("", sp.Rational(1, 2), sp.Rational(1, 3))
        same = Counterexample("", sp.Rational(1, 2), sp.Rational(2, 4))
        assert prove("", "", lambda: True, lambda: right).passed
        assert not prove("", "", lambda: True, lambda: same).passed
        assert not prove("", "", lambda: False, lambda: right).passed
        assert not Proof("", "", False, 0.0).passed

    def test_a_counterexample_is_of_rational_numbers(self):
        with pytest.raises(TypeError):
            _ = Counterexample("", sp.sqrt(2), sp.Integer(1)).refutes


HALF = sp.Rational(1, 2)


def one_layer_late(weights, biases, slopes, layer):
    """b^{1→l} whose last bias is left out."""
    return layers.offset_up_to(weights, biases, slopes, layer) - biases[layer - 1]


def reversed_product(weights, slopes, layer):
    """A^{1→l} with the first two layers' slopes exchanged."""
    return layers.slope_up_to(weights, slopes[::-1], layer)


def swapped_prior(slope, cov_x, cov_z):
    """Σ_ω with Σz in the place of Σz^-1."""
    return inverse(cov_z + slope.T * inverse(cov_x) * slope)


def shrunk_mean(slope, residual, cov_x, cov_z):
    """μ_ω with Σx in the place of Σx^-1."""
    return gaussian.posterior_cov(slope, cov_x, cov_z) * slope.T * cov_x * residual


def without_cross_terms(recurrence):
    """Tallis' recurrence with the diagonal of Σ alone."""
    return lambda cov, *parts: recurrence(sp.diag(*cov.diagonal()), *parts)


def flipped(formula, which):
    """A formula of several values, one with the other sign."""

    def broken(*arguments):
        return [-v if i == which else v for i, v in enumerate(formula(*arguments))]

    return broken


def without_e0(model, layer, with_bias):
    """The weights' normal matrix from moments that do not depend on the datum or region."""
    ones = [[model.moments[0][0]] * len(model.slopes)] * len(model.data)
    return weights.weight_matrix(replace(model, moments=ones), layer, with_bias)


def transposed_kronecker(model, layer, with_bias):
    """Σ V_ω ⊗ U_ω in the place of Σ U_ω ⊗ V_ω."""
    total = sp.zeros(*(2 * [len(model.weights[layer - 1])]))
    for _, slopes, moments in model.pairs():
        back = m_step.back_propagation(model, slopes, layer)
        lift = weights.input_lift(model, slopes, layer, with_bias)
        gram = lift * weights.moment_matrix(moments) * lift.T
        total += sp.kronecker_product(gram, back.T * model.precision * back)
    return total


def uncentred(model):
    """The scatter without the cross terms."""
    broken = [[replace(m, first=0 * m.first) for m in regions] for regions in model.moments]
    return covariances.scatter(replace(model, moments=broken))


def of_two_kinds(structure, scatter, n):
    """The isotropic update by the trace, not its mean."""
    size = scatter.rows if structure == "isotropic" else 1
    return size * covariances.covariance(structure, scatter, n)


def whole_prior(end, variance):
    """Each component with the untruncated prior, as printed."""
    below, above = mixture.prior_moments(end, variance)
    return [(below[0], sp.Integer(0), variance), (above[0], sp.Integer(0), variance)]


FEWER = simplices.FAN[:2]
OVERLAPPING = [*simplices.FAN[:2], (simplices.PENTAGON[0], *simplices.PENTAGON[2:4])]
PENTAGON = partial(simplices.triangulation, "a pentagon", simplices.PENTAGON_FACETS)

BREAKAGES = {
    "slope below the kink": lambda: layers.nonlinearities(lambda sign, eta: sign * eta),
    "a bias left out": lambda: layers.composition(offset_up_to=one_layer_late),
    "slopes exchanged": lambda: layers.composition(slope_up_to=reversed_product),
    "pooling, slopes exchanged": lambda: layers.composition(True, reversed_product),
    "half-spaces as printed": lambda: layers.corollary_1(layers.satisfies_as_printed),
    "half-spaces without q": lambda: layers.corollary_1(lambda q, az, b: az + b > 0),
    "entropy of half the size": lambda: e_step.evidence_bound(
        entropy=lambda v: e_step.entropy(v) / 2
    ),
    "KL the other way": lambda: e_step.evidence_bound(
        divergence=lambda m, v, n, w: e_step.divergence(n, w, m, v)
    ),
    "Σz for Σz^-1": lambda: gaussian.theorem_1(1, 2, posterior_cov=swapped_prior),
    "Σz for Σz^-1, on the basis": lambda: gaussian.theorem_1_on_basis(
        1, 2, posterior_cov=swapped_prior
    ),
    "Σx for Σx^-1, on the basis": lambda: gaussian.theorem_1_on_basis(
        2, 1, posterior_mean=shrunk_mean
    ),
    "Σx for Σx^-1": lambda: gaussian.theorem_1(2, 1, posterior_mean=shrunk_mean),
    "no Σx in p(x)": lambda: gaussian.theorem_1(
        1, 2, marginal_cov=lambda slope, cov_x, cov_z: cov_x + slope * slope.T
    ),
    "A transposed": lambda: gaussian.theorem_1_on_basis(
        marginal_cov=lambda slope, cov_x, cov_z: cov_x + slope.T * cov_z * slope
    ),
    "mean of the other sign": lambda: gaussian.theorem_1(
        2, 1, posterior_mean=lambda *parts: -gaussian.posterior_mean(*parts)
    ),
    "error function without its root": lambda: gaussian.equation_5(
        1, lambda end, mean, variance: (1 + sp.erf((end - mean) / sp.sqrt(variance))) / 2
    ),
    "mass above for below": lambda: gaussian.equation_5(
        1, lambda *parts: 1 - gaussian.normal_mass(*parts)
    ),
    "mass with a constant": lambda: gaussian.equation_5(
        1, lambda *parts: gaussian.normal_mass(*parts) - HALF
    ),
    "regulariser as printed": lambda: gaussian.lemma_2(gaussian.regulariser_as_printed),
    "untruncated components": lambda: mixture.proposition_1(whole_prior),
    "E-step as printed": lambda: e_step.e_step(1, 2, e_step.formula_as_printed),
    "E-step, last bracket negative": lambda: e_step.e_step(2, 1, lambda a, b: -(a - b) / 2),
    "first moment's sign": lambda: truncated.interval(flipped(truncated.moments_below, 1)),
    "second moment's sign": lambda: truncated.interval(flipped(truncated.moments_below, 2)),
    "moments shifted": lambda: truncated.interval(
        lambda *parts: [value + 1 for value in truncated.moments_below(*parts)]
    ),
    "closed polytopes": lambda: layers.closed_polytopes(layers.closed_polytope),
    "residual form's mean": lambda: gaussian.residual_form(
        lambda *parts: gaussian.posterior_mean(*parts) / 2
    ),
    "an edge's variance": lambda: truncated.edge(
        lambda across, both, along, height: (both / across * height, along)
    ),
    "an edge's mean": lambda: truncated.edge(
        lambda across, both, along, height: (both / along * height, along - both**2 / across)
    ),
    "the other diagonal": lambda: simplices.quadrilateral(lambda z: z[0] - z[1]),
    "half-spaces through the origin": lambda: simplices.barycentric(
        2, coordinates=lambda lifted, z: lifted.inv() * z.col_join(sp.zeros(1, 1))
    ),
    "Σ^-1 for Σ": lambda: truncated.mass_derivatives(
        2, first_moment=lambda cov, gradient: inverse(cov) * gradient
    ),
    "Σ subtracted": lambda: truncated.mass_derivatives(
        2, second_moment=lambda cov, mass, hessian: cov * hessian * cov - mass * cov
    ),
    "facets' sign": lambda: truncated.orthant(flipped(truncated.recurrence, 0)),
    "facet moments transposed": lambda: truncated.orthant(
        lambda cov, masses, moments: truncated.recurrence(cov, masses, moments.T)
    ),
    "no covariance": lambda: truncated.orthant(without_cross_terms(truncated.recurrence)),
    "inclusion-exclusion's sign": lambda: simplices.inclusion_exclusion(
        2, lambda size, latent: (-1) ** (size + latent + 1)
    ),
    "no sign at all": lambda: simplices.inclusion_exclusion(1, lambda size, latent: 1),
    "sign without S": lambda: simplices.inclusion_exclusion(3, lambda size, latent: (-1) ** size),
    "rays' half-spaces left out": lambda: simplices.inclusion_exclusion_unbounded(
        2,
        lambda inside, points: simplices.signed_sum_unbounded(inside[:points], points),
    ),
    "a simplex missing": lambda: PENTAGON(FEWER),
    "simplices overlap": lambda: PENTAGON(OVERLAPPING),
    "signs in the triangulation": lambda: PENTAGON(simplices.FAN, lambda size, latent: -1),
    "g jumps, hidden bias": lambda: fisher.fisher_identity("hidden bias", 0, jump=1),
    "g jumps, hidden weight": lambda: fisher.fisher_identity("hidden weight", 0, jump=HALF),
    "bias matrix as printed": lambda: m_step.bias_update(
        2, (1, 1, 1, 1), m_step.bias_matrix_as_printed
    ),
    "bias matrix without e0": lambda: m_step.bias_update(
        1, (1, 1, 2), m_step.bias_matrix_over_data
    ),
    "weights without e0": lambda: weights.weight_update(1, (1, 2, 1), weight_matrix=without_e0),
    "Kronecker factors exchanged": lambda: weights.weight_update(
        1, (2, 2, 2), weight_matrix=transposed_kronecker
    ),
    "no cross terms in the scatter": lambda: covariances.expected_scatter(uncentred),
    "trace for its mean": lambda: covariances.covariance_update("Σx", "isotropic", 2, of_two_kinds),
    "diagonal for full": lambda: covariances.covariance_update(
        "Σx", "full", 2, lambda _, scatter, n: covariances.covariance("diagonal", scatter, n)
    ),
    "full for diagonal": lambda: covariances.covariance_update(
        "Σx", "diagonal", 2, lambda _, scatter, n: covariances.covariance("full", scatter, n)
    ),
    "N left out": lambda: covariances.covariance_update(
        "Σz", "full", 2, lambda _, scatter, n: scatter
    ),
}


class TestBreakages:
    """Each formula, broken, is refuted by the proof that accepts it unbroken."""

    @pytest.mark.parametrize("breakage", BREAKAGES.values(), ids=BREAKAGES)
    def test_refuted(self, breakage):
        proof = breakage()
        assert not proof.holds
        assert not proof.passed

    @pytest.mark.parametrize("name", ["output weight", "output bias"])
    def test_a_jump_that_does_not_move_is_harmless(self, name):
        """The boundary terms are the kink's motion: without it a jump breaks nothing."""
        assert fisher.fisher_identity(name, 0, jump=1).holds


class TestCounterexamples:
    """The numbers that refute the printed form do not refute the corrected one."""

    @pytest.mark.parametrize(
        "printed", [m_step.bias_matrix_as_printed, m_step.bias_matrix_over_data]
    )
    def test_bias_in_both_readings(self, printed):
        assert m_step.bias_printed(printed).refutes

    def test_corrected_bias(self):
        assert not m_step.bias_printed(m_step.bias_matrix).refutes

    def test_corrected_e_step(self, monkeypatch):
        monkeypatch.setattr(e_step, "formula_as_printed", e_step.formula)
        assert not e_step.e_step_printed().refutes

    def test_corrected_half_spaces(self, monkeypatch):
        monkeypatch.setattr(layers, "satisfies_as_printed", layers.satisfies)
        assert not layers.corollary_1_printed().refutes

    def test_corrected_regulariser_without_weight(self, monkeypatch):
        """Only with its weight gone is the minimiser the limit: Σz^-1 alone is not enough."""
        monkeypatch.setattr(gaussian, "regulariser_as_printed", gaussian.regulariser)
        assert gaussian.lemma_2_printed().refutes
        monkeypatch.setattr(gaussian, "regulariser_as_printed", lambda cov_z: 0 * cov_z)
        assert not gaussian.lemma_2_printed().refutes

    def test_the_excluded_pattern_matters(self):
        """Outside of all half-spaces the signed sum is (-1)^S, not 0."""
        assert [simplices.signed_sum([0] * (s + 1)) for s in (1, 2, 3)] == [-1, 1, -1]
