"""Mass and first two moments of N(0, I) on a polyhedron of at most S half-spaces [Appendix B].

In the manner of Tallis (1965), by the divergence theorem: moments from the masses of facets and
ridges, which are polyhedra of the same kind in one and two dimensions less. A polyhedron is
{z : normals z + offsets > 0}, normals (k, S) of length 1 and independent, offsets (k,); k <= 3.
Accurate in absolute terms: 1e-14, times the size of z for moments. Guarded by
tests/integration/test_reference_cone_moments.py.
"""

from __future__ import annotations

import numpy as np

from reference.integration.normal_cdf import conditional, normal_cdf
from reference.model.arrays import Array


def mass(normals: Array, offsets: Array) -> float:
    """∫ φ(z) dz = P(n_i · z > -b_i) = Φ_k(b), as -z is distributed as z."""
    return normal_cdf(offsets, normals)


def facet(normals: Array, offsets: Array, i: int) -> tuple[Array, Array]:
    """The half-spaces that bound facet i within its hyperplane: normals (k-1, S), orthogonal to
    n_i, and offsets (k-1,) from -b_i n_i, the point of the hyperplane nearest 0."""
    offsets, normals = conditional(offsets, normals, i)
    return normals, offsets


def height(offset: float) -> float:
    """φ(b), the density of N(0, 1) at the distance of a hyperplane."""
    return float(np.exp(-0.5 * min(abs(offset), 40.0) ** 2) / np.sqrt(2 * np.pi))


def first_moment(normals: Array, offsets: Array) -> Array:
    """∫ z φ(z) dz = Σ_i n_i φ(b_i) (mass of facet i), (S,).

    z φ = -∇φ, and inward normals.
    """
    total = np.zeros(normals.shape[1])
    for i, (normal, offset) in enumerate(zip(normals, offsets, strict=True)):
        total += normal * height(offset) * mass(*facet(normals, offsets, i))
    return total


def second_moment(normals: Array, offsets: Array) -> Array:
    """∫ z zᵀ φ(z) dz = (mass) I + Σ_i φ(b_i) n_i m_iᵀ, (S, S).

    m_i = -b_i n_i (mass of facet i) + (first moment of facet i in its hyperplane): the first moment
    of facet i, from its own mass and its ridges'.
    """
    total = mass(normals, offsets) * np.eye(normals.shape[1])
    for i, (normal, offset) in enumerate(zip(normals, offsets, strict=True)):
        if height(offset) > 0:
            within = facet(normals, offsets, i)
            moment = -offset * normal * mass(*within) + first_moment(*within)
            total += height(offset) * np.outer(normal, moment)
    return 0.5 * (total + total.T)
