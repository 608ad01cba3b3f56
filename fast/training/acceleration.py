"""Two iterations of EM, and a jump along the way that they show (SQUAREM)."""

from __future__ import annotations

import numpy as np

from fast.closed_form.em_curvature import em_curvature
from fast.closed_form.noise_floor import raised
from fast.training.objective import State
from fast.training.parameter_vector import Packing
from reference.model import NO_LIKELIHOOD, Array

# Trials of a jump, each half as far beyond the second iteration as the one before.
_TRIALS = 4


def jumped(path: tuple[State, State, State], X: Array, floor: Array) -> State:
    """The state after a jump from three states in a row, the last if none has a smaller loss.

    With r the first step and r + v the second, to θ - 2 α r + α² v, where α = -‖r‖ / ‖v‖ (Varadhan
    and Roland 2008, scheme S3); norms are of weights and biases in units of EM's curvature. A step
    of -1 ends where EM does. The exact loss decides, so that it never rises.
    """
    before, _, after = path
    packing = Packing(before.dgn.parameters(), list(before.dgn.parameters()))
    first, second, third = (packing.packed(state.dgn.parameters()) for state in path)
    step = second - first
    change = third - second - step
    curvature = em_curvature(before.dgn, before.statistics)
    names = [name for name in packing.names if not name.startswith("cov_")]
    weights = np.concatenate([np.sqrt(curvature[name]).ravel() for name in names])
    places = np.concatenate([np.arange(packing.size)[packing.places[name]] for name in names])
    length, turn = (np.linalg.norm(weights * some[places]) for some in (step, change))
    if not 0 < turn < length:
        return after
    alpha = -length / turn
    for _ in range(_TRIALS):
        trial = first - 2 * alpha * step + alpha**2 * change
        alpha = 0.5 * (alpha - 1.0)
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                values = packing.unpacked(trial)
                values["cov_x"] = raised(values["cov_x"], floor)
            moved = before.moved(before.dgn.with_parameters(values), X)
        except (*NO_LIKELIHOOD, ValueError):  # too far for a likelihood, or for a covariance
            continue
        if moved.loss <= after.loss:
            return moved
    return after
