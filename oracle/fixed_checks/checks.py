"""The implementations against the oracle on a few small fixed models, where python -m oracle does
not look: regions' moments, density, mode and draws of the posterior for any S, sums over data,
gradients, updates of the M-step, the zero-noise limit, truncated Gaussians by themselves.

Only here to compare: it runs the implementations. Truths are computed once a process, from
networks built by unbroken code; networks are built anew for every comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from mpmath import mp

from oracle.checks.random_models import network_from
from oracle.exact.cone import Cone
from oracle.exact.layers import LayerSpec
from oracle.exact.regions import exact_regions
from oracle.learning.finite_differences import gradient
from oracle.learning.m_step_surrogate import Mask, Surrogate, maximum, surrogate, through, uphill
from oracle.learning.sums_over_data import (
    Array,
    Sums,
    covariance_update,
    log_evidence,
    log_peak,
    reals,
    sums,
    zero_noise_of_fold,
    zero_noise_on_line,
)
from oracle.learning.sums_over_data import shares as posterior_shares
from oracle.models.descriptions import specs_of
from oracle.quadrature.interval import PRECISE
from oracle.quadrature.line_integrals import Moments, cholesky, solved
from oracle.quadrature.polygon import polygon_moments
from oracle.quadrature.polyhedron import polyhedron_moments
from oracle.truths.joint import log_joint
from oracle.truths.one_dimension import Key, OneDimension, Value
from oracle.truths.regionwise import LatentSpace
from reference.model import Network

#: Allowed errors by implementation and latent dimension, in units of max(1, |values|) of what is
#: compared: twenty times and more what was measured. The reference vouches for 1e-9 of p(x) where
#: S > 1, and averages with weights of the size of Σx^-1; on these models it is good to 1e-12.
ALLOWED: dict[tuple[str, int], float] = {
    ("reference", 1): 1e-12,
    ("reference", 2): 1e-8,
    ("reference", 3): 1e-8,
    ("fast", 1): 1e-12,
    ("fast", 2): 1e-11,
    ("fast", 3): 1e-9,
}
#: Draws: how many, and how many standard errors their moments may be off. A false alarm, were the
#: seed free, in 5e8 numbers compared; seen is a mean off by 0.1 (fast) or 0.2 standard deviations.
DRAWS, STANDARD_ERRORS = {"reference": 900, "fast": 4000}, 6.0


@dataclass(frozen=True)
class Deviation:
    """One quantity, how far off its truth it was, and how far it may be."""

    quantity: str
    error: float
    allowed: float

    @property
    def passes(self) -> bool:
        """Whether the error is within what is allowed; NaN is not."""
        return self.error <= self.allowed

    @property
    def excess(self) -> float:
        """The error in units of what is allowed; infinite for NaN, and where nothing is."""
        if not self.allowed or np.isnan(self.error):
            return np.inf
        return self.error / self.allowed


#: Of an implementation, one of the two packages.
Check = Callable[[Any], Iterator[Deviation]]


@dataclass(frozen=True, eq=False)
class Model:
    """A network as (kind, settings) of its layers, covariances, data and a Gaussian q for each."""

    name: str
    layers: tuple[tuple[str, dict[str, Any]], ...]
    cov_x: Array
    cov_z: Array
    X: Array
    q_mean: Array
    q_cov: Array

    @property
    def latent(self) -> int:
        """S."""
        return len(self.cov_z)

    @property
    def data(self) -> tuple[Array, Array, Array]:
        """The points and the q."""
        return self.X, self.q_mean, self.q_cov

    def network(self) -> Network:
        """The network, built anew."""
        return network_from(self.layers)

    def dgn(self, impl: Any) -> Any:
        """An implementation's model."""
        return impl.DGN(self.network(), self.cov_x, self.cov_z)

    def allowed(self, impl: Any) -> float:
        """What an implementation's errors may be."""
        return ALLOWED[impl.__name__, self.latent]


def _dense(weight: Any, bias: Any) -> tuple[str, dict[str, Any]]:
    return "Dense", {"weight": np.array(weight), "bias": np.array(bias)}


# No weight is exact in single precision; no covariance has a symmetric factor.
_FULL2 = np.array([[0.31, 0.17], [0.17, 0.23]])
_FULL3 = np.array([[0.31, 0.17, -0.05], [0.17, 0.23, 0.03], [-0.05, 0.03, 0.11]])
_PRIOR2 = np.array([[1.7, 0.9], [0.9, 0.8]])
_PRIOR3 = np.array([[1.7, 0.9, 0.2], [0.9, 0.8, -0.1], [0.2, -0.1, 1.3]])

