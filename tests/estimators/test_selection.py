"""Which number of latent dimensions is chosen, and by what."""

import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning as ScikitConvergenceWarning
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold

from fast import DGN, ConvergenceWarning, DeepGenerativeModel, Dense, Network, select_dimension
from fast.estimators import dimension

QUICK = DeepGenerativeModel(
    noise="isotropic", method="mle", n_init=1, max_iter=20, tol=0, random_state=0
)


def factors(latent, count=100):
    """Of as many factors in five dimensions, far above the noise."""
    weight = np.linalg.qr(np.random.default_rng(1).standard_normal((5, 5)))[0][:, :latent]
    return DGN(Network([Dense(2 * weight, np.zeros(5))]), 0.1).rvs(count, 0)


@pytest.mark.parametrize(("criterion", "latent"), [("bic", 1), ("bic", 2), ("aic", 2), ("cv", 2)])
def test_the_number_of_factors_is_found(criterion, latent):
    """Of which one too few costs a nat a datum, and one too many 2 of BIC for each parameter."""
    found = select_dimension(
        factors(latent), (1, 2), [()], criterion, estimator=QUICK, cv=2, random_state=0
    )
    assert found.n_components == found.best_estimator.n_components == latent
    assert [one.n_components for one in found.candidates] == [1, 2]
    assert [one.n_parameters for one in found.candidates] == [5 + 5 + 1, 9 + 5 + 1]


def test_scores_are_those_that_are_told():
    """Held-out log p by folds that a splitter gives, and BIC and AIC of a fit to all."""
    X, folds = factors(1, 60), KFold(3)
    sizes = [(), (2,)]
    found = select_dimension(
        X, [1], sizes, "cv", estimator=QUICK, cv=folds, random_state=4
    ).candidates
    seed = int(
        np.random.default_rng(np.random.RandomState(4).randint(2**31, size=4)).integers(2**31)
    )
    for one, hidden in zip(found, sizes, strict=True):
        model = clone(QUICK).set_params(
            n_components=1, hidden_layer_sizes=hidden, random_state=seed
        )
        scores = [clone(model).fit(X[a]).score(X[b]) for a, b in folds.split(X)]
        assert one.hidden_layer_sizes == hidden
        assert one.score == pytest.approx(np.mean(scores), rel=1e-12)
        assert one.error == pytest.approx(np.std(scores, ddof=1) / np.sqrt(3), rel=1e-9)
        fitted = model.fit(X)
        assert one.n_parameters == fitted.n_parameters_
        assert one.aic == pytest.approx(fitted.aic(X), rel=1e-12)
        assert one.bic == pytest.approx(fitted.bic(X), rel=1e-12)
        assert one.estimator.score(X) == pytest.approx(fitted.score(X), rel=1e-12)
        for criterion in ("bic", "aic"):
            (told,) = select_dimension(
                X, [1], [hidden], criterion, estimator=QUICK, random_state=4
            ).candidates
            assert told.score == pytest.approx(getattr(fitted, criterion)(X), rel=1e-12)


@pytest.mark.parametrize("criterion", ["bic", "cv"])
def test_a_curve_needs_hidden_units(criterion):
    rng = np.random.default_rng(0)
    z = rng.standard_normal(150)
    X = np.column_stack([z, z**2]) + 0.1 * rng.standard_normal((150, 2))
    em = clone(QUICK).set_params(method="em", max_iter=30)
    found = select_dimension(X, [1], [(), (4,)], criterion, estimator=em, cv=2, random_state=0)
    assert found.hidden_layer_sizes == (4,)


def test_parallel_fits_change_nothing():
    X, found = factors(1, 60), []
    for jobs in (None, 2):
        with joblib.parallel_config("threading", n_jobs=jobs):
            found.append(
                select_dimension(X, [1], [(), (2,)], estimator=QUICK, cv=3, random_state=0)
            )
    assert found[0].candidates == found[1].candidates


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_components", 2),
        ("n_components", ()),
        ("n_components", [0]),
        ("hidden_layer_sizes", [[0]]),
        ("hidden_layer_sizes", ()),
        ("criterion", "waic"),
        ("cv", 1),
        ("cv", 61),
        ("cv", 2.0),
        ("cv", []),
        ("cv", [1, 2]),
        ("cv", StratifiedKFold(2)),
        ("cv", [(np.arange(30), np.arange(30, 61))]),
        ("cv", [(np.arange(1), np.arange(1, 60))]),
        ("cv", [(np.arange(60), np.arange(0))]),
        ("n_components", [1, 7]),
        ("n_components", [1, 1]),
        ("hidden_layer_sizes", [3, (3,)]),
        ("estimator", DGN),
        ("random_state", "seed"),
    ],
)
def test_wrong_arguments_are_refused_before_any_work(name, value, monkeypatch):
    monkeypatch.setattr(dimension, "_fitted", lambda *given: pytest.fail("it worked"))
    with pytest.raises(ValueError, match=rf"^{name}: expected"):
        select_dimension(factors(1, 60), **{name: value})


def test_one_split_has_no_error():
    """A single number says nothing of how far it may be off: 0 would say that it is exact."""
    split = ShuffleSplit(1, random_state=0)
    (one,) = select_dimension(factors(1, 60), [1], [()], estimator=QUICK, cv=split).candidates
    assert np.isnan(one.error)


def test_what_is_not_observed_and_named_columns():
    """NaN is taken as fits take it, and the best estimator knows the columns' names."""
    X = factors(1, 60)
    X[::7, 2] = np.nan
    frame = pd.DataFrame(X, columns=list("abcde"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = select_dimension(frame, [1], [()], estimator=QUICK, cv=2, random_state=0)
    assert found.best_estimator is found.candidates[0].estimator
    assert found.best_estimator.feature_names_in_.tolist() == list("abcde")
    plain = select_dimension(X, [1], [()], estimator=QUICK, cv=2, random_state=0)
    assert plain.candidates == found.candidates


def test_the_best_alone_says_that_it_has_not_converged():
    short = clone(QUICK).set_params(max_iter=3, tol=1e-9)
    with pytest.warns(ConvergenceWarning) as said:
        select_dimension(factors(2, 60), (1, 2), [()], estimator=short, cv=2, random_state=0)
    assert len(said) == 1
    assert issubclass(said[0].category, ScikitConvergenceWarning)
    assert said[0].filename == __file__


def test_folds_are_drawn():
    """Of data in order none is a piece: a drawn one of 5 of 20 is with probability 1e-3."""
    folds = dimension._folds(np.arange(20.0)[:, None], 4, np.random.default_rng(0))
    judged = [by for _, by in folds]
    assert sorted(np.concatenate(judged).tolist()) == list(range(20))
    assert all(np.ptp(by) > 4 for by in judged)
