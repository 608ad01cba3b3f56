"""The estimators among scikit-learn's: its own checks, and what users put them into."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning as ScikitConvergenceWarning
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

import exactdgn
import fast
from fast import (
    DeepGenerativeImputer,
    DeepGenerativeModel,
    DeepGenerativeOutlierDetector,
    LeakyReLU,
    Network,
)
from fast.estimators import starts
from fast.estimators.density_estimator import in_units_of_the_prior

#: Small and soon over; with a tolerance of 0 all iterations are wanted, and no warning is due.
QUICK = {
    "n_components": 1,
    "hidden_layer_sizes": (2,),
    "n_init": 1,
    "max_iter": 2,
    "tol": 0,
    "random_state": 0,
}
ESTIMATORS = [
    DeepGenerativeModel(**QUICK),
    DeepGenerativeOutlierDetector(**QUICK),
    DeepGenerativeImputer(**QUICK),
]
EACH = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda one: type(one).__name__)


def bow(count=120):
    """Data on a parabola, in units that differ."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal(count)
    X = np.column_stack([z, z**2, 0.5 * z]) + 0.1 * rng.standard_normal((count, 3))
    return X * [1.0, 100.0, 0.01] + [0.0, 1000.0, 5.0]


X = bow()


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_s_own_checks(estimator, check):
    """All of them, without an expected failure."""
    check(estimator)


@EACH
def test_none_of_the_checks_is_left_out(estimator):
    """Tags that say otherwise would leave out those of transformations, or of detectors."""
    names = {check.func.__name__ for _, check in estimator_checks_generator(estimator)}
    detector = isinstance(estimator, DeepGenerativeOutlierDetector)
    assert len(names) > 40
    assert ("check_outliers_fit_predict" if detector else "check_transformer_general") in names
    assert "check_sample_weight_equivalence_on_dense_data" in names


# What a fit leaves


@EACH
def test_what_is_fitted_survives_a_pickle(estimator):
    fitted = clone(estimator).fit(X)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.score_samples(X), fitted.score_samples(X))


@EACH
def test_before_it_is_fitted(estimator):
    for method, given in (("score_samples", X), ("score", X), ("bic", X), ("sample", 2)):
        with pytest.raises(NotFittedError):
            getattr(clone(estimator), method)(given)


def test_every_number_is_one_of_the_model_s():
    """In the data's own units, by the exact model that `dgn_` is, which has a prior N(0, I)."""
    model = DeepGenerativeModel(**QUICK).fit(X)
    dgn = model.dgn_
    np.testing.assert_array_equal(dgn.cov_z, np.eye(1))
    np.testing.assert_array_equal(model.score_samples(X), dgn.logpdf(X))
    assert model.score(X) == pytest.approx(-model.loss_curve_[-1], abs=1e-9)
    np.testing.assert_array_equal(model.transform(X), dgn.posterior(X).mean())
    np.testing.assert_array_equal(model.inverse_transform([[0.3]]), dgn.network([[0.3]]))
    np.testing.assert_array_equal(model.sample(4, random_state=1), model.sample(4, random_state=1))
    assert model.sample(4).shape == (4, 3)
    assert (model.n_iter_, model.loss_curve_.shape, model.losses_.shape) == (2, (3,), (1,))
    log_p = dgn.logpdf(X).sum()
    assert model.aic(X) == pytest.approx(-2 * log_p + 2 * fast.free_parameters(dgn))
    assert model.bic(X) == pytest.approx(-2 * log_p + np.log(120) * fast.free_parameters(dgn))


def test_the_prior_s_units_change_no_density():
    """z turned and scaled, so that Σz is I."""
    cov_z = np.array([[2.0, 0.9], [0.9, 0.5]])
    dgn = fast.DGN(Network.random([2, 3, 3], LeakyReLU(0.1), 0), 0.2, cov_z)
    moved, data = in_units_of_the_prior(dgn), dgn.rvs(20, 0)
    np.testing.assert_array_equal(moved.cov_z, np.eye(2))
    np.testing.assert_allclose(moved.logpdf(data), dgn.logpdf(data), rtol=1e-10)


def test_what_a_fit_may_still_gain(monkeypatch):
    """By an iteration, and by a step of Fisher scoring: half the square of the gradient norm."""
    asked = {}

    def fit(model, X, **options):
        asked.update(options)
        return fast.fit_em(model, X, **options)

    monkeypatch.setitem(starts.FITS, "em", fit)
    with pytest.warns(fast.ConvergenceWarning):
        DeepGenerativeModel(**QUICK | {"tol": 0.02, "noise_floor": 1e-3}).fit(X)
    assert asked["tol"] == pytest.approx(asked["gtol"] ** 2 / 2) == 0.02
    assert asked["noise_floor"] == 1e-3


