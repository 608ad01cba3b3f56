"""Random architectures, ordinary and ugly, each reproduced by its seed and kept in a small file."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.exact_layers import LayerSpec
from oracle.exact_partition import exact_partition

Array = NDArray[np.float64]

#: What can be odd about a network; "ordinary" is drawn half of the time.
UGLINESS = (
    "zero biases",
    "shared bias",
    "duplicated neurons",
    "parallel neurons",
    "opposite neurons",
    "dead neurons",
    "width 1",
    "tiny weights",
    "huge weights",
    "low rank",
    "consecutive dense layers",
    "activation at the output",
)


#: Where points are put, in turn.
POINTS = ("manifold", "sample", "far", "kink")


@dataclass(frozen=True)
class Case:
    """A model, points to evaluate it at, and a Gaussian q for each point.

    layers: specs as in oracle.exact_partition. cov_x (), (D,) or (D, D); cov_z (1, 1); X (N, D);
    q_mean, q_variance (N,).
    """

    seed: int
    label: str
    layers: tuple[LayerSpec, ...]
    cov_x: Array
    cov_z: Array
    X: Array
    q_mean: Array
    q_variance: Array

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the case as JSON, bit for bit (Python prints doubles exactly); whole or not at
        all."""
        content = {
            "seed": self.seed,
            "label": self.label,
            "layers": [[kind, *(np.asarray(v).tolist() for v in vs)] for kind, *vs in self.layers],
            **{name: getattr(self, name).tolist() for name in _ARRAYS},
        }
        target = Path(path)
        handle, temporary = tempfile.mkstemp(dir=target.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "w") as stream:
                json.dump(content, stream, indent=1)
            os.chmod(temporary, 0o644)  # as an ordinary file; temporary ones are private
            os.replace(temporary, target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Case:
        """Read a case written by `save`. Raises ValueError if the file holds none."""
        try:
            content = json.loads(Path(path).read_text())
            layers = tuple(
                (kind, *(float(v) if np.ndim(v) == 0 else np.array(v, float) for v in values))
                for kind, *values in content["layers"]
            )
            arrays = {name: np.array(content[name], dtype=float) for name in _ARRAYS}
            return Case(int(content["seed"]), str(content["label"]), layers, **arrays)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"path: {os.fspath(path)!r} holds no case ({error})") from error


_ARRAYS = ("cov_x", "cov_z", "X", "q_mean", "q_variance")


def random_case(seed: int, points: int = 3) -> Case:
    """The case of a seed: S = 1, 1 to 4 hidden layers of width 1 to 32, D from 1 to 20.

    Points: on the manifold, drawn from the model, up to 1600 σ away (log p to about -1e6), near a
    kink of any layer, in turn from a place that depends on the seed: so that all four kinds are
    drawn over the seeds, however few the points of a case. The same seed and number of points give
    the same case.
    """
    rng = np.random.default_rng([711, seed])
    odd = str(rng.choice(UGLINESS)) if rng.random() < 0.5 else "ordinary"
    layers = _layers(rng, odd)
    dimension = len(layers[-1][2]) if layers[-1][0] == "dense" else len(layers[-2][2])
    cov_x, structure = _covariance(rng, dimension)
    cov_z = np.array([[float(rng.choice([1.0, 10 ** rng.uniform(-2, 2)]))]])
    kinks = [float(b) for b in exact_partition(layers).breakpoints]
    kinds = [POINTS[(seed + i) % len(POINTS)] for i in range(points)]
    X = np.array([_point(rng, kind, layers, kinks, cov_x, cov_z) for kind in kinds])
    return Case(
        seed,
        f"{odd}, {structure} cov_x",
        layers,
        cov_x,
        cov_z,
        X,
        q_mean=rng.standard_normal(points),
        q_variance=10 ** rng.uniform(-4, 1, points),
    )