LINE = Model(
    "line",
    (
        _dense([[1.1], [-2.1], [0.6]], [0.3, 1.1, -0.7]),
        ("LeakyReLU", {"slope": 0.2}),
        _dense([[1.1, 0.6, -0.9], [0.7, -1.1, 0.9]], [0.6, -0.9]),
        ("LeakyReLU", {"slope": 0.2}),
        _dense([[1.1, 1.9], [-1.4, 0.6]], [0.1, -0.3]),
    ),
    np.array([0.05, 0.2]),
    np.array([[2.5]]),
    # Near the manifold, off it, in the tail, and where no z of ±18 reaches.
    np.array([[0.5, -1.0], [2.0, 1.0], [-1.0, 0.0], [30.0, -20.0], [75.3, 5.1]]),
    np.array([[0.3], [-1.0], [0.5], [2.0], [1.1]]),
    np.array([[[0.5]], [[2.0]], [[0.01]], [[1.0]], [[0.3]]]),
)
CURVE = Model(
    "curve",
    (
        _dense([[1.3], [-0.7], [0.9]], [0.2, 0.4, -0.8]),
        ("ReLU", {}),
        _dense([[0.9, -1.2, 0.4], [0.3, 0.7, -1.6]], [-0.35, 0.55]),
        ("Abs", {}),
        _dense([[1.2, -0.3], [0.4, 0.8], [-0.6, 1.1]], [0.1, -0.2, 0.3]),
    ),
    0.3 * _FULL3,
    np.array([[0.7]]),
    np.array([[0.6, 0.2, 0.4], [-1.1, 2.3, 0.9], [1.9, 0.7, 0.1]]),
    np.array([[0.1], [-0.6], [1.2]]),
    np.array([[[0.4]], [[0.09]], [[1.5]]]),
)
PLANE = Model(
    "plane",
    (
        _dense([[1.1, 0.4], [-0.7, 1.3], [0.6, -0.9]], [0.3, -0.2, 0.6]),
        ("LeakyReLU", {"slope": 0.2}),
        _dense([[0.9, -1.2, 0.7], [0.3, 0.8, -1.1]], [-0.45, 0.35]),
        ("Abs", {}),
        _dense([[1.2, -0.3], [0.4, 0.9], [-0.6, 1.1]], [0.1, -0.2, 0.3]),
    ),
    _FULL3,
    _PRIOR2,
    # Near the manifold twice, at log p = -1358, and with a mode 0.07 deviations from a facet. The
    # third q ends 4 deviations before a facet.
    np.array([[0.6, 0.2, 0.4], [1.3, 1.1, -0.3], [5.0, -7.0, 8.0], [0.03, 0.06, 0.61]]),
    np.array([[0.2, -0.3], [0.7, 0.1], [0.5, -0.95], [-0.4, 0.2]]),
    np.array(
        [
            [[0.9, 0.5], [0.5, 0.6]],
            [[0.2, -0.1], [-0.1, 0.4]],
            [[0.01, 0.002], [0.002, 0.01]],
            [[0.05, 0.02], [0.02, 0.07]],
        ]
    ),
)
IMAGES = Model(
    "images",
    (
        _dense([[1.1, 0.4], [-0.7, 1.3], [0.6, -0.9], [0.3, 0.7]], [0.3, -0.2, 0.6, 0.15]),
        ("Reshape", {"shape": (1, 2, 2)}),
        ("LeakyReLU", {"slope": 0.1}),
        (
            "Conv2d",
            {
                "weight": np.array([[[[0.7, -0.4], [1.1, 0.3]]]]),
                "bias": np.array([0.15]),
                "padding": 1,
            },
        ),
        ("AvgPool", {"kernel_size": 2, "stride": 2, "padding": 1}),
        ("Flatten", {}),
        ("MaxPool", {"channels": 2}),
    ),
    np.array(0.09),
    _PRIOR2,
    np.array([[0.4, 0.3], [0.9, -0.2]]),
    np.array([[0.2, -0.3], [0.7, 0.1]]),
    np.array([[[0.9, 0.5], [0.5, 0.6]], [[0.2, -0.1], [-0.1, 0.4]]]),
)
SOLID = Model(
    "solid",
    (
        _dense([[1.1, 0.4, -0.3], [-0.7, 1.3, 0.2], [0.4, -0.6, 0.9]], [0.3, -0.2, 0.15]),
        ("ReLU", {}),
        _dense([[1.2, -0.3, 0.7], [0.4, 0.9, -0.5]], [0.1, -0.2]),
    ),
    _FULL2,
    _PRIOR3,
    np.array([[0.6, 0.3]]),
    np.array([[0.2, -0.3, 0.1]]),
    np.array([[[0.9, 0.5, 0.1], [0.5, 0.6, 0.0], [0.1, 0.0, 0.4]]]),
)
#: g(z) = |a·z + c|, whose preimages are pairs of lines; the second x is below the crease, so that
#: on both sides only a tail of the Gaussian is left.
FOLD = Model(
    "fold",
    (_dense([[0.9, -0.4]], [0.35]), ("Abs", {})),
    np.array(0.04),
    _PRIOR2,
    np.array([[1.3], [-0.5]]),
    np.array([[0.1, 0.2], [0.3, -0.1]]),
    np.array([[[0.3, 0.1], [0.1, 0.2]], [[0.2, 0.0], [0.0, 0.1]]]),
)
#: g rises to 1 at z = 0.5, falls, and comes back to 1.05 at z = 6.9: a near miss beside a far hit.
HUMP = Model(
    "hump",
    (
        _dense([[-1.0], [1.0], [1.0]], [0.5, -0.5, -4.1]),
        ("ReLU", {}),
        _dense([[-0.9, -0.3, 0.7]], [1.0]),
    ),
    np.array(0.04),
    np.array([[1.0]]),
    np.array([[1.05]]),
    np.array([[0.1]]),
    np.array([[[0.3]]]),
)
#: More noise than signal: draws of x show the noise's covariance.
NOISE = Model(
    "noise",
    (_dense([[0.3, 0.1], [-0.2, 0.2]], [0.4, -0.1]),),
    _FULL2,
    _PRIOR2,
    np.array([[0.6, 0.3]]),
    np.array([[0.1, 0.2]]),
    np.array([[[0.3, 0.1], [0.1, 0.2]]]),
)


