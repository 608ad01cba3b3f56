"""Deliberate defects that show where regions hold next to nothing or boundaries nearly meet."""

from __future__ import annotations

from oracle.mutants.mutant import Mutant, in_fast

NEAR_DEGENERATE: tuple[Mutant, ...] = (
    in_fast(
        "regions of little mass left out",
        "many_dimensions.gaussians",
        "prior_on_regions",
        "= np.exp(found.log_mass), found.mean, found.cov",
        "= np.exp(found.log_mass) * (found.log_mass > -20), found.mean, found.cov",
        "A threshold of 2e-9 where exp(-80) is meant: a sliver is lost.",
    ),
)
