"""Every identity of the paper proved with symbols for small dimensions, and its errata refuted.

One function a proof in the modules collected here; nothing numerical, and nothing of `reference`
or `fast`. The table of all: `proofs()`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from oracle.proofs import e_step, fisher, layers, mixture, simplices
from oracle.proofs import gaussian_product as gaussian
from oracle.proofs import m_step_bias as m_step
from oracle.proofs import m_step_covariances as covariances
from oracle.proofs import m_step_weights as weights
from oracle.proofs import truncated_moments as truncated
from oracle.proofs.proof import Counterexample, Proof

__all__ = ["PROOFS", "Counterexample", "Proof", "proofs"]

#: Every proof, not yet run, in the paper's order.
PROOFS: tuple[Callable[[], Proof], ...] = (
    layers.nonlinearities,
    layers.composition,
    partial(layers.composition, pooling=True),
    e_step.evidence_bound,
    mixture.proposition_1,
    partial(gaussian.theorem_1, 1, 2),
    partial(gaussian.theorem_1, 2, 1),
    gaussian.theorem_1_on_basis,
    partial(gaussian.equation_5, 1),
    partial(gaussian.equation_5, 2),
    gaussian.residual_form,
    gaussian.lemma_2,
    layers.corollary_1,
    layers.closed_polytopes,
    simplices.quadrilateral,
    partial(simplices.triangulation, "a pentagon", simplices.PENTAGON_FACETS, simplices.FAN),
    partial(simplices.triangulation, "a cube", simplices.CUBE_FACETS, simplices.CUBE),
    *(partial(simplices.inclusion_exclusion, latent) for latent in (1, 2, 3)),
    *(partial(simplices.inclusion_exclusion_unbounded, latent) for latent in (1, 2, 3)),
    *(partial(simplices.barycentric, latent) for latent in (1, 2, 3)),
    *(partial(simplices.barycentric, 2, rays) for rays in (1, 2)),
    truncated.interval,
    partial(truncated.mass_derivatives, 1),
    partial(truncated.mass_derivatives, 2),
    truncated.edge,
    truncated.orthant,
    partial(e_step.e_step, 1, 2),
    partial(e_step.e_step, 2, 1),
    partial(e_step.e_step, 2, 2),
    *(partial(fisher.fisher_identity, name) for name in fisher.PARAMETERS),
    *(
        partial(fisher.fisher_identity, f"hidden {part}", low_slope=0, rising=rising)
        for part in ("weight", "bias")
        for rising in (True, False)
    ),
    *(partial(m_step.bias_update, layer) for layer in (3, 2, 1)),
    partial(weights.weight_update, 3, (1, 1, 2, 2)),
    partial(weights.weight_update, 2, (1, 2, 2, 1)),
    partial(weights.weight_update, 1, (2, 2, 2)),
    *(partial(weights.weight_update, layer, (1, 2, 2), with_bias=True) for layer in (2, 1)),
    covariances.expected_scatter,
    *(
        partial(covariances.covariance_update, "Σx", structure, 2)
        for structure in ("full", "diagonal", "isotropic")
    ),
    partial(covariances.covariance_update, "Σz", "full", 2),
)


def proofs() -> list[Proof]:
    """Run every proof, in the paper's order: 17 seconds."""
    return [proof() for proof in PROOFS]
