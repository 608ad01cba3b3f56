"""A model of which rounding has left nothing says so, in place of a density that cannot be."""

from pathlib import Path

import numpy as np
import pytest

import fast
from fast import Dense, LeakyReLU, Network

#: Where a line search of `fit_mle` had gone: weights of 1e9 and 1e13, whose images cancel. log p(x)
#: came out as 1.45e16, above -3.2, which no mixture of its noise exceeds, and was taken for a gain.
GONE = Path(__file__).parents[1] / "data" / "rounded_away.npz"
X = np.zeros((3, 5))


@pytest.mark.parametrize("method", ["logpdf", "posterior", "statistics", "gradient"])
def test_a_density_above_that_of_its_noise_is_refused(method):
    dgn = fast.DGN.load(GONE)
    with pytest.raises(ArithmeticError, match="above what noise of this size allows"):
        getattr(dgn, method)(X)


@pytest.mark.parametrize("latent", [1, 2, 3])
@pytest.mark.parametrize("noise", [1e-12, 1.0, 1e12])
def test_the_largest_density_that_can_be_is_not(latent, noise):
    """g(z) = x for all z: log p(x) is that of the noise alone, to rounding."""
    first, last = np.ones((2, latent)), np.zeros((5, 2))
    dgn = fast.DGN(Network([Dense(first, [0.3, -0.2]), LeakyReLU(0.1), Dense(last, X[0])]), noise)
    assert dgn.logpdf(X) == pytest.approx(-2.5 * np.log(2 * np.pi * noise), rel=1e-12)
