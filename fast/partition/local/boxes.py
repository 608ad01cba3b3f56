"""Boxes of latent space, each of which is halved along all axes into smaller ones."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np

from reference.model import Array, Indices


class Boxes(NamedTuple):
    """B boxes: z = centre + half u for u in [-1, 1]^S.

    Halves are powers of two, and centres multiples of them: neither is ever rounded.
    """

    centres: Array  # (B, S)
    halves: Array  # (B, S)

    @staticmethod
    def around_zero(halves: Array) -> Boxes:
        """One box that holds all z with |z_s| at most halves (S,)."""
        sizes = np.exp2(np.ceil(np.log2(halves)))
        return Boxes(np.zeros((1, len(halves))), sizes[None])

    @property
    def number(self) -> int:
        """B."""
        return len(self.centres)

    @property
    def log_volumes(self) -> Array:
        """Of every box, (B,), in latent units."""
        return np.asarray(np.log(2.0 * self.halves).sum(axis=1))

    def at(self, some: Indices | slice) -> Boxes:
        """Some of them."""
        return Boxes(self.centres[some], self.halves[some])

    def parts(self) -> Boxes:
        """The 2^S parts of every box, box after box."""
        latent = self.centres.shape[1]
        towards = np.array(list(product((-1.0, 1.0), repeat=latent)))
        halves = np.repeat(0.5 * self.halves, len(towards), axis=0)
        centres = np.repeat(self.centres, len(towards), axis=0)
        return Boxes(centres + halves * np.tile(towards, (self.number, 1)), halves)

    def places(self, box: Indices, u: Array) -> Array:
        """z of the points u (n, S) of boxes (n,)."""
        return np.asarray(self.centres[box] + self.halves[box] * u)
