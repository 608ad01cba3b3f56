"""What the posteriors of a chunk of data are made of, for S >= 2."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from reference.model import Array, Indices


@dataclass(frozen=True, eq=False)
class Pairs:
    """Flat arrays (P,), (P, S), (P, S, S) over pairs of a datum and a region, sorted.

    peak: the point of the region where p(x, z) is largest or nearly so; log_joint: log p(x, peak);
    log_volume: log p(x, z in ω) minus that, error: how far a coarse rule may have left it off;
    mean, cov, entropy: of z given x and z in ω.
    """

    datum: Indices
    region: Indices
    peak: Array
    log_joint: Array
    log_volume: Array
    error: Array
    mean: Array
    cov: Array
    entropy: Array

    @staticmethod
    def joined(parts: list[Pairs]) -> Pairs:
        """Several one after another, sorted by datum and region."""
        names = [field.name for field in fields(Pairs)]
        arrays = {name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
        order = np.lexsort((arrays["region"], arrays["datum"]))
        return Pairs(**{name: array[order] for name, array in arrays.items()})


@dataclass(frozen=True, eq=False)
class Terms:
    """What the posterior of a chunk of data is made of.

    log_evidence (N,): log p(x). pairs; log_e0 (P,): log P(z in ω | x) of each. skipped (N,): at
    most this share of p(x) was left out. error (N,): how far coarse rules (S >= 4) may have left
    log p(x) off.
    """

    log_evidence: Array
    pairs: Pairs
    log_e0: Array
    skipped: Array
    error: Array
