"""Numbers of figure 19: what the partition, log p(x) and the posterior cost, by regions."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np

from paper_figures.figures.figure_19_scale import measure
from paper_figures.options import Numbers, Options, Record

_DECODERS = ("dense_2-64-784", "dense_3-32-784", "dense_2-256-784")
_LARGE_DECODERS = ("dense_2-256-256-784", *measure.LOCAL)
#: Units of each of the two hidden layers of random networks.
_WIDTHS = (16, 32)
_LARGE_WIDTHS = (64, 128, 192)
_QUICK_COUNT, _FULL_COUNT = 10, 100
_QUANTITIES = ("regions", "set_up", "datum", "held", "memory")


def parameters(options: Options) -> Record:
    """What determines the numbers, but for the machine."""
    return {"names": _names(options), "count": _FULL_COUNT if options.full else _QUICK_COUNT}


def _names(options: Options) -> list[str]:
    decoders = _DECODERS + _LARGE_DECODERS * options.full
    widths = _WIDTHS + _LARGE_WIDTHS * options.full
    return [*decoders, *(f"random-{width}" for width in widths)]


def compute(options: Options) -> Numbers:
    """Regions, seconds and gigabytes of every decoder and random network.

    names (n,); regions (or pieces of regions that data met, where the partition is local), set_up
    (seconds), datum (seconds), held (regions of a datum's posterior) and memory (gigabytes), (n,)
    each. One core, a process for each.
    """
    chosen = parameters(options)
    found = [_in_a_process(name, chosen["count"]) for name in chosen["names"]]
    numbers = {key: np.array([row[key] for row in found], dtype=float) for key in _QUANTITIES}
    return {"names": np.array(chosen["names"]), "count": np.array(chosen["count"]), **numbers}


def _in_a_process(name: str, count: int) -> Record:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-m", measure.__name__, name, str(count)],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, **threads, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    if done.returncode:
        raise ArithmeticError(f"{name}: {done.stderr.strip().splitlines()[-1]}")
    result: Record = json.loads(done.stdout)
    return result


def growth(numbers: Numbers) -> float:
    """The power of the number of regions with which a datum's time grows, on random networks."""
    mine = np.char.startswith(numbers["names"], "random")
    regions, seconds = np.log(numbers["regions"][mine]), np.log(numbers["datum"][mine])
    return float(np.polyfit(regions, seconds, 1)[0])


def summary(numbers: Numbers) -> Record:
    """The table, and how a datum's time grows."""
    rows = {
        str(name): {key: float(numbers[key][i]) for key in _QUANTITIES}
        for i, name in enumerate(numbers["names"])
    }
    return {"data": int(numbers["count"]), "networks": rows, "growth": growth(numbers)}
