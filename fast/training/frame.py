"""Coordinates for L-BFGS: the parameters but for units, or such in which the likelihood is about as
steep in every direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fast.closed_form.em_curvature import em_curvature
from fast.training.ends.scores import scores
from fast.training.ends.stationarity import information_points, shares_of_points
from fast.training.objective import State
from fast.training.parameter_vector import Packing
from fast.training.units import deviation
from reference.model import Array, Convolution, Dense, GaussianPrior

# Parameters up to which the Fisher information is a matrix that is worth its eigenvectors.
_MOST_TURNED = 512
# The least that its eigenvalues count for, in units of each parameter's own: where less is known of
# a direction, a step in it is no longer.
_LEAST = 1e-2


@dataclass(frozen=True)
class Frame:
    """vector = base + turn @ u, or base + turn * u where `turn` is (P,)."""

    base: Array
    turn: Array

    @staticmethod
    def turned(state: State, packing: Packing, X: Array) -> Frame:
        """Around a model, in the directions of the Fisher information by the scores of the data,
        and of what a Gaussian prior adds to it."""
        base = packing.packed(state.dgn.parameters())
        points = information_points(X, packing.size)
        information = np.zeros((packing.size, packing.size))
        if isinstance(state.prior, GaussianPrior):
            added = 1.0 / (state.prior.scale**2 * state.statistics.n)
            for name, place in packing.places.items():
                if name.endswith(".weight"):
                    information[place, place] = added * np.eye(place.stop - place.start)
        shares, start = np.ones(len(points)), 0
        if state.counts is not None:
            shares = shares_of_points(state.counts, packing.size)
        for some in scores(state.dgn, points):
            rows = packing.gradient(base, some)
            rows = shares[start : start + len(rows), None] * rows
            start += len(rows)
            information += rows.T @ rows / len(points)
        size = np.sqrt(np.diag(information))
        size = np.where(size > 0, size, 1.0)
        values, vectors = np.linalg.eigh(information / np.outer(size, size))
        turn = vectors / np.sqrt(np.maximum(values, _LEAST)) / size[:, None]
        return Frame(base, turn)

    @staticmethod
    def own(state: State, packing: Packing, X: Array, bounded: bool) -> Frame:
        """Every parameter as it is, but for units: those of z, which the first layer has, and those
        of x, which the last and a full Σx's factor have, are deviations."""
        parameters, turn = state.dgn.parameters(), np.ones(packing.size)
        base = np.zeros(packing.size) if bounded else packing.packed(parameters)
        if state.prior is None:
            units = _units(state, X)
            for name in units.keys() & packing.places.keys():
                place, value = packing.places[name], parameters[name]
                if name != "cov_x":
                    turn[place] = np.ravel(np.broadcast_to(units[name], value.shape))
                elif value.ndim == 2:
                    # The factor's diagonal is searched by its logarithm.
                    factor = np.where(np.eye(len(value)) > 0, 1.0, units[name])
                    turn[place] = factor[np.tril_indices(len(value))]
        return Frame(base, turn)

    @staticmethod
    def scaled(state: State, packing: Packing, bounded: bool) -> Frame:
        """About 0, every parameter by itself scaled by the root of EM's curvature; with bounds by a
        power of two, so that what is at one stays there."""
        parameters = state.dgn.parameters()
        scales = packing.scales(parameters, em_curvature(state.dgn, state.statistics))
        turn = 1.0 / np.where(scales > 0, scales, 1.0)
        if bounded:
            turn = np.asarray(2.0 ** np.round(np.log2(turn)))
        return Frame(np.zeros(packing.size), turn)

    @staticmethod
    def best(state: State, packing: Packing, X: Array, bounded: bool) -> Frame:
        """The turned one where parameters are few and have no bounds, which are along them."""
        if bounded or packing.size > _MOST_TURNED:
            return Frame.scaled(state, packing, bounded)
        return Frame.turned(state, packing, X)

    def vector(self, coordinates: Array) -> Array:
        """The vector (P,) at coordinates (P,)."""
        moved = self.turn @ coordinates if self.turn.ndim == 2 else self.turn * coordinates
        return np.asarray(self.base + moved)

    def slope(self, gradient: Array) -> Array:
        """The gradient by the coordinates from that by the vector, (P,)."""
        return np.asarray(self.turn.T @ gradient if self.turn.ndim == 2 else self.turn * gradient)


def _units(state: State, X: Array) -> dict[str, Array]:
    """The units of parameters that have those of x or z, by name: broadcast to their shapes."""
    dgn, result = state.dgn, {}
    layers = dgn.network.layers
    unit, last = deviation(dgn, X, state.counts), len(layers) - 1
    if isinstance(layers[last], Dense | Convolution):
        result = {f"{last}.weight": unit[..., None], f"{last}.bias": unit, "cov_x": unit}
    if isinstance(layers[0], Dense):
        known = result.get("0.weight", np.array(1.0))
        result["0.weight"] = known / np.sqrt(np.diag(dgn.cov_z))
    return result
