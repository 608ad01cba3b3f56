"""Which number of latent dimensions, and which widths: by held-out likelihood, BIC or AIC."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import KFold, check_cv
from sklearn.utils.validation import check_array

from fast.estimators.deep_generative_model import DeepGenerativeModel
from fast.estimators.settings import check_choice, generator, hidden_sizes, latent_dimensions
from fast.estimators.starts import FitConvergenceWarning
from reference.model import Array, ConvergenceWarning, check_count


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One architecture: what was tried, and how well it did.

    Attributes
    ----------
    n_components : int
        Its number of latent dimensions.
    hidden_layer_sizes : tuple of int
        Its widths.
    score : float
        What was compared: the mean held-out log p of a datum in nats, higher is better; or BIC or
        AIC, lower is better.
    error : float
        The standard error of the held-out log p over the folds; NaN where there are no two.
    aic, bic : float
        Of the fit to all data, whatever was compared.
    n_parameters : int
        Those that the distribution of x can tell.
    estimator : DeepGenerativeModel
        The fit to all data.
    """

    n_components: int
    hidden_layer_sizes: tuple[int, ...]
    score: float
    error: float
    aic: float
    bic: float
    n_parameters: int
    estimator: DeepGenerativeModel = field(repr=False, compare=False)


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
        All, in the order in which they were asked for.
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
        Data; a DataFrame too. NaN where an entry is not observed.
    n_components : sequence of int
        The numbers of latent dimensions to try.
    hidden_layer_sizes : sequence of sequences of int
        The widths to try with each; () is a linear model, a number by itself one layer.
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
    Held-out log p assumes nothing; it costs a fit for each fold, beside that to all data which all
    criteria need and which tells AIC and BIC of every candidate. See docs/estimators.md. Guarded by
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
    data = check_array(
        X,
        dtype=np.float64,
        ensure_all_finite="allow-nan",
        ensure_min_samples=2,
        input_name="X",
    )
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
    folds = _folds(data, cv, rng) if criterion == "cv" else []
    tasks = [delayed(_fitted)(model, X) for model in models]
    tasks += [delayed(_held_out)(model, data, *fold) for model in models for fold in folds]
    ends: list[Any] = list(Parallel(n_jobs=n_jobs)(tasks))
    scores = np.array(ends[len(models) :]).reshape(len(models), len(folds))
    candidates = [
        _candidate(one, data, of_folds, criterion)
        for (one, _), of_folds in zip(ends, scores, strict=False)
    ]
    sign = 1 if criterion == "cv" else -1
    best = int(np.argmax([sign * one.score for one in candidates]))
    for told in ends[best][1]:
        warnings.warn(told, FitConvergenceWarning, stacklevel=2)
    return Selection(
        best_estimator=candidates[best].estimator,
        n_components=candidates[best].n_components,
        hidden_layer_sizes=candidates[best].hidden_layer_sizes,
        criterion=criterion,
        candidates=tuple(candidates),
    )


def _architectures(n_components: Any, sizes: Any) -> list[tuple[int, tuple[int, ...]]]:
    """Every number of latent dimensions with every choice of widths."""
    for given, name in ((n_components, "n_components"), (sizes, "hidden_layer_sizes")):
        if isinstance(given, str) or not isinstance(given, Sequence | np.ndarray) or not len(given):
            raise ValueError(f"{name}: expected a list of those to try, got {given!r}")
    widths = [hidden_sizes(one) for one in sizes]
    counts = [latent_dimensions(one) for one in n_components]
    for found, name in ((counts, "n_components"), (widths, "hidden_layer_sizes")):
        if len(set(found)) < len(found):
            raise ValueError(f"{name}: expected each of those to try once, got {found}")
    return [(count, hidden) for count in counts for hidden in widths]


def _folds(X: Array, cv: Any, rng: np.random.Generator) -> list[tuple[Any, Any]]:
    """The data to fit to and to judge by, of each fold: drawn, unless a splitter is given."""
    if isinstance(cv, int | np.integer):
        count = check_count(cv, "cv", 2)
        if count > len(X):
            raise ValueError(f"cv: expected at most as many folds as data, {len(X)}, got {cv}")
        cv = KFold(count, shuffle=True, random_state=int(rng.integers(2**31)))
    wanted = "a number of folds, a splitter that needs no y and no groups, or a list of splits"
    rows = np.arange(len(X))
    try:
        folds = [(rows[fit], rows[judge]) for fit, judge in check_cv(cv).split(X)]
    except (ValueError, TypeError, IndexError) as error:
        raise ValueError(f"cv: expected {wanted}, got {cv!r} ({error})") from None
    if not folds or any(len(fit) < 2 or not len(judge) for fit, judge in folds):
        raise ValueError(
            f"cv: expected splits of two data or more to fit to and one or more to judge by, got "
            f"{cv!r}"
        )
    return folds


def _fitted(model: DeepGenerativeModel, X: Any) -> tuple[DeepGenerativeModel, list[str]]:
    """The fit to all data, and what it said of its convergence."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", ConvergenceWarning)
        fit = clone(model).fit(X)
    return fit, [str(one.message) for one in said]


def _held_out(model: DeepGenerativeModel, X: Array, fit: Any, judge: Any) -> float:
    """The mean log p of data, of a fit to others."""
    return _fitted(model, X[fit])[0].score(X[judge])


def _candidate(fit: DeepGenerativeModel, X: Array, held_out: Array, criterion: str) -> Candidate:
    """How well a fit did. held_out (folds,): the log p of a datum of each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # fitted to named columns, asked without
        aic, bic = fit.aic(X), fit.bic(X)
    folds = len(held_out)
    return Candidate(
        n_components=fit.n_components,
        hidden_layer_sizes=fit.hidden_layer_sizes,
        score=float(np.mean(held_out))
        if criterion == "cv"
        else {"aic": aic, "bic": bic}[criterion],
        error=float(np.std(held_out, ddof=1) / np.sqrt(folds)) if folds > 1 else np.nan,
        aic=aic,
        bic=bic,
        n_parameters=fit.n_parameters_,
        estimator=fit,
    )
