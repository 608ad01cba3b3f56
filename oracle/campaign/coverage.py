"""Every numbered result of the paper: the functions that compute it and the checks that guard them.

tests/oracle/test_coverage.py asserts that every result has functions and checks, and that all names
lead somewhere.
"""

from __future__ import annotations

from typing import NamedTuple


class Result(NamedTuple):
    """One result of the paper, where it is computed, and what guards it."""

    name: str
    says: str
    reference: tuple[str, ...]
    fast: tuple[str, ...]
    quantities: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    proofs: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()


RESULTS: tuple[Result, ...] = (
    Result(
        name="eq. 1",
        says="the generator, layer by layer",
        reference=(
            "model.network.Network",
            "model.layers.Dense",
            "model.max_pool.MaxPool",
            "model.image_layers.Conv2d",
        ),
        fast=("Network", "Dense", "MaxPool", "Conv2d"),
        quantities=("log p", "marginal mean"),
        fixed=("partition",),
        proofs=("Sec. 2", "eq. 1, 2, 8"),
        tests=("tests/model/test_layers.py", "tests/model/test_from_torch.py"),
    ),
    Result(
        name="eq. 2",
        says="A_ω and b_ω of a region",
        reference=("partition.region.region_map",),
        fast=("partition.layer_maps.input_maps", "partition.layer_maps.output_rows"),
        quantities=("log p", "marginal mean", "marginal covariance"),
        fixed=("partition",),
        proofs=("eq. 1, 2, 8",),
        tests=("tests/partition/test_partition_agreement.py",),
    ),
    Result(
        name="eq. 3",
        says="the evidence bound of a Gaussian q, and its gap",
        reference=("distributions.e_step.elbo", "dgn.DGN.kl"),
        fast=("one_dimension.e_step.elbo", "many_dimensions.e_step.elbo", "dgn.DGN.kl"),
        quantities=("ELBO", "KL"),
        fixed=("quantities",),
        proofs=("eq. 3",),
        tests=("tests/distributions/test_distributions.py",),
    ),
    Result(
        name="eq. 4",
        says="prior and conditional",
        reference=("distributions.prior.log_prior", "distributions.marginal.log_conditional"),
        fast=(
            "one_dimension.geometry.IntervalGeometry.log_joint",
            "many_dimensions.geometry.PolyhedralGeometry.log_joint",
        ),
        quantities=("log p at the mode", "expected complete log-likelihood"),
        fixed=("density and mode",),
        proofs=("Theorem 1, Proposition 2, eq. 6, 7",),
        tests=("tests/distributions/test_distributions.py",),
    ),
    Result(
        name="eq. 5",
        says="the marginal p(x)",
        reference=(
            "distributions.marginal.log_marginal",
            "distributions.marginal.log_region_marginal",
        ),
        fast=("one_dimension.pairs.pairs_of", "many_dimensions.pairs.pairs_of"),
        quantities=("log p",),
        fixed=("quantities",),
        proofs=("eq. 5", "eq. 5, exponent"),
        tests=(
            "tests/distributions/test_far_tails.py",
            "tests/distributions/test_many_dimensions.py",
        ),
    ),
    Result(
        name="eq. 6",
        says="the posterior, region by region",
        reference=(
            "distributions.responsibilities.log_responsibilities",
            "distributions.marginal.log_posterior",
        ),
        fast=(
            "one_dimension.pairs.normalised",
            "one_dimension.far_tail.relative_peaks",
            "distributions.posterior.Posterior.logpdf",
        ),
        quantities=("e0", "log e0", "entropy"),
        fixed=("density and mode", "regions"),
        proofs=("Theorem 1, Proposition 2, eq. 6, 7",),
        tests=("tests/distributions/test_posterior.py",),
    ),
    Result(
        name="eq. 7",
        says="μ_ω(x) and Σ_ω",
        reference=(
            "distributions.marginal.posterior_mean",
            "distributions.marginal.posterior_factor",
            "distributions.marginal.posterior_cov",
        ),
        fast=(
            "one_dimension.geometry.IntervalGeometry.of",
            "many_dimensions.geometry.PolyhedralGeometry.of",
            "many_dimensions.geometry.PolyhedralGeometry.items",
        ),
        quantities=("region mean", "region covariance", "posterior mean", "posterior covariance"),
        fixed=("regions",),
        proofs=("Theorem 1, Proposition 2, eq. 6, 7",),
        tests=("tests/distributions/test_distributions.py",),
    ),
    Result(
        name="eq. 8",
        says="the maps up to a layer",
        reference=("partition.region.up_to_layer_map",),
        fast=("partition.layer_maps.input_maps",),
        quantities=("region mass",),
        fixed=("partition", "updates"),
        proofs=("eq. 1, 2, 8",),
        tests=("tests/partition/test_partition.py",),
    ),
    Result(
        name="eq. 9",
        says="the simplices of a region",
        reference=("polyhedra.triangulation.triangulation",),
        fast=("polyhedra.face_lattice.Lattice.chains", "integration.split.split"),
        quantities=("region mass",),
        fixed=("polyhedra",),
        proofs=("eq. 9", "eq. 9, Lemma 4"),
        tests=(
            "tests/polyhedra/test_reference_triangulation.py",
            "tests/polyhedra/test_lattice.py",
        ),
    ),
    Result(
        name="Lemma 1",
        says="p(x | z) over the regions",
        reference=("distributions.marginal.log_conditional",),
        fast=(
            "one_dimension.geometry.IntervalGeometry.log_joint",
            "many_dimensions.geometry.PolyhedralGeometry.log_joint",
        ),
        quantities=("log p at the mode", "expected complete log-likelihood"),
        fixed=("density and mode",),
        proofs=("Theorem 1, Proposition 2, eq. 6, 7",),
        tests=("tests/distributions/test_distributions.py",),
    ),
    Result(
        name="Lemma 2",
        says="the zero-noise limit (corrected)",
        reference=("distributions.zero_noise.zero_noise_latent",),
        fast=("distributions.zero_noise.zero_noise_latent",),
        quantities=(),
        fixed=("zero noise",),
        proofs=("Lemma 2, Proposition 3",),
        tests=(
            "tests/contract/test_errata.py::TestLemma2",
            "tests/distributions/test_reference_zero_noise.py",
        ),
    ),
    Result(
        name="Lemma 3",
        says="codes and regions are in bijection",
        reference=("partition.walk.walk", "partition.walk.region_facets"),
        fast=("partition.cut_space.enumerate_cells", "partition.cut_line.enumerate_intervals"),
        quantities=("region mass",),
        fixed=("partition",),
        proofs=(),
        tests=(
            "tests/partition/test_partition_agreement.py",
            "tests/partition/test_arrangements.py",
        ),
    ),
    Result(
        name="Lemma 4",
        says="a simplex as a signed sum of polyhedra of at most S half-spaces",
        reference=(
            "polyhedra.inclusion_exclusion.inclusion_exclusion",
            "integration.signed_sum.integrate",
        ),
        fast=(
            "integration.simplex_moments.simplex_moments",
            "integration.truncated.truncate_with_error",
        ),
        quantities=("region mass", "e0"),
        fixed=("polyhedra",),
        proofs=("Lemma 4", "Lemma 4, unbounded", "Lemma 4, excluded pattern"),
        tests=(
            "tests/integration/test_polyhedra.py",
            "tests/integration/test_reference_integration.py",
        ),
    ),
    Result(
        name="Corollary 1",
        says="half-spaces of a region (corrected)",
        reference=("partition.region.code_halfspaces",),
        fast=("partition.partition.Partition.halfspaces", "partition.regions.regions_of_cells"),
        quantities=("region mass", "region width", "region end"),
        fixed=("partition",),
        proofs=("Corollary 1",),
        tests=("tests/contract/test_errata.py::TestCorollary1",),
    ),
    Result(
        name="Sec. 3.2",
        says="vertices, rays and lines of a region (corrected: regions may have none)",
        reference=(
            "polyhedra.polyhedron.vertices",
            "polyhedra.polyhedron.rays",
            "polyhedra.polyhedron.lines",
        ),
        fast=(
            "partition.region_polyhedra.Polyhedra.vertices",
            "partition.region_polyhedra.Polyhedra.rays",
            "partition.region_polyhedra.Polyhedra.lines",
        ),
        quantities=("region mass",),
        fixed=("partition",),
        proofs=("Sec. 3.2",),
        tests=(
            "tests/contract/test_errata.py::TestClosedPolytopes",
            "tests/partition/test_spaces.py",
        ),
    ),
    Result(
        name="Proposition 1",
        says="prior masses of the regions (corrected: t and z are dependent)",
        reference=(
            "distributions.prior.region_weight",
            "distributions.prior.prior_on_regions",
        ),
        fast=(
            "one_dimension.gaussians.gaussians_on_regions",
            "many_dimensions.gaussians.prior_on_regions",
        ),
        quantities=("region mass", "marginal mean", "marginal covariance"),
        fixed=("quantities",),
        proofs=("Proposition 1",),
        tests=("tests/contract/test_errata.py::TestProposition1",),
    ),
    Result(
        name="Proposition 2",
        says="the posterior is a mixture of truncated Gaussians",
        reference=("distributions.posterior.Posterior", "distributions.marginal.region_term"),
        fast=(
            "one_dimension.posterior.IntervalPosterior",
            "many_dimensions.posterior.PolyhedralPosterior",
        ),
        quantities=(
            "region mean",
            "region covariance",
            "posterior mean",
            "posterior covariance",
            "entropy",
        ),
        fixed=("regions", "draws"),
        proofs=("Theorem 1, Proposition 2, eq. 6, 7",),
        tests=("tests/distributions/test_posterior.py",),
    ),
    Result(
        name="Proposition 3",
        says="latent inference of GLO as a limit",
        reference=("distributions.zero_noise.zero_noise_latent",),
        fast=("distributions.zero_noise.zero_noise_latent",),
        quantities=(),
        fixed=("zero noise",),
        proofs=("Lemma 2, Proposition 3",),
        tests=("tests/distributions/test_reference_zero_noise.py",),
    ),
    Result(
        name="Theorem 1",
        says="marginal and posterior",
        reference=("distributions.marginal.region_term", "dgn.DGN.logpdf", "dgn.DGN.posterior"),
        fast=("dgn.DGN.logpdf", "dgn.DGN.posterior"),
        quantities=("log p", "e0", "posterior mean", "posterior covariance", "entropy"),
        fixed=("quantities", "regions"),
        proofs=("Theorem 1, Proposition 2, eq. 6, 7",),
        tests=("tests/contract/test_accuracy.py", "tests/distributions/test_many_dimensions.py"),
    ),
    Result(
        name="Sec. 4.1, E-step",
        says="e0, e1, E2 and E[log p(x, z) | x] (corrected)",
        reference=(
            "distributions.e_step.expected_complete_loglik",
            "distributions.e_step.statistics",
        ),
        fast=(
            "one_dimension.e_step.expected_complete_loglik",
            "one_dimension.e_step.statistics",
            "many_dimensions.e_step.expected_complete_loglik",
            "many_dimensions.e_step.statistics",
        ),
        quantities=("e0", "e1", "e2", "expected complete log-likelihood"),
        fixed=("sums over data", "regions"),
        proofs=("Sec. 4.1",),
        tests=("tests/contract/test_errata.py::TestEStep",),
    ),
    Result(
        name="Sec. 4.2, biases",
        says="closed-form update (corrected)",
        reference=("learning.m_step.update_bias",),
        fast=("closed_form.m_step.m_step",),
        quantities=(),
        fixed=("updates",),
        proofs=("Sec. 4.2, bias",),
        tests=(
            "tests/contract/test_errata.py::TestBiasUpdate",
            "tests/contract/test_structures.py",
        ),
    ),
    Result(
        name="Sec. 4.2, weights",
        says="closed-form update, alone and with the bias; a convolution's kernels",
        reference=(
            "learning.m_step.update_weight",
            "learning.m_step.update_layer",
            "learning.m_step.update_output_layer",
            "learning.m_step.update_kernels",
        ),
        fast=("closed_form.m_step.m_step",),
        quantities=(),
        fixed=("updates",),
        proofs=("Sec. 4.2, weights", "Sec. 4.2, weights with biases"),
        tests=("tests/contract/test_structures.py",),
    ),
    Result(
        name="Sec. 4.2, Σx",
        says="full, diagonal, isotropic",
        reference=("learning.m_step.update_cov_x",),
        fast=("closed_form.m_step.m_step",),
        quantities=(),
        fixed=("updates",),
        proofs=("Sec. 4.2, Σx",),
        tests=("tests/contract/test_structures.py",),
    ),
    Result(
        name="Sec. 4.2, Σz",
        says="the mean second moment of z",
        reference=("learning.m_step.update_cov_z",),
        fast=("closed_form.m_step.m_step",),
        quantities=(),
        fixed=("updates",),
        proofs=("Sec. 4.2, Σz",),
        tests=("tests/contract/test_structures.py",),
    ),
    Result(
        name="Appendix H",
        says="Gaussian, Laplace and uniform priors of the weights",
        reference=(
            "learning.regularised_least_squares.solve_with_prior",
            "model.weight_priors.log_weight_prior",
        ),
        fast=("closed_form.regularised_least_squares.optima", "training.objective.State"),
        quantities=(),
        fixed=("updates with priors",),
        proofs=(),
        tests=("tests/learning/test_weight_priors.py",),
    ),
    Result(
        name="Fisher's identity",
        says="the exact gradient of log p(x)",
        reference=("distributions.gradient.gradient",),
        fast=("distributions.gradient.gradient",),
        quantities=(),
        fixed=("gradient", "slopes"),
        proofs=("Fisher's identity",),
        tests=("tests/distributions/test_gradient.py", "tests/contract/test_structures.py"),
    ),
    Result(
        name="Appendix A",
        says="the recursive search of the partition",
        reference=("partition.walk.walk", "partition.region.code_towards"),
        fast=("partition.cut_space.enumerate_cells", "partition.cell_complex.Complex.cut"),
        quantities=("region mass",),
        fixed=("partition",),
        proofs=(),
        tests=("tests/partition/test_walk.py", "tests/oracle/test_oracle_partition.py"),
    ),
    Result(
        name="Appendix B",
        says="masses and moments of truncated Gaussians",
        reference=(
            "integration.cone_moments.mass",
            "integration.cone_moments.first_moment",
            "integration.cone_moments.second_moment",
            "integration.interval.truncated_normal",
            "integration.on_polyhedron.gaussian_on_polyhedron",
        ),
        fast=(
            "integration.simplex_moments.simplex_moments",
            "integration.interval.interval_moments",
            "integration.on_polyhedron.gaussian_on_polyhedron",
        ),
        quantities=("region mean", "region covariance", "e1", "e2"),
        fixed=("polyhedra", "regions"),
        proofs=("Appendix B, S = 1", "Appendix B, S = 2", "Appendix B, S = 2, facets"),
        tests=("tests/integration/test_polyhedra.py", "tests/integration/test_gaussian.py"),
    ),
    Result(
        name="moments of p(x)",
        says="mean and covariance of the marginal",
        reference=("distributions.marginal.marginal_mean", "distributions.marginal.marginal_cov"),
        fast=("dgn.DGN.mean", "dgn.DGN.cov"),
        quantities=("marginal mean", "marginal covariance"),
        fixed=("quantities", "draws"),
        proofs=(),
        tests=("tests/distributions/test_distributions.py",),
    ),
)
