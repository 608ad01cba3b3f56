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
so steep that a double cannot say where it is: weights of scale 1e3, with small noise. Where weights
are special (integers, copies), moving them may leave no region with a code at all: there the layers
stay, and the partition's doubles move with all other inputs.

What is said of g(z), E[A z + b] and A Cov[z] Aᵀ, has a third: moments of z are results of their
own, rounded to doubles, and a steep image makes much of that. `Value.terms` is how large the
numbers are that are added.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from oracle.exact.layer_specs import Fixed, LayerSpec
from oracle.exact.number_types import Array
from oracle.models.case import Case
from oracle.models.values import EXTENT, Key, Value
from oracle.quadrature.interval import ROUGH
from oracle.truths.one_dimension import OneDimension
from oracle.truths.regionwise import LatentSpace

EPSILON = 2.0**-52
DELTA = 2.0**-45
DRAWS = 6
DEVIATIONS = 5.0


class Conditioning:
    """The condition numbers of a case's quantities; perturbed problems are solved on first use."""

    def __init__(self, case: Case) -> None:
        rng = np.random.default_rng([712, case.seed])
        self._case = case
        self._cases = [_perturbed(case, rng) for _ in range(DRAWS)]
        self._layers = [_moved_layers(case.specs, rng) for _ in range(DRAWS)]

    @cache  # noqa: B019 (one short-lived object a case)
    def _oracles(self, moving: str) -> list[OneDimension] | list[LatentSpace]:
        """The perturbed problems; moving: "inputs", these and the "partition", or with "structure"
        kept the partition's doubles and all inputs but the layers."""
        rng = np.random.default_rng([713, self._case.seed])
        layers = [self._case.specs] * DRAWS if moving == "structure" else self._layers
        jitters = moving != "inputs"
        if self._case.latent_dimension > 1:
            shake = (lambda values: moved(values, rng)) if jitters else None
            return [
                LatentSpace(own, c.cov_x, c.cov_z, shake)
                for own, c in zip(layers, self._cases, strict=True)
            ]

        def jitter(values: list[Any]) -> list[Any]:
            return [v * (1 + DELTA * float(rng.standard_normal())) for v in values]

        shaken = jitter if jitters else None
        return [
            OneDimension(own, c.cov_x, c.cov_z, ROUGH, shaken)
            for own, c in zip(layers, self._cases, strict=True)
        ]

    @cache  # noqa: B019
    def _values(self, row: int, moving: str) -> list[dict[Key, Value]]:
        """A row's quantities in every perturbed problem."""
        oracles = self._oracles(moving)
        if row == 0:
            return [oracle.of_model() for oracle in oracles]
        n = row - 1
        return [
            oracles[i].at_point(c.X[n], c.q_mean[n], c.q_cov[n]) for i, c in enumerate(self._cases)
        ]

    def kappa(self, row: int, key: Key, base: Any, scale: Any, partition: bool = False) -> float:
        """κ of one quantity, in units of its scale. row 0 is the model, row n the n-th point.

        partition: whether A_ω, b_ω and the breakpoints move too. A region that a perturbation
        removes counts as having mass and width 0.
        """
        moving = "partition" if partition else "inputs"
        changes = self._changes(row, key, base, scale, moving)
        if partition and not changes:
            changes = self._changes(row, key, base, scale, "structure")
        if not changes:
            return 0.0
        return DEVIATIONS * float(np.sqrt(np.mean(np.square(changes))))

    def _changes(self, row: int, key: Key, base: Any, scale: Any, moving: str) -> list[float]:
        """By how much the quantity moved, over δ, in the problems that have it."""
        changes = []
        for values in self._values(row, moving):
            other = values.get(key)
            if other is not None:
                changes.append(float(abs(other.value - base) / scale) / DELTA)
            elif key[0] in EXTENT:
                changes.append(float(abs(base) / scale) / DELTA)
        return changes


def moved(values: ArrayLike, rng: np.random.Generator) -> Array:
    """Every number moved a little, in proportion to itself."""
    array = np.asarray(values, dtype=float)
    return array * (1 + DELTA * rng.standard_normal(array.shape))


def _moved_layers(layers: tuple[LayerSpec, ...], rng: np.random.Generator) -> tuple[LayerSpec, ...]:
    """Every weight, bias and slope moved a little, of a kernel at each of its places by itself, as
    rounding does. What makes a ReLU or an absolute value, and the ones of layers that copy, are not
    inputs."""
    result: list[LayerSpec] = []
    for kind, *values in layers:
        if kind == "dense":
            if isinstance(values[0], Fixed):
                result.append((kind, *values))
                continue
            matrix, offset = (np.asarray(value, dtype=float) for value in values)
            result.append(
                (kind, np.where(matrix == 1.0, 1.0, moved(matrix, rng)), moved(offset, rng))
            )
        elif kind == "slope" and np.ndim(values[0]) == 0 and values[0] not in (0.0, -1.0):
            result.append((kind, float(moved(values[0], rng))))
        else:
            result.append((kind, *values))
    return tuple(result)


def _symmetric(cov: Array, rng: np.random.Generator) -> Array:
    """A covariance moved a little: a full one stays symmetric."""
    array = moved(cov, rng)
    return np.tril(array) + np.tril(array, -1).T if array.ndim == 2 else array


def _perturbed(case: Case, rng: np.random.Generator) -> Case:
    """The case with every input but the layers moved a little."""
    return replace(
        case,
        cov_x=_symmetric(case.cov_x, rng),
        cov_z=_symmetric(case.cov_z, rng),
        X=moved(case.X, rng),
        q_mean=moved(case.q_mean, rng),
        q_cov=np.array([_symmetric(cov, rng) for cov in case.q_cov]),
    )
