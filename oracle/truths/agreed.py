"""The truth about a case with one to three latent dimensions, from two computations that agree."""

from __future__ import annotations

from mpmath import mp

from oracle.models.case import Case
from oracle.models.values import Key, Value
from oracle.quadrature.interval import OracleDisagreement
from oracle.truths.nested_plane import AGREED, nested_values
from oracle.truths.one_dimension import exact_values
from oracle.truths.regionwise import LatentSpace


def truth(case: Case) -> list[dict[Key, Value]]:
    """All quantities, of the model first and then of each point.

    S = 1: quadrature at two precisions. S = 2: Theorem 1 on exact regions, confirmed by nested
    quadrature, which knows no regions. S = 3: Theorem 1 on exact regions, each at two levels of
    quadrature. Raises OracleDisagreement where they differ.
    """
    if case.latent_dimension == 1:
        q = case.q_mean[:, 0], case.q_cov[:, 0, 0]
        return exact_values(case.specs, case.cov_x, case.cov_z, case.X, *q)
    oracle = LatentSpace(case.specs, case.cov_x, case.cov_z)
    points = zip(case.X, case.q_mean, case.q_cov, strict=True)
    values = [oracle.of_model(), *(oracle.at_point(*point) for point in points)]
    if case.latent_dimension == 2:
        _confirm(case, values)
    return values


def _confirm(case: Case, values: list[dict[Key, Value]]) -> None:
    """Raise OracleDisagreement if nested quadrature says otherwise."""
    nested = nested_values(case.specs, case.cov_x, case.cov_z, case.X)
    for mine, theirs in zip(values, nested, strict=True):
        for key, value in theirs.items():
            if not abs(value.value - mine[key].value) <= AGREED * value.scale:
                both = f"{mp.nstr(mine[key].value, 17)} and {mp.nstr(value.value, 17)}"
                raise OracleDisagreement(
                    f"{key[0]} {key[1]}: regions and nested quadrature gave {both}"
                )