def test_units_do_not_matter():
    """Data in other units have the same model, and densities by those units."""
    scale, shift = np.array([8.0, 0.25, 64.0]), np.array([5.0, -300.0, 2.0])
    one, other = (DeepGenerativeModel(**QUICK).fit(data) for data in (X, X * scale + shift))
    moved = other.score_samples(X * scale + shift) + np.log(scale).sum()
    np.testing.assert_allclose(moved, one.score_samples(X), rtol=1e-8)


@pytest.mark.parametrize("noise", ["diagonal", "isotropic", "full"])
@pytest.mark.parametrize("method", ["em", "mle"])
def test_the_structure_of_the_noise(noise, method):
    model = DeepGenerativeModel(**QUICK | {"noise": noise, "method": method}).fit(X)
    assert model.dgn_.cov_x.ndim == {"isotropic": 0, "diagonal": 1, "full": 2}[noise]
    assert model.loss_curve_[-1] < model.loss_curve_[0]


def test_activations_by_name_and_by_themselves():
    found = {}
    for name in ("relu", "leaky_relu", "abs", "hardtanh", "relu6", LeakyReLU(0.1)):
        model = DeepGenerativeModel(**QUICK | {"activation": name}).fit(X)
        found[repr(name)] = repr(model.dgn_.network.layers[1]), model.score(X)
    assert len({layer for layer, _ in found.values()}) == 5
    assert found["'leaky_relu'"] == found["LeakyReLU(0.1)"]
    one_number = DeepGenerativeModel(**QUICK | {"hidden_layer_sizes": 2}).fit(X)
    assert one_number.score(X) == found["'relu'"][1]


# Starts


def test_the_best_start_is_kept_whatever_the_number_of_processes():
    options = QUICK | {"n_init": 3}
    one, other = (DeepGenerativeModel(**options, n_jobs=jobs).fit(X) for jobs in (None, 2))
    assert len(np.unique(one.losses_)) == 3
    assert one.losses_.min() == one.loss_curve_[-1]
    np.testing.assert_array_equal(one.losses_, other.losses_)
    np.testing.assert_array_equal(one.score_samples(X), other.score_samples(X))


@pytest.mark.parametrize("seed", [0, np.random.RandomState, np.random.default_rng])
def test_seeds_of_either_kind(seed):
    """An int, a RandomState, a Generator."""
    fits = [
        DeepGenerativeModel(**QUICK | {"random_state": seed if seed == 0 else seed(1)}).fit(X)
        for _ in range(2)
    ]
    assert fits[0].score(X) == fits[1].score(X)


def test_a_warm_start_goes_on():
    model = DeepGenerativeModel(**QUICK, warm_start=True)
    first = model.fit(X).loss_curve_
    second = model.fit(X).loss_curve_
    assert second[0] == pytest.approx(first[-1], abs=1e-9)
    assert second[-1] < first[-1]
    whole = DeepGenerativeModel(**QUICK | {"max_iter": 4}).fit(X).loss_curve_
    np.testing.assert_allclose(second, whole[2:], rtol=1e-9)
    with pytest.raises(ValueError, match=r"^warm_start: expected"):
        model.set_params(hidden_layer_sizes=(3,)).fit(X)
    with pytest.raises(ValueError, match=r"^warm_start: expected .* activation"):
        model.set_params(**QUICK, activation="abs").fit(X)


