"""Awkward models of which the oracle's word on every quantity is kept, in tests/data/truths.

Computing it takes seconds to minutes a model, comparing with it milliseconds. `python
tests/support/stored_truths.py` computes what is missing; the deep tests compute all of it anew.
Beside each truth stands how near each implementation came when it was written, by the worst of the
ways in which OpenBLAS sums on different processors, and of what was written before: a file that is
deleted begins anew.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
from mpmath import mp, mpf

import fast
import reference
from oracle.checks.implementations import network_of
from oracle.checks.random_models import values_told
from oracle.learning.m_step_surrogate import surrogate
from oracle.learning.sums_over_data import full_covariance, reals, sums
from oracle.models.case import Case
from oracle.truths.agreed import truth
from oracle.truths.joint import log_joint

FOLDER = Path(__file__).parents[1] / "data" / "truths"
#: Digits kept of each value.
DIGITS = 22
#: Errors below this, in units of a quantity's scale, are rounding and are not written down.
LEAST = 1e-14
#: Of processors with and without AVX-512.
KERNELS = ("Haswell", "SkylakeX")
SUMS = ("e0", "e1", "e2", "residual0", "residual1")


def rounded(values):
    """Numbers of few bits, the same with every version of a generator's transformations."""
    return np.round(np.asarray(values) * 64) / 64


def dense(rng, n_out, n_in, rank=None):
    """A Dense layer; of a rank, if one is given, exactly: of its numbers' few bits."""
    weight = rounded(rng.standard_normal((n_out, n_in)))
    if rank is not None:
        factors = (rng.standard_normal((n_out, rank)), rng.standard_normal((rank, n_in)))
        weight = np.round(factors[0] * 8) / 8 @ (np.round(factors[1] * 8) / 8)
    return "Dense", {"weight": weight, "bias": rounded(rng.standard_normal(n_out))}


def sloping(slope):
    return ("LeakyReLU", {"slope": slope}) if slope else ("ReLU", {})


def forward(case_layers, Z):
    """g(z), row by row, for the layers used here."""
    values = Z
    for kind, settings in case_layers:
        if kind == "Dense":
            values = values @ settings["weight"].T + settings["bias"]
        elif kind == "MaxPool":
            values = values.reshape(len(values), -1, settings["channels"]).max(axis=2)
        else:
            slope = {"ReLU": 0.0, "Abs": -1.0}.get(kind, settings.get("slope"))
            values = np.where(values > 0, values, slope * values)
    return values


def spread(rng, size, ratio):
    """A full covariance of few bits whose standard deviations differ by a ratio."""
    turn = np.linalg.qr(rng.standard_normal((size, size)))[0]
    root = rounded(turn * np.geomspace(1.0, ratio, size)) + np.eye(size) / ratio**2
    return root @ root.T


def case(seed, label, layers, cov_x, cov_z, distances=(1.0,), q_size=0.5):
    """A model with data at these distances from its image, in deviations of the noise, and for each
    a Gaussian q of a size, in deviations of the prior, the first of them centred on a kink."""
    rng = np.random.default_rng([816, seed])
    latent = len(cov_z)
    Z = rng.standard_normal((len(distances), latent)) @ np.linalg.cholesky(cov_z).T
    images = forward(layers, Z)
    away = rng.standard_normal(images.shape)
    away *= np.array(distances)[:, None] / np.linalg.norm(away, axis=1, keepdims=True)
    root = np.linalg.cholesky(full_covariance(np.asarray(cov_x), images.shape[1]))
    q_mean = rounded(Z + q_size * rng.standard_normal(Z.shape))
    weight, bias = layers[0][1]["weight"], layers[0][1]["bias"]
    if np.any(weight[0]):
        q_mean[0] -= weight[0] * (weight[0] @ q_mean[0] + bias[0]) / (weight[0] @ weight[0])
    factor = np.tril(rng.standard_normal((latent, latent)), -1) / 3 + np.eye(latent)
    factor = q_size * np.linalg.cholesky(cov_z) @ factor
    return Case(
        seed,
        label,
        tuple(layers),
        np.asarray(cov_x, dtype=float),
        np.asarray(cov_z, dtype=float),
        images + away @ root.T,
        q_mean,
        np.repeat((factor @ factor.T)[None], len(Z), axis=0),
    )


