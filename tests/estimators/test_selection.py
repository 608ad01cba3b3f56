"""Which number of latent dimensions is chosen, and by what."""

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import KFold

from fast import DGN, DeepGenerativeModel, Dense, Network, select_dimension
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
        ("estimator", DGN),
        ("random_state", "seed"),
    ],
)
def test_wrong_arguments_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"^{name}: expected"):
        select_dimension(factors(1, 60), **{name: value})


def test_folds_are_drawn():
    """Of data in order none is a piece: a drawn one of 5 of 20 is with probability 1e-3."""
    folds = dimension._folds(np.arange(20.0)[:, None], 4, np.random.default_rng(0))
    judged = [by for _, by in folds]
    assert sorted(np.concatenate(judged).tolist()) == list(range(20))
    assert all(np.ptp(by) > 4 for by in judged)
