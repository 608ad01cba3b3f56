"""Half-spaces whose corners are far away, or next to each other: random sets of a kind and size."""

import json
from pathlib import Path

import numpy as np

CASES = Path(__file__).resolve().parents[1] / "data" / "cases"
#: Each has boundaries that differ by a share e from parallel, or from meeting in one place.
KINDS = ("pairs", "ridge", "point", "slab", "doubled")


def nearly(kind, dimension, e, rng):
    """Normals (F, S) and offsets (F,) of a set with an interior."""
    noise = rng.standard_normal
    if kind == "pairs":
        # Slabs, wedges and half-spaces: the second boundary is parallel to the first but for e.
        first = noise((int(rng.integers(1, 4)), dimension))
        second = rng.choice([-1.0, 1.0], (len(first), 1)) * (first + e * noise(first.shape))
        return np.vstack([first, second]), rng.uniform(0.2, 1.5, 2 * len(first))
    if kind in ("ridge", "point"):
        # Boundaries through one place of two dimensions less, or through a point, but for e.
        across = 2 if kind == "ridge" else dimension
        frame = np.linalg.qr(noise((dimension, dimension)))[0][:across]
        place, inside = 0.3 * noise(dimension), noise(across)
        normals = noise((int(rng.integers(across + 1, across + 5)), across))
        normals = (np.sign(normals @ inside)[:, None] * normals) @ frame
        offsets = -normals @ place + e * noise(len(normals))
        return normals + e * noise(normals.shape), offsets
    normals = noise((int(rng.integers(1, 4)), dimension))
    offsets = rng.uniform(0.1, 1.0, len(normals))
    if kind == "slab":
        # As thin as it is far from parallel: it closes at a distance of one or so.
        other = -(normals[:1] + e * noise((1, dimension)))
        return np.vstack([normals, other]), np.append(offsets, e * rng.uniform(0.5, 3) - offsets[0])
    # Every boundary twice, at some other scale.
    scale = rng.uniform(0.2, 3, len(normals))
    other = normals * scale[:, None] * (1 + e * noise(normals.shape))
    return np.vstack([normals, other]), np.append(
        offsets, scale * offsets * (1 + e * noise(len(scale)))
    )


def given(name):
    """A file of inputs with known right values."""
    return json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))


def truncated_icosahedron():
    """12 pentagons and 20 hexagons, 90 edges, 60 vertices: normals (32, 3), offsets (32,)."""
    body = given("nearly_parallel")["truncated_icosahedron"]
    return np.array(body["normals"]), np.array(body["offsets"])
