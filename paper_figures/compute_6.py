"""Numbers of figure 6: EM on a localised cosine, from many random starts."""

from __future__ import annotations

import numpy as np

from paper_figures import cosine
from paper_figures.curves import describe
from paper_figures.em_runs import Run, Training, histories, latent_points, mean_nll, train
from paper_figures.options import DATA_SEED, Numbers, Options, Record, data_generator
from reference.network import Array

_WIDTHS = ((1, 8, 2), (1, 8, 8, 2))
_N, _N_HELD_OUT = 500, 500
_PURPOSE = 6
#: So many held-out points are asked how much of the excess NLL is theirs.
_WORST = 25
#: The manifold is drawn where the prior has mass: |z| < 3 prior standard deviations.
_SCORES = np.linspace(-3.0, 3.0, 601)


def _trainings(options: Options) -> list[Training]:
    iterations = 1000 if options.full else 150
    return [Training(widths, 0.1, 0.55, iterations, 1e-7) for widths in _WIDTHS]


def parameters(options: Options) -> Record:
    """What determines the numbers."""
    return {
        "data": "t ~ N(0, 1), x = (t, cos(1.4 t)) + N(0, noise² I)",
        "noise": cosine.NOISE,
        "n": _N,
        "n_held_out": _N_HELD_OUT,
        "data_seed": [DATA_SEED, _PURPOSE],
        "seeds": options.seeds,
        "start": "random network, output layer shifted and scaled to the data's mean and extent",
        "m_step": "guarded",
        "trainings": [training.record() for training in _trainings(options)],
    }


def compute(options: Options) -> Numbers:
    """The data, for each architecture the curves of every start and the manifold (starts, Z, 2)
    that each ended with, and the reference values."""
    rng = data_generator(_PURPOSE)
    X, fresh = cosine.sample(_N, rng), cosine.sample(_N_HELD_OUT, rng)
    numbers: Numbers = {
        "data": X,
        "worst": np.array([_WORST, _N_HELD_OUT]),
        "scores": _SCORES,
        "seeds": np.array(options.seeds),
        "names": np.array([training.name for training in _trainings(options)]),
        "entropy": np.array(cosine.entropy()),
        "truth_train": np.array(-cosine.log_density(X).mean()),
        "truth_held_out": np.array(-cosine.log_density(fresh).mean()),
    }
    for training in _trainings(options):
        runs = train(training, X, options.seeds, mean_nll(fresh), "figure 6")
        numbers |= histories(training, runs)
        numbers[f"{training.name}_manifold"] = np.stack([_manifold(run) for run in runs])
        numbers[f"{training.name}_worst_share"] = np.array(
            [_worst_share(run, fresh) for run in runs]
        )
    return numbers


def summary(numbers: Numbers) -> Record:
    """Where the starts of each architecture ended, beside what the true density scores."""
    return {
        "entropy_of_the_data": float(numbers["entropy"]),
        "entropy_method": "trapezoidal rule in x1, x2 and t, converged to 1e-12",
        "nll_of_the_true_density": {
            "train": float(numbers["truth_train"]),
            "held_out": float(numbers["truth_held_out"]),
        },
        "em": {
            name: describe(numbers, name)
            | {f"share_of_excess_of_{_WORST}_worst_held_out": _shares(numbers, name)}
            for name in numbers["names"].tolist()
        },
    }


def _manifold(run: Run) -> Array:
    dgn = run.fit.dgn
    return dgn.network(latent_points(dgn, _SCORES))


def _worst_share(run: Run, fresh: Array) -> float:
    """How much of the held-out NLL in excess of the true density's is due to the worst points."""
    excess = np.sort(cosine.log_density(fresh) - run.fit.dgn.logpdf(fresh))
    return float(excess[-_WORST:].sum() / excess.sum())


def _shares(numbers: Numbers, name: str) -> list[float]:
    return [float(share) for share in numbers[f"{name}_worst_share"]]
