"""A torch module is run, and compared with the layers that were read of it."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from reference.model.arrays import Array
from reference.model.errors import UnverifiedWarning
from reference.model.layer_protocol import Layer, Shape
from reference.model.readers.around_knots import around_knots
from reference.model.readers.both_sides import points_on_both_sides, told_of_unrun
from reference.model.readers.from_torch.structure import Reading, copied, without_traces
from reference.model.readers.parts import Part, Z
from reference.model.readers.rounding import DOUBLE, through, values_of

# Points that are drawn are the same each time.
_SEED = 0
# How many of the points give each part inputs.
_SOME = 32
# Numbers held at a time.
_AT_A_TIME = 2**21


def check_against_torch(module: Any, reading: Reading, layers: Sequence[Layer]) -> None:
    """Compare a module with the network that was read of it, by running copies of the module.

    Parameters
    ----------
    module : torch.nn.Module
        The module. It is copied, not run.
    reading : Reading
        What was read of it.
    layers : sequence of Layer
        The layers of the network, each placed.

    Raises
    ------
    ValueError
        If they differ by more than rounding, naming the first part that does.

    Warns
    -----
    UnverifiedWarning
        If the module, or part of it, cannot be run.

    Notes
    -----
    Each part is run on its own, on inputs on both sides of each of its knots; then the whole, at
    points that are drawn and searched. Both are done in double precision, and the whole once more
    in the module's own. Guarded by tests/model/test_from_torch_check.py.
    """
    if reading.copy is None:
        unverified = "it is no torch.nn.Module, so it was not run"
    else:
        with without_traces():
            unverified = _Comparison(module, reading, layers).run()
    if unverified:
        warnings.warn(
            f"from_torch: the network is unverified: {unverified}; compare it with the module "
            "yourself",
            UnverifiedWarning,
            stacklevel=3,
        )


class _Comparison:
    """A module's copy in double precision, and one in its own, beside the network."""

    def __init__(self, module: Any, reading: Reading, layers: Sequence[Layer]) -> None:
        self.module, self.reading, self.layers = module, reading, layers
        self.parts, self.shapes = reading.parts.parts, reading.parts.shapes
        self.torch = sys.modules["torch"]
        tensors = [*module.parameters(), *module.buffers()]
        floating = [tensor.dtype for tensor in tensors if tensor.is_floating_point()]
        self.own = floating[0] if floating else self.torch.float64
        self.own_unit = float(self.torch.finfo(self.own).eps) / 2
        self.random_state = np.random.default_rng(_SEED)
        self.failures: list[str] = []

    def run(self) -> str:
        """Raise ValueError for a difference; return what was not compared, or nothing."""
        points, sides = points_on_both_sides(self.layers, self.shapes[Z], self.random_state)
        double = self.torch.float64
        copy = self.reading.copy.eval().to(device="cpu", dtype=double)
        unrun = self._check_parts(points)
        verified = self._check_whole(copy, points, double)
        if self.own != double:
            verified |= self._check_whole(copied(self.module).eval().cpu(), points, self.own)
        if not verified:
            return f"it could not be run ({self.failures[-1]})"
        places = [part.place for part in unrun]
        return told_of_unrun(places, sides, self.layers) if unrun else ""

    def _unit(self, part: Part) -> float:
        """The rounding of one operation of a part where the copy computes in double precision."""
        rounded = part.rounded or self.reading.parts.cast
        return 2.0 * (self.own_unit if rounded else DOUBLE)

    def _check_parts(self, points: Array) -> list[Part]:
        """Compare each part on its own; return those that cannot be run."""
        known = self._some_values(points)
        unrun = []
        for part in self.parts:
            if part.run is None:
                continue
            shape = self.shapes[part.inputs[0]]
            drawn = around_knots(part.layers, math.prod(shape), self.random_state)
            inputs = np.concatenate([known[part.inputs[0]], drawn])
            value, error = through(part, shape, [inputs], [np.zeros_like(inputs)], self._unit(part))
            output = self._output(part.run, inputs.reshape(-1, *shape), self.torch.float64)
            if output is None:
                unrun.append(part)
            else:
                self._same_shape(part.place, output, self.shapes[part.name])
                self._compare(part.place, output, value, error)
        return unrun

    def _some_values(self, points: Array) -> dict[str, Array]:
        """The values of all parts at a few of the points."""
        some = points[:: max(1, len(points) // _SOME)]
        units = dict.fromkeys([part.name for part in self.parts], 0.0)
        known = values_of(self.parts, self.shapes, Z, some, units)
        return {name: value for name, (value, _) in known.items()}

    def _check_whole(self, copy: Any, points: Array, precision: Any) -> bool:
        """Compare the whole; return whether it could be run, and gave numbers to compare."""
        double = precision == self.torch.float64
        unit = 2.0 * DOUBLE if double else DOUBLE + self.own_unit
        units = {part.name: self._unit(part) if double else unit for part in self.parts}
        entries = sum(map(self.reading.parts.size, self.shapes))
        step, compared = max(1, _AT_A_TIME // entries), False
        for first in range(0, len(points), step):
            some = self.torch.from_numpy(points[first : first + step]).to(precision)
            inputs = some.to(self.torch.float64).numpy()
            output = self._output(copy, inputs, precision)
            if output is None:
                return False
            known = values_of(self.parts, self.shapes, Z, inputs, units)
            network = inputs
            for layer in self.layers:
                network = layer.apply(network)
            # What leaves the range of a precision on its way cannot be compared.
            largest = unit * float(self.torch.finfo(precision).max)
            held = np.all([np.all(e < largest, axis=1) for _, e in known.values()], axis=0)
            compared |= bool(np.any(held))
            error = np.where(held[:, None], known[self.reading.output][1], np.inf)
            self._same_shape("module", output.reshape(len(inputs), -1), network.shape[1:])
            self._compare("module", output, network, error, inputs)
        if not compared:
            self.failures.append("its values leave the range of its numbers")
        return compared

    def _output(self, run: Callable[[Any], Any], inputs: Array, precision: Any) -> Array | None:
        """What a module gives for inputs; None if it cannot be run."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                output = run(self.torch.from_numpy(inputs).to(precision, copy=True))
            return np.asarray(output.to(self.torch.float64).numpy())
        except Exception as error:  # whatever a user's forward raises
            self.failures.append(str(error))
            return None

    @staticmethod
    def _same_shape(place: str, output: Array, shape: Shape) -> None:
        if output.shape[1:] != shape:
            raise ValueError(
                f"{place}: was read with outputs of shape {shape}, and gives {output.shape[1:]} "
                f"when it runs; {_REMEDY}"
            )

    def _compare(
        self, place: str, output: Array, value: Array, error: Array, points: Array | None = None
    ) -> None:
        """Raise ValueError if an output is not the value, to within the error."""
        with np.errstate(invalid="ignore", divide="ignore"):
            gap = np.abs(output.reshape(value.shape) - value)
            wrong = (error < np.inf) & ~(gap <= error)
            worst = np.argmax(np.where(wrong, gap / error, -1.0))
        if not np.any(wrong):
            return
        row, entry = np.unravel_index(worst, gap.shape)
        differs = (
            f"when it runs, it differs from what was read of it by {gap[row, entry]:.3g} at output "
            f"{entry} of value {value[row, entry]:.6g}, where rounding allows "
            f"{error[row, entry]:.1g}"
        )
        if points is None:
            raise ValueError(f"{place}: {differs}; {_REMEDY}")
        raise ValueError(
            f"{place}: {differs}, at z = {points[row].tolist()}. Each of its parts agrees when it "
            f"is run alone, so its forward does something else than its parts in order; {_REMEDY}"
        )


_REMEDY = "expected one that does no more than torch's own modules and functions, in eval mode"
