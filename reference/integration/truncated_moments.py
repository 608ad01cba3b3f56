"""What is returned of Gaussians on a polyhedron: their moments and entropies, and draws."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from reference.integration.draws import draw_on_interval, draw_on_polyhedron
from reference.integration.interval import interval
from reference.model.arrays import Array, RandomState
from reference.model.validation import check_count, check_random_state
from reference.polyhedra.kind_of_set import Kind


class Given(NamedTuple):
    """What Gaussians on a polyhedron are made of.

    Attributes
    ----------
    normals : ndarray, shape (F, S)
        The polyhedron is {z : normals z + offsets > 0}.
    offsets : ndarray, shape (F,)
        Finite.
    means : ndarray, shape (M, S)
        Of the Gaussians, not truncated.
    cov : ndarray, shape (S, S)
        Their covariance.
    """

    normals: Array
    offsets: Array
    means: Array
    cov: Array


class _Moments(NamedTuple):
    log_mass: Array
    mean: Array
    cov: Array


class TruncatedMoments(_Moments):
    """Gaussians truncated to a polyhedron: a tuple of log_mass, mean and cov, with more beside.

    Made by `gaussian_on_polyhedron` and `gaussian_on_box`.

    Parameters
    ----------
    log_mass : ndarray, shape (M,)
        The log of the Gaussian's mass on the polyhedron, nats; -inf if that has no interior.
    mean : ndarray, shape (M, S)
        The mean of the truncated Gaussian; NaN if the polyhedron has no interior.
    cov : ndarray, shape (M, S, S)
        Its covariance; NaN if the polyhedron has no interior.
    log_mass_error : ndarray, shape (M,)
        A bound on the absolute error of log_mass; 0 where that is exactly -inf. Not one of the
        tuple's three.
    kind : {"full", "flat", "empty"}
        Whether the polyhedron has an interior, or points alone, or none. Not one of the three.
    entropies : ndarray, shape (M,)
        What `entropy` returns. Not one of the three.
    given : Given
        The Gaussians and the polyhedron, which `rvs` draws from. Not one of the three.
    """

    log_mass_error: Array
    kind: Kind
    entropies: Array
    given: Given

    def __new__(
        cls,
        log_mass: Array,
        mean: Array,
        cov: Array,
        log_mass_error: Array,
        kind: Kind,
        entropies: Array,
        given: Given,
    ) -> Self:
        """Make a tuple of three with attributes."""
        moments = super().__new__(cls, log_mass, mean, cov)
        moments.log_mass_error, moments.kind = log_mass_error, kind
        moments.entropies, moments.given = entropies, given
        return moments

    def __getnewargs__(self) -> tuple[Array, Array, Array, Array, Kind, Array, Given]:
        """What pickles and copies are made from."""
        return *self, self.log_mass_error, self.kind, self.entropies, self.given

    def entropy(self) -> Array:
        """Return the differential entropy of each truncated Gaussian.

        Returns
        -------
        ndarray, shape (M,)
            Nats: the log of the mass plus the mean of -log φ.

        Raises
        ------
        ValueError
            If the polyhedron has no interior.
        ArithmeticError
            If it is too thin for double precision.

        Notes
        -----
        Accuracy: that of the moments. Guarded by tests/integration/test_truncated_laws.py.
        """
        self._check_mass("no entropy")
        return self.entropies.copy()

    def rvs(self, size: int = 1, random_state: RandomState = None) -> Array:
        """Draw independently and exactly from each truncated Gaussian.

        Parameters
        ----------
        size : int, default 1
            How many draws from each.
        random_state : int, Generator or None
            The same seed gives the same draws.

        Returns
        -------
        ndarray, shape (M, size, S)
            The draws.

        Raises
        ------
        ValueError
            If the polyhedron has no interior.
        ArithmeticError
            If it is too thin for double precision.

        Notes
        -----
        Guarded by tests/integration/test_truncated_laws.py.
        """
        size = check_count(size, "size", 1)
        rng = check_random_state(random_state)
        self._check_mass("nothing to draw")
        normals, offsets, means, cov = self.given
        draws = np.empty((len(means), size, len(cov)))
        for n, mean in enumerate(means):
            for i in range(size):
                if len(cov) > 1:
                    draws[n, i] = draw_on_polyhedron(normals, offsets, mean, cov, rng)
                else:
                    ends, scale = interval(normals, offsets), float(np.sqrt(cov[0, 0]))
                    draws[n, i] = draw_on_interval(*ends, float(mean[0]), scale, rng)
        return draws

    def _check_mass(self, wanted: str) -> None:
        """Raise an error that says why the Gaussians have no mass, if they have none."""
        if self.kind != "full":
            raise ValueError(
                f"normals, offsets: expected a polyhedron with an interior, got one that is "
                f"{self.kind}: a Gaussian has no mass on it, and there is {wanted}"
            )
        if np.any(np.isneginf(self.log_mass)):
            raise ArithmeticError(
                f"normals, offsets: too thin a polyhedron for double precision: there is {wanted}"
            )


def no_moments(kind: Kind, given: Given) -> TruncatedMoments:
    """What a polyhedron without an interior gives; for another, arrays to be filled."""
    count, dimension = given.means.shape
    return TruncatedMoments(
        log_mass=np.full(count, -np.inf),
        mean=np.full((count, dimension), np.nan),
        cov=np.full((count, dimension, dimension), np.nan),
        log_mass_error=np.zeros(count),
        kind=kind,
        entropies=np.full(count, np.nan),
        given=given,
    )
