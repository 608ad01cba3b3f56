"""What training says where it ends without having converged: the cause, and what to do."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from fast.training.checkpoint import Run
from reference.model import ConvergenceWarning, Outcome

#: The ends that the user asked for.
_WANTED = (Outcome.CONVERGED, Outcome.STOPPED, Outcome.INTERRUPTED)


def warn_of_end(fit: str, run: Run, outcome: Outcome | str, gtol: float, wanted: bool) -> None:
    """Say why a fit ended, unless it converged or ended as the user wanted it to.

    fit: the name of the function. wanted: whether all iterations were, as with a tolerance of 0.
    """
    taken = len(run.history) - 1
    if outcome in _WANTED or (outcome is Outcome.MAX_ITER and (wanted or not taken)):
        return
    cause, remedy = _told(fit, run, outcome, gtol)
    if not taken:
        cause = f"NOT TRAINED: the result is the start, {fit} could not take a first step: {cause}"
    warnings.warn(f"{cause}: {remedy}", ConvergenceWarning, stacklevel=4)


def _told(fit: str, run: Run, outcome: Outcome | str, gtol: float) -> tuple[str, str]:
    """The cause and the remedy."""
    slope = f"(gradient norm {run.norm:.1e}, gtol {gtol:.1e})"
    if outcome is Outcome.MAX_ITER:
        still = "its iterations still gain" if run.norm <= gtol else "the objective still rises"
        other = "fit_mle(result.dgn, X), which converges faster"
        remedy = "raise max_iter" + (f", or go on with {other}" if fit == "fit_em" else "")
        return f"{fit} reached max_iter = {len(run.history) - 1} where {still} {slope}", remedy
    if outcome is Outcome.SINGULAR_COVARIANCE:
        return (
            f"{fit} met an update of a covariance that is singular, where the likelihood grows "
            "without bound",
            "raise noise_floor (0 is none, the default 1e-6), or remove features that are constant "
            "or depend on others",
        )
    if outcome is Outcome.NO_STEP:
        return (
            f"{fit} found no step that rounding does not hide, before the gradient was flat "
            f"{slope}",
            "raise noise_floor or gtol",
        )
    return (
        f"an update of {fit} led to a model without a likelihood, {outcome}",
        "start nearer to the data with init='data', raise noise_floor or max_regions, or remove "
        "outliers",
    )


def warn_of_starts(fit: str, failed: Sequence[tuple[int, str]], count: int) -> None:
    """Say which starts have no likelihood; the others went on."""
    if failed:
        told = "; ".join(f"start {i + 1} of {count}: {why}" for i, why in failed)
        warnings.warn(
            f"{fit} left out starts without a likelihood ({told}): raise cov_x or max_regions, or "
            "start nearer to the data with init='data'",
            ConvergenceWarning,
            stacklevel=4,
        )
