"""Numbers of figure 7: EM on images of the digit 4, from many random starts."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from fast import DGN
from paper_figures import digits
from paper_figures.curves import describe
from paper_figures.em_runs import Run, Training, histories, latent_points, mean_nll, train
from paper_figures.options import DATA_SEED, Numbers, Options, Record, data_generator
from paper_figures.starts import best_line
from reference.network import Array

_WIDTHS = ((1, 8, digits.SIDE**2), (1, 8, 8, digits.SIDE**2))
_PURPOSE = 7
#: Images are shown at the middles of ten equally probable latent intervals.
_LEVELS = (np.arange(10) + 0.5) / 10


def _trainings(options: Options) -> list[Training]:
    iterations = 300 if options.full else 60
    return [Training(widths, 0.1, 0.4, iterations, 1e-7) for widths in _WIDTHS]


def parameters(options: Options) -> Record:
    """What determines the numbers."""
    return {
        "data": "MNIST digit 4, images scaled to unit norm + N(0, noise² I)",
        "data_sha256": digits.checksum(),
        "noise": digits.NOISE,
        "data_seed": [DATA_SEED, _PURPOSE],
        "seeds": options.seeds,
        "start": "random network, output layer shifted and scaled to the data's mean and extent",
        "m_step": "guarded",
        "trainings": [training.record() for training in _trainings(options)],
    }


def compute(options: Options) -> Numbers:
    """Example images, for each architecture the curves of every start and the images (starts, 10,
    784) along the manifold that each ended with, and the reference values."""
    rng = data_generator(_PURPOSE)
    clean = digits.images("train_4")
    X = digits.noisy(clean, rng)
    fresh = digits.noisy(digits.images("test_4"), rng)
    line = best_line(X)
    numbers: Numbers = {
        "clean": clean[: _LEVELS.size],
        "noisy": X[: _LEVELS.size],
        "levels": _LEVELS,
        "seeds": np.array(options.seeds),
        "names": np.array([training.name for training in _trainings(options)]),
        "noise_entropy": np.array(digits.noise_entropy()),
        "line_train": np.array(mean_nll(X)(line)),
        "line_held_out": np.array(mean_nll(fresh)(line)),
    }
    for training in _trainings(options):
        runs = train(training, X, options.seeds, mean_nll(fresh), "figure 7")
        numbers |= histories(training, runs)
        numbers[f"{training.name}_images"] = np.stack([_images(run, line) for run in runs])
    return numbers


def summary(numbers: Numbers) -> Record:
    """Where the starts of each architecture ended, beside the two reference values."""
    return {
        "entropy_of_the_added_noise": float(numbers["noise_entropy"]),
        "nll_of_the_best_straight_line": {
            "train": float(numbers["line_train"]),
            "held_out": float(numbers["line_held_out"]),
        },
        "em": {name: describe(numbers, name) for name in numbers["names"].tolist()},
    }


def _images(run: Run, line: DGN) -> Array:
    """g at the ten levels, (10, 784).

    z and -z describe the same model: the order is turned to run along the best line's direction,
    so that starts can be compared.
    """
    dgn = run.fit.dgn
    found = dgn.network(latent_points(dgn, ndtri(_LEVELS)))
    along = (found[-1] - found[0]) @ line.partition().slopes[0, :, 0]
    return found if along >= 0 else found[::-1]
