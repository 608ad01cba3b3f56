"""Defects of activations of several pieces, and of blocks with skip connections."""

from __future__ import annotations

from oracle.mutants.mutant import Mutant, in_fast, in_reference

LAYERS: tuple[Mutant, ...] = (
    in_reference(
        "pieces that do not meet",
        "model.activations",
        "_continuous_offsets",
        "(left - right) * Fraction(knot)",
        "(right - left) * Fraction(knot)",
        "A jump at the knot instead of a bend.",
    ),
    in_reference(
        "every channel has the first one's knots",
        "model.activations",
        "PiecewiseAffine._rows",
        "table[self._of_unit]",
        "table[0 * self._of_unit]",
        "Per-channel settings read once.",
    ),
    in_fast(
        "knots on the other side of 0",
        "partition.cut_space",
        "_Cutting.cut_by_units",
        "enumerate(knots[block].tolist())",
        "enumerate((-knots)[block].tolist())",
        "A bias where a threshold is meant.",
    ),
    in_fast(
        "half-spaces at 0 for those at the knots",
        "partition.region_maps",
        "_halfspaces",
        "signs * (offsets[regions, units] - knots)",
        "signs * (offsets[regions, units] - 0 * knots)",
        "Code from when all units bent at 0.",
    ),
    in_fast(
        "far out, pieces as near 0",
        "partition.cut_vertices",
        "Vertices.pass_activation",
        "self.points[:, None, None], self.in_units(layer.unit_knots), 0.0",
        "self.points[:, None, None] | True, self.in_units(layer.unit_knots), 0.0",
        "Directions at infinity treated as points.",
    ),
    in_reference(
        "a skip connection added twice",
        "model.residual",
        "Join.placed",
        "np.ones(2 * size), column % size, column",
        "1.0 + (column >= size), column % size, column",
        "A connection wired twice.",
    ),
    in_reference(
        "a block applied to the wrong branch",
        "model.residual",
        "Residual.expanded",
        "*(beside(layer, Surroundings(own, out, 0)) for layer, own in skip)",
        "*(beside(layer, Surroundings(own, 0, out)) for layer, own in skip)",
        "The projection on what the block made.",
    ),
    in_fast(
        "an update by inputs that are not the layer's",
        "closed_form.m_step",
        "updated",
        "maps[index].slopes[:, own.inputs]",
        "np.roll(maps[index].slopes, 1, axis=1)[:, own.inputs]",
        "The skip connection's values for the block's.",
    ),
    in_fast(
        "corners of the cells for those of the region",
        "partition.regions",
        "regions_of_cells",
        "joined = pooled or len(codes) < len(cells.codes)",
        "joined = pooled",
        "A region that is several cells, given one cell's corners.",
    ),
)
