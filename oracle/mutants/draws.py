"""Deliberate defects in draws of z given x, and of z and x."""

from __future__ import annotations

from oracle.mutants.mutant import Mutant, in_fast, in_reference

DRAWS: tuple[Mutant, ...] = (
    in_reference(
        "draws from the wrong end",
        "integration.draws",
        "draw_on_interval",
        "np.array([start + scale * s])",
        "np.array([start - scale * s])",
        "An interval's draws reflected at its peak.",
    ),
    in_fast(
        "draws from the wrong end",
        "integration.draws",
        "sample_interval",
        "np.where(downwards, -draws, draws)",
        "np.where(downwards, draws, -draws)",
        "An interval's draws reflected at its peak.",
    ),
    in_reference(
        "draws accepted in the wrong place, S > 1",
        "integration.draws",
        "draw_on_polyhedron",
        "(logs < -steps @ nearest)",
        "(logs < steps @ nearest)",
        "A rejection with the sign of its exponent turned.",
    ),
    in_fast(
        "draws without the simplices' cross terms",
        "integration.simplex_draws",
        "sample_simplices",
        "np.exp(-0.5 * cross)",
        "np.exp(-0.0 * cross)",
        "A proposal taken for the target.",
    ),
    in_fast(
        "regions drawn alike",
        "distributions.posterior",
        "Posterior.rvs",
        "np.split(self._e0, starts[1:])",
        "np.split((self.shares.log_e0 > -13.8).astype(float), starts[1:])",
        "Regions drawn without their weights.",
    ),
    in_reference(
        "draws of x with a transposed root of Σx",
        "distributions.noise",
        "draw",
        "np.linalg.cholesky(cov_x).T if",
        "np.linalg.cholesky(cov_x) if",
        "Lᵀ L for L Lᵀ.",
    ),
    in_fast(
        "draws of x with a transposed root of Σx",
        "distributions.observation",
        "Noise.unwhiten",
        "rows @ self.root.T if",
        "rows @ self.root if",
        "Lᵀ L for L Lᵀ.",
    ),
    in_reference(
        "draws of z with a transposed root of Σz",
        "distributions.joint_model",
        "JointModel.rvs",
        "np.linalg.cholesky(self.cov_z).T",
        "np.linalg.cholesky(self.cov_z)",
        "Lᵀ L for L Lᵀ.",
    ),
    in_fast(
        "draws of z with a transposed root of Σz",
        "distributions.joint_model",
        "JointModel.rvs",
        "np.linalg.cholesky(self.cov_z).T",
        "np.linalg.cholesky(self.cov_z)",
        "Lᵀ L for L Lᵀ.",
    ),
)
