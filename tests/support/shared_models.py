"""Data, covariances and networks of known numbers of regions, for several tests."""

import itertools

import numpy as np

from reference.model import Abs, Dense, Network, ReLU


def circle(seed, n=500):
    """Points on the unit circle with noise 0.05: the paper's data of Sec. 4.3."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, n)
    return np.column_stack([np.cos(angle), np.sin(angle)]) + 0.05 * rng.standard_normal((n, 2))


def covariance(structure, dimension, rng, least=0.2):
    """A random Σx of the given structure; a full one is at least `least` in every direction."""
    if structure == "scalar":
        return rng.uniform(0.1, 1.0)
    if structure == "diagonal":
        return rng.uniform(0.1, 1.0, dimension)
    factor = rng.standard_normal((dimension, dimension))
    return factor @ factor.T + least * np.eye(dimension)


def arrangement(normals, offsets, activation=None):
    """A network whose only layer of units has the hyperplanes normals z + offsets = 0."""
    normals, offsets = np.asarray(normals, float), np.asarray(offsets, float)
    out = np.ones((1, len(normals)))
    return Network([Dense(normals, offsets), activation or ReLU(), Dense(out, [0.0])])


def codes_of(partition):
    """The codes of a partition's regions, in its order."""
    return [tuple(code) for code in partition.codes.tolist()]


def few_digits(values):
    """Values of 20 binary digits after the point: their products and sums are exact."""
    return np.round(2.0**20 * values) / 2.0**20


def differences(n):
    """e_i - e_j for all i < j in R^n; an arrangement of them contains a line."""
    return np.array([np.eye(n)[i] - np.eye(n)[j] for i, j in itertools.combinations(range(n), 2)])


def folding(dimension, depth, pairs):
    """z -> |z| - 2^-l in each coordinate, `depth` times; |z| as Abs, or as ReLU(z) + ReLU(-z)."""
    eye = np.eye(dimension)
    into = np.concatenate([eye, -eye]) if pairs else eye
    back = np.concatenate([eye, eye], axis=1) if pairs else eye
    layers, inward = [], np.zeros(dimension)
    for level in range(1, depth + 1):
        weight = into if level == 1 else into @ back
        layers += [Dense(weight, into @ inward), ReLU() if pairs else Abs()]
        inward = np.full(dimension, -(2.0**-level))
    return Network([*layers, Dense(back, inward)])
