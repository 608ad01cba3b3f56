"""Numbers of figure 7: EM, exact likelihood and autoencoders on images of the digit 4."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paper_figures.comparison import experiments
from paper_figures.comparison.baselines import with_line
from paper_figures.comparison.experiment import LEVELS
from paper_figures.comparison.numbers import Comparison, array_name, compared, parameters_of
from paper_figures.comparison.summary import summary_of
from paper_figures.data_sets import digits
from paper_figures.options import Numbers, Options, Record
from reference.model import Array

_QUICK_STARTS = 2


def parameters(options: Options) -> Record:
    """What determines the numbers."""
    return parameters_of(experiments.DIGITS, options.seeds(_QUICK_STARTS))


def compute(options: Options) -> Numbers:
    """Every start of every method, see `compared`; and how well the images are fours.

    Of each method besides: fours (starts, 10), whether the held-out image nearest to a learned one
    is a four; explained (starts,), how much of the held-out fours' squared distance to the mean
    image the learned ones take away. real_fours (1000,): as fours, of real ones. Losses of a
    straight line: see `with_line`.
    """
    seeds = options.seeds(_QUICK_STARTS)
    numbers = compared(experiments.DIGITS, seeds, options.folder) | with_line(experiments.DIGITS[0])
    train, _ = experiments.DIGITS[0].samples()
    shown = slice(len(LEVELS))
    numbers |= {"clean": digits.images("train_4")[shown], "noisy": train[shown], "levels": LEVELS}
    for one in Comparison.all_of(numbers):
        for method in one.methods:
            images = one.of(method, "curve")
            numbers[array_name(one.name, method, "fours")] = _are_fours(images)
            explained = np.array(list(map(_explained, images)))
            numbers[array_name(one.name, method, "explained")] = explained
    return numbers | {"real_fours": _are_fours(digits.images("train_4"))}


def _are_fours(images: Array) -> NDArray[np.bool_]:
    """Whether the nearest of 500 held-out fours and 500 nines is a four: (..., 784) -> (...)."""
    fours, nines = digits.images("test_4"), digits.images("test_9")
    return np.asarray(_distances(images, fours) < _distances(images, nines))


def _explained(images: Array) -> float:
    """How much of the held-out fours' mean squared distance to the mean image images take away.

    That is 1 - a / b: a is the distance to the nearest of the images (M, 784), b that to the mean
    of the training images.
    """
    fours, mean = digits.images("test_4"), digits.images("train_4").mean(axis=0)
    apart = np.square(fours[:, None, :] - images).sum(axis=2).min(axis=1)
    return float(1.0 - apart.mean() / np.square(fours - mean).sum(axis=1).mean())


def _distances(images: Array, others: Array) -> Array:
    """Squared, to the nearest of the others (M, 784), less what does not depend on them."""
    return np.asarray((np.square(others).sum(axis=1) - 2.0 * images @ others.T).min(axis=-1))


def summary(numbers: Numbers) -> Record:
    """Where every start ended, beside the reference values, and how many images are fours."""
    return summary_of(numbers) | {
        "entropy_of_the_added_noise": float(numbers["noise_entropy"]),
        "nll_of_the_best_straight_line": {
            "train": float(numbers["line_train"]),
            "held_out": float(numbers["line_held_out"]),
        },
        "real_fours_nearest_to_a_held_out_four": float(numbers["real_fours"].mean()),
        "images_nearest_to_a_held_out_four": {
            one.name: {m: one.of(m, "fours").mean(axis=1).tolist() for m in one.methods}
            for one in Comparison.all_of(numbers)
        },
    }
