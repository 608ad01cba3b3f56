"""What training ends with, and what it calls on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from fast.dgn import DGN
from reference.model import Array, Outcome

#: Called as callback(iteration, dgn, loss) after every iteration; returning True ends training.
Callback = Callable[[int, DGN, float], bool | None]


@dataclass(frozen=True)
class FitResult:
    """What training ended with.

    Parameters
    ----------
    dgn : DGN
        The model of the last iteration; of the best start if there were several.
    history : array (n_iter + 1,)
        Its loss at the start and after every iteration: -(log-likelihood + log prior of the
        weights) / N, nats a datum.
    n_iter : int
        The number of its iterations.
    converged : bool
        Whether `outcome` is ``Outcome.CONVERGED``.
    outcome : Outcome or str
        Why training ended. A member of `Outcome` equals its text, such as ``"converged"``. Where an
        update led to a model that has no likelihood, the text of its error, such as
        ``"PartitionError: what it said"``; `dgn` is then the model before.
    steepness : float
        How steep the objective is at `dgn`: the largest rate at which it rises with one parameter,
        nats a datum for a change by one, or by the parameter's own size if that is larger. For the
        entries of a covariance, always for a change by their own size. 0 at an optimum.
    losses : array (starts,)
        The last loss of every start, nats a datum; inf for one without a likelihood.
    gradient_norm : float
        The norm of the gradient in the Fisher information of x, a pure number: half its square is
        what a step of Fisher scoring is expected to gain, nats a datum. Turning or rescaling z or
        a unit against the next layer does not change it, nor do units of the data.
    smallest_curvature : float or None
        The smallest curvature of the loss that was found, in units of EM's own; negative at a
        saddle, 0 along what no data tell. None where it was not looked for, as the gradient is not
        small.
    measured : str
        How both were measured.

    See Also
    --------
    fit_em, fit_mle : which return it.
    """

    dgn: DGN
    history: Array = field(repr=False)
    n_iter: int
    converged: bool
    outcome: Outcome | str
    steepness: float
    losses: Array = field(repr=False)
    gradient_norm: float
    smallest_curvature: float | None
    measured: str = field(repr=False)


def check_callback(value: object) -> None:
    """ValueError unless `value` can be called, or is None."""
    if value is not None and not callable(value):
        raise ValueError(f"callback: expected a function, got {value!r}")
