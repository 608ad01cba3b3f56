"""How many regions a network has, without finding them."""

from __future__ import annotations

from math import comb, log

import numpy as np

from fast.partition.cost.sampled_facets import sampled_facets
from fast.partition.layer_maps import after_last_choice
from reference.model import Array, MaxPool, Network

# Means are of so many parts of the sample, and the median of them is taken: where small facets are
# many (S >= 4) few of them may be met, and then weigh too much.
_PARTS = 12


def regions_after_layers(network: Network) -> Array:
    """About how many regions there are after each layer has cut, (L,).

    A unit makes a region of each facet that it has in the regions before: so there is one more
    than there are facets, each counted where its unit cuts. Within a factor of 3 for S <= 4, mostly
    within 1.3 for S = 2 and 3; never more than the layers' units allow [Serra et al. 2018]. Raises
    OutOfRange where the network's values leave the range of doubles. Cost: some thousand regions'
    maps. Guarded by tests/partition/test_cost.py.
    """
    last = after_last_choice(network)
    if not last:
        return np.ones(len(network.layers))
    found = sampled_facets(network, last)
    totals = found.sum(axis=1)
    parts = [float(totals[k::_PARTS].mean()) for k in range(_PARTS)]
    mean = float(totals.mean())
    scale = min(float(np.median(parts)) / mean, 1.0) if mean else 0.0
    return np.minimum(1.0 + scale * np.cumsum(found.mean(axis=0)), _most(network))


def _most(network: Network) -> Array:
    """What the number of regions after each layer cannot exceed, (L,)."""
    cuts = [_cuts(network, i) for i in range(len(network.layers))]
    parts = [
        sum(comb(count, k) for k in range(min(count, network.latent_dimension) + 1))
        for count in cuts
    ]
    return np.asarray(np.exp(np.cumsum([log(count) for count in parts])))


def _cuts(network: Network, index: int) -> int:
    """How many hyperplanes a layer cuts each region by at most."""
    layer, codes = network.layers[index], network.code_lengths[index]
    return codes * comb(layer.windows.shape[1], 2) if isinstance(layer, MaxPool) else codes
