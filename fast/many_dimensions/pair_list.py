"""Pairs of a datum and a region in flat arrays, for S >= 2."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from reference.model import Array, Indices, Mask


@dataclass(frozen=True, eq=False)
class PairList:
    """Pairs of a datum and a region, one a row, sorted by datum and region: those that matter."""

    datum: Indices  # (P,): which row of the chunk
    region: Indices  # (P,)
    peak: Array  # (P, S): the point of the region where p(x, z) is largest or nearly so
    log_joint: Array  # (P,): log p(x, peak)
    log_inner: Array  # (P,): the same without what does not depend on z, as `Bounds` are
    log_volume: Array  # (P,): log p(x, z in ω) less log p(x, peak)
    error: Array  # (P,): how far a coarse rule may have left log_volume off
    mean: Array  # (P, S): of z given x and z in ω
    cov: Array  # (P, S, S): of the same
    entropy: Array  # (P,): of the same, nats
    relative: Array  # (P,): log p(x, peak) less that of one of the datum's pairs, its reference
    square: NDArray[
        np.object_
    ]  # (P,): -2 log p(x, peak) as a Dyadic, for far data; None for others

    @staticmethod
    def joined(parts: list[PairList]) -> PairList:
        """Several one after another, sorted by datum and region."""
        names = [field.name for field in fields(PairList)]
        arrays = {name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
        order = np.lexsort((arrays["region"], arrays["datum"]))
        return PairList(**{name: array[order] for name, array in arrays.items()})

    def where(self, kept: Mask) -> PairList:
        """Some of them."""
        names = [field.name for field in fields(PairList)]
        return PairList(**{name: getattr(self, name)[kept] for name in names})

    @property
    def is_finite(self) -> Mask:
        """Whether all results of a pair are doubles, (P,)."""
        sums = self.log_joint + self.log_volume + self.entropy
        return np.asarray(np.isfinite(sums + self.mean.sum(axis=1) + self.cov.sum(axis=(1, 2))))

    def with_mass(self) -> PairList:
        """Those in which there is any mass: a region thinner than rounding has none, and no
        moments."""
        return self.where(~np.isneginf(self.log_volume))

    @staticmethod
    def empty(latent: int) -> PairList:
        """No pairs, in `latent` dimensions."""
        nowhere, none = np.empty(0, dtype=np.intp), np.empty(0)
        return PairList(
            datum=nowhere,
            region=nowhere,
            peak=np.empty((0, latent)),
            log_joint=none,
            log_inner=none,
            log_volume=none,
            error=none,
            mean=np.empty((0, latent)),
            cov=np.empty((0, latent, latent)),
            entropy=none,
            relative=none,
            square=np.empty(0, dtype=object),
        )

    def largest(self, values: Array, count: int) -> Indices:
        """Of each of `count` data the pair whose value (P,) is largest, (N,).

        Raises ArithmeticError where a datum has no pair.
        """
        if len(np.unique(self.datum)) < count:
            raise ArithmeticError("X: no region has mass in double precision for some datum")
        order = np.lexsort((-values, self.datum))
        return order[np.searchsorted(self.datum, np.arange(count))]
