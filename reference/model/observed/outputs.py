"""Some entries of x: the network that makes them, and their noise."""

from __future__ import annotations

import math
from itertools import dropwhile

import numpy as np

from reference.model.arrays import Array, Indices
from reference.model.dense import Dense
from reference.model.images.reshaping import Flatten, Reshape
from reference.model.layer_protocol import Layer
from reference.model.network import Network

#: The variance of a constant that is observed in place of nothing: its density at itself is 1.
OF_NOTHING = np.array(1.0 / (2.0 * math.pi))


def outputs_of(network: Network, indices: Indices) -> Network:
    """Return the network of some outputs.

    Parameters
    ----------
    network : Network
        The network, of D outputs.
    indices : ndarray of int, shape (d,)
        Which of them. Of none, the network has one output, which is 0.

    Returns
    -------
    Network
        Its regions are the same, with the same codes. Rows of the last Dense layer are left out, or
        after any other last layer a Dense one selects.
    """
    # In flat vectors a change of shape changes nothing.
    backwards = dropwhile(_changes_shape_alone, reversed(network.layers))
    layers: list[Layer] = list(backwards)[::-1] or list(network.layers)
    last = layers[-1]
    if isinstance(last, Dense) and len(indices):
        return Network([*layers[:-1], Dense(last.weight[indices], last.bias[indices])])
    rows = np.zeros((max(len(indices), 1), network.observed_dimension))
    rows[np.arange(len(indices)), indices] = 1.0
    return Network([*layers, Flatten(), Dense(rows, np.zeros(len(rows)))])


def _changes_shape_alone(layer: Layer) -> bool:
    return isinstance(layer, Flatten | Reshape)


def cov_of_outputs(cov_x: Array, indices: Indices) -> Array:
    """Return the noise of some entries of x, in the same structure.

    Parameters
    ----------
    cov_x : ndarray, shape (D, D), (D,) or ()
        Σx.
    indices : ndarray of int, shape (d,)
        Which entries. Of none, one variance: see `outputs_of`.

    Returns
    -------
    ndarray, shape (d, d), (d,) or ()
        Their block of Σx.
    """
    if not len(indices):
        return OF_NOTHING
    if cov_x.ndim == 2:
        return cov_x[np.ix_(indices, indices)]
    return cov_x[indices] if cov_x.ndim == 1 else cov_x