@cache
def specs(model: Model) -> tuple[LayerSpec, ...]:
    """The model's layers as the oracle takes them."""
    return specs_of(model.layers)


@cache
def _sums(model: Model) -> Sums:
    return sums(specs(model), model.cov_x, model.cov_z, model.X)


@cache
def _surrogate(model: Model, index: int) -> tuple[Surrogate, Mask]:
    """Of a layer's parameters as `_unknowns` has them, and which of these are weights."""
    kind, settings = model.layers[index]
    place = len(specs_of(model.layers[:index])) if index else 0
    by_matrix = surrogate(specs(model), model.cov_x, _sums(model), place)
    weight, bias = settings["weight"], settings["bias"]
    if kind == "Dense":
        is_weight = np.ones((len(bias), weight.shape[1] + 1), dtype=bool)
        is_weight[:, -1] = False
        return by_matrix, is_weight.ravel()
    units = np.eye(weight.size + len(bias))
    rows = []
    for unit in units:
        changed = {"weight": unit[: weight.size].reshape(weight.shape), "bias": unit[weight.size :]}
        one = (*model.layers[:index], (kind, {**settings, **changed}))
        rows.append(np.column_stack(specs_of(one)[place][1:3]).ravel())
    is_weight = np.arange(len(units)) < weight.size
    return through(by_matrix, np.array(rows), np.append(weight, bias)), is_weight


def _unknowns(model: Model, parameters: dict[str, Array], index: int) -> Array:
    """[W v] of a Dense layer row by row; kernels entry by entry, then biases, of a Conv2d."""
    weight, bias = parameters[f"{index}.weight"], parameters[f"{index}.bias"]
    if model.layers[index][0] == "Dense":
        return np.column_stack([weight, bias]).ravel()
    return np.append(weight, bias)


def _named(model: Model, name: str) -> tuple[int, Surrogate, Mask, Mask]:
    """Of "2.bias", "2.weight" or "2": the layer, the surrogate by what is named, which of the
    layer's unknowns that is, and which of these are weights."""
    index, _, part = name.partition(".")
    found, is_weight = _surrogate(model, int(index))
    chosen = {"weight": is_weight, "bias": ~is_weight, "": np.ones(len(is_weight), dtype=bool)}
    mine = chosen[part]
    return int(index), found.of(mine), mine, is_weight[mine]


@cache
def _updated(model: Model, name: str) -> Array:
    if name in ("cov_x", "cov_z"):
        return covariance_update(model.cov_x, _sums(model), name)
    return maximum(_named(model, name)[1])


@cache
def _latent_values(model: Model) -> list[dict[Key, Value]]:
    """Everything the oracle says of a model with S > 1: of itself, then of each point."""
    space = LatentSpace(specs(model), model.cov_x, model.cov_z)
    rows = zip(model.X, model.q_mean, model.q_cov, strict=True)
    return [space.of_model(), *(space.at_point(*row) for row in rows)]


@cache
def _shares(model: Model) -> list[dict[tuple[int, ...], Any]]:
    found = [posterior_shares(specs(model), model.cov_x, model.cov_z, x) for x in model.X]
    return [{share.code: share for share in row} for row in found]


@cache
def _log_evidence(model: Model) -> list[Any]:
    return [log_evidence(specs(model), model.cov_x, model.cov_z, x) for x in model.X]


@cache
def _log_peaks(model: Model) -> list[Any]:
    return [log_peak(specs(model), model.cov_x, model.cov_z, x) for x in model.X]


def error_of(value: Any, truth: Any) -> float:
    """The largest difference over max(1, |truth|); infinite for NaN or another shape."""
    value, truth = np.asarray(value, dtype=float), np.asarray(truth, dtype=float)
    if value.shape != truth.shape:
        return np.inf
    error = float(np.max(np.abs(value - truth), initial=0.0))
    return error / max(1.0, float(np.max(np.abs(truth), initial=0.0))) if error >= 0 else np.inf


