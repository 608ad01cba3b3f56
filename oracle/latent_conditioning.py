"""Condition numbers of a model with two or three latent dimensions, as oracle.conditioning's."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from oracle.conditioning import DELTA, DEVIATIONS, DRAWS, moved, moved_layers
from oracle.latent_cases import Array, LatentCase
from oracle.latent_space import LatentSpace
from oracle.one_dimension import EXTENT, Key, Value


class LatentConditioning:
    """The condition numbers of a case's quantities; perturbed problems are solved on first use.

    Six draws of every input moved a little, as in oracle.conditioning; a second κ also moves the
    doubles of the partition: A_ω, b_ω and the half-spaces of every region.
    """

    def __init__(self, case: LatentCase) -> None:
        rng = np.random.default_rng([716, case.seed])
        self._cases = [_perturbed(case, rng) for _ in range(DRAWS)]

    @cache  # noqa: B019 (one short-lived object a case)
    def _oracles(self, partition: bool) -> list[LatentSpace]:
        rng = np.random.default_rng([717, self._cases[0].seed])
        jitter = (lambda values: moved(values, rng)) if partition else None
        return [LatentSpace(c.layers, c.cov_x, c.cov_z, jitter) for c in self._cases]

    @cache  # noqa: B019
    def _values(self, row: int, partition: bool) -> list[dict[Key, Value]]:
        """A row's quantities in every perturbed problem."""
        if row == 0:
            return [oracle.of_model() for oracle in self._oracles(partition)]
        return [
            oracle.at_point(c.X[row - 1], c.q_mean[row - 1], c.q_cov[row - 1])
            for oracle, c in zip(self._oracles(partition), self._cases, strict=True)
        ]

    def kappa(self, row: int, key: Key, base: Any, scale: Any, partition: bool = False) -> float:
        """κ of one quantity, in units of its scale; as oracle.conditioning.Conditioning.kappa."""
        changes = []
        for values in self._values(row, partition):
            other = values.get(key)
            if other is not None:
                changes.append(float(abs(other.value - base) / scale) / DELTA)
            elif key[0] in EXTENT:
                changes.append(float(abs(base) / scale) / DELTA)
        return DEVIATIONS * float(np.sqrt(np.mean(np.square(changes)))) if changes else 0.0


def _perturbed(case: LatentCase, rng: np.random.Generator) -> LatentCase:
    """The case with every input moved a little."""

    def symmetric(values: Array) -> Array:
        array = moved(values, rng)
        return np.tril(array) + np.tril(array, -1).T if array.ndim == 2 else array

    return replace(
        case,
        layers=moved_layers(case.layers, rng),
        cov_x=symmetric(case.cov_x),
        cov_z=symmetric(case.cov_z),
        X=moved(case.X, rng),
        q_mean=moved(case.q_mean, rng),
        q_cov=np.array([symmetric(cov) for cov in case.q_cov]),
    )
