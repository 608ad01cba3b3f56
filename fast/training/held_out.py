"""Early stopping: data that training does not see say when it has learnt enough."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fast.dgn import DGN
from reference.model import NO_LIKELIHOOD, Array, ReadOnly, check_count, check_data, freeze


class HeldOut(ReadOnly):
    """A callback for `fit_em` and `fit_mle` that ends them where held-out data no longer gain.

    Parameters
    ----------
    start : DGN
        The model that training starts from: what comes out is never worse for the held-out data.
    X : array_like, shape (M, D)
        The held-out data, in the units of those that are learnt from; NaN where not observed.
    patience : int, default 3
        How many iterations without a new best end training.

    Attributes
    ----------
    best : DGN
        The model under which the held-out data are most likely so far; `start` at first.
    best_iteration : int
        The iteration it is of; 0 is the start.
    history : ndarray, shape (n_iter + 1,)
        The mean log p(x) of the held-out data at the start and after every iteration, nats a datum;
        -inf for a model that gives one of them no likelihood.

    Raises
    ------
    ValueError
        If an argument does not fit, before training.
    ArithmeticError
        If the start gives a held-out datum no likelihood.

    See Also
    --------
    fit_em, fit_mle : which take it as `callback`, for one start.

    Notes
    -----
    Chosen among iterations, the best is an optimistic estimate of log p(x) of new data: take the
    mean of a third set of data for that. An iteration costs one `logpdf` of the held-out data more.
    Training that it ends has the outcome "stopped by callback". Guarded by
    tests/learning/test_held_out.py.

    Examples
    --------
    >>> from fast import DGN, HeldOut, LeakyReLU, Network, fit_em
    >>> truth = DGN(Network.random([1, 3, 2], LeakyReLU(0.1), random_state=0), 0.1)
    >>> start = DGN(Network.random([1, 20, 2], LeakyReLU(0.1), random_state=1), 0.5)
    >>> held_out = HeldOut(start, truth.rvs(200, random_state=1))
    >>> fit = fit_em(start, truth.rvs(20, random_state=2), callback=held_out)
    >>> bool(held_out.history.max() == held_out.best.logpdf(truth.rvs(200, random_state=1)).mean())
    True
    """

    def __init__(self, start: DGN, X: ArrayLike, patience: int = 3) -> None:
        if not isinstance(start, DGN):
            raise ValueError(f"start: expected a DGN, got {start!r}")
        self.patience = check_count(patience, "patience", 1)
        # A new array: what the caller does with theirs changes nothing.
        self.X, _ = check_data(X, "X", start.network.observed_dimension, missing=True)
        freeze(self.X)
        self._values: tuple[float, ...] = (float(np.mean(start.logpdf(self.X))),)
        self.start, self.best, self.best_iteration = start, start, 0

    def __repr__(self) -> str:
        """How many data, and the best iteration so far."""
        return f"HeldOut({len(self.X)} data, patience={self.patience}, best {self.best_iteration})"

    @property
    def history(self) -> Array:
        """The mean log p(x) of the held-out data by iteration."""
        return np.array(self._values)

    def __call__(self, iteration: int, dgn: DGN, loss: float) -> bool:
        """Take in an iteration: whether training may end."""
        try:
            value = float(np.mean(dgn.logpdf(self.X)))
        except NO_LIKELIHOOD:
            value = -np.inf
        if value > max(self._values):
            self.best, self.best_iteration = dgn, iteration
        self._values = (*self._values, value)
        # Counted here: training that goes on from a checkpoint has a larger iteration number.
        return len(self._values) - 1 - int(np.argmax(self._values)) >= self.patience
