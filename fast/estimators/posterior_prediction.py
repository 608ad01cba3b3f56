"""WAIC: what a posterior of the parameters is expected to predict, from its draws."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp

from reference.model import check_array

# Above this variance of log p(x) over the posterior the approximation that WAIC is has been seen
# to fail (Vehtari, Gelman and Gabry 2017).
_LARGE_VARIANCE = 0.4


class WAIC(NamedTuple):
    """The widely applicable information criterion, by datum and not by deviance: higher is better.

    Attributes
    ----------
    score : float
        What it estimates: the mean log p of a new datum under the posterior predictive
        distribution, nats. WAIC as Watanabe (2010) defines it is its negative.
    error : float
        Its standard error, of the data alone and not of the draws.
    n_effective : float
        The effective number of parameters: the sum of the variances of log p(x) over the posterior.
    n_doubtful : int
        Of how many data that variance is above 0.4. If there are any, do not trust it.
    """

    score: float
    error: float
    n_effective: float
    n_doubtful: int


def waic(log_likelihoods: Any) -> WAIC:
    """Estimate how well a posterior predicts, from the log-densities of data under its draws.

    Parameters
    ----------
    log_likelihoods : array_like, shape (n_draws, N)
        log p(x) of each datum, exact, under each draw of the parameters, as `DGN.logpdf` tells it.
        At least two draws, and two data.

    Returns
    -------
    WAIC
        Its score, that one's standard error, and whether to trust it.

    Raises
    ------
    ValueError
        On bad input.

    See Also
    --------
    select_dimension : held-out log p, which needs no prior and no draws.

    Notes
    -----
    With means and variances over the draws, the score is the mean over data of log E[p(x)] -
    Var[log p(x)]. It needs no regular maximum and no count of parameters, and does not see what
    changes no p(x), as an order of units. Draws must be of the posterior, of given data and a prior
    of all parameters: those of a chain that has not arrived give a number that means nothing.
    Guarded by tests/estimators/test_waic.py, against a posterior that is known.

    Examples
    --------
    >>> import numpy as np
    >>> from fast import waic
    >>> found = waic(np.log([[0.2, 0.4, 0.3], [0.3, 0.4, 0.2]]))
    >>> round(found.score, 4), found.n_doubtful
    (-1.2844, 0)
    """
    found = check_array(log_likelihoods, "log_likelihoods", (None, None))
    n_draws, count = found.shape
    if min(n_draws, count) < 2:
        raise ValueError(
            f"log_likelihoods: expected at least two draws and two data, got {found.shape}"
        )
    variances = np.var(found, axis=0, ddof=1)
    of_data = logsumexp(found, axis=0) - np.log(n_draws) - variances
    return WAIC(
        score=float(np.mean(of_data)),
        error=float(np.std(of_data, ddof=1) / np.sqrt(count)),
        n_effective=float(np.sum(variances)),
        n_doubtful=int(np.sum(variances > _LARGE_VARIANCE)),
    )
