"""Every method on one split of one data set, and what our own says beside its score."""

from __future__ import annotations

import time

import numpy as np

from fast import DeepGenerativeOutlierDetector
from paper_figures.figures.figure_15_anomalies.detectors import (
    METHODS,
    Candidate,
    area,
    candidates,
)
from paper_figures.figures.figure_15_anomalies.splits import POOLED, Parts, Split
from paper_figures.options import Numbers
from reference.model import Array

#: Of the model, for a tail probability: its error is at most 0.016 (95 %).
_DRAWS = 4000
#: The side of a patch, in pooled pixels; how many fours tell what is typical of a patch.
PATCH, _TYPICAL = 2, 50


def run(job: Split, seed: int) -> Numbers:
    """Fit, choose and judge.

    Parameters
    ----------
    job : Split
        Data, and the class that is normal.
    seed : int
        Of the split and of the fits.

    Returns
    -------
    Numbers
        By method, "method.what": areas (K, 2), of every setting the area under the ROC curve on the
        part that chooses and on the part that judges; settings (K,) in words; seconds. log_p (2,):
        of the chosen network, the mean on what it learned from, and on new normal data, nats. tail,
        own (n,): P(log p(X') <= log p(x)) of new normal data, and of as many draws of the network.
        Of MNIST, images and parts: see `_attributed`.
    """
    parts = job.parts(seed)
    numbers: Numbers = {}
    best: Candidate | None = None
    for method in METHODS:
        if method == "decoder" and job.data != "MNIST":
            continue
        begun = time.process_time()
        found = list(candidates(method, parts, seed))
        areas = np.array([[_area(one, part) for part in parts[1:3]] for one in found])
        numbers |= {
            f"{method}.areas": areas,
            f"{method}.settings": np.array([one.setting for one in found]),
            f"{method}.seconds": np.array(time.process_time() - begun),
        }
        if method == "network":
            best = found[chosen(areas)]
    assert best is not None
    return numbers | _told(best.model, parts, seed, images=job.data == "MNIST")


def chosen(areas: Array) -> int:
    """The setting that is chosen.

    Parameters
    ----------
    areas : Array, shape (K, 2)
        As of `run`.

    Returns
    -------
    int
        The place of the best on the part that chooses. Where several settings rank all of it
        rightly, the middle one of them: settings are in the order of what they allow a model.
    """
    best = np.flatnonzero(areas[:, 0] == np.nanmax(areas[:, 0]))
    return int(best[(len(best) - 1) // 2])


def _area(one: Candidate, part: tuple[Array, Array]) -> float:
    return area(one.score(part[0]), one.score(part[1]))


def _told(
    detector: DeepGenerativeOutlierDetector, parts: Parts, seed: int, *, images: bool
) -> Numbers:
    normal, anomalies = parts.judging
    # Draws of another seed than those that they are compared with.
    own = detector.sample(len(normal), random_state=seed + 1)
    tail, of_own = (
        detector.tail_probability(X, _DRAWS, random_state=seed).probability for X in (normal, own)
    )
    numbers = {
        "log_p": np.array([detector.score(parts.train), detector.score(normal)]),
        "tail": tail,
        "own": of_own,
    }
    if images:
        numbers |= _attributed(detector, parts, normal, anomalies)
    return numbers


def _attributed(
    detector: DeepGenerativeOutlierDetector, parts: Parts, normal: Array, anomalies: Array
) -> Numbers:
    """images (2, D): of the judging fours and nines those of middle log p(x), ink from 0 to 1.
    parts (2, G): log p(x_g | x_-g) of each patch less the mean of fours there, nats; all_nines
    (G,): the mean over the first nines."""
    shown = [X[np.argsort(detector.score_samples(X))[len(X) // 2]] for X in (normal, anomalies)]
    groups = patches()
    typical = detector.attributions(normal[:_TYPICAL], groups).mean(axis=0)
    of_nines = detector.attributions(anomalies[:_TYPICAL], groups).mean(axis=0)
    return {
        "images": parts.mean + parts.scale * np.array(shown),
        "parts": detector.attributions(shown, groups) - typical,
        "all_nines": of_nines - typical,
    }


def patches() -> list[list[int]]:
    """The pixels of every patch of a pooled image, row by row."""
    places = np.arange(POOLED**2).reshape(POOLED // PATCH, PATCH, POOLED // PATCH, PATCH)
    return [list(map(int, group)) for group in places.swapaxes(1, 2).reshape(-1, PATCH**2)]
