"""Numbers of figure 8: models with two and three latent dimensions learned by exact EM and exact
maximum likelihood, on surfaces in space and on digits. Beyond the paper, which trains S = 1."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass

import numpy as np
from scipy.stats import multivariate_normal
from tqdm import tqdm

from fast import DGN, ConvergenceWarning, LeakyReLU, Network, fit_em, fit_mle
from paper_figures import digits, surfaces
from paper_figures.options import DATA_SEED, Numbers, Options, Record, data_generator
from paper_figures.polygons import cut_off
from reference.network import Array

_PURPOSE = 8
_SLOPE = 0.1
_HELD_OUT = 500
#: Principal components that the digits are reduced to.
_COMPONENTS = 8
#: Standard deviations of z to which the polygons are drawn, beyond the digits shown and not.
_WINDOWS = {"sphere": 2.0, "roll": 2.0, "digits": 3.0}
_LEVELS = np.linspace(-2.0, 2.0, 7)


@dataclass(frozen=True)
class _Case:
    """A data set, a network, how many points, how many iterations of each kind."""

    name: str
    widths: tuple[int, ...]
    points: int
    em_iterations: int
    mle_iterations: int

    @property
    def latent(self) -> int:
        """S."""
        return self.widths[0]


def _cases(options: Options) -> list[_Case]:
    longer = 10 if options.full else 1
    return [
        _Case("sphere", (2, 8, 3), 500, 8, 100 * longer),
        _Case("roll", (2, 12, 3), 500, 8, 100 * longer),
        _Case("digits", (2, 8, _COMPONENTS), 500, 8, 60 * longer),
        _Case("digits_3", (3, 4, _COMPONENTS), 150, 4, 12 * longer),
    ]


def _seeds(options: Options) -> list[int]:
    """Fewer than for the other figures: a step here takes a hundred times as long."""
    return options.seeds[: options.n_seeds or (5 if options.full else 1)]


def parameters(options: Options) -> Record:
    """What determines the numbers."""
    return {
        "data_seed": [DATA_SEED, _PURPOSE],
        "data_sha256": digits.checksum(),
        "noise": surfaces.NOISE,
        "digits": f"train_4 without noise, unit norm, first {_COMPONENTS} principal components",
        "held_out": _HELD_OUT,
        "seeds": _seeds(options),
        "start": 'fit_em(init="data"), isotropic noise',
        "cases": [asdict(case) | {"widths": list(case.widths)} for case in _cases(options)],
    }


def compute(options: Options) -> Numbers:
    """For each case the data, the curves of every start (EM, then likelihood), the held-out loss
    after each, two Gaussians to compare with, and what the best start learned."""
    cases, seeds = _cases(options), _seeds(options)
    numbers: Numbers = {
        "names": np.array([case.name for case in cases]),
        "latent": np.array([case.latent for case in cases]),
        "seeds": np.array(seeds),
        "levels": _LEVELS,
    }
    bar = tqdm(total=len(cases) * len(seeds), desc="figure 8", unit="fit", disable=None)
    for case in cases:
        train, test = _data(case.name.partition("_")[0], case.points)
        best: DGN | None = None
        curves = []
        for seed in seeds:
            dgn, curve = _learn(case, train, test, seed)
            curves.append(curve)
            if best is None or curve["end"] <= min(one["end"] for one in curves):
                best = dgn
            bar.update()
        assert best is not None
        numbers |= {
            f"{case.name}_{key}": np.array([curve[key] for curve in curves]) for key in curves[0]
        }
        numbers |= _gaussians(case, train, test) | _learned(case, best, train)
    bar.close()
    return numbers


def _data(name: str, count: int) -> tuple[Array, Array]:
    """Training and held-out data of a case."""
    rng = data_generator(_PURPOSE)
    if name == "digits":
        clean = digits.images("train_4")
        mean, components = _principal(clean)
        held_out = digits.images("test_4")[:_HELD_OUT]
        return ((clean - mean) @ components.T)[:count], (held_out - mean) @ components.T
    draw = surfaces.sphere if name == "sphere" else surfaces.swiss_roll
    return draw(count, rng), draw(_HELD_OUT, rng)


def _principal(images: Array) -> tuple[Array, Array]:
    """Their mean and first principal directions (_COMPONENTS, 784)."""
    mean = images.mean(axis=0)
    _, _, directions = np.linalg.svd(images - mean, full_matrices=False)
    return mean, directions[:_COMPONENTS]


def _learn(case: _Case, train: Array, test: Array, seed: int) -> tuple[DGN, dict[str, Array]]:
    """EM from weights placed on the data, then the likelihood's own gradient."""
    network = Network.random(case.widths, LeakyReLU(_SLOPE), seed)
    noise = 0.5 * float(np.mean(np.var(train, axis=0)))
    with warnings.catch_warnings():
        # That some reach their limit is in the results.
        warnings.simplefilter("ignore", ConvergenceWarning)
        em = fit_em(
            network, train, cov_x=noise, init="data", random_state=seed, max_iter=case.em_iterations
        )
        mle = fit_mle(em.dgn, train, max_iter=case.mle_iterations)
    curve = np.full(case.em_iterations + case.mle_iterations + 1, np.nan)
    curve[: len(em.history)] = em.history
    after = curve[case.em_iterations + 1 :]
    after[: len(mle.history) - 1] = mle.history[1:]
    return mle.dgn, {
        "nll": curve,
        "em": np.array([em.history[-1], _loss(em.dgn, test)]),
        "mle": np.array([mle.history[-1], _loss(mle.dgn, test)]),
        "end": np.array(mle.history[-1]),
        "outcome": np.array(mle.outcome),
        "regions": np.array(mle.dgn.partition().n_regions),
        "noise": np.sqrt(mle.dgn.cov_x),
    }