def awkward_cases():
    """The models, by name."""
    found = {}

    def add(name, latent, hidden, activation, observed, cov_x, prior=1.0, rank=None, **options):
        seed = len(found)
        rng = np.random.default_rng([815, seed])
        layers = [dense(rng, hidden[0], latent, rank), activation]
        for before, after in pairwise(hidden):
            layers += [dense(rng, after, before), activation]
        last = hidden[-1] // (activation[1].get("channels", 1))
        if options.pop("dead", False):
            layers[0][1]["weight"][0] = 0.0
            layers[0][1]["bias"][0] = -0.5
            layers[0][1]["weight"][1] = 2.0 * layers[0][1]["weight"][2]
            layers[0][1]["bias"][1] = 2.0 * layers[0][1]["bias"][2]
        if observed:
            layers.append(dense(rng, observed, last))
        noise = cov_x(rng) if callable(cov_x) else cov_x
        cov_z = spread(rng, latent, prior) if prior != 1.0 else np.eye(latent)
        found[name] = case(seed, name, layers, noise, cov_z, **options)

    wide, narrow = {"q_size": 4.0}, {"q_size": 1e-3}

    def skewed(size, ratio):
        return lambda rng: 0.1 * spread(rng, size, ratio)

    near, far = (0.5, 3.0), (20.0, 100.0)
    add("line near", 1, (4, 3), sloping(0.1), 2, 0.1, distances=near)
    add("line far", 1, (4,), sloping(0.1), 3, np.array([0.02, 0.5, 0.1]), distances=far)
    add("line skewed noise", 1, (4,), ("Abs", {}), 3, skewed(3, 1e-2), distances=near, **wide)
    add("line tiny noise", 1, (3, 3), sloping(0.0), 2, 1e-6, distances=near, **narrow)
    add("line dead units", 1, (4,), sloping(0.0), 2, 0.05, 0.3, dead=True, distances=(1.0, 20.0))
    add("line without slope", 1, (3,), sloping(0.1), 2, 0.1, rank=0)
    add("line activation last", 1, (4,), sloping(0.3), 0, skewed(4, 0.3), distances=near)
    add("line maxout", 1, (6,), ("MaxPool", {"channels": 2}), 2, 0.1, distances=near)
    add("plane near", 2, (4,), sloping(0.1), 3, 0.2, 0.3, distances=near)
    add("plane deep", 2, (2, 2), ("Abs", {}), 2, skewed(2, 0.3), 0.5, distances=(1.0,), **wide)
    add("plane far", 2, (3,), sloping(0.2), 3, np.array([0.05, 0.5, 0.1]), distances=far)
    add("plane tiny noise", 2, (3,), sloping(0.1), 3, 1e-6, distances=near, **narrow)
    add("plane dead units", 2, (4,), sloping(0.0), 2, 0.05, 0.3, dead=True, distances=near)
    add("plane skewed noise", 2, (3,), sloping(0.1), 3, skewed(3, 1e-2), distances=near)
    add("plane rank 1", 2, (3,), sloping(0.1), 3, skewed(3, 0.3), 0.4, rank=1, distances=near)
    add("plane rank 1 far", 2, (3,), sloping(0.0), 1, 0.04, 0.4, rank=1, distances=far)
    add("plane rank 0", 2, (3,), sloping(0.1), 2, 0.1, 0.4, rank=0, distances=near)
    add("plane maxout", 2, (4,), ("MaxPool", {"channels": 2}), 2, 0.1, 0.5, distances=near)
    add("plane activation last", 2, (2,), sloping(0.3), 0, 0.05, 0.5, distances=near)
    add("space near", 3, (3,), sloping(0.1), 2, skewed(2, 0.5), 0.5, distances=(1.0,))
    add("space far", 3, (3,), sloping(0.1), 3, 0.1, distances=(20.0,))
    add("space rank 2", 3, (3,), sloping(0.1), 3, np.array([0.1, 0.3, 0.2]), 0.5, rank=2)
    add("space rank 1", 3, (3,), sloping(0.1), 2, 0.2, 0.5, rank=1, distances=near)
    add("space rank 0", 3, (2,), sloping(0.1), 2, 0.1, 0.5, rank=0, distances=near)
    add("space tiny noise", 3, (3,), sloping(0.1), 4, 1e-4, distances=(1.0,), **narrow)
    return found