def _codes(dgn: Any) -> list[tuple[int, ...]]:
    return [tuple(int(v) for v in code) for code in dgn.partition().codes]


def regions(model: Model) -> Check:
    """Codes, A_ω, b_ω, half-spaces and `locate` against exact arithmetic, S > 0.

    A point well inside every exact region tells whether half-spaces and `locate` hold it; maps are
    compared in units of max(1, |A_ω|, |b_ω|), half-spaces by their hyperplanes.
    """

    def check(impl: Any) -> Iterator[Deviation]:
        partition = model.dgn(impl).partition()
        codes = [tuple(int(v) for v in code) for code in partition.codes]
        exact = {region.code: region for region in exact_regions(specs(model))}
        quantity = f"{model.name}: regions that only one side has"
        yield Deviation(quantity, float(len(set(codes) ^ exact.keys())), 0.0)
        quantity = f"{model.name}: regions given twice"
        yield Deviation(quantity, float(len(codes) - len(set(codes))), 0.0)
        for r, code in enumerate(codes):
            if code not in exact:
                continue
            region = exact[code]
            scale = 1 << region.exponent
            maps = [[float(Fraction(int(v), scale)) for v in row] for row in region.rows]
            found = np.column_stack([partition.slopes[r], partition.offsets[r]])
            yield Deviation(f"{model.name}: A and b of a region", error_of(found, maps), 1e-13)
            outside = float(int(partition.locate(_inside(region.cone)[None])[0]) != r)
            yield Deviation(f"{model.name}: locating a point inside a region", outside, 0.0)
            normals, offsets = partition.halfspaces(r)
            apart = _facets_apart(normals, offsets, [facet for facet, _ in region.cone.facets()])
            yield Deviation(f"{model.name}: facets of a region", apart, 1e-12)

    return check


def _inside(cone: Cone) -> Array:
    """A point well inside a polyhedron: the mean of its corners, and from there along its rays."""
    vectors = [[Fraction(v, max(map(abs, ray.vector))) for v in ray.vector] for ray in cone.rays]
    corners = [[float(v / vector[-1]) for v in vector[:-1]] for vector in vectors if vector[-1]]
    rays = [[float(v) for v in vector[:-1]] for vector in vectors if not vector[-1]]
    return np.asarray(np.mean(corners, axis=0) + np.sum(np.reshape(rays, (-1, len(corners[0]))), 0))


def _facets_apart(normals: Array, offsets: Array, exact: list[tuple[int, ...]]) -> float:
    """The largest distance of a half-space, as a unit vector (normal, offset), from its nearest
    exact one; infinite if there are not as many."""
    rows = np.column_stack([normals, offsets])
    own = np.array([[float(Fraction(v, max(map(abs, f)))) for v in f] for f in exact])
    finite = own[np.any(own[:, :-1] != 0, axis=1)] if len(own) else rows[:0]
    if len(finite) != len(rows):
        return np.inf
    if not len(rows):
        return 0.0
    rows, finite = (a / np.sqrt(np.sum(a**2, axis=1))[:, None] for a in (rows, finite))
    apart = np.max(np.abs(rows[:, None] - finite), axis=2)
    return float(max(apart.min(axis=0).max(), apart.min(axis=1).max()))


def latent_quantities(model: Model) -> Check:
    """log p(x), e0, moments of p(z | x) and of p(x), entropy, ELBO, KL and prior masses, S > 1."""

    def check(impl: Any) -> Iterator[Deviation]:
        dgn, truth = model.dgn(impl), _latent_values(model)
        posterior = dgn.posterior(model.X)
        q = model.X, model.q_mean, model.q_cov
        single = {
            "log p": dgn.logpdf(model.X),
            "entropy": posterior.entropy(),
            "expected complete log-likelihood": dgn.expected_complete_loglik(model.X),
            "ELBO": dgn.elbo(*q),
            "KL": dgn.kl(*q),
        }
        rows: list[dict[Key, Any]] = [_of_moments("marginal", dgn.mean(), dgn.cov())]
        mean, cov = posterior.mean(), posterior.cov()
        codes = _codes(dgn)
        for n in range(len(model.X)):
            row: dict[Key, Any] = {(name, ()): values[n] for name, values in single.items()}
            row.update(_of_moments("posterior", mean[n], cov[n]))
            row.update({("e0", code): posterior.e0[n, r] for r, code in enumerate(codes)})
            rows.append(row)
        for r, code in enumerate(codes):
            key = "region mass", code
            # The reference declines small masses.
            if key in truth[0] and (impl.__name__ == "fast" or truth[0][key].value > 0.01):
                halfspaces = dgn.partition().halfspaces(r)
                zero = np.zeros((1, model.latent))
                mass = impl.gaussian_on_polyhedron(*halfspaces, zero, model.cov_z)
                rows[0][key] = np.exp(mass[0][0])
        for values, exact in zip(rows, truth, strict=True):
            told = {key[0] for key in values}
            for key, target in exact.items():
                left_out = key[0] == "region mass" and target.value <= 0.01
                if key[0] not in told or (key not in values and left_out):
                    continue
                error = abs(float(values.get(key, np.nan)) - float(target.value))
                quantity = f"{model.name}: {key[0]}"
                yield Deviation(quantity, error / float(target.scale), model.allowed(impl))

    return check