def _layers(rng: np.random.Generator, odd: str) -> tuple[LayerSpec, ...]:
    """Dense layers with activations between, of which `odd` spoils something."""
    depth = int(rng.integers(1, 5))
    largest = int(rng.choice([4, 8, 16, 32]))
    widths = [1, *(int(w) for w in rng.integers(1, largest + 1, depth)), int(rng.integers(1, 21))]
    if odd == "width 1":
        widths[int(rng.integers(1, depth + 1))] = 1
    specs: list[LayerSpec] = []
    for n_in, n_out in pairwise(widths):
        weight = rng.standard_normal((n_out, n_in)) * np.sqrt(2 / n_in)
        dense = ("dense", *_spoiled(rng, odd, weight, rng.standard_normal(n_out)))
        if specs and not (odd == "consecutive dense layers" and rng.random() < 0.5):
            specs.append(_activation(rng))
        specs.append(dense)
    if odd == "activation at the output":
        specs.append(_activation(rng))
    return tuple(specs)


def _activation(rng: np.random.Generator) -> LayerSpec:
    """ReLU, leaky ReLU or absolute value."""
    return ("slope", float(rng.choice([0.0, 0.01, 0.1, 0.5, -1.0])))


def _spoiled(rng: np.random.Generator, odd: str, weight: Array, bias: Array) -> tuple[Array, Array]:
    """A layer's arrays with one oddity put in."""
    half = len(bias) // 2
    twin = {
        "duplicated neurons": 1.0,
        "parallel neurons": float(rng.choice([2.0, 0.1, 3.3])),
        "opposite neurons": -1.0,
    }
    if odd in twin:
        weight[:half], bias[:half] = (
            twin[odd] * weight[-half:][:half],
            twin[odd] * bias[-half:][:half],
        )
    elif odd == "zero biases":
        bias[:] = 0.0
    elif odd == "shared bias":
        bias[:] = bias[0]
    elif odd == "dead neurons":
        weight[:half], bias[:half] = 0.0, rng.choice([0.0, -1.0], half)
    elif odd in ("tiny weights", "huge weights"):
        scale = 10.0 ** (rng.uniform(-3, 0) if odd == "tiny weights" else rng.uniform(0, 3))
        weight, bias = weight * scale, bias * scale
    elif odd == "low rank":
        weight = np.outer(weight[:, 0], weight[0])
    return weight, bias


def _covariance(rng: np.random.Generator, dimension: int) -> tuple[Array, str]:
    """Σx between 1e-6 and 1e2: scalar, diagonal, or full with a condition number up to 1e4."""
    scale = 10.0 ** rng.uniform(-6, 2)
    structure = str(rng.choice(["scalar", "diagonal", "full"]))
    if structure == "scalar":
        return np.array(scale), structure
    variances = np.clip(scale * 10 ** rng.uniform(-2, 2, dimension), 1e-6, 1e2)
    if structure == "diagonal":
        return variances, structure
    basis, _ = np.linalg.qr(rng.standard_normal((dimension, dimension)))
    full = (basis * variances) @ basis.T
    return 0.5 * (full + full.T), structure


def _point(
    rng: np.random.Generator,
    kind: str,
    layers: tuple[LayerSpec, ...],
    kinks: list[float],
    cov_x: Array,
    cov_z: Array,
) -> Array:
    """A point of one kind: see `random_case`. Kinks beyond 30 standard deviations of z are left."""
    deviation = float(np.sqrt(cov_z[0, 0]))
    z = deviation * rng.standard_normal()
    near = [kink for kink in kinks if abs(kink) < 30 * deviation]
    if kind == "kink" and near:
        z = float(rng.choice(near))
    image = _forward(layers, z)
    if kind == "manifold":
        return np.asarray(image)
    direction = rng.standard_normal(len(image))
    if kind == "far":
        direction *= 10 ** rng.uniform(0, 3.2) / np.linalg.norm(direction)
    root = np.linalg.cholesky(cov_x) if cov_x.ndim == 2 else np.sqrt(cov_x)
    return np.asarray(image + (root @ direction if cov_x.ndim == 2 else root * direction))


def _forward(layers: tuple[LayerSpec, ...], z: float) -> Any:
    """g(z) in doubles: only where a point is put, never a value that is compared."""
    hidden = np.array([z])
    for kind, *values in layers:
        if kind == "dense":
            hidden = values[0] @ hidden + values[1]
        else:
            hidden = np.where(hidden > 0, hidden, values[0] * hidden)
    return hidden
