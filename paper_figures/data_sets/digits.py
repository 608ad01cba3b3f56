"""The handwritten digits: images scaled to unit norm, plus noise. Source: data/LICENSE.md."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from reference.model import Array

DATA = Path(__file__).resolve().parents[1] / "data" / "mnist_digits.npz"
NOISE = 0.1
SIDE = 28


def checksum() -> str:
    """SHA-256 of the data file, in hexadecimal."""
    return hashlib.sha256(DATA.read_bytes()).hexdigest()


def stored_pixels(name: str) -> Array:
    """The images of one array of the data file as they are stored.

    Parameters
    ----------
    name : str
        "train_4", "test_4" or "test_9".

    Returns
    -------
    Array, shape (N, 784)
        0 to 255.
    """
    with np.load(DATA, allow_pickle=False) as stored:
        return np.asarray(stored[name].reshape(-1, SIDE * SIDE), dtype=np.float64)


def images(name: str) -> Array:
    """The images of one array of the data file, each scaled to unit norm.

    Parameters
    ----------
    name : str
        "train_4", "test_4" or "test_9".

    Returns
    -------
    Array, shape (N, 784)
        Data units.
    """
    pixels = stored_pixels(name)
    return np.asarray(pixels / np.linalg.norm(pixels, axis=1, keepdims=True))


def noisy(clean: Array, rng: np.random.Generator) -> Array:
    """Add independent noise N(0, NOISE²) to each pixel.

    Parameters
    ----------
    clean : Array, shape (N, 784)
        Images.
    rng : numpy.random.Generator
        Of the noise.

    Returns
    -------
    Array, shape (N, 784)
        Data units.
    """
    return clean + NOISE * rng.standard_normal(clean.shape)


def noise_entropy() -> float:
    """The entropy of the added noise, a lower bound on that of the noisy images.

    Returns
    -------
    float
        Nats.
    """
    return float(SIDE**2 * (0.5 * np.log(2.0 * np.pi * np.e) + np.log(NOISE)))
