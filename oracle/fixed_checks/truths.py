"""The oracle's values of the fixed models that several checks compare with.

They are computed once a process, before anything is broken.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from oracle.fixed_checks.models import Model, specs
from oracle.learning.sums_over_data import (
    Sums,
    log_evidence,
    log_peak,
    sums,
)
from oracle.learning.sums_over_data import shares as posterior_shares
from oracle.models.values import Key, Value
from oracle.truths.regionwise import LatentSpace


@cache
def sums_of(model: Model) -> Sums:
    """Sums over the model's data [Sec. 4.1]."""
    return sums(specs(model), model.cov_x, model.cov_z, model.X)


@cache
def latent_values(model: Model) -> list[dict[Key, Value]]:
    """Everything the oracle says of a model with S > 1: of itself, then of each point."""
    space = LatentSpace(specs(model), model.cov_x, model.cov_z)
    rows = zip(model.X, model.q_mean, model.q_cov, strict=True)
    return [space.of_model(), *(space.at_point(*row) for row in rows)]


@cache
def shares_of(model: Model) -> list[dict[tuple[int, ...], Any]]:
    """For each point the share of the posterior and its moments in every region, by code."""
    found = [posterior_shares(specs(model), model.cov_x, model.cov_z, x) for x in model.X]
    return [{share.code: share for share in row} for row in found]


@cache
def log_evidences(model: Model) -> list[Any]:
    """log p(x) of each point."""
    return [log_evidence(specs(model), model.cov_x, model.cov_z, x) for x in model.X]


@cache
def log_peaks(model: Model) -> list[Any]:
    """The largest log p(x, z) over z, of each point."""
    return [log_peak(specs(model), model.cov_x, model.cov_z, x) for x in model.X]