def _loss(dgn: DGN, X: Array) -> float:
    return -float(np.mean(dgn.logpdf(X)))


def _gaussians(case: _Case, train: Array, test: Array) -> Numbers:
    """Training and held-out loss of the most likely Gaussian, and of the most likely generator
    that is one affine layer (PPCA)."""
    mean, cov = train.mean(axis=0), np.cov(train, rowvar=False, bias=True)
    values, vectors = np.linalg.eigh(cov)
    small = values[: -case.latent].mean()
    flat = small * np.eye(len(cov))
    top = vectors[:, -case.latent :]
    flat += (top * (values[-case.latent :] - small)) @ top.T
    return {
        f"{case.name}_{name}": np.array(
            [-multivariate_normal(mean, c).logpdf(data).mean() for data in (train, test)]
        )
        for name, c in (("gaussian", cov), ("affine", flat))
    }


def _learned(case: _Case, dgn: DGN, train: Array) -> Numbers:
    """To draw, for S = 2: polygons of the latent plane (in standard deviations of the prior) and
    their images; and for the digits what the model generates on a grid."""
    name = case.name
    numbers: Numbers = {f"{name}_data": train}
    if case.latent != 2:
        return numbers
    root = np.linalg.cholesky(dgn.cov_z)
    partition = dgn.partition()
    polygons, images, ends = [], [], [0]
    for region in range(partition.n_regions):
        normals, offsets = partition.halfspaces(region)
        corners = cut_off(normals @ root, offsets, _WINDOWS[name])
        polygons.append(corners)
        slope, offset = partition.slopes[region] @ root, partition.offsets[region]
        images.append(corners @ slope.T + offset)
        ends.append(ends[-1] + len(corners))
    numbers |= {
        f"{name}_corners": np.concatenate(polygons),
        f"{name}_images": np.concatenate(images),
        f"{name}_ends": np.array(ends[1:]),
    }
    if name == "digits":
        grid = np.stack(np.meshgrid(_LEVELS, _LEVELS), axis=-1).reshape(-1, 2)
        mean, components = _principal(digits.images("train_4"))
        numbers["digits_generated"] = dgn.network(grid @ root.T) @ components + mean
        whitened = np.linalg.solve(root, dgn.posterior(train).mean().T).T
        numbers["digits_means"] = whitened
    return numbers


def summary(numbers: Numbers) -> Record:
    """Training and held-out loss of every model, nats per datum; of starts the best by training
    loss, and all."""
    record: Record = {}
    for name in numbers["names"].tolist():
        best = int(np.argmin(numbers[f"{name}_end"]))
        record[name] = {
            "points": len(numbers[f"{name}_data"]),
            "regions": int(numbers[f"{name}_regions"][best]),
            "gaussian": numbers[f"{name}_gaussian"].tolist(),
            "affine": numbers[f"{name}_affine"].tolist(),
            "em": numbers[f"{name}_em"][best].tolist(),
            "em_then_likelihood": numbers[f"{name}_mle"][best].tolist(),
            "all_starts": numbers[f"{name}_mle"].tolist(),
            "noise_deviation": float(numbers[f"{name}_noise"][best]),
            "outcomes": numbers[f"{name}_outcome"].tolist(),
        }
    return record