def entries(name, array):
    """The entries of an array by their places."""
    return {(name, index): array[index] for index in np.ndindex(np.shape(array))}


def exact_rows(model):
    """The oracle's word, {key: (value, scale)}: of the model, each point, the data together."""
    rows = [{key: (value.value, value.scale) for key, value in row.items()} for row in truth(model)]
    with mp.workdps(40):
        for n, row in enumerate(rows[1:]):
            evidence, scale = row["log p", ()]
            joint = log_joint(model.specs, model.cov_x, model.cov_z, model.X[n], model.q_mean[n])
            row["log p(z | x)", ()] = (joint - evidence, max(scale, abs(mpf(joint))))
        rows.append(_of_data(model))
    return rows


def _of_data(model):
    """Sums over the data by region, and the gradient of the mean log-likelihood by Fisher's
    identity from these sums."""
    found = sums(model.specs, model.cov_x, model.cov_z, model.X)
    arrays = {"sum of log p": np.array(found.loglik)}
    scatter = {0: np.trace, 1: np.diag, 2: np.asarray}[model.cov_x.ndim](found.scatter)
    arrays["scatter"] = np.asarray(scatter)
    arrays |= {f"sum of {name}": getattr(found, name) for name in SUMS}
    for index, (kind, *values) in enumerate(model.specs):
        if kind == "dense":
            by_layer = surrogate(model.specs, model.cov_x, found, index).gradient / found.n
            arrays[f"gradient by layer {index}"] = by_layer.reshape(len(values[1]), -1)
    full = full_covariance(model.cov_x, found.scatter.shape[0])
    by_noise = _by_covariance(full, found.scatter / found.n)
    form = {0: np.trace, 1: np.diag, 2: np.asarray}[model.cov_x.ndim]
    arrays["gradient by cov_x"] = np.asarray(form(by_noise))
    second = found.e2.sum(axis=0) / found.n
    arrays["gradient by cov_z"] = _by_covariance(model.cov_z, second)
    # Both terms of a covariance's gradient are of the size of its inverse; they may cancel.
    least = {"gradient by cov_x": full, "gradient by cov_z": model.cov_z}
    rows = {}
    for name, array in arrays.items():
        scale = max(abs(v) for v in array.ravel())
        if name in least:
            scale = max(scale, mpf(float(np.abs(np.linalg.inv(least[name])).max())))
        rows |= {key: (v, scale if scale else mpf(1)) for key, v in entries(name, array).items()}
    return rows


def _by_covariance(cov, second):
    """The gradient of a Gaussian's mean log density by its covariance."""
    precision = np.array(mp.inverse(mp.matrix(reals(cov).tolist())).tolist(), dtype=object)
    return (precision @ second @ precision - precision) / 2


def told_rows(impl, model):
    """What an implementation says under the same keys; and the rows that it declines."""
    rows, declined = [], []
    for row in range(len(model.X) + 1):
        values, refused = values_told(impl, model, row)
        rows.append(values)
        declined += [row] * bool(refused)
    dgn = impl.DGN(network_of(model), model.cov_x, model.cov_z)
    for n in range(len(model.X)):
        if n + 1 not in declined:
            posterior = dgn.posterior(model.X[n : n + 1])
            rows[n + 1]["log p(z | x)", ()] = posterior.logpdf(model.q_mean[n : n + 1])[0, 0]
    try:
        rows.append(_told_of_data(dgn, model))
    except reference.OutsideValidity:
        declined.append(len(rows))
        rows.append({})
    return rows, declined


def _told_of_data(dgn, model):
    found, gradient = dgn.statistics(model.X), dgn.gradient(model.X)
    codes = [tuple(int(v) for v in code) for code in dgn.partition().codes]
    order = sorted(range(len(codes)), key=codes.__getitem__)
    told = entries("sum of log p", np.asarray(found.loglik))
    told |= entries("scatter", np.asarray(found.scatter))
    for name in SUMS:
        told |= entries(f"sum of {name}", getattr(found, name)[order])
    dense_layers = [i for i, (kind, *_) in enumerate(model.specs) if kind == "dense"]
    for index in dense_layers:
        parts = [gradient[f"{index}.weight"], gradient[f"{index}.bias"][:, None]]
        told |= entries(f"gradient by layer {index}", np.concatenate(parts, axis=1))
    for name in ("cov_x", "cov_z"):
        told |= entries(f"gradient by {name}", np.asarray(gradient[name]))
    return told


