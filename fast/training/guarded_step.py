"""One iteration of EM that never raises the loss.

It is written here and, on purpose, a second time in `reference`: that both end with the same losses
is a check of both.
"""

from __future__ import annotations

from fast.closed_form.m_step import updated as closed_form
from fast.training.objective import State
from reference.model import NO_LIKELIHOOD, Array, blend, learnable_layers

# Past 2^-30 a step no longer changes the likelihood beyond its rounding.
_HALVINGS = 30


def guarded_step(state: State, X: Array, floor: Array) -> State:
    """The state after an iteration that does not raise the loss; the same state if none is found.

    The output layer and the covariances go to their closed forms, which is a true EM step. Then
    every hidden layer, from the last to the first, walks towards its own closed form, each under
    the posterior of the model so far.
    """
    layers = learnable_layers(state.dgn.network)
    exact, hidden = ["cov_x", "cov_z"], layers
    if layers and layers[-1] == len(state.dgn.network.layers) - 1:
        # Nothing follows the output layer, so it moves no region: its M-step is a true one.
        exact.insert(0, str(layers[-1]))
        hidden = layers[:-1]
    prior = state.prior
    dgn = closed_form(state.dgn, state.statistics, exact, floor, weight_prior=prior)
    moved = state.moved(dgn, X)
    # Only rounding can raise it here, as with covariances that are all but singular.
    if moved.loss <= state.loss:
        state = moved
    for index in reversed(hidden):
        state = _guarded_layer(state, X, index, floor)
    return state


def _guarded_layer(state: State, X: Array, index: int, floor: Array) -> State:
    """The longest of the steps 1, 1/2, 1/4, ... to the closed form that does not raise the loss."""
    names = (f"{index}.weight", f"{index}.bias")
    target = closed_form(
        state.dgn, state.statistics, [str(index)], floor, weight_prior=state.prior
    ).parameters()
    start = state.dgn.parameters()
    for halving in range(_HALVINGS + 1):
        share = 0.5**halving
        trial = {name: blend(start[name], target[name], share, name, state.prior) for name in names}
        try:
            candidate = state.moved(state.dgn.with_parameters(trial), X)
        except NO_LIKELIHOOD:
            continue  # more regions than allowed, or than double precision tells apart: too far
        if candidate.loss <= state.loss:
            return candidate
    return state
