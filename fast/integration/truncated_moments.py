"""What is returned of Gaussians on a polyhedron: their moments and entropies, and draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import numpy as np

from fast.polyhedra.from_halfspaces import Kind
from reference.model import Array, Indices, RandomState, check_count, check_random_state


class Law(Protocol):
    """M truncated Gaussians."""

    def draw(self, size: int, rng: np.random.Generator) -> Array:
        """So many independent draws from each, (M, size, S)."""
        ...


class _Moments(NamedTuple):
    log_mass: Array
    mean: Array
    cov: Array


class TruncatedMoments(_Moments):
    """Gaussians truncated to a polyhedron: a tuple of three moments, with more beside.

    Made by `gaussian_on_polyhedron` and `gaussian_on_box`.

    Parameters
    ----------
    log_mass : ndarray, shape (M,)
        Log of each Gaussian's mass on the polyhedron, nats.
    mean : ndarray, shape (M, S)
        Of the truncated Gaussian.
    cov : ndarray, shape (M, S, S)
        Of the truncated Gaussian.
    log_mass_error : ndarray, shape (M,)
        How far log_mass may be off; 0 where it is exactly -inf. An attribute: the tuple has three
        entries.
    kind : {"full", "flat", "empty"}
        Whether the polyhedron has an interior ("full"), and if not whether the closed half-spaces
        have a point in common ("flat") or none ("empty"): decided exactly. An attribute.
    entropies : ndarray, shape (M,)
        What `entropy` returns; NaN where there is no mass.
    law : object or None
        What `rvs` draws from; None where there is no mass.

    Examples
    --------
    >>> from fast import gaussian_on_polyhedron
    >>> half = gaussian_on_polyhedron([[1.0]], [0.0], [[0.0]], 1.0)
    >>> print(half.kind, half.entropy().round(6), half.rvs(3, random_state=0).shape)
    full [0.725791] (1, 3, 1)
    """

    log_mass_error: Array
    kind: Kind
    _entropies: Array
    _law: Law | None

    def __new__(
        cls,
        log_mass: Array,
        mean: Array,
        cov: Array,
        log_mass_error: Array,
        kind: Kind,
        entropies: Array,
        law: Law | None,
    ) -> Self:
        """A tuple of three with attributes."""
        moments = super().__new__(cls, log_mass, mean, cov)
        moments.log_mass_error, moments.kind = log_mass_error, kind
        moments._entropies, moments._law = entropies, law
        return moments

    def __getnewargs__(self) -> tuple[Array, Array, Array, Array, Kind, Array, Law | None]:
        """What pickles and copies are made from."""
        return *self, self.log_mass_error, self.kind, self._entropies, self._law

    def entropy(self) -> Array:
        """Differential entropy of each truncated Gaussian.

        Returns
        -------
        ndarray, shape (M,)
            Nats.

        Raises
        ------
        ValueError
            If the polyhedron has no interior, so that nothing has a density on it.
        ArithmeticError
            If it is too thin for double precision.

        Notes
        -----
        Exact, as a sum of the logarithm of the mass and the mean of the exponent. Accuracy: that of
        log_mass and of the moments. Guarded by tests/integration/test_truncated_laws.py.
        """
        self._with_mass("no entropy")
        return self._entropies.copy()

    def rvs(self, size: int = 1, random_state: RandomState = None) -> Array:
        """Exact independent draws from each truncated Gaussian.

        Parameters
        ----------
        size : int, default 1
            How many from each.
        random_state : None, int or numpy.random.Generator, optional
            A seed, or where random numbers come from.

        Returns
        -------
        ndarray, shape (M, size, S)
            The draws, inside the polyhedron but for rounding.

        Raises
        ------
        ValueError
            If the polyhedron has no interior, so that there is nothing to draw from.
        ArithmeticError
            If it is too thin for double precision.

        Notes
        -----
        By rejection, also far in the tail: no chain, so that draws are independent, and no inverse
        of a CDF, so that no digits are lost. A draw takes about S! proposals. Guarded by
        tests/integration/test_truncated_laws.py.
        """
        size = check_count(size, "size", 1)
        rng = check_random_state(random_state)
        return self._with_mass("nothing to draw").draw(size, rng)

    def _with_mass(self, wanted: str) -> Law:
        """The law, or an error that says why there is none."""
        if self.kind != "full":
            raise ValueError(
                f"normals, offsets: expected a polyhedron with an interior, got one that is "
                f"{self.kind}: a Gaussian has no mass on it, and there is {wanted}"
            )
        if self._law is None:
            raise ArithmeticError(
                f"normals, offsets: too thin a polyhedron for double precision: there is {wanted}"
            )
        return self._law


def no_moments(count: int, dimension: int, kind: Kind) -> TruncatedMoments:
    """What a polyhedron without an interior gives, exactly; and one too thin for double precision,
    of which all that is known is that it has a mass."""
    return TruncatedMoments(
        log_mass=np.full(count, -np.inf),
        mean=np.full((count, dimension), np.nan),
        cov=np.full((count, dimension, dimension), np.nan),
        log_mass_error=np.full(count, np.inf if kind == "full" else 0.0),
        kind=kind,
        entropies=np.full(count, np.nan),
        law=None,
    )


def joined(parts: list[tuple[Indices, TruncatedMoments]]) -> TruncatedMoments:
    """Gaussians on one polyhedron with an interior, given in parts: the rows of each, and it."""
    count, dimension = sum(len(rows) for rows, _ in parts), parts[0][1].mean.shape[1]
    found = no_moments(count, dimension, "full")
    arrays = *found, found.log_mass_error, found._entropies
    for rows, part in parts:
        for whole, some in zip(arrays, (*part, part.log_mass_error, part._entropies), strict=True):
            whole[rows] = some
    laws = [(rows, part._law) for rows, part in parts if part._law is not None]
    law = _Together(laws) if len(laws) == len(parts) else None
    return TruncatedMoments(*arrays[:4], "full", arrays[4], law)


@dataclass(frozen=True, eq=False)
class _Together:
    """Several laws, and which rows each has."""

    laws: list[tuple[Indices, Law]]

    def draw(self, size: int, rng: np.random.Generator) -> Array:
        """So many independent draws from each, (M, size, S)."""
        order = np.argsort(np.concatenate([rows for rows, _ in self.laws]))
        return np.concatenate([law.draw(size, rng) for _, law in self.laws])[order]


def refuse_what_is_no_double(log_mass: Array, mean: Array, cov: Array, rows: Indices) -> None:
    """Raise ArithmeticError where a moment overflows, or a variance is below the least number that
    has all of its digits; rows: what these are of the given means."""
    least = np.finfo(np.float64).tiny
    found = np.isfinite(log_mass) & np.all(np.isfinite(mean), 1)
    found &= np.all(np.isfinite(cov), (1, 2)) & np.all(np.einsum("mss->ms", cov) >= least, 1)
    if not np.all(found):
        row = rows[np.argmin(found)]
        raise ArithmeticError(
            f"means: the moments for row {row} are beyond the range of doubles, or volumes in them"
        )