def _of_moments(name: str, mean: Any, cov: Any) -> dict[Key, Any]:
    values: dict[Key, Any] = {(f"{name} mean", (i,)): m for i, m in enumerate(mean)}
    for i in range(len(mean)):
        values.update({(f"{name} covariance", (i, j)): cov[i, j] for j in range(i + 1)})
    return values


def region_moments(model: Model) -> Check:
    """e1, e2 and the regions' own moments, where a region has a millionth of the posterior."""

    def check(impl: Any) -> Iterator[Deviation]:
        dgn = model.dgn(impl)
        posterior, codes = dgn.posterior(model.X), _codes(dgn)
        for n, exact in enumerate(_shares(model)):
            for code, share in exact.items():
                if share.e0 < 1e-6:
                    continue
                if code not in codes:
                    yield Deviation(f"{model.name}: a region", np.inf, 0.0)
                    continue
                at = n, codes.index(code)
                second = share.cov + np.outer(share.mean, share.mean)
                for name, value, truth in (
                    ("e1", posterior.e1[at], share.e0 * share.mean),
                    ("e2", posterior.e2[at], share.e0 * second),
                    ("region mean", posterior.region_mean[at], share.mean),
                    ("region covariance", posterior.region_cov[at], share.cov),
                ):
                    allowed = model.allowed(impl)
                    if impl.__name__ == "reference" and model.latent > 1 and name[0] == "r":
                        # Good to 1e-6 where it gives them; NaN where they drown in rounding.
                        if share.e0 < 0.01:
                            continue
                        allowed = 1e-6
                    yield Deviation(f"{model.name}: {name}", error_of(value, truth), allowed)

    return check


def density_and_mode(model: Model) -> Check:
    """log p(z | x) at points of several regions, and log p(x, z) at the mode."""

    def check(impl: Any) -> Iterator[Deviation]:
        posterior = model.dgn(impl).posterior(model.X)
        points = np.concatenate([model.q_mean, -model.q_mean, 2.3 * model.q_mean])
        values, modes = posterior.logpdf(points), posterior.mode()
        for n, x in enumerate(model.X):
            truth = [float(_log_joint(model, n, *z) - _log_evidence(model)[n]) for z in points]
            quantity = f"{model.name}: log p(z | x)"
            yield Deviation(quantity, error_of(values[n], truth), model.allowed(impl))
            layers, peak = specs(model), _log_peaks(model)[n]
            found = log_joint(layers, model.cov_x, model.cov_z, x, modes[n])
            error = float(abs(found - peak) / max(1, abs(peak)))
            yield Deviation(f"{model.name}: log p(x, z) at the mode", error, 1e-12)

    return check


@cache
def _log_joint(model: Model, n: int, *z: float) -> Any:
    return log_joint(specs(model), model.cov_x, model.cov_z, model.X[n], np.array(z))


def sums_over_data(model: Model) -> Check:
    """`statistics`, region by region."""

    def check(impl: Any) -> Iterator[Deviation]:
        dgn, truth = model.dgn(impl), _sums(model)
        found, codes = dgn.statistics(model.X), _codes(dgn)
        if sorted(codes) != truth.codes:
            yield Deviation(f"{model.name}: regions of the statistics", np.inf, 0.0)
            return
        order = [codes.index(code) for code in truth.codes]
        yield Deviation(f"{model.name}: n", float(abs(found.n - truth.n)), 0.0)
        allowed = model.allowed(impl)
        loglik = error_of(found.loglik, truth.loglik)
        yield Deviation(f"{model.name}: sum of log p", loglik, allowed)
        for name in ("e0", "e1", "e2", "residual0", "residual1"):
            error = error_of(getattr(found, name)[order], getattr(truth, name))
            yield Deviation(f"{model.name}: sum of {name}", error, allowed)
        scatter = np.array(truth.scatter, dtype=float)
        kept = {0: np.trace(scatter), 1: np.diag(scatter), 2: scatter}[np.ndim(model.cov_x)]
        yield Deviation(f"{model.name}: scatter", error_of(found.scatter, kept), allowed)

    return check


