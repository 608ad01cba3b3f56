"""The quadrature oracle and both implementations against proven enclosures, S = 1.

Only here to compare: it runs the implementations.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from mpmath import mp, mpf

from oracle.checks.implementations import IMPLEMENTATIONS, codes_of, network_of
from oracle.checks.tolerances import TOLERANCES
from oracle.models.case import Case
from oracle.models.values import Key, Value
from oracle.truths.enclosure import NARROW, Ball, TooWide, enclose
from oracle.truths.one_dimension import exact_values


@dataclass
class EnclosureTally:
    """Values against proven enclosures.

    Parameters
    ----------
    enclosed
        How many values were enclosed.
    too_wide
        How many models had balls that stayed too wide.
    inside
        By implementation, how many values lie in the ball widened by the tolerance.
    beyond
        By implementation, how many lie beyond it. These are judged elsewhere, by condition numbers.
    breaches
        Values of the quadrature oracle outside of the ball widened by 1e-20 of their scale, in
        words.
    """

    enclosed: int = 0
    too_wide: int = 0
    inside: dict[str, int] = field(default_factory=dict)
    beyond: dict[str, int] = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)

    def add(self, other: EnclosureTally) -> None:
        """Take in another case's."""
        self.enclosed += other.enclosed
        self.too_wide += other.too_wide
        for mine, theirs in ((self.inside, other.inside), (self.beyond, other.beyond)):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count
        self.breaches += other.breaches


def check_enclosure(
    case: Case, implementations: dict[str, ModuleType] | None = None
) -> EnclosureTally:
    """Enclose a case with S = 1, and see what lies inside."""
    tally = EnclosureTally()
    try:
        balls = enclose(case.specs, case.cov_x, case.cov_z, case.X)
    except TooWide:
        tally.too_wide = 1
        return tally
    q = case.q_mean[:, 0], case.q_cov[:, 0, 0]
    truth = exact_values(case.specs, case.cov_x, case.cov_z, case.X, *q)
    tally.enclosed = sum(len(row) for row in balls)
    for row, (mine, values) in enumerate(zip(balls, truth, strict=True)):
        for key, ball in mine.items():
            if _distance(values[key].value, ball, values[key]) > NARROW:
                place = f"seed {case.seed}" + (f", point {row - 1}" if row else "")
                tally.breaches.append(f"{place}: {key[0]} {key[1]}: quadrature is not enclosed")
    for name, impl in (implementations or IMPLEMENTATIONS).items():
        tally.inside[name] = tally.beyond[name] = 0
        for mine, values, told in zip(balls, truth, _told(impl, case), strict=True):
            for key in mine.keys() & told.keys():
                allowed = TOLERANCES[1][name][key[0]] + NARROW
                near = _distance(mpf(float(told[key])), mine[key], values[key]) <= allowed
                (tally.inside if near else tally.beyond)[name] += 1
    return tally


def _distance(value: Any, ball: Ball, of: Value) -> float:
    """How far a number lies outside of a ball, in units of the quantity's scale."""
    with mp.workdps(60):
        middle, radius = (
            mpf(ball.mid().str(60, radius=False)),
            mpf(ball.rad().str(10, radius=False)),
        )
        return float(max(mpf(0), abs(value - middle) - radius * 2) / of.scale)


def _told(impl: Any, case: Case) -> list[dict[Key, float]]:
    """What an implementation says of the posterior of each point; of the model nothing here."""
    dgn = impl.DGN(network_of(case), case.cov_x, case.cov_z)
    codes = codes_of(dgn)
    rows: list[dict[Key, float]] = [{}]
    for x in case.X:
        posterior = dgn.posterior(x[None])
        row: dict[Key, float] = {
            ("log p", ()): dgn.logpdf(x[None])[0],
            ("posterior mean", (0,)): posterior.mean()[0, 0],
            ("posterior covariance", (0, 0)): posterior.cov()[0, 0, 0],
        }
        row.update({("e0", code): posterior.e0[0, r] for r, code in enumerate(codes)})
        rows.append(row)
    return rows
