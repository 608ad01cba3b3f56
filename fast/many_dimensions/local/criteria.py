"""What may be left out: pairs of a datum and a box, by what the box can hold at most."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from scipy.special import log_ndtr

from fast.many_dimensions.local.setting import Points, Setting
from fast.many_dimensions.local.sight import BoxPairs, Sight
from fast.partition.local.boxes import Boxes
from reference.model import Array

# What is outside the first box holds less than this beside what may be left out, in nats.
_FAR_OUT = 10.0
# A box of which q holds less than exp(-80) is left out of an expectation under q.
_LEAST_LOG_MASS = -80.0
# As many standard deviations hold all but that.
_FARTHEST = 13.0


class Criterion(Protocol):
    """A rule for N data; what it compares are bounds that hold as computed."""

    def first(self) -> tuple[Boxes, Array]:
        """A box around 0 outside of which next to nothing is, and that, (N,), over what may be
        left out."""
        ...

    def over(self, boxes: Boxes, sight: Sight, pairs: BoxPairs) -> Array:
        """By how much what a box holds at most is over what may be left out, (P,), nats."""
        ...


class ByMass(NamedTuple):
    """By the integral of p(x, z) over the box; floors (N,): what may be left out, nats."""

    setting: Setting
    points: Points
    floors: Array

    def first(self) -> tuple[Boxes, Array]:
        """By the prior's mass outside."""
        log_most = self.setting.log_noise - 0.5 * self.points.rest
        boxes, reach = _around_zero(self.setting, self.floors - log_most)
        outside = np.logaddexp.reduce(log_ndtr(-reach) + np.log(2.0))
        return boxes, np.exp(log_most + outside - self.floors)

    def over(self, boxes: Boxes, sight: Sight, pairs: BoxPairs) -> Array:
        """By the largest p(x, z) there, times the volume."""
        bounds = _log_peaks(self.setting, self.points, sight, pairs)
        return bounds + boxes.log_volumes[pairs.box] - self.floors[pairs.datum]


class ByPeak(NamedTuple):
    """By the largest p(x, z) in the box; floors (N,): what is known of it, nats."""

    setting: Setting
    points: Points
    floors: Array

    def first(self) -> tuple[Boxes, Array]:
        """By the prior's density outside."""
        log_most = self.setting.log_noise - 0.5 * self.points.rest
        boxes, reach = _around_zero(self.setting, self.floors - log_most - self.setting.log_prior)
        outside = self.setting.log_prior - 0.5 * np.min(reach) ** 2
        return boxes, np.exp(log_most + outside - self.floors)

    def over(self, boxes: Boxes, sight: Sight, pairs: BoxPairs) -> Array:
        """By the distance of the datum from the images in the box."""
        bounds = _log_peaks(self.setting, self.points, sight, pairs)
        return bounds - self.floors[pairs.datum]


class ByReach(NamedTuple):
    """By the mass of a Gaussian of z in the box: means (N, S), and maps (N, S, S) under which the
    Gaussians are standard."""

    means: Array
    maps: Array

    def first(self) -> tuple[Boxes, Array]:
        """By the Gaussians' deviations along the axes."""
        roots = np.linalg.inv(self.maps)
        away = np.abs(self.means) + _FARTHEST * np.linalg.norm(roots, axis=2)
        return Boxes.around_zero(away.max(axis=0)), np.zeros(len(self.means))

    def over(self, boxes: Boxes, sight: Sight, pairs: BoxPairs) -> Array:
        """By a half-space that holds the box, along the way from its middle to the mean."""
        maps = self.maps[pairs.datum]
        steps = boxes.centres[pairs.box] - self.means[pairs.datum]
        away = np.einsum("pij,pj->pi", maps, steps)
        length = np.linalg.norm(away, axis=1)
        safe = np.where(length > 0, length, 1.0)
        along = np.einsum("pi,pij->pj", away / safe[:, None], maps)
        reach = (np.abs(along) * boxes.halves[pairs.box]).sum(axis=1)
        return np.asarray(log_ndtr(-np.maximum(length - reach, 0.0)) - _LEAST_LOG_MASS)


def _log_peaks(setting: Setting, points: Points, sight: Sight, pairs: BoxPairs) -> Array:
    """At least log p(x, z) anywhere in the boxes, (P,)."""
    squares = sight.squares(points, pairs) + points.rest[pairs.datum]
    return np.asarray(setting.log_constant - 0.5 * squares)


def _around_zero(setting: Setting, targets: Array) -> tuple[Boxes, Array]:
    """A box, and how many deviations of the prior its sides are from 0, (S,): outside of it the log
    of the prior's mass, or of its density over the largest, is below all targets (N,)."""
    target = min(float(np.min(targets)) - _FAR_OUT, -1.0)
    deviations = np.sqrt(np.diag(setting.cov_z))
    boxes = Boxes.around_zero(np.sqrt(-2.0 * target) * deviations)
    return boxes, boxes.halves[0] / deviations