def updates(model: Model, names: tuple[str, ...]) -> Check:
    """Single updates of the M-step, from the implementation's own statistics."""

    def check(impl: Any) -> Iterator[Deviation]:
        dgn = model.dgn(impl)
        found = dgn.statistics(model.X)
        for name in names:
            moved = impl.m_step(dgn, found, [name]).parameters()
            truth = _updated(model, name)
            if name in moved:
                value = moved[name] if name.startswith("cov") else moved[name].ravel()
            else:
                value = _unknowns(model, moved, int(name))
            # The condition of the normal equations, on top of the errors of the statistics.
            allowed = 1e2 * model.allowed(impl)
            yield Deviation(f"{model.name}: update of {name}", error_of(value, truth), allowed)

    return check


def penalised_updates(model: Model, names: tuple[str, ...]) -> Check:
    """The same with every prior [Appendix H]: how far the surrogate plus log prior still rises."""

    def check(impl: Any) -> Iterator[Deviation]:
        dgn = model.dgn(impl)
        found = dgn.statistics(model.X)
        for name in names:
            index, of, chosen, is_weight = _named(model, name)
            for kind, scale in _PRIORS.items():
                prior = getattr(impl, f"{kind.capitalize()}Prior")(scale)
                moved = impl.m_step(dgn, found, [name], weight_prior=prior).parameters()
                values = _unknowns(model, moved, index)[chosen]
                error = uphill(of, values, kind, scale, is_weight)
                quantity = f"{model.name}: update of {name}, {kind} prior"
                yield Deviation(quantity, error, 1e2 * model.allowed(impl))

    return check


@cache
def _gradient(model: Model) -> dict[str, Array]:
    return gradient(specs(model), model.cov_x, model.cov_z, model.X[:2])


def gradients(model: Model) -> Check:
    """The gradient for S = 1 by every parameter, against oracle.learning.finite_differences."""

    def check(impl: Any) -> Iterator[Deviation]:
        found = model.dgn(impl).gradient(model.X[:2])
        truth = _gradient(model)
        for name in truth:
            error = error_of(found.get(name, np.nan), truth[name])
            yield Deviation(f"{model.name}: gradient by {name}", error, 1e-9)

    return check


def slopes(model: Model) -> Check:
    """The derivative of log p of the first x along one direction for every parameter, any S."""

    def check(impl: Any) -> Iterator[Deviation]:
        found = model.dgn(impl).gradient(model.X[:1])
        for name, (step, rise) in _slopes(model).items():
            size = float(np.sqrt(np.sum(step**2)))
            predicted = float(np.sum(np.asarray(found.get(name, np.nan)) * step)) / size
            error = error_of(predicted, rise / size)
            allowed = 1e2 * model.allowed(impl)
            yield Deviation(f"{model.name}: slope along {name}", error, allowed)

    return check


@cache
def _slopes(model: Model) -> dict[str, tuple[Array, float]]:
    """For each parameter a small step of it, and by how much log p of the first x rises.

    Central differences: the error is the square of the step, 2^-60, and 1e-25 over it.
    """
    result = {}
    for place, name in enumerate((*model.network().parameters(), "cov_x", "cov_z")):
        rng = np.random.default_rng([91, place])
        ends = [_moved(model, name, sign * 2.0**-30, rng.bit_generator.state) for sign in (1, -1)]
        step = ends[0][1] - ends[1][1]
        means = []
        for moved, _ in ends:
            inputs = specs_of(moved.layers), moved.cov_x, moved.cov_z
            with mp.workdps(50):
                means.append(log_evidence(*inputs, model.X[0]))
        with mp.workdps(50):
            result[name] = step, float(means[0] - means[1])
    return result


def _moved(model: Model, name: str, size: float, state: Any) -> tuple[Model, Array]:
    """The model with a parameter moved in a random direction, and the parameter."""
    rng = np.random.default_rng()
    rng.bit_generator.state = state
    settings = {"cov_x": model.cov_x, "cov_z": model.cov_z}
    layers = list(model.layers)
    index, _, part = name.partition(".")
    old = settings[name] if name in settings else layers[int(index)][1][part]
    direction = rng.uniform(0.5, 1.5, old.shape) * rng.choice([-1.0, 1.0], old.shape)
    if name in settings and old.ndim == 2:
        direction = direction + direction.T
    new = np.asarray(old + size * direction)
    if name in settings:
        settings[name] = new
    else:
        kind, values = layers[int(index)]
        layers[int(index)] = kind, {**values, part: new}
    moved = Model(
        model.name, tuple(layers), settings["cov_x"], settings["cov_z"], model.X, model.q_mean,
        model.q_cov,
    )  # fmt: skip
    return moved, new


