"""What the imputer is given: it takes it, or refuses it in scikit-learn's words."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.impute import KNNImputer, MissingIndicator
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer

from fast import DeepGenerativeImputer

NAN = np.nan
WHOLE = np.random.default_rng(0).standard_normal((30, 1)) * [1.0, -2.0, 0.5]
WHOLE = WHOLE + 0.1 * np.random.default_rng(1).standard_normal((30, 3))
X = np.where(np.random.default_rng(2).random((30, 3)) < 0.2, NAN, WHOLE)
FRAME = pd.DataFrame(X, columns=["a", "b", "c"])


def imputer(**settings):
    given = {"n_init": 1, "max_iter": 2, "tol": 0, "random_state": 0} | settings
    return DeepGenerativeImputer(1, (2,), **given)


def changed(place, value, data=X):
    result = data.copy()
    result[place] = value
    return result


#: Fitted to the first, and asked about the second.
REFUSED = {
    "infinity": (changed((0, 0), np.inf), X),
    "infinity later": (X, changed((0, 0), -np.inf)),
    "strings": ([["a", "b"], ["c", "d"]], X),
    "an object that is no number": (FRAME.astype(object).replace(X[1, 1], "x"), X),
    "a feature less": (X, X[:, :2]),
    "one dimension": (X[:, 0], X),
    "three dimensions": (X[None], X),
    "other names": (FRAME, FRAME.rename(columns={"a": "z"})),
    "names in another order": (FRAME, FRAME[["c", "b", "a"]]),
    "nothing": (X, X[:0]),
    "a sparse matrix": (sparse.csr_matrix(WHOLE), X),
    "a sparse matrix later": (X, sparse.csr_matrix(WHOLE)),
    "complex numbers": (X + 1j, X),
    "dates": (pd.DataFrame({"a": pd.date_range("2020", periods=3), "b": [1.0, 2.0, 3.0]}), X),
}
TAKEN = {
    "a list": (X.tolist(), X),
    "a frame": (FRAME, FRAME),
    "None for NaN": (FRAME.astype(object).where(FRAME.notna(), None), FRAME),
    "pandas' own NA": (FRAME.convert_dtypes(), FRAME),
    "numbers as text": (X.astype(str).astype(object).tolist(), X),
    "single precision": (X.astype(np.float32), X),
    "truth values": (WHOLE > 0, (WHOLE > 0)[:1]),
    "integers": (np.round(3 * WHOLE).astype(int), X),
    "one sample": (X, X[:1]),
    "two samples": (WHOLE[:2], X),
    "a row of nothing": (changed(0, NAN), changed(0, NAN)),
    "a column of nothing later": (X, changed((slice(None), 1), NAN)),
    "a constant": (changed((slice(None), 2), 3.0), X),
    "constants alone": (np.ones((10, 3)), X),
    "tiny": (1e-290 * X, 1e-290 * X),
    "large": (1e140 * X, 1e140 * X),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_scikit_learn_refuses_is_refused_in_its_words(case):
    """The same exception, and the same message but for the estimator's name."""
    fitted_to, asked = REFUSED[case]
    told = []
    for one in (imputer(), KNNImputer()):
        with pytest.raises((ValueError, TypeError)) as refused:
            one.fit(fitted_to).transform(asked)
        words = str(refused.value).replace(type(one).__name__, "estimator")
        told.append((refused.type, words))
    assert told[0] == told[1]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", TAKEN)
def test_what_is_taken_is_filled_and_what_is_observed_kept(case):
    fitted_to, asked = TAKEN[case]
    found = imputer().fit(fitted_to).transform(asked)
    data = np.asarray(asked, dtype=float)
    assert found.dtype == np.float64
    assert found.shape == data.shape
    assert np.all(np.isfinite(found))
    np.testing.assert_array_equal(found[~np.isnan(data)], data[~np.isnan(data)])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (changed((slice(None), 1), NAN), r"^X: expected an observed entry in every column.*\[1\]"),
        (np.full((5, 3), NAN), r"^X: expected a row that counts, of which something is observed"),
        (X[:1], "minimum of 2 is required by DeepGenerativeImputer"),
        (1e200 * X, "^X: expected values whose squares have a finite sum; scale the data"),
        (np.ma.masked_invalid(X), r"^X: expected every entry to be there.*X.filled\(np.nan\)"),
    ],
    ids=["a column of nothing", "nothing", "one sample", "huge", "masked"],
)
@pytest.mark.filterwarnings("error")
def test_what_it_refuses_where_others_do_not(data, words):
    """What others leave out, or take from under a mask, and what overflows."""
    with pytest.raises(ValueError, match=words):
        imputer().fit(data)


def test_masked_data_are_refused_later_too():
    hidden = np.ma.masked_array(WHOLE, mask=np.isnan(X))
    with pytest.raises(ValueError, match="masked"):
        imputer().fit(X).transform(hidden)
    filled = imputer().fit(X).transform(hidden.filled(NAN))
    assert np.all(filled[np.isnan(X)] != WHOLE[np.isnan(X)])
    # A mask of nothing hides nothing.
    imputer().fit(np.ma.masked_array(WHOLE))


@pytest.mark.parametrize("name", ["missing_values", "add_indicator", "keep_empty_features"])
def test_settings_of_other_imputers_are_none_of_its_own(name):
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
        DeepGenerativeImputer(**{name: True})


def test_sentinels_and_indicators_by_what_scikit_learn_has():
    """As docs/missing_data.md says."""
    coded = np.where(np.isnan(X), -999.0, X)
    named = FunctionTransformer(lambda data: np.where(data == -999.0, NAN, data))
    both = make_pipeline(named, make_union(imputer(), MissingIndicator(features="all")))
    found = both.fit_transform(coded)
    np.testing.assert_array_equal(found[:, :3], imputer().fit(X).transform(X))
    np.testing.assert_array_equal(found[:, 3:], np.isnan(X))
