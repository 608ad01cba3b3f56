"""Which number of latent dimensions, and which widths: by held-out likelihood, BIC or AIC."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import KFold, check_cv
from sklearn.utils.validation import check_array

from fast.estimators.deep_generative_model import DeepGenerativeModel
from fast.estimators.settings import check_choice, generator, hidden_sizes
from reference.model import Array, ConvergenceWarning, check_count


class Candidate(NamedTuple):
    """One architecture: what was tried, and how well it did."""

    n_components: int
    hidden_layer_sizes: tuple[int, ...]
    score: float
    error: float
    n_parameters: int


@dataclass(frozen=True)
class Selection:
    """What `select_dimension` found.

    Attributes
    ----------
    best_estimator : DeepGenerativeModel
        The best architecture, fitted to all data.
    n_components : int
        Its number of latent dimensions.
    hidden_layer_sizes : tuple of int
        Its widths.
    criterion : str
        What was compared.
    candidates : tuple of Candidate
        All, in the order in which they were asked for. Of each its `score`: the mean held-out log p
        of a datum in nats, higher is better; or BIC or AIC of all data, lower is better. `error`:
        the standard error of that mean over the folds, else 0. `n_parameters`: those that the
        distribution of x can tell.
    """

    best_estimator: DeepGenerativeModel
    n_components: int
    hidden_layer_sizes: tuple[int, ...]
    criterion: str
    candidates: tuple[Candidate, ...] = field(repr=False)


def select_dimension(
    X: Any,
    n_components: Sequence[int] = (1, 2, 3),
    hidden_layer_sizes: Sequence[Any] = ((8,),),
    criterion: str = "cv",
    *,
    estimator: DeepGenerativeModel | None = None,
    cv: Any = 5,
    random_state: Any = None,
    n_jobs: int | None = None,
) -> Selection:
    """Choose the number of latent dimensions and the widths of the hidden layers.

    Parameters
    ----------
    X : array_like, shape (N, D)
        Data.
    n_components : sequence of int
        The numbers of latent dimensions to try.
    hidden_layer_sizes : sequence of sequences of int
        The widths to try with each; () is a linear model.
    criterion : {"cv", "bic", "aic"}
        "cv": the mean log p of data that a fit has not seen. "bic", "aic": of the fit to all.
    estimator : DeepGenerativeModel, optional
        Brings all other settings.
    cv : int or splitter of scikit-learn
        The number of folds, which are drawn, or how data are split.
    random_state : int, numpy.random.RandomState, numpy.random.Generator or None
        Where the folds and the starts of every fit come from.
    n_jobs : int or None
        How many fits are made at the same time, as of joblib. It changes no result.

    Returns
    -------
    Selection
        The best, and how all did.

    Raises
    ------
    ValueError
        On bad input, before any work.

    Warns
    -----
    ConvergenceWarning
        Of the fit of the best architecture alone.

    Notes
    -----
    BIC and AIC take `n_parameters_` for the number of parameters, and that the maximum is a regular
    one: of a network with more units than the data need it is not, and both then count too many.
    Held-out log p assumes nothing; it costs a fit for each fold. See docs/estimators.md. Guarded by
    tests/estimators/test_selection.py.

    Examples
    --------
    >>> from fast import DGN, DeepGenerativeModel, Network, select_dimension
    >>> X = DGN(Network.random([1, 4], random_state=0), 0.05).rvs(200, 0)
    >>> linear = DeepGenerativeModel(method="mle", n_init=1, tol=0)
    >>> found = select_dimension(X, (1, 2), [()], "bic", estimator=linear, random_state=0)
    >>> found.n_components
    1
    """
    data = check_array(X, dtype=np.float64, ensure_min_samples=2, input_name="X")
    check_choice(criterion, "criterion", ("cv", "bic", "aic"))
    if estimator is not None and not isinstance(estimator, DeepGenerativeModel):
        raise ValueError(f"estimator: expected a DeepGenerativeModel, got {estimator!r}")
    tried = _architectures(n_components, hidden_layer_sizes)
    rng = generator(random_state)
    seed = int(rng.integers(2**31))
    plain = DeepGenerativeModel() if estimator is None else estimator
    models = [
        clone(plain).set_params(n_components=s, hidden_layer_sizes=h, random_state=seed)
        for s, h in tried
    ]
    if criterion == "cv":
        folds = _folds(data, cv, rng)
        tasks = [(model, *fold) for model in models for fold in folds]
        shape = len(models), len(folds)
    else:
        everything = np.arange(len(data))
        tasks, shape = [(model, everything, everything) for model in models], (len(models), 1)
    ends = list(Parallel(n_jobs=n_jobs)(delayed(_judged)(*task, data, criterion) for task in tasks))
    scores = np.array([score for score, _ in ends]).reshape(shape)
    counts = [count for _, count in ends][:: shape[1]]
    return _selected(X, models, scores, counts, criterion)


def _architectures(n_components: Any, sizes: Any) -> list[tuple[int, tuple[int, ...]]]:
    """Every number of latent dimensions with every choice of widths."""
    for given, name in ((n_components, "n_components"), (sizes, "hidden_layer_sizes")):
        if isinstance(given, str) or not isinstance(given, Sequence | np.ndarray) or not len(given):
            raise ValueError(f"{name}: expected a list of those to try, got {given!r}")
    widths = [hidden_sizes(one) for one in sizes]
    counts = [check_count(one, "n_components", 1) for one in n_components]
    return [(count, hidden) for count in counts for hidden in widths]


def _folds(X: Array, cv: Any, rng: np.random.Generator) -> list[tuple[Any, Any]]:
    """The data to fit to and to judge by, of each fold: drawn, unless a splitter is given."""
    if isinstance(cv, int | np.integer):
        count = check_count(cv, "cv", 2)
        if count > len(X):
            raise ValueError(f"cv: expected at most as many folds as data, {len(X)}, got {cv}")
        cv = KFold(count, shuffle=True, random_state=int(rng.integers(2**31)))
    return list(check_cv(cv).split(X))


def _judged(
    model: DeepGenerativeModel, fitted_to: Any, judged_by: Any, X: Array, criterion: str
) -> tuple[float, int]:
    """The criterion of one fit, and its number of parameters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = clone(model).fit(X[fitted_to])
    held_out = X[judged_by]
    judge = {"cv": model.score, "bic": model.bic, "aic": model.aic}[criterion]
    return judge(held_out), model.n_parameters_


def _selected(
    X: Any, models: list[DeepGenerativeModel], scores: Array, counts: list[int], criterion: str
) -> Selection:
    """The best of the models, fitted to all data. scores (models, folds)."""
    folds = scores.shape[1]
    means = scores.mean(axis=1)
    errors = scores.std(axis=1, ddof=1) / np.sqrt(folds) if folds > 1 else np.zeros(len(models))
    best = int(np.argmax(means) if criterion == "cv" else np.argmin(means))
    candidates = tuple(
        Candidate(model.n_components, model.hidden_layer_sizes, float(mean), float(error), count)
        for model, mean, error, count in zip(models, means, errors, counts, strict=True)
    )
    return Selection(
        best_estimator=models[best].fit(X),
        n_components=candidates[best].n_components,
        hidden_layer_sizes=candidates[best].hidden_layer_sizes,
        criterion=criterion,
        candidates=candidates,
    )
