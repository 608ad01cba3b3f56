"""Where training starts: a random network whose output has the data's place and extent.

The outputs of a plain random network are of size one a pixel: images of norm 28, where the data
have norm 1. From so far away, the first posteriors collapse onto a few latent points, and what g
does elsewhere is never learned. All of six networks that were trained on the digits from such a
start generated noise from a part of the prior's mass, four of them from half of it or more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from fast import DGN, LeakyReLU, Network


def matched_network(widths: Sequence[int], slope: float, seed: int, line: DGN) -> Network:
    """A random network whose output layer is shifted, and scaled by one number, to match the data.

    Parameters
    ----------
    widths : sequence of int
        Of the layers, from one latent dimension to the data.
    slope : float
        Of leaky ReLU below 0.
    seed : int
        Of the random weights.
    line : DGN
        The `best_line` of the data.

    Returns
    -------
    Network
        Under z ~ N(0, 1), g(z) has the mean and the total variance that it has under `line`.
    """
    network = Network.random(widths, LeakyReLU(slope), seed)
    images = network(ndtri((np.arange(2000) + 0.5) / 2000)[:, None])
    mean = images.mean(axis=0)
    spread = np.sqrt(np.mean(np.sum((images - mean) ** 2, axis=1)))
    scale = np.linalg.norm(line.partition().slopes) / spread
    last = len(network.layers) - 1
    old = network.parameters()
    return network.with_parameters(
        {
            f"{last}.weight": scale * old[f"{last}.weight"],
            f"{last}.bias": scale * (old[f"{last}.bias"] - mean) + line.partition().offsets[0],
        }
    )
