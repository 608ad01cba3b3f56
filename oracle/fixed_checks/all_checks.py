"""oracle.fixed_checks.checks run on both implementations, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from oracle.checks.random_models import IMPLEMENTATIONS
from oracle.fixed_checks.checks import CHECKS


@dataclass
class FixedTally:
    """Deviations looked at; the largest as a share of what is allowed, and of which quantity; those
    beyond, in words."""

    compared: int = 0
    worst: float = 0.0
    where: str = ""
    breaches: list[str] = field(default_factory=list)

    def add(self, other: FixedTally) -> None:
        """Take in another check's."""
        self.compared += other.compared
        if other.worst > self.worst:
            self.worst, self.where = other.worst, other.where
        self.breaches += other.breaches


def check_fixed(name: str) -> dict[str, FixedTally]:
    """One of CHECKS, by implementation. Any exception of an implementation is a breach."""
    result: dict[str, FixedTally] = {}
    for label, impl in IMPLEMENTATIONS.items():
        tally = result[label] = FixedTally()
        try:
            for found in CHECKS[name](impl):
                tally.compared += 1
                if not found.passes:
                    tally.breaches.append(
                        f"{label}, {name}: {found.quantity}: error {found.error:.3g}, "
                        f"allowed {found.allowed:.0e}"
                    )
                elif found.allowed and found.excess > tally.worst:
                    tally.worst, tally.where = found.excess, found.quantity
        except Exception as error:
            tally.breaches.append(f"{label}, {name}: {type(error).__name__}: {error}")
    return result
