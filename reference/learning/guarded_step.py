"""One iteration of EM that never raises the loss.

The output layer and the covariances take their closed forms, which is a true EM step. Each hidden
layer moves towards its closed form, by steps that are halved until the exact objective does not
fall. `fast` has its own copy of the guard and of the loop on purpose: their agreement is a check.
"""

from __future__ import annotations

from reference.learning.m_step import updated as closed_form
from reference.learning.objective import State
from reference.model.arrays import Array
from reference.model.errors import NO_LIKELIHOOD
from reference.model.network import learnable_layers
from reference.model.weight_priors import blend

# Past 2^-30 a step no longer changes the likelihood beyond its rounding.
_HALVINGS = 30


def guarded_step(state: State, X: Array, floor: Array) -> State:
    """One iteration: the exact updates, then the hidden layers from the last to the first."""
    layers = learnable_layers(state.dgn.network)
    exact, hidden = ["cov_x", "cov_z"], layers
    if layers and layers[-1] == len(state.dgn.network.layers) - 1:
        # Nothing follows the output layer, so it moves no region: its M-step is a true one.
        exact.insert(0, str(layers[-1]))
        hidden = layers[:-1]
    prior = state.prior
    dgn = closed_form(state.dgn, state.statistics, exact, floor, weight_prior=prior)
    moved = state.moved(dgn, X)
    # Only rounding can raise the loss here, as with covariances that are nearly singular.
    if moved.loss <= state.loss:
        state = moved
    for index in reversed(hidden):
        state = _guarded_layer(state, X, index, floor)
    return state


def _guarded_layer(state: State, X: Array, index: int, floor: Array) -> State:
    """The longest of the steps 1, 1/2, 1/4, ... to the closed form that does not raise the loss."""
    target = closed_form(
        state.dgn, state.statistics, [str(index)], floor, weight_prior=state.prior
    ).parameters()
    start = state.dgn.parameters()
    for halving in range(_HALVINGS + 1):
        share = 0.5**halving
        trial = {
            name: blend(start[name], target[name], share, name, state.prior)
            for name in (f"{index}.weight", f"{index}.bias")
        }
        try:
            candidate = state.moved(state.dgn.with_parameters(trial), X)
        except NO_LIKELIHOOD:
            continue  # more regions than allowed, or than double precision tells apart: too far
        if candidate.loss <= state.loss:
            return candidate
    return state