#: Regions of next to no weight are left out by the oracle, and by implementations: what they say
#: within one has then no counterpart.
WITHIN_REGION = ("log e0", "e1", "e2", "region mean", "region covariance")
#: What the reference's sums of signed masses are not accurate in, for S > 1
#: (reference.polyhedra.validity).
UNPROMISED = ("log e0", "region mean", "region covariance")


def errors(impl, values, exact):
    """The worst error of each quantity in units of its scale, over rows; infinite for what is no
    number, and where only one side says something."""
    worst = {}
    latent = sum(key[0] == "posterior mean" for key in exact[1])
    skipped = UNPROMISED if impl.__name__ == "reference" and latent > 1 else ()
    for told, row in zip(values, exact, strict=True):
        names = {name for name, _ in told} - set(skipped)
        for key in {key for key in row.keys() | told.keys() if key[0] in names}:
            value, scale = row.get(key, (mpf(0), mpf(1)))
            if key[0] in WITHIN_REGION and not (key in row and key in told):
                continue
            error = float(abs(mpf(float(told.get(key, np.nan))) - value) / scale)
            error = np.inf if np.isnan(error) else error
            worst[key[0]] = max(worst.get(key[0], 0.0), error)
    return worst


def path_of(name, kind):
    return FOLDER / f"{name.replace(' ', '_')}.{kind}.json"


def write(name, model):
    """Compute and keep a model's truth."""
    model.save(path_of(name, "case"))
    exact = exact_rows(model)
    with mp.workdps(2 * DIGITS):
        rows = [
            sorted(
                [quantity, list(place), mp.nstr(mpf(v), DIGITS), mp.nstr(mpf(s), 5)]
                for (quantity, place), (v, s) in row.items()
            )
            for row in exact
        ]
    lines = ",\n".join("[\n" + ",\n".join(map(json.dumps, row)) + "\n]" for row in rows)
    path_of(name, "truth").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def read(name):
    """A model and its truth."""
    with mp.workdps(2 * DIGITS):
        rows = [
            {(quantity, tuple(place)): (mpf(v), mpf(s)) for quantity, place, v, s in row}
            for row in json.loads(path_of(name, "truth").read_text(encoding="utf-8"))
        ]
    return Case.load(path_of(name, "case")), rows


def reached(name):
    """How near each implementation comes to a model's truth: its worst errors above rounding by
    quantity, and the rows of the truth that it declines."""
    model, exact = read(name)
    found = {}
    for impl in (reference, fast):
        values, declined = told_rows(impl, model)
        worst = errors(impl, values, exact)
        worst = {k: float(f"{v:.1e}") for k, v in sorted(worst.items()) if v > LEAST}
        found[impl.__name__] = {"declined": declined, "errors": worst}
    return found


def reached_with(kernel):
    """`reached` of all models, as OpenBLAS sums with that kernel, in a process of its own."""
    code = "import json, stored_truths as s; print(json.dumps({n: s.reached(n) for n in "
    code += "s.awkward_cases()}))"
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"OPENBLAS_CORETYPE": kernel},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return json.loads(found.stdout)


def worst_of(tables):
    """The worst errors of several tables; what is declined is the same in all."""
    result = {}
    for name, first in tables[0].items():
        result[name] = {}
        for impl in first:
            rows = [table[name][impl] for table in tables]
            assert all(row["declined"] == rows[0]["declined"] for row in rows)
            worst = defaultdict(float)
            for quantity, error in (pair for row in rows for pair in row["errors"].items()):
                worst[quantity] = max(worst[quantity], error)
            errors = dict(sorted(worst.items()))
            result[name][impl] = {"declined": rows[0]["declined"], "errors": errors}
    return result


def main():
    """Write the truths that are missing, and what is reached."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    models = awkward_cases()
    for name, model in models.items():
        if not path_of(name, "truth").exists():
            write(name, model)
    tables, kept = [reached_with(kernel) for kernel in KERNELS], FOLDER / "reached.json"
    if kept.exists():
        tables.append(json.loads(kept.read_text(encoding="utf-8")))
    kept.write_text(json.dumps(worst_of(tables), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
