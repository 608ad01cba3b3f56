"""Deliberate defects of local partitions: boxes and pieces that are ruled out. Bounds that are only
a little too tight are seen in smaller boxes: tests/distributions/test_local.py."""

from __future__ import annotations

from oracle.mutants.mutant import Mutant, in_fast

LOCAL: tuple[Mutant, ...] = (
    in_fast(
        "distances three times too large",
        "many_dimensions.local.sight",
        "Sight.squares",
        "length - reach / safe - lost",
        "3.0 * (length - reach / safe)",
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
        "signs decided by the middle",
        "partition.local.folding",
        "Folding._bounds",
        "radius += rows.doubts + rounding * rows.terms",
        "radius *= 0.1",
        "a unit that bends in a corner is taken for decided",
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
