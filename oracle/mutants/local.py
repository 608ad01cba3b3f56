"""Deliberate defects of local partitions: boxes and pieces that are ruled out, and what is told of
them."""

from __future__ import annotations

from oracle.mutants.mutant import Mutant, in_fast

LOCAL: tuple[Mutant, ...] = (
    in_fast(
        "a distance a tenth too large",
        "many_dimensions.local.sight",
        "Sight.squares",
        "length - reach / safe - lost",
        "1.1 * (length - reach / safe)",
        "boxes that matter are ruled out",
    ),
    in_fast(
        "the reach of units without their bands",
        "many_dimensions.local.sight",
        "Sight.squares",
        "by_bands[:, :latent] += along[:, :latent]",
        "by_bands = along[:, :latent]",
        "images are thought to be on a plane",
    ),
    in_fast(
        "the volume of a box forgotten",
        "many_dimensions.local.criteria",
        "ByMass.over",
        "boxes.log_volumes[pairs.box]",
        "2.0 * boxes.log_volumes[pairs.box]",
        "small boxes are ruled out",
    ),
    in_fast(
        "pieces ruled out too soon",
        "many_dimensions.local.pairs",
        "most_of",
        "bounds.log_mass + own + seen.log_scales[pairs.piece]",
        "bounds.log_mass + own + seen.log_scales[pairs.piece] - 25.0",
        "pieces that matter are ruled out",
    ),
)
