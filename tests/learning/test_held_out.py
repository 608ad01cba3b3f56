"""Early stopping by held-out data."""

import numpy as np
import pytest

from fast import DGN, HeldOut, LeakyReLU, Network, Outcome, fit_em, fit_mle

NETWORK = Network.random([1, 6, 2], LeakyReLU(0.1), random_state=1)
TRUTH = DGN(Network.random([1, 3, 2], LeakyReLU(0.1), random_state=0), 0.1)
X, OTHERS = TRUTH.rvs(12, random_state=2), TRUTH.rvs(50, random_state=3)


@pytest.mark.filterwarnings("ignore::fast.ConvergenceWarning")
@pytest.mark.parametrize("fit", [fit_em, fit_mle])
def test_the_best_iteration_is_kept(fit):
    """Of 12 data, on which a hidden layer of six overfits; the model is handed out as it was."""
    start = DGN(NETWORK, 0.5)
    held_out, seen = HeldOut(start, OTHERS, patience=4), [start]

    def both(iteration, dgn, loss):
        seen.append(dgn)
        return held_out(iteration, dgn, loss)

    fitted = fit(start, X, callback=both, max_iter=200, tol=0)
    values = [dgn.logpdf(OTHERS).mean() for dgn in seen]
    np.testing.assert_array_equal(held_out.history, values)
    best = int(np.argmax(values))
    assert held_out.best_iteration == best
    assert held_out.best is seen[best]
    assert fitted.outcome is Outcome.STOPPED
    assert fitted.n_iter == best + 4
    assert fitted.history[-1] < fitted.history[best]  # training itself went on to gain


@pytest.mark.filterwarnings("ignore::fast.ConvergenceWarning")
def test_what_comes_out_is_never_worse_than_the_start():
    held_out = HeldOut(TRUTH, OTHERS, patience=1)
    fit_em(TRUTH, X[:3] + 5.0, callback=held_out)
    assert held_out.best is TRUTH
    assert held_out.best_iteration == 0
    assert len(held_out.history) == 2


def test_a_model_without_a_likelihood_is_no_best_one(monkeypatch):
    held_out = HeldOut(TRUTH, OTHERS, patience=2)

    def none(self, X):
        raise ArithmeticError("no double")

    monkeypatch.setattr(DGN, "logpdf", none)
    assert not held_out(1, TRUTH, 0.0)
    assert held_out(2, TRUTH, 0.0)
    np.testing.assert_array_equal(held_out.history[1:], [-np.inf, -np.inf])
    assert held_out.best_iteration == 0


def test_training_that_goes_on_from_a_checkpoint_has_its_patience():
    held_out = HeldOut(TRUTH.with_parameters({"cov_x": 3.0}), OTHERS, patience=2)
    assert not held_out(51, TRUTH, 0.0)
    assert held_out.best_iteration == 51
    assert not held_out(52, TRUTH, 0.0)
    assert held_out(53, TRUTH, 0.0)


def test_held_out_data_are_a_copy():
    mine = OTHERS.copy()
    held_out = HeldOut(TRUTH, mine)
    mine[:] = 100.0
    held_out(1, TRUTH, 0.0)
    assert held_out.history[0] == held_out.history[1]
