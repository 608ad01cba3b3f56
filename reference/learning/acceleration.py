"""Acceleration of EM by squared extrapolation (SQUAREM; Varadhan and Roland 2008, scheme S3).

EM moves θ0 -> θ1 -> θ2, with r = θ1 - θ0 and v = (θ2 - θ1) - r. Where r shrinks by a constant
factor the limit is θ0 - 2 α r + α² v with α = -‖r‖ / ‖v‖. The jump is taken only if the exact loss
there is at most that at θ2, so that the guarantee stays.
"""

from __future__ import annotations

import numpy as np

from reference.dgn import DGN
from reference.learning.noise_floor import raised
from reference.learning.objective import State
from reference.learning.stationarity import em_curvature
from reference.model.arrays import Array
from reference.model.errors import NO_LIKELIHOOD

# Trials of a jump, each half as far beyond θ2 as the one before.
_TRIALS = 4


def unconstrained(dgn: DGN) -> dict[str, Array]:
    """The parameters, with logarithms for variances and Cholesky factors for full covariances, the
    logarithms of their diagonals on them."""
    found = dict(dgn.parameters())
    for name in ("cov_x", "cov_z"):
        value = found[name]
        if value.ndim < 2:
            found[name] = np.log(value)
            continue
        root = np.linalg.cholesky(value)
        found[name] = np.tril(root, -1) + np.diag(np.log(np.diag(root)))
    return found


def constrained(values: dict[str, Array]) -> dict[str, Array]:
    """The parameters that these stand for."""
    found = dict(values)
    for name in ("cov_x", "cov_z"):
        value = found[name]
        if value.ndim < 2:
            found[name] = np.exp(value)
            continue
        root = np.tril(value, -1) + np.diag(np.exp(np.diag(value)))
        found[name] = root @ root.T
    return found


def jumped(path: tuple[State, State, State], X: Array, floor: Array) -> State:
    """The state after a jump from three states in a row; the last if none has a smaller loss.

    Norms are of weights and biases in units of EM's curvature, which the gauge does not change.
    """
    before, _, after = path
    first, second, third = (unconstrained(state.dgn) for state in path)
    step = {name: second[name] - first[name] for name in first}
    change = {name: third[name] - second[name] - step[name] for name in first}
    layers = [name for name in first if not name.startswith("cov_")]
    r, v = (np.concatenate([np.ravel(some[name]) for name in layers]) for some in (step, change))
    scales = np.sqrt(em_curvature(before)[: len(r)])
    length, turn = np.linalg.norm(scales * r), np.linalg.norm(scales * v)
    if not 0 < turn < length:
        return after
    alpha = -length / turn
    for _ in range(_TRIALS):
        trial = {n: first[n] - 2 * alpha * step[n] + alpha**2 * change[n] for n in first}
        alpha = 0.5 * (alpha - 1.0)
        try:
            values = constrained(trial)
            values["cov_x"] = raised(values["cov_x"], floor)
            moved = before.moved(before.dgn.with_parameters(values), X)
        except (*NO_LIKELIHOOD, ValueError):
            continue
        if moved.loss <= after.loss:
            return moved
    return after
