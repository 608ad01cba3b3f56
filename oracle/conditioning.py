"""How much a quantity moves when its inputs move: the condition number behind an allowed error.

Every weight, bias, slope, covariance entry and coordinate of x is a double, and rounding in any
computation acts like independent relative changes of the inputs by about ε = 2^-52. So all inputs
are multiplied by 1 + δ ξ, ξ standard normal and independent, δ = 2^-45, and the quantity recomputed
by the oracle: κ is five times the root mean square of its change over δ, from six such draws. An
error below κ ε is what a change of the inputs in their last place would cause. δ is small so that
the change is linear in it also where |x| is 1e11 noise deviations, and large enough that rounding
the moved inputs to doubles changes δ ξ by less than a hundredth.

A second κ also moves every entry of every region's A_ω and b_ω, and the breakpoints: what
`partition` returns. They are doubles too, and what [eq. 5-7] take as inputs. It is larger where
regions share a value through the weights that separately rounded numbers cannot share, or a kink is
so steep that a double cannot say where it is: weights of scale 1e3, with small noise.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from oracle.architectures import Array, Case
from oracle.exact_layers import LayerSpec
from oracle.one_dimension import EXTENT, Key, OneDimension, Value
from oracle.quadrature import ROUGH

EPSILON = 2.0**-52
DELTA = 2.0**-45
DRAWS = 6
DEVIATIONS = 5.0


class Conditioning:
    """The condition numbers of a case's quantities; perturbed problems are solved on first use."""

    def __init__(self, case: Case) -> None:
        rng = np.random.default_rng([712, case.seed])
        self._cases = [_perturbed(case, rng) for _ in range(DRAWS)]

    @cache  # noqa: B019 (one short-lived object a case)
    def _oracles(self, partition: bool) -> list[OneDimension]:
        """The perturbed problems, the doubles of the partition too or not."""
        rng = np.random.default_rng([713, self._cases[0].seed])

        def jitter(values: list[Any]) -> list[Any]:
            return [v * (1 + DELTA * float(rng.standard_normal())) for v in values]

        shaken = jitter if partition else None
        return [OneDimension(c.layers, c.cov_x, c.cov_z, ROUGH, shaken) for c in self._cases]

    @cache  # noqa: B019
    def _values(self, row: int, partition: bool) -> list[dict[Key, Value]]:
        """A row's quantities in every perturbed problem."""
        if row == 0:
            return [oracle.of_model() for oracle in self._oracles(partition)]
        n = row - 1
        return [
            oracle.at_point(c.X[n], float(c.q_mean[n]), float(c.q_variance[n]))
            for oracle, c in zip(self._oracles(partition), self._cases, strict=True)
        ]

    def kappa(self, row: int, key: Key, base: Any, scale: Any, partition: bool = False) -> float:
        """κ of one quantity, in units of its scale. row 0 is the model, row n the n-th point.

        partition: whether A_ω, b_ω and the breakpoints move too. A region that a perturbation
        removes counts as having mass and width 0.
        """
        changes = []
        for values in self._values(row, partition):
            other = values.get(key)
            if other is not None:
                changes.append(float(abs(other.value - base) / scale) / DELTA)
            elif key[0] in EXTENT:
                changes.append(float(abs(base) / scale) / DELTA)
        if not changes:
            return 0.0
        return DEVIATIONS * float(np.sqrt(np.mean(np.square(changes))))


def moved(values: ArrayLike, rng: np.random.Generator) -> Array:
    """Every number moved a little, in proportion to itself."""
    array = np.asarray(values, dtype=float)
    return array * (1 + DELTA * rng.standard_normal(array.shape))


def moved_layers(layers: tuple[LayerSpec, ...], rng: np.random.Generator) -> tuple[LayerSpec, ...]:
    """Every weight, bias and slope moved a little; slopes 0, 1 and -1 are not inputs."""
    result: list[LayerSpec] = []
    for kind, *values in layers:
        if kind == "dense":
            result.append((kind, *(moved(v, rng) for v in values)))
        elif kind == "max":
            result.append((kind, *values))
        else:
            keep = values[0] in (0.0, 1.0, -1.0)
            result.append((kind, values[0] if keep else float(moved(values[0], rng))))
    return tuple(result)


def _perturbed(case: Case, rng: np.random.Generator) -> Case:
    """The case with every input moved a little."""
    layers = moved_layers(case.layers, rng)
    cov_x = moved(case.cov_x, rng)
    if cov_x.ndim == 2:
        cov_x = np.tril(cov_x) + np.tril(cov_x, -1).T
    return replace(
        case,
        layers=layers,
        cov_x=cov_x,
        cov_z=moved(case.cov_z, rng),
        X=moved(case.X, rng),
        q_mean=moved(case.q_mean, rng),
        q_variance=moved(case.q_variance, rng),
    )
