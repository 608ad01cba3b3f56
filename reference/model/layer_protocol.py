"""What every layer of a network offers [Sec. 2], and what affine layers have in common."""

from __future__ import annotations

import inspect
import math
from typing import NamedTuple, Protocol, runtime_checkable

from numpy.typing import ArrayLike

from reference.model.arrays import Array, Codes, ReadOnly

Shape = tuple[int, ...]


@runtime_checkable
class Layer(Protocol):
    """What every layer offers, so that a network of any layers has one set of equations.

    A layer is affine on each region: h -> derivative(code) h + offset, where `code` is the layer's
    part of the region's code. Layers without a choice to make have codes of length 0. Inputs and
    outputs are flat vectors; images are laid out channel by channel, row by row.
    """

    def placed(self, input_shape: Shape) -> Layer:
        """Return the layer for inputs of this shape; itself, unless its work depends on it.

        Parameters
        ----------
        input_shape : tuple of int
            (n,) for vectors, or (channels, height, width) for images.

        Returns
        -------
        Layer
            A layer that takes inputs of this shape.

        Raises
        ------
        ValueError
            If the layer cannot take such inputs.
        """

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the layer's output.

        Parameters
        ----------
        input_shape : tuple of int
            The shape of the input, which is the one the layer was placed on.

        Returns
        -------
        tuple of int
            (n,) or (channels, height, width).
        """

    def n_codes(self, input_size: int) -> int:
        """Count the entries that the layer adds to a region's code.

        Parameters
        ----------
        input_size : int
            The length of the flat input.

        Returns
        -------
        int
            The length of the layer's part of a code.
        """

    def apply(self, inputs: Array) -> Array:
        """Return the layer's output for given inputs.

        Parameters
        ----------
        inputs : ndarray, shape (..., n_in)
            Flat inputs.

        Returns
        -------
        ndarray, shape (..., n_out)
            Flat outputs.
        """

    def cuts(self, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        """Return the affine functions of z whose signs decide the code.

        Parameters
        ----------
        slopes : ndarray, shape (..., n_in, S)
            Slopes of the affine maps from z to the layer's input.
        offsets : ndarray, shape (..., n_in)
            Offsets of the same maps.

        Returns
        -------
        slopes : ndarray, shape (..., n_cuts, S)
            Slopes of the functions.
        offsets : ndarray, shape (..., n_cuts)
            Offsets of the functions.
        """

    def cut_bounds(self, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        """Bound the terms that are summed in `cuts`.

        Parameters
        ----------
        slopes : ndarray, shape (..., n_in, S)
            Bounds on the terms that were summed in the slopes of the layer's input.
        offsets : ndarray, shape (..., n_in)
            Bounds on the terms that were summed in its offsets.

        Returns
        -------
        slopes : ndarray, shape (..., n_cuts, S)
            Bounds for the slopes of `cuts`.
        offsets : ndarray, shape (..., n_cuts)
            Bounds for the offsets of `cuts`.
        """

    def code(self, signs: Codes) -> Codes:
        """Return the layer's code from the signs of its cuts.

        Parameters
        ----------
        signs : ndarray of int8, shape (..., n_cuts)
            +1, -1 or 0.

        Returns
        -------
        ndarray of int8, shape (..., n_codes)
            The layer's part of the regions' codes.
        """

    def halfspaces(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        """Return the half-spaces that give the layer this code [Corollary 1].

        Parameters
        ----------
        codes : ndarray of int8, shape (..., n_codes)
            Codes of this layer.
        slopes : ndarray, shape (..., n_in, S)
            Slopes of the affine maps from z to the layer's input.
        offsets : ndarray, shape (..., n_in)
            Offsets of the same maps.

        Returns
        -------
        normals : ndarray, shape (..., m, S)
            Normals: the code holds on {z : normals z + offsets > 0}. Rows of zeros bound nothing.
        offsets : ndarray, shape (..., m)
            Offsets.
        """

    def derivative(self, code: Codes) -> Array:
        """Return the layer's matrix W^l or D^l_ω on the region with this code.

        Parameters
        ----------
        code : ndarray of int8, shape (n_codes,)
            The layer's part of the region's code.

        Returns
        -------
        ndarray, shape (n_out, n_in)
            The derivative of the output by the input.
        """

    def offset(self, code: Codes, input_size: int) -> Array:
        """Return the constant v^l that the layer adds on the region with this code.

        Parameters
        ----------
        code : ndarray of int8, shape (..., n_codes)
            The layer's part of the region's code. Affine layers add the same on all regions.
        input_size : int
            The length of the flat input.

        Returns
        -------
        ndarray, shape (..., n_out)
            The constant; of affine layers (n_out,). It is zero for activations whose pieces all go
            through the origin, and for max-pooling.
        """

    def propagate(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        """Push affine maps through the layer without forming its matrix.

        Parameters
        ----------
        codes : ndarray of int8, shape (..., n_codes)
            Codes of this layer.
        slopes : ndarray, shape (..., n_in, S)
            Slopes of the affine maps from z to the layer's input.
        offsets : ndarray, shape (..., n_in)
            Offsets of the same maps.

        Returns
        -------
        slopes : ndarray, shape (..., n_out, S)
            Slopes of the maps from z to the output: derivative(code) @ slopes, row by row.
        offsets : ndarray, shape (..., n_out)
            Their offsets: derivative(code) @ offsets + offset.
        """

    def bound(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        """Propagate with every entry of the layer replaced by its absolute value.

        Parameters
        ----------
        codes : ndarray of int8, shape (..., n_codes)
            Codes of this layer.
        slopes : ndarray, shape (..., n_in, S)
            Bounds on the terms that were summed in the slopes of the layer's input.
        offsets : ndarray, shape (..., n_in)
            Bounds on the terms that were summed in its offsets.

        Returns
        -------
        slopes : ndarray, shape (..., n_out, S)
            Bounds on the terms that were summed in the slopes of the output.
        offsets : ndarray, shape (..., n_out)
            Bounds on the terms that were summed in its offsets.

        Notes
        -----
        Rounding leaves an error of a few ε times these bounds. That tells a true zero from a small
        number.
        """

    def pull_back(self, codes: Codes, rows: Array) -> Array:
        """Multiply row vectors by the derivative.

        Parameters
        ----------
        codes : ndarray of int8, shape (..., n_codes)
            Codes of this layer.
        rows : ndarray, shape (..., k, n_out)
            Row vectors.

        Returns
        -------
        ndarray, shape (..., k, n_in)
            rows @ derivative(code), for each code.
        """

    def parameters(self) -> dict[str, Array]:
        """Return the learnable arrays by name.

        Returns
        -------
        dict of str to ndarray
            "weight" and "bias", read-only; empty for layers that learn nothing.
        """

    def with_parameters(self, values: dict[str, ArrayLike]) -> Layer:
        """Return a layer of the same kind with other learnable arrays.

        Parameters
        ----------
        values : dict of str to array_like
            New arrays by name. Those that are not named are kept.

        Returns
        -------
        Layer
            The new layer.
        """


class Surroundings(NamedTuple):
    """Where in a vector a layer is applied, and other entries stay: the shape of the layer's own
    entries, and how many others there are before and after them."""

    shape: Shape
    before: int
    after: int

    @property
    def own(self) -> slice:
        """The entries that the layer is applied to."""
        return slice(self.before, self.before + math.prod(self.shape))

    @property
    def size(self) -> int:
        """How many entries there are in all."""
        return int(self.own.stop) + self.after

    def within(self, before: int, after: int) -> Surroundings:
        """Return the same among more entries.

        Parameters
        ----------
        before, after : int
            How many more there are before all of these, and how many after.

        Returns
        -------
        Surroundings
            Of the longer vector.
        """
        return Surroundings(self.shape, before + self.before, self.after + after)

    def check(self, layer: Layer, input_shape: Shape) -> None:
        """Raise ValueError unless a layer so placed can take inputs of this shape.

        Parameters
        ----------
        layer : Layer
            The layer.
        input_shape : tuple of int
            The shape of the input.

        Raises
        ------
        ValueError
            If it is no vector of this size.
        """
        if input_shape != (self.size,):
            raise ValueError(f"layers: {layer!r} of a residual block got shape {input_shape}")


class Documented:
    """A layer whose methods have the docstrings of `Layer`, unless they bring their own."""

    def __init_subclass__(cls) -> None:
        for name, method in vars(cls).items():
            if inspect.isfunction(method) and method.__doc__ is None:
                method.__doc__ = getattr(getattr(Layer, name, None), "__doc__", None)


class Affine(Documented, ReadOnly):
    """What layers without a choice to make have in common: they make no cuts and have no code."""

    def n_codes(self, input_size: int) -> int:
        return 0

    def cuts(self, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        return slopes[..., :0, :], offsets[..., :0]

    def cut_bounds(self, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        return self.cuts(slopes, offsets)

    def code(self, signs: Codes) -> Codes:
        return signs

    def halfspaces(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        return self.cuts(slopes, offsets)
