"""What comparisons on random models found, counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

#: Digits counted for an error of 0.
ALL_DIGITS = 17


@dataclass
class Tally:
    """The comparisons of one quantity for one implementation.

    An error beyond the tolerance is judged by the condition number κ of the problem: it may be as
    large as κ ε.

    Parameters
    ----------
    compared
        How many comparisons there were.
    worst
        The largest error among those within the tolerance, in units of the scale.
    where
        The case and point of that error.
    conditioned
        How many errors were beyond the tolerance, so that κ was computed.
    by_partition
        How many of these needed the κ that counts the partition's doubles among the inputs.
    empty
        How many of these had κ ε > 1, so that nothing was shown.
    share
        The largest of these errors as a share of κ ε, among those at most 1.
    kappa
        The largest κ.
    breaches
        Errors larger than κ ε, in words.
    one_sided
        Values of regions that only one side has: nothing can be compared with them.
    digits
        How many comparisons agreed to so many digits of the scale; ALL_DIGITS if the error was 0.
    """

    compared: int = 0
    worst: float = 0.0
    where: str = ""
    conditioned: int = 0
    by_partition: int = 0
    empty: int = 0
    share: float = 0.0
    kappa: float = 0.0
    breaches: list[str] = field(default_factory=list)
    one_sided: int = 0
    digits: Counter[int] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Take in the comparisons of another case."""
        self.compared += other.compared
        if other.worst > self.worst:
            self.worst, self.where = other.worst, other.where
        self.conditioned += other.conditioned
        self.by_partition += other.by_partition
        self.empty += other.empty
        self.share = max(self.share, other.share)
        self.kappa = max(self.kappa, other.kappa)
        self.breaches += other.breaches
        self.one_sided += other.one_sided
        self.digits += other.digits


@dataclass
class Comparison:
    """All comparisons with one latent dimension.

    Parameters
    ----------
    dimension
        The latent dimension.
    tallies
        By (quantity, implementation).
    networks, regions
        How many of each were compared, by implementation.
    declined
        How many parts of a model's or a point's values an implementation declined to give, because
        they are outside its validity.
    """

    dimension: int
    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    networks: Counter[str] = field(default_factory=Counter)
    regions: Counter[str] = field(default_factory=Counter)
    declined: Counter[str] = field(default_factory=Counter)

    def add(self, other: Comparison) -> None:
        """Take in another case's."""
        for key, tally in other.tallies.items():
            self.tallies.setdefault(key, Tally()).add(tally)
        self.networks += other.networks
        self.regions += other.regions
        self.declined += other.declined

    @property
    def breaches(self) -> list[str]:
        """What exceeded all that is allowed, in words."""
        return [f"{n}: {b}" for (_, n), tally in self.tallies.items() for b in tally.breaches]
