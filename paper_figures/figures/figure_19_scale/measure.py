"""One line of figure 19's table, in a process of its own: `python -m ...measure NAME DIGITS`.

Prints what was measured as JSON. NAME is a decoder's, or "random-H": a random network with two
hidden layers of H units, of data drawn from it.
"""

from __future__ import annotations

import json
import sys
from time import process_time

import numpy as np

from fast import DGN, Network
from paper_figures.data_sets.decoders import decoder, pixels
from paper_figures.options import Record
from reference.model import Array

#: Decoders whose partitions are local, and the share of p(x) that may be left out there.
LOCAL = ("upsample_4", "conv_8_4", "conv_32_16")
_NEGLIGIBLE = 1e-10
#: The noise of random networks: its variance times the number of regions, so that about as many
#: regions matter to a datum whatever their number.
_VARIANCE = 30.0
_OBSERVED = 50


def measured(name: str, count: int) -> Record:
    """Regions, seconds of processor time, and gigabytes.

    Parameters
    ----------
    name : str
        Of a decoder, or "random-H".
    count : int
        How many data.

    Returns
    -------
    dict
        regions, or with a local partition how many pieces of regions the data have shares on;
        set_up, seconds; datum, seconds for a posterior (whose regions' shares are of log p(x)) with
        its mean and covariance; held, how many regions it holds; memory, the most that the process
        took.
    """
    dgn, X = _problem(name, count)
    start = process_time()
    if not dgn.is_local:
        dgn.partition()
    dgn.logpdf(X[:1])
    set_up = process_time() - start
    start = process_time()
    posterior = dgn.posterior(X)
    posterior.mean(), posterior.cov()
    seconds, held = process_time() - start, posterior.shares.region
    return {
        "regions": len(np.unique(held)) if dgn.is_local else dgn.partition().n_regions,
        "set_up": set_up,
        "datum": seconds / count,
        "held": len(held) / count,
        "memory": _peak_memory(),
    }


def _problem(name: str, count: int) -> tuple[DGN, Array]:
    kind, _, width = name.partition("-")
    if kind != "random":
        dgn = decoder(name)
        if name in LOCAL:
            dgn = DGN(dgn.network, dgn.cov_x, negligible=_NEGLIGIBLE, partition="local")
        return dgn, pixels("test_4")[:count]
    network = Network.random((2, int(width), int(width), _OBSERVED), random_state=0)
    rough = DGN(network, 1.0)
    dgn = rough.with_parameters({"cov_x": _VARIANCE / rough.partition().n_regions})
    return DGN(network, dgn.cov_x), dgn.rvs(count, random_state=1)


def _peak_memory() -> float:
    """In gigabytes; NaN where the system does not tell."""
    try:
        import resource  # not on Windows
    except ImportError:
        return float(np.nan)
    unit = 1.0 if sys.platform == "darwin" else 1024.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1], int(sys.argv[2]))))