def draws(model: Model) -> Check:
    """Moments of draws from p(z | x), over all and region by region, and from p(x), in standard
    errors."""

    def check(impl: Any) -> Iterator[Deviation]:
        dgn = model.dgn(impl)
        sample = dgn.posterior(model.X).rvs(DRAWS[impl.__name__], random_state=5)
        for n, row in enumerate(_shares(model)):
            mean, cov = _mixture(list(row.values()))
            for name, error in _standard_errors(sample[n], mean, cov):
                quantity = f"{model.name}: {name} of draws of z"
                yield Deviation(quantity, error, STANDARD_ERRORS)
            regions = dgn.partition().locate(sample[n])
            for r, code in enumerate(_codes(dgn)):
                if code in row and 0.05 < row[code].e0 < 0.95:
                    quantity = f"{model.name}: draws of z in a region"
                    error = _within_region(sample[n][regions == r], len(sample[n]), row[code])
                    yield Deviation(quantity, error, STANDARD_ERRORS)
        mean, cov = _marginal(model)
        for name, error in _standard_errors(dgn.rvs(40_000, random_state=6), mean, cov):
            yield Deviation(f"{model.name}: {name} of draws of x", error, STANDARD_ERRORS)

    return check


def _within_region(inside: Array, count: int, share: Any) -> float:
    """How far the number of draws in a region, of so many, and the length of their mean's error in
    coordinates in which they are standard, are off, in standard errors."""
    if not len(inside):
        return np.inf
    e0 = float(share.e0)
    number = abs(len(inside) / count - e0) / np.sqrt(e0 * (1 - e0) / count)
    with mp.workdps(30):
        root = cholesky([list(row) for row in share.cov])
        assert root is not None
        away = solved(root, list(reals(inside.mean(axis=0)) - share.mean))
        return max(float(number), float(mp.sqrt(len(inside) * sum(a * a for a in away))))


def _mixture(parts: list[Any]) -> tuple[Array, Array]:
    """Mean and covariance of a posterior."""
    mean = sum(p.e0 * p.mean for p in parts)
    cov = sum(p.e0 * (p.cov + np.outer(p.mean - mean, p.mean - mean)) for p in parts)
    return np.array(mean, dtype=float), np.array(cov, dtype=float)


@cache
def _marginal(model: Model) -> tuple[Array, Array]:
    """Mean and covariance of p(x), from the prior's regions."""
    values = _latent_values(model)[0] if model.latent > 1 else _line_values(model)
    size = max(key[1][0] for key in values if key[0] == "marginal mean") + 1
    mean, cov = np.empty(size), np.empty((size, size))
    for i in range(size):
        mean[i] = values["marginal mean", (i,)].value
        for j in range(i + 1):
            cov[i, j] = cov[j, i] = values["marginal covariance", (i, j)].value
    return mean, cov


@cache
def _line_values(model: Model) -> dict[Key, Value]:
    return OneDimension(specs(model), model.cov_x, model.cov_z, PRECISE).of_model()


def _standard_errors(sample: Array, mean: Array, cov: Array) -> Iterator[tuple[str, float]]:
    """How far the moments of draws (n, k) are off, in standard errors of these draws."""
    away = sample - mean
    error = np.abs(away.mean(axis=0)) / np.sqrt(np.diag(cov) / len(sample))
    yield "mean", float(np.max(error))
    products = away[:, :, None] * away[:, None, :]
    error = np.abs(products.mean(axis=0) - cov) / (products.std(axis=0) / np.sqrt(len(sample)))
    yield "covariance", float(np.max(error))


def zero_noise(impl: Any) -> Iterator[Deviation]:
    """The limit of the posterior without noise: on a line, and where a fold leaves a choice."""
    found = LINE.dgn(impl).zero_noise_latent(LINE.X)
    truth = [[float(zero_noise_on_line(specs(LINE), LINE.cov_x, x))] for x in LINE.X]
    yield Deviation("line: zero-noise latent", error_of(found, truth), LINE.allowed(impl))
    found = HUMP.dgn(impl).zero_noise_latent(HUMP.X)
    exact = zero_noise_on_line(specs(HUMP), HUMP.cov_x.reshape(1), HUMP.X[0])
    yield Deviation("hump: zero-noise latent", error_of(found, [[float(exact)]]), 1e-11)
    weight, bias = FOLD.layers[0][1]["weight"], FOLD.layers[0][1]["bias"]
    found = FOLD.dgn(impl).zero_noise_latent(FOLD.X)[0]
    nearest = zero_noise_of_fold(weight[0], bias[0], FOLD.cov_z, FOLD.X[0, 0])
    error = error_of(found, [float(v) for v in nearest])
    yield Deviation("fold: zero-noise latent", error, 1e-11)


