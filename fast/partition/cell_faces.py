"""The faces of the cells of a complex."""

from __future__ import annotations

import numpy as np

from fast.partition.by_corners.corner_cells import CornerCells
from fast.partition.cell_complex import Complex
from fast.polyhedra.face_lattice import Faces
from fast.polyhedra.ragged import Ragged
from reference.model import Indices, Mask

#: What holds faces of every dimension, or finds them from corners.
Subdivision = Complex | CornerCells


def faces_of_cells(complex_: Subdivision, points: Mask, order: Indices) -> tuple[Faces, ...]:
    """The faces of the cells of a complex, the cells taken in the given order."""
    k = complex_.dimension
    of_cells = [complex_.boundary(k)[order]]
    for m in range(k - 1, 0, -1):
        of_cells.insert(0, of_cells[0] @ complex_.boundary(m))
    faces = []
    for m in range(k):
        if m == 0:
            count = len(points)
            corners = Ragged(np.arange(count + 1), np.arange(count))
            boundary = Ragged(np.zeros(count + 1, dtype=np.intp), np.empty(0, dtype=np.intp))
        else:
            corners = Ragged.of(complex_.vertices_of(m))
            boundary = Ragged.of(complex_.boundary(m))
        finite = np.logical_or.reduceat(points[corners.values], corners.starts[:-1])
        faces.append(Faces(Ragged.of(of_cells[m]), corners, finite, boundary))
    return tuple(faces)
