"""Decoders that were trained as variational autoencoders on MNIST fours and nines. Source:
data/LICENSE.md."""

from __future__ import annotations

import numpy as np

from fast import DGN, Conv2d, ConvTranspose2d, Dense, Flatten, Network, ReLU, Reshape, Upsample
from paper_figures.data_sets.digits import DATA, stored_pixels
from reference.model import Array, Layer

FOLDER = DATA.parent / "decoders"
#: By size: the number of their regions.
NAMES = (
    "dense_2-64-784",
    "dense_3-32-784",
    "dense_2-256-784",
    "dense_2-256-256-784",
    "upsample_4",
    "conv_8_4",
    "conv_32_16",
)


def decoder(name: str) -> DGN:
    """One of them with its noise, in double precision.

    Parameters
    ----------
    name : str
        One of NAMES.

    Returns
    -------
    DGN
        Of images of 28 by 28 pixels in [0, 1], flat.
    """
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as stored:
        arrays = {key: stored[key].astype(np.float64) for key in stored.files}
    weights = [key for key in arrays if key.startswith("W")]
    layers: list[Layer] = []
    for k in range(len(weights)):
        weight, bias = arrays[f"W{k}"], arrays[f"b{k}"]
        if k:
            layers.append(ReLU())
        if weight.ndim == 2:
            layers.append(Dense(weight, bias))
            continue
        if k == 1:
            channels = weight.shape[0] if name.startswith("conv") else weight.shape[1]
            layers.append(Reshape((channels, 7, 7)))
        if name.startswith("conv"):
            layers.append(ConvTranspose2d(weight, bias, stride=2, padding=1))
        else:
            layers += [Upsample(2), Conv2d(weight, bias, padding=1)]
    if layers[-1].parameters()["weight"].ndim > 2:
        layers.append(Flatten())
    return DGN(Network(layers), float(arrays["sigma"]) ** 2)


def pixels(name: str) -> Array:
    """The images of one array of the digits' file, scaled to [0, 1], as the decoders have them.

    Parameters
    ----------
    name : str
        "train_4", "test_4" or "test_9".

    Returns
    -------
    Array, shape (N, 784)
        Data units.
    """
    return stored_pixels(name) / 255.0
