"""The model's estimates, which need no partition."""

from __future__ import annotations

from numpy.typing import ArrayLike

from fast.distributions.joint_model import JointModel
from fast.estimates.logpdf_estimate import EstimateRequest, LogpdfEstimate, estimated
from fast.many_dimensions.local.setting import Setting
from reference.model import (
    RandomState,
    check_count,
    check_data,
    check_number,
    check_random_state,
)


class Estimating(JointModel):
    """A joint model that is estimated with where exact ends."""

    def estimate_logpdf(
        self,
        X: ArrayLike,
        *,
        standard_error: float = 0.02,
        max_draws: int = 100_000,
        size: int = 0,
        random_state: RandomState = None,
    ) -> LogpdfEstimate:
        """log p(x) estimated by importance sampling, where exact is slow or there is no rule.

        Parameters
        ----------
        X : array_like, shape (N, D)
            Data, all entries observed; of others take `marginal`.
        standard_error : float, default 0.02
            Aimed at, nats. What is reached is told.
        max_draws : int, default 100_000
            The most draws of z that an estimate is made of.
        size : int, default 0
            How many draws from p(z | x) to hand out for each datum, by resampling.
        random_state : None, int or numpy.random.Generator, optional
            A seed, or where random numbers come from.

        Returns
        -------
        LogpdfEstimate
            Estimates with their standard errors, and whether they are vouched for.

        Raises
        ------
        ValueError
            On bad input.
        ArithmeticError
            If a square overflows: a datum too far, or images too steep.

        See Also
        --------
        logpdf : exact, for up to six latent dimensions, and faster for one and two.

        Notes
        -----
        For any number of latent dimensions; nothing is enumerated. Proposals are Gaussians of
        regions [eq. 7] around the modes that a search over regions finds, which then adapt to
        draws. Beside them stand wider copies and the prior, so that weights have a bound. Draws
        that count are new, from one mixture that does not depend on them, and their number was
        decided before: the estimate of p(x) itself has no bias. Its logarithm is low by half the
        square of its standard error. What no search and no draw has met is not in it, nor told:
        `vouched` sees heavy tails, and not a mode that was never met. Some 10⁴ passes through
        the network a datum. Guarded by tests/estimates/test_logpdf_estimate.py and `python -m
        oracle`.

        Examples
        --------
        >>> from fast import DGN, LeakyReLU, Network
        >>> dgn = DGN(Network.random([8, 16, 10], LeakyReLU(0.1), random_state=0), cov_x=0.5)
        >>> found = dgn.estimate_logpdf(dgn.rvs(2, random_state=0), random_state=0)
        >>> print(found.vouched, bool(found.standard_error.max() < 0.05))
        [ True  True] True
        """
        data, _ = check_data(X, "X", self.network.observed_dimension)
        request = EstimateRequest(
            standard_error=check_number(standard_error, "standard_error", 1e-6, 1.0),
            max_draws=check_count(max_draws, "max_draws", 200),
            size=check_count(size, "size", 0),
        )
        rng = check_random_state(random_state)
        setting = Setting.of(self.network, self._coordinates, self.cov_z, self.negligible)
        return estimated(setting, data, request, rng)
