"""The checks on small fixed models by name, run on both implementations.

They look where `python -m oracle` does not on random models: regions' moments, density, mode and
draws of the posterior for any S, sums over data, gradients, updates of the M-step, the zero-noise
limit, truncated Gaussians by themselves. Here the implementations run, only to be compared.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from oracle.checks.implementations import IMPLEMENTATIONS
from oracle.fixed_checks.boxes import boxes
from oracle.fixed_checks.deviation import Check
from oracle.fixed_checks.draws import draws
from oracle.fixed_checks.estimates import estimates
from oracle.fixed_checks.learning import (
    gradients,
    penalised_updates,
    slopes,
    sums_over_data,
    updates,
    weighted_sums,
)
from oracle.fixed_checks.missing import NEAR, missing_entries
from oracle.fixed_checks.models import BENT, CURVE, FIVE, FOLD, IMAGES, LINE, NOISE, PLANE, SOLID
from oracle.fixed_checks.partition import regions
from oracle.fixed_checks.polyhedra import polyhedra
from oracle.fixed_checks.posterior import (
    density_and_mode,
    latent_quantities,
    region_moments,
    zero_noise,
)
from oracle.fixed_checks.shares_below import shares_below
from oracle.fixed_checks.stationarity import stationarity

_UPDATES = ("4.bias", "4.weight", "4", "2.bias", "2.weight", "0.bias", "cov_x", "cov_z")
#: The checks by name, cheap ones first.
CHECKS: dict[str, Check] = {
    **{f"partition, {m.name}": regions(m) for m in (LINE, CURVE, PLANE, IMAGES, SOLID, BENT, FIVE)},
    "polyhedra": polyhedra,
    **{f"quantities, {m.name}": latent_quantities(m) for m in (PLANE, IMAGES, SOLID, BENT)},
    **{f"gradient, {m.name}": gradients(m) for m in (LINE, CURVE)},
    **{f"slopes, {m.name}": slopes(m) for m in (PLANE, IMAGES)},
    **{f"regions, {m.name}": region_moments(m) for m in (LINE, PLANE, SOLID)},
    **{f"density and mode, {m.name}": density_and_mode(m) for m in (LINE, CURVE, PLANE, IMAGES)},
    **{f"sums over data, {m.name}": sums_over_data(m) for m in (LINE, CURVE, PLANE, IMAGES)},
    **{f"weighted sums, {m.name}": weighted_sums(m) for m in (CURVE, NEAR)},
    **{f"updates, {m.name}": updates(m, _UPDATES) for m in (LINE, CURVE, PLANE)},
    f"updates, {IMAGES.name}": updates(IMAGES, ("3.weight", "3.bias", "3", "cov_x", "cov_z")),
    **{
        f"updates with priors, {m.name}": penalised_updates(m, names)
        for m, names in (
            (LINE, ("4.weight", "4", "0")),
            (CURVE, ("4", "2.weight")),
            (PLANE, ("4", "2")),
            (IMAGES, ("3",)),
        )
    },
    "stationarity": stationarity,
    "zero noise": zero_noise,
    **{f"missing data, {m.name}": missing_entries(m) for m in (LINE, CURVE, NEAR)},
    **{f"shares below, {m.name}": shares_below(m) for m in (LINE, CURVE, NEAR)},
    "local partitions": boxes,
    **{f"estimates, {m.name}": estimates(m) for m in (LINE, PLANE, FOLD, SOLID)},
    **{f"draws, {m.name}": draws(m) for m in (LINE, CURVE, NOISE, FOLD, PLANE)},
}


@dataclass
class FixedTally:
    """The deviations of one check and one implementation.

    Parameters
    ----------
    compared
        How many there were.
    worst
        The largest among those that pass, as a share of what is allowed.
    where
        The quantity of that one.
    breaches
        Those that do not pass, in words.
    """

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
    """One of CHECKS on each implementation. An exception of an implementation is a breach."""
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