def test_one_word_where_it_has_not_converged():
    """Of scikit-learn's kind and of this package's, and none where it has."""
    early = DeepGenerativeModel(**QUICK | {"tol": 1e-6, "n_init": 2, "method": "mle"})
    with pytest.warns() as said:
        early.fit(X)
    (word,) = said
    assert issubclass(word.category, ScikitConvergenceWarning)
    assert issubclass(word.category, fast.ConvergenceWarning)
    assert "reached max_iter = 2" in str(word.message)
    assert not early.converged_
    linear = DeepGenerativeModel(1, (), method="mle", n_init=1, max_iter=200, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert linear.fit(X).converged_


# What is given


def test_data_of_every_kind():
    """Integers, single precision and DataFrames are cast once, to the same doubles."""
    whole = np.round(X * [10, 1, 1000])
    model = DeepGenerativeModel(**QUICK).fit(whole)
    for kind in (np.int64, np.float32):
        again = DeepGenerativeModel(**QUICK).fit(whole.astype(kind))
        np.testing.assert_array_equal(again.score_samples(whole), model.score_samples(whole))
    names = ["one", "two", "three"]
    frame = pd.DataFrame(whole, columns=names)
    named = DeepGenerativeModel(**QUICK).set_output(transform="pandas").fit(frame)
    assert list(named.feature_names_in_) == names
    out = named.transform(frame)
    assert list(out.columns) == list(named.get_feature_names_out()) == ["deepgenerativemodel0"]
    # Whose columns lie in memory one by one, which changes the order of sums.
    np.testing.assert_allclose(out.to_numpy(), model.transform(whole), rtol=1e-9)
    with pytest.raises(ValueError, match="feature names should match"):
        named.transform(frame[names[::-1]])


@EACH
def test_images_of_bytes_are_warned_of(estimator):
    """Against a model of [0, 1] alone, and not of an outlier beyond bytes, or below 0."""
    pixels = np.random.default_rng(0).uniform(0, 1, (30, 3))
    fitted = clone(estimator).fit(pixels)
    with pytest.warns(UserWarning, match="divide images of bytes by 255"):
        fitted.score_samples(255 * pixels)
    others = clone(estimator).fit(2 * pixels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for data in (pixels, 300 * pixels, -255 * pixels, 2 * pixels):
            fitted.score_samples(data)
        others.score_samples(255 * pixels)


#: Of every argument what is wrong, but for those that `fit_em` checks by the same name.
WRONG = {
    "n_components": (0, 7, 1.5, "two", True),
    "hidden_layer_sizes": ((0,), "16", (2.5,), None),
    "activation": ("tanh", None, 3),
    "noise": ("spherical", None, 0.1),
    "method": ("sgd", None),
    "n_init": (0, 1.5),
    "max_iter": (-1, 1.5),
    "tol": (-1.0, "small", 1.5),
    "noise_floor": (-1e-3, 1.5),
    "random_state": ("seed", -1),
    "warm_start": ("no", 1),
}


#: Joblib says what it does not take, and any verbose is true or false; the detector's own are tried
#: in test_outliers.py.
NOT_TRIED = {"n_jobs", "verbose", "contamination", "threshold", "sample_posterior"}


@EACH
def test_no_argument_goes_untried(estimator):
    assert set(estimator.get_params()) | NOT_TRIED == set(WRONG) | NOT_TRIED


@EACH
@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_refused_by_name(estimator, name):
    """When it is fitted, as scikit-learn has it, and not before."""
    for value in WRONG[name]:
        made = type(estimator)(**QUICK | {name: value})
        with pytest.raises(ValueError, match=rf"^{name}: expected"):
            made.fit(X)


def test_wrong_data_are_refused():
    model = DeepGenerativeModel(**QUICK).fit(X)
    with pytest.raises(ValueError, match="expecting 3 features"):
        model.score_samples(X[:, :2])
    with pytest.raises(ValueError, match=r"^Z: expected 1 columns"):
        model.inverse_transform([[0.0, 1.0]])
    with pytest.raises(ValueError, match=r"^n_samples: expected"):
        model.sample(0)
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        model.fit(X[:1])


# Among other tools


def test_within_a_pipeline_and_a_search():
    """Scores are those of data that a fit has not seen, and the best of a grid is fitted again."""
    model, folds = DeepGenerativeModel(**QUICK), KFold(3)
    by_hand = [clone(model).fit(X[a]).score(X[b]) for a, b in folds.split(X)]
    np.testing.assert_allclose(cross_val_score(model, X, cv=folds), by_hand)
    search = GridSearchCV(model, {"hidden_layer_sizes": [(), (3,)]}, cv=folds).fit(X)
    assert search.best_estimator_.score(X) == search.score(X)
    assert len(set(search.cv_results_["mean_test_score"])) == 2
    pipe = make_pipeline(StandardScaler(), model)
    assert pipe.fit_transform(X).shape == (120, 1)
    assert np.isfinite(pipe.score(X))


def test_scikit_learn_is_imported_when_asked_for():
    """Neither `import fast` nor a star import needs it; without it the error says what to do."""
    code = """
import sys
import exactdgn, fast
from exactdgn import *
assert not {"sklearn", "joblib"} & set(sys.modules)
assert {"DeepGenerativeModel", "select_dimension"} <= set(dir(fast)) & set(dir(exactdgn))
sys.modules["sklearn"] = None
try:
    fast.DeepGenerativeModel
except ImportError as error:
    assert "exactdgn[sklearn]" in str(error)
else:
    raise AssertionError("imported without scikit-learn")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    for name in fast.ESTIMATORS:
        assert getattr(exactdgn, name) is getattr(fast, name)
    with pytest.raises(AttributeError, match="no attribute 'slow'"):
        fast.slow  # noqa: B018