_SHAPES: tuple[tuple[str, Any, Any, Any], ...] = (
    ("a quadrilateral", [[1.0, 0.1], [-1.0, 0.3], [0.2, 1.0], [-0.3, -1.0]],
     [0.7, 0.9, 0.8, 1.1], [0.1, -0.2]),
    ("a pentagon", [[1.0, 0.0], [0.3, 1.0], [-0.9, 0.6], [-0.8, -0.7], [0.4, -1.0]],
     [0.9, 0.8, 0.7, 0.8, 0.9], [0.9, 0.6]),
    ("a wedge", [[1.0, 0.4], [-0.3, 1.0]], [0.2, -0.4], [0.3, 0.5]),
    ("an open strip", [[1.0, 0.2], [-1.0, 0.1], [0.0, 1.0]], [0.6, 0.8, 0.3], [0.1, 0.4]),
    ("a half-plane", [[0.7, -1.0]], [0.25], [-0.3, 0.2]),
    ("a cone", [[1.0, 0.2, 0.1], [-0.3, 1.0, 0.2], [0.1, -0.4, 1.0]], [0.3, 0.5, 0.2],
     [0.2, 0.1, 0.4]),
    ("a cut wedge", [[1.0, 0.2, 0.1], [-0.3, 1.0, 0.2], [0.1, -0.4, 1.0], [-1.0, -1.0, -0.8]],
     [0.8, 0.9, 0.7, 1.9], [0.1, -0.1, 0.2]),
)  # fmt: skip
#: Far in the tail, where only fast answers.
_FAR_SHAPES: tuple[tuple[str, Any, Any, Any], ...] = (
    ("a quadrilateral, far", *_SHAPES[0][1:3], [21.0, -13.0]),
    ("a wedge, far", *_SHAPES[2][1:3], [-40.0, 9.0]),
    ("a cone, far", *_SHAPES[5][1:3], [-9.0, -7.0, -8.0]),
)


def polyhedra(impl: Any) -> Iterator[Deviation]:
    """Truncated Gaussians by themselves against Green's theorem."""
    far = _FAR_SHAPES if impl.__name__ == "fast" else ()
    for name, normals, offsets, mean in (*_SHAPES, *far):
        truth = _on_polyhedron(name)
        cov = _PRIOR2 if len(mean) == 2 else _PRIOR3
        log_mass, means, covs = impl.gaussian_on_polyhedron(
            np.array(normals), np.array(offsets), np.array([mean]), cov
        )
        # Far out, means and offsets in doubles cost ten times as much.
        allowed = ALLOWED[impl.__name__, len(mean)] * (10 if name.endswith("far") else 1)
        scale = max(1.0, abs(float(truth.log_mass)))
        error = abs(float(log_mass[0]) - float(truth.log_mass)) / scale
        yield Deviation(f"log mass of {name}", error, allowed)
        deviations = np.sqrt([float(truth.cov[i][i]) for i in range(len(mean))])
        away = (means[0] - np.array(truth.mean, dtype=float)) / deviations
        yield Deviation(f"mean on {name}", float(np.max(np.abs(away))), allowed)
        off = (covs[0] - np.array(truth.cov, dtype=float)) / np.outer(deviations, deviations)
        yield Deviation(f"covariance on {name}", float(np.max(np.abs(off))), allowed)


@cache
def _on_polyhedron(name: str) -> Moments:
    _, normals, offsets, mean = next(s for s in (*_SHAPES, *_FAR_SHAPES) if s[0] == name)
    if len(mean) == 2:
        return polygon_moments(normals, offsets, mean, _PRIOR2)
    return polyhedron_moments(normals, offsets, mean, _PRIOR3)


#: Scales of the priors: with these the Laplace prior makes some weights zero, and the uniform one
#: stops some at its bound.
_PRIORS = {"Gaussian": 0.5, "Laplace": 0.4, "uniform": 0.6}
_UPDATES = ("4.bias", "4.weight", "4", "2.bias", "2.weight", "0.bias", "cov_x", "cov_z")
#: The checks by name, cheap ones first.
CHECKS: dict[str, Check] = {
    **{f"partition, {m.name}": regions(m) for m in (LINE, CURVE, PLANE, IMAGES, SOLID)},
    "polyhedra": polyhedra,
    **{f"quantities, {m.name}": latent_quantities(m) for m in (PLANE, IMAGES, SOLID)},
    **{f"gradient, {m.name}": gradients(m) for m in (LINE, CURVE)},
    **{f"slopes, {m.name}": slopes(m) for m in (PLANE, IMAGES)},
    **{f"regions, {m.name}": region_moments(m) for m in (LINE, PLANE, SOLID)},
    **{f"density and mode, {m.name}": density_and_mode(m) for m in (LINE, CURVE, PLANE, IMAGES)},
    **{f"sums over data, {m.name}": sums_over_data(m) for m in (LINE, CURVE, PLANE, IMAGES)},
    **{f"updates, {m.name}": updates(m, _UPDATES) for m in (LINE, CURVE, PLANE)},
    f"updates, {IMAGES.name}": updates(IMAGES, ("3.weight", "3.bias", "3", "cov_x", "cov_z")),
    **{
        f"updates with priors, {m.name}": penalised_updates(m, names)
        for m, names in (
            (LINE, ("4.weight", "4", "0")),
            (CURVE, ("4", "2.weight")),
            (PLANE, ("4", "2")),
            (IMAGES, ("3",)),
        )
    },
    "zero noise": zero_noise,
    **{f"draws, {m.name}": draws(m) for m in (LINE, CURVE, NOISE, FOLD, PLANE)},
}
