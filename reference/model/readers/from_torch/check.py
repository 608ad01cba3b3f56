"""A torch module is run, and compared with the layers that were read of it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from reference.model.activations import PiecewiseAffine
from reference.model.arrays import Array
from reference.model.errors import UnverifiedWarning
from reference.model.layer_protocol import Layer
from reference.model.readers.both_sides import Sides, points_on_both_sides
from reference.model.readers.from_torch.structure import Reading, copied
from reference.model.readers.parts import Part, Z
from reference.model.readers.rounding import DOUBLE, through, values_of

# Points that are drawn are the same each time.
_SEED = 0
# Inputs of each part on its own: at each of these scales, and so many.
_SCALES, _EACH = (0.1, 1.0, 10.0, 100.0), 8
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
    in the module's own. Guarded by tests/model/test_torch_check.py.
    """
    if reading.copy is None:
        _warn("it is no torch.nn.Module, so it was not run")
        return
    torch = sys.modules["torch"]
    tensors = [*module.parameters(), *module.buffers()]
    floating = [tensor for tensor in tensors if tensor.is_floating_point()]
    own = floating[0].dtype if floating else torch.float64
    devices = {tensor.device.index for tensor in tensors if tensor.device.type == "cuda"}
    with torch.no_grad(), torch.random.fork_rng(devices=sorted(devices)):
        _Comparison(module, reading, layers, torch, own).run()


def _warn(what: str) -> None:
    warnings.warn(
        f"from_torch: the network is unverified: {what}; compare it with the module yourself",
        UnverifiedWarning,
        stacklevel=4,
    )


class _Comparison:
    """A module's copy in double precision, and one in its own, beside the network."""

    def __init__(
        self, module: Any, reading: Reading, layers: Sequence[Layer], torch: Any, own: Any
    ) -> None:
        self.module, self.reading, self.layers = module, reading, layers
        self.parts, self.shapes = reading.parts.parts, reading.parts.shapes
        self.torch, self.own = torch, own
        self.own_unit = float(torch.finfo(own).eps) / 2
        self.random_state = np.random.default_rng(_SEED)
        self.failures: list[str] = []

    def run(self) -> None:
        points, sides = points_on_both_sides(self.layers, self.shapes[Z], self.random_state)
        double = self.torch.float64
        copy = self.reading.copy.eval().to(device="cpu", dtype=double)
        unrun = self._check_parts(points)
        verified = self._check_whole(copy, points, double)
        if self.own != double:
            verified |= self._check_whole(copied(self.module).eval().cpu(), points, self.own)
        if not verified:
            _warn(f"it could not be run ({self.failures[-1]})")
        elif unrun:
            _warn(_told(unrun, sides, self.layers))

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
            inputs = np.concatenate([known[part.inputs[0]], self._drawn(part)])
            value, error = through(part, shape, [inputs], [np.zeros_like(inputs)], self._unit(part))
            output = self._output(part.run, inputs.reshape(-1, *shape), self.torch.float64)
            if output is None:
                unrun.append(part)
            else:
                self._compare(part.place, output, value, error, None)
        return unrun

    def _some_values(self, points: Array) -> dict[str, Array]:
        """The values of all parts at a few of the points."""
        some = points[:: max(1, len(points) // (len(_SCALES) * _EACH))]
        units = dict.fromkeys([part.name for part in self.parts], 0.0)
        known = values_of(self.parts, self.shapes, Z, some, units)
        return {name: value for name, (value, _) in known.items()}

    def _drawn(self, part: Part) -> Array:
        """Inputs of a part, around each of its knots and far beyond them all."""
        size = self.reading.parts.size(part.inputs[0])
        levels = [0.0]
        for layer in part.layers:
            if isinstance(layer, PiecewiseAffine):
                levels += np.unique(layer.knots).tolist()
        far = 1.0 + max(map(abs, levels))
        scales = np.repeat([*_SCALES, far, 3.0 * far], _EACH)[:, None]
        around = self.random_state.choice(levels, (len(scales), size))
        return around + scales * self.random_state.standard_normal((len(scales), size))

    def _check_whole(self, copy: Any, points: Array, precision: Any) -> bool:
        """Compare the whole; return whether it could be run."""
        double = precision == self.torch.float64
        unit = DOUBLE + self.own_unit
        units = {part.name: self._unit(part) if double else unit for part in self.parts}
        widest = max(map(self.reading.parts.size, self.shapes))
        step = max(1, _AT_A_TIME // widest)
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
            _, error = known[self.reading.output]
            self._compare("", output, network, error, inputs)
        return True

    def _output(self, run: Callable[[Any], Any], inputs: Array, precision: Any) -> Array | None:
        """What a module gives for inputs; None if it cannot be run."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                output = run(self.torch.from_numpy(inputs).to(precision, copy=True))
            return np.asarray(output.to(self.torch.float64).numpy().reshape(len(inputs), -1))
        except Exception as error:  # whatever a user's forward raises
            self.failures.append(str(error))
            return None

    def _compare(
        self, place: str, output: Array, value: Array, error: Array, points: Array | None
    ) -> None:
        """Raise ValueError if an output is not the value, to within the error."""
        if output.shape != value.shape:
            raise ValueError(
                f"{place or 'module'}: was read with outputs of {value.shape[1]} entries, and "
                f"gives {output.shape[1]} when it runs; {_REMEDY}"
            )
        # What leaves the range of the module's own precision cannot be compared.
        within = error < self.own_unit * float(self.torch.finfo(self.own).max)
        with np.errstate(invalid="ignore"):
            gap = np.abs(output - value)
            wrong = within & ~(gap <= error)
        if not np.any(wrong):
            return
        row, entry = np.unravel_index(np.argmax(np.where(wrong, gap / error, -1.0)), gap.shape)
        differs = (
            f"differs from what was read of it by {gap[row, entry]:.3g} at output {entry} of "
            f"value {value[row, entry]:.6g}, where rounding allows {error[row, entry]:.1g}"
        )
        if place:
            raise ValueError(f"{place}: when it runs, it {differs}; {_REMEDY}")
        assert points is not None
        raise ValueError(
            f"module: when it runs, it {differs}, at z = {points[row].tolist()}. Each of its parts "
            "agrees when it is run alone, so its forward does something else than its parts in "
            f"order; {_REMEDY}"
        )


_REMEDY = "expected one that does no more than torch's own modules and functions, in eval mode"


def _told(unrun: Sequence[Part], sides: Sequence[Sides], layers: Sequence[Layer]) -> str:
    """What was not compared where parts could not be run on their own."""
    places = ", ".join(part.place for part in unrun)
    unseen = [
        f"{entry.unseen} of {len(entry.seen)} of layers[{entry.layer}] ({layers[entry.layer]!r})"
        for entry in sides
        if entry.unseen
    ]
    units = f"; units seen on one side only: {', '.join(unseen)}" if unseen else ""
    return f"{places} could not be run alone, but only as part of the whole{units}"
