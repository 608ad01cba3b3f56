"""Deliberate defects that the default tests must catch, by the kind of mistake.

They are mistakes that a refactoring easily makes. Data only, like oracle.mutants.all_mutants. The
default tests judge them, since no comparison of numbers at default settings shows most of them.
`python -m oracle --mutants` tries them.
"""

from __future__ import annotations

from oracle.mutants.mutant import Mutant, in_fast, in_reference

_IMITATES = "A mistake of its kind."


def _fast(name: str, place: str, replaced: str, by: str) -> Mutant:
    """A defect of `fast`; place: "module:function" or "module:Class.name"."""
    module, _, function = place.partition(":")
    return in_fast(name, module, function, replaced, by, _IMITATES)


def _reference(name: str, place: str, replaced: str, by: str) -> Mutant:
    """A defect of `reference`; place as for _fast."""
    module, _, function = place.partition(":")
    return in_reference(name, module, function, replaced, by, _IMITATES)


#: By kind.
SLIPPED: dict[str, tuple[Mutant, ...]] = {
    "chunks and batches": (
        _fast(
            "rows of the last chunk repeated by the posterior",
            "many_dimensions.posterior:PolyhedralPosterior.__init__",
            "terms.pairs.datum + start for",
            "terms.pairs.datum for",
        ),
        _fast(
            "the ELBO's second chunk counts from the first datum",
            "many_dimensions.gaussians:gaussians_on_regions",
            "datum += some.start",
            "datum += 0",
        ),
        _fast(
            "the first chunk's data for every chunk of log p",
            "many_dimensions.model:ManyDimensions.logpdf",
            "X[part]",
            "X[: len(X[part])]",
        ),
        _fast(
            "the mode of every chunk from the first data",
            "many_dimensions.posterior:PolyhedralPosterior.mode",
            "some = np.arange(len(points.y))[part], points.at(part)",
            "some = np.arange(len(points.y))[part], points.at(slice(part.stop - part.start))",
        ),
        _fast(
            "the first chunk's data for every chunk of the E-step",
            "many_dimensions.e_step:statistics",
            "orthogonal = X[part]",
            "orthogonal = X[: len(y)]",
        ),
        _fast(
            "polygons left to the general way with the first ones' maps",
            "integration.truncated:truncate_with_error",
            "_anywhere(items.at(rest))",
            "_anywhere(items.at(np.arange(len(rest))))",
        ),
    ),
    "draws": (
        _fast(
            "the better proposal accepted as if it were the other",
            "integration.draws:_one_sided",
            "ceiling = (rate - distance) * top - 0.5 * top * top",
            "ceiling = (rate - distance) * top - 0.4 * top * top",
        ),
        _fast(
            "the range of the proposal taken for its rate",
            "integration.draws:_truncated_exponential",
            "np.expm1(-depth)",
            "np.expm1(-np.minimum(depth, 4.0))",
        ),
        _fast(
            "cross terms counted twice on a simplex",
            "integration.simplex_draws:sample_simplices",
            "np.exp(-0.5 * cross)",
            "np.exp(-cross)",
        ),
        _fast(
            "the first simplex of the next region",
            "integration.simplex_draws:_chosen",
            'side="right"), starts, ends - 1)',
            'side="right") + 1, starts, ends - 1)',
        ),
        _fast(
            "no draw beyond four deviations",
            "distributions.joint_model:JointModel.rvs",
            "latent = rng.standard_normal((size, self.network.latent_dimension))",
            "latent = rng.standard_normal((size, self.network.latent_dimension)).clip(-4, 4)",
        ),
        _reference(
            "the proposal's reach too short",
            "integration.draws:draw_on_interval",
            "reach = 82.0 / (abs(nearest) + np.sqrt(nearest**2 + 82.0))",
            "reach = 16.0 / (abs(nearest) + np.sqrt(nearest**2 + 16.0))",
        ),
        _reference(
            "a wrong tilt of the proposal",
            "integration.draws:draw_on_polyhedron",
            "logs < -steps @ nearest",
            "logs < -0.9 * steps @ nearest",
        ),
    ),
    "structures crossed": (
        _reference(
            "a block's gradient by all its inputs",
            "distributions.gradient:residual_times_input",
            "weighted(network.layers[layer]).inputs",
            "slice(0, weighted(network.layers[layer]).layer.derivative(code)[0].size)",
        ),
        _fast(
            "a full Σx taken for a diagonal one after an activation",
            "closed_form.m_step:_dense",
            "(not np.all(diagonal == 1.0) or penalty.prior is not None)",
            "penalty.prior is not None",
        ),
        _fast(
            "the diagonal scatter without its cross term",
            "many_dimensions.e_step:_Sums.add_scatter",
            "orthogonal + 2 * lifted",
            "orthogonal + lifted",
        ),
        _fast(
            "the full scatter without its cross term",
            "many_dimensions.e_step:_Sums.add_scatter",
            "weighted.T @ weighted + cross + cross.T",
            "weighted.T @ weighted + cross",
        ),
        _fast(
            "the trace of a lifted covariance without the noise",
            "distributions.observation:Coordinates.lifted_cov",
            "self.noise.cov * np.trace(cov)",
            "np.trace(cov)",
        ),
        _fast(
            "slopes of units that are off counted in the output layer",
            "closed_form.m_step:_row_by_row",
            "diagonal**2, gram",
            "diagonal, gram",
        ),
        _fast(
            "Σz taken for uncorrelated in draws",
            "distributions.joint_model:JointModel.rvs",
            "np.linalg.cholesky(self.cov_z).T",
            "np.sqrt(np.diag(np.diag(self.cov_z)))",
        ),
    ),
    "one implementation only": (
        _reference(
            "a rise taken for convergence",
            "learning.em:_fit",
            "if 0 <= history[-2] - history[-1] <= settings.tol * size:",
            "if history[-2] - history[-1] <= settings.tol * size:",
        ),
        _fast(
            "a rise taken for convergence",
            "training.ends.judgement:Goal.small_gains",
            "(gains >= 0) & (gains <= self.least(losses[1:]))",
            "gains <= self.least(losses[1:])",
        ),
        _fast(
            "dead weights stay under a Laplace prior",
            "closed_form.regularised_least_squares:_Search._to_own_optimum",
            "0.0 if rate > 0 else w",
            "w",
        ),
        _reference(
            "the loss of the last trial kept though it rose",
            "learning.guarded_step:_guarded_layer",
            "if candidate.loss <= state.loss:",
            "if candidate.loss <= state.loss + 1e-3:",
        ),
    ),
    "settings away from their defaults": (
        _fast(
            "max_regions forgotten by with_parameters",
            "distributions.joint_model:JointModel._settings",
            '"max_regions": self.max_regions,\n',
            "\n",
        ),
        _fast(
            "negligible forgotten by with_parameters",
            "distributions.joint_model:JointModel._settings",
            '"negligible": self.negligible,\n',
            "\n",
        ),
        _reference(
            "max_regions forgotten by with_parameters",
            "distributions.joint_model:JointModel.with_parameters",
            ", max_regions=self.max_regions)",
            ")",
        ),
        _fast(
            "another damping in the checkpoint's mark",
            "training.em:_fingerprint",
            "m_step, settings.damping, settings.tol",
            "m_step, settings.tol",
        ),
        _fast(
            "a fit's negligible not that of the model it goes on from",
            "training.initial_networks:starting_model",
            "negligible=network.negligible,\n",
            "",
        ),
        _fast(
            "Σz uncorrelated where training starts",
            "training.initial_networks:_placed",
            "hidden = rng.standard_normal((_DRAWS, latent)) @ root.T",
            "hidden = rng.standard_normal((_DRAWS, latent)) * np.diag(root)",
        ),
        _fast(
            "damping ignored",
            "training.em:_Settings._plain_step",
            "damping=self.damping,\n",
            "",
        ),
        _reference(
            "the pull of a Laplace prior at zero forgotten",
            "model.weight_priors:rise",
            "np.maximum(np.abs(slope) - rate, 0.0)",
            "np.abs(slope)",
        ),
    ),
    "validation at its threshold": (
        _reference(
            "covariances asymmetric by 1e-4 accepted",
            "model.validation:_check_matrices",
            "0.5 * ASYMMETRY * sizes",
            "0.5e-4 * sizes",
        ),
        _reference(
            "covariances asymmetric by a thousandth more than allowed accepted",
            "model.validation:_check_matrices",
            "0.5 * ASYMMETRY * sizes",
            "0.5005 * ASYMMETRY * sizes",
        ),
        _reference(
            "a variance of zero accepted",
            "model.validation:check_covariance",
            "if not np.all(array > 0):",
            "if not np.all(array >= 0):",
        ),
        _reference(
            "the least count refused",
            "model.validation:check_count",
            "value < minimum:",
            "value <= minimum:",
        ),
        _reference(
            "the largest number refused",
            "model.validation:check_number",
            "not low <= number <= high",
            "not low <= number < high",
        ),
    ),
    "tolerances and told errors": (
        _fast(
            "breakpoints nearer than their rounding merged",
            "partition.cut_line:_sorted",
            "[b > a for a, b in pairwise(ranked)]",
            "[False for _ in pairwise(ranked)]",
        ),
        _fast(
            "an error told 2,000 times too small",
            "many_dimensions.pairs:_terms",
            "np.exp(log_e0) * pairs.error",
            "5e-4 * np.exp(log_e0) * pairs.error",
        ),
        _fast(
            "log masses' error told 2,000 times too small",
            "integration.on_polyhedron:_finished",
            "error = error + (ACCURACY[dimension]",
            "error = 5e-4 * error + (ACCURACY[dimension]",
        ),
        _fast(
            "log p off by 2e-10",
            "many_dimensions.model:ManyDimensions.logpdf",
            ".log_evidence",
            ".log_evidence * (1 + 2e-10)",
        ),
        _fast(
            "regions of a thousandth of q left out of the ELBO",
            "many_dimensions.gaussians:_not_far",
            "log_ndtr(-outside) > _LEAST_LOG_MASS",
            "log_ndtr(-outside) > -7.0",
        ),
        _fast(
            "a thousand times more left out than allowed",
            "many_dimensions.pairs:_in_doubles",
            "float(np.log(geometry.negligible))",
            "float(np.log(1e6 * geometry.negligible))",
        ),
        _fast(
            "the less accurate of two differences in the far tail",
            "one_dimension.far_tail:relative_peaks",
            "_outwards(np.abs(steps), ahead, 1.0)",
            "_outwards(np.abs(steps), 1.0, ahead)",
        ),
        _reference(
            "an inverse written out where it is ill-conditioned",
            "learning.regularised_least_squares:_smallest_solution",
            "np.linalg.lstsq(matrix, right, rcond=RANK_TOLERANCE)[0]",
            "np.linalg.pinv(matrix, rcond=RANK_TOLERANCE) @ right",
        ),
        _fast(
            "what was left out told too small",
            "many_dimensions.pairs:_in_doubles",
            "skipped = np.exp(",
            "skipped = 1e-3 * np.exp(",
        ),
    ),
    "caught by luck": (
        _fast(
            "entropy of the whole space without half a nat",
            "integration.truncated:_everywhere",
            "entropy = log_volume + 0.5 * n_free",
            "entropy = log_volume + 0.5 * (n_free - 1)",
        ),
        _fast(
            "entropy of regions with lines without the lines",
            "integration.truncated:assemble",
            "np.bincount(parts.item, share * expected, count) + 0.5 * n_free",
            "np.bincount(parts.item, share * expected, count)",
        ),
        _fast(
            "maps of the second batch of regions from the first one's codes",
            "partition.layer_maps:maps_in_turn",
            "codes[some]",
            "codes[: some.stop - some.start]",
        ),
        _fast(
            "facets of the second batch of regions counted from the first region",
            "partition.region_maps:facet_halfspaces",
            "facets.regions[mine] - some.start",
            "np.maximum(facets.regions[mine] - some.start, 0) * (some.start == 0)",
        ),
    ),
}
