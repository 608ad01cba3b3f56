"""Data may be images of any shape: what is about them comes back so."""

import numpy as np
import pytest

import fast
import reference
from reference import Dense, Network, ReLU, Reshape

WEIGHT = np.random.default_rng(0).standard_normal((12, 3))


def network(*ends):
    return Network(
        [Dense(np.ones((3, 1)), [0.5, -0.5, 0.0]), ReLU(), Dense(WEIGHT, np.zeros(12)), *ends]
    )


@pytest.mark.parametrize("shape", [(12,), (3, 4), (1, 3, 4), (3, 2, 2), (12, 1)])
def test_results_come_in_the_shape_of_the_data(impl, shape):
    dgn = impl.DGN(network(), 0.5)
    flat = dgn.rvs(2, random_state=0)
    X = flat.reshape(2, *shape)
    np.testing.assert_array_equal(dgn.logpdf(X), dgn.logpdf(flat))
    np.testing.assert_array_equal(dgn.score(X), dgn.score(flat).reshape(X.shape))
    posterior, plain = dgn.posterior(X), dgn.posterior(flat)
    np.testing.assert_array_equal(
        posterior.reconstruction(), plain.reconstruction().reshape(X.shape)
    )
    variances = posterior.reconstruction_cov(diagonal=True)
    assert variances.shape == X.shape
    assert posterior.reconstruction_cov().shape == (2, 12, 12)
    assert dgn.statistics(X).n == 2


def test_without_data_the_network_tells_the_shape(impl):
    images, rows = impl.DGN(network(Reshape((1, 3, 4))), 0.5), impl.DGN(network(), 0.5)
    assert images.rvs(5, random_state=0).shape == (5, 1, 3, 4)
    assert images.mean().shape == (1, 3, 4)
    assert images.cov().shape == (12, 12)
    assert rows.rvs(5, random_state=0).shape == (5, 12)
    np.testing.assert_array_equal(images.mean().ravel(), rows.mean())
    np.testing.assert_array_equal(
        images.rvs(2, random_state=1).reshape(2, 12), rows.rvs(2, random_state=1)
    )
    # Rows are rows, also where the network's output is an image.
    assert images.score(rows.rvs(2, random_state=1)).shape == (2, 12)


def test_lists_are_images_too(impl):
    dgn = impl.DGN(network(), 0.5)
    X = dgn.rvs(2, random_state=0).reshape(2, 3, 4)
    np.testing.assert_array_equal(dgn.score(X.tolist()), dgn.score(X))


@pytest.mark.parametrize("shape", [(2, 13), (2, 3, 5), (12,), (1, 2, 12), (3, 4), ()])
def test_another_number_of_entries_is_refused(impl, shape):
    """In one line, with the remedy."""
    dgn = impl.DGN(network(), 0.5)
    with pytest.raises(ValueError, match=r"^X: expected ") as refused:
        dgn.logpdf(np.zeros(shape))
    assert "\n" not in str(refused.value)
    if len(shape) > 1:
        assert "resize the images, or reshape the data to (N, 12)" in str(refused.value)


def test_images_are_learnt_from():
    """The same fit as from rows, in every trainer."""
    start = network()
    flat = fast.DGN(start, 0.5).rvs(20, random_state=0)
    X = flat.reshape(20, 3, 4)
    for fit in (fast.fit_em, fast.fit_mle):
        one, other = (fit(start, data, cov_x=0.5, max_iter=2, tol=0.0) for data in (X, flat))
        np.testing.assert_array_equal(one.history, other.history)
    one, other = (fast.initial_network(start, data, random_state=0) for data in (X, flat))
    np.testing.assert_array_equal(one.parameters()["0.weight"], other.parameters()["0.weight"])
    assert np.isfinite(reference.fit_em(start, X, cov_x=0.5, max_iter=1, tol=0.0).history[-1])
