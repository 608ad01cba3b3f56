"""Deliberate defects in both implementations for S = 2: the comparisons of the other tests see
every one."""

import contextlib
import dataclasses

import numpy as np
import pytest

import fast
import fast.integration.simplex_moments
import fast.integration.truncated
import fast.many_dimensions.e_step
import fast.many_dimensions.geometry
import fast.many_dimensions.pairs
import fast.many_dimensions.posterior
import reference
import reference.distributions.marginal
import reference.integration.cone_moments
import reference.integration.normal_cdf
import reference.integration.signed_sum
import reference.polyhedra.inclusion_exclusion
from reference.model import LeakyReLU, Network

#: Both implementations agree to 2e-11 in every quantity here: a defect shows from 1e-9 on.
SEEN = 1e-9
NETWORK = Network.random([2, 4, 3, 2], LeakyReLU(0.1), random_state=7)
COV_X = np.array([[0.4, 0.1], [0.1, 0.3]])
COV_Z = np.array([[1.0, 0.3], [0.3, 0.8]])
POINTS = reference.DGN(NETWORK, COV_X, COV_Z).rvs(3, 1)
Q_MEAN, Q_COV = np.full((3, 2), 0.2), np.broadcast_to([[0.5, 0.1], [0.1, 0.3]], (3, 2, 2))
#: A pentagon, a wedge, a strip, a half-plane and a slab.
POLYGONS = [
    (np.array([[1.0, 0], [-1, 0.3], [0, 1], [0.2, -1], [-1, -1]]), np.array([1.0, 1, 1, 1, 1.2])),
    (np.array([[1.0, 0.2], [0.4, 1.0]]), np.array([0.3, -0.1])),
    (np.array([[1.0, 1.0], [-1.0, -1.0]]), np.array([0.5, 0.4])),
    (np.array([[0.3, -1.0]]), np.array([0.2])),
]


def quantities(impl):
    """Everything compared, by name."""
    dgn = impl.DGN(NETWORK, COV_X, COV_Z)
    posterior, sums = dgn.posterior(POINTS), dgn.statistics(POINTS)
    values = {
        "log p": dgn.logpdf(POINTS),
        "e0": posterior.e0,
        "e1": posterior.e1,
        "e2": posterior.e2,
        "mean": posterior.mean(),
        "cov": posterior.cov(),
        "entropy": posterior.entropy(),
        "mode": posterior.mode(),
        "density": posterior.logpdf(np.array([[0.1, -0.3], [1.0, 2.0]])),
        "marginal mean": dgn.mean(),
        "marginal cov": dgn.cov(),
        "expected loglik": dgn.expected_complete_loglik(POINTS),
        "elbo": dgn.elbo(POINTS, Q_MEAN, Q_COV),
        "zero noise": dgn.zero_noise_latent(POINTS),
        **{name: getattr(sums, name) for name in ("residual0", "residual1", "scatter")},
    }
    for i, (normals, offsets) in enumerate(POLYGONS):
        found = impl.gaussian_on_polyhedron(normals, offsets, [[0.2, 0.1], [1.5, 0.0]], COV_X)
        names = ("log mass", "truncated mean", "truncated cov")
        values |= {f"{name} {i}": value for name, value in zip(names, found, strict=True)}
    return values


TRUTH = {"fast": quantities(reference), "reference": quantities(fast)}


def differences(impl):
    """The quantities that differ visibly from the other implementation's."""
    truth = TRUTH[impl.__name__]
    return [
        name
        for name, value in quantities(impl).items()
        if not np.all(np.abs(value - truth[name]) <= SEEN * (1 + np.abs(truth[name])))
    ]


def result(change):
    """A defect in what a function returns."""

    def wrap(function):
        return lambda *args, **kwargs: change(function(*args, **kwargs))

    return wrap


def keywords(**changes):
    """A defect in the fields of a dataclass or named tuple: name -> change."""

    def change(value):
        new = {name: edit(getattr(value, name)) for name, edit in changes.items()}
        if dataclasses.is_dataclass(value):
            return dataclasses.replace(value, **new)
        return value._replace(**new)

    return result(change)


def argument(place, change):
    """A defect in an argument of a function."""

    def wrap(function):
        def broken(*args, **kwargs):
            args = list(args)
            args[place] = change(args[place])
            return function(*args, **kwargs)

        return broken

    return wrap


def without_first(volume):
    volume = volume.copy()
    volume[0] = 1e-30
    return volume


def nudged_first(masses):
    masses = masses.copy()
    masses[0, 0, 0] *= 1 + 1e-6
    return masses


def crossed(moments):
    """λ_1 and λ_2 change places in the means."""
    moments = moments.copy()
    moments[:, 0, 1:] = moments[:, 0, :0:-1]
    return moments


FAST = {
    "a simplex left out": (fast.integration.truncated, "split", keywords(volume=without_first)),
    "a triangle left out": (
        fast.integration.truncated,
        "split_polygons",
        result(lambda f: (f[0], f[1]._replace(volume=without_first(f[1].volume)), f[2])),
    ),
    "a volume off by 1e-6": (fast.integration.truncated, "simplex_moments", result(nudged_first)),
    "half the nodes": (
        fast.integration.truncated,
        "simplex_moments",
        lambda f: lambda *a: f(*a, fast.integration.simplex_moments.Rule(6, 6, 36.0)),
    ),
    "cut off at exp(-8)": (
        fast.integration.truncated,
        "simplex_moments",
        lambda f: lambda *a: f(*a, fast.integration.simplex_moments.Rule(22, 26, 8.0)),
    ),
    "rays taken for points": (fast.integration.truncated, "split", keywords(finite=np.ones_like)),
    "slopes without the apex": (
        fast.integration.truncated,
        "split",
        keywords(slopes=np.zeros_like),
    ),
    "moments in another order": (fast.integration.truncated, "simplex_moments", result(crossed)),
    "moments in single precision": (
        fast.integration.truncated,
        "simplex_moments",
        result(lambda m: m.astype(np.float32).astype(np.float64)),
    ),
    "no spread between simplices": (
        fast.integration.truncated,
        "assemble",
        keywords(cov=lambda cov: cov * (1 - 1e-6)),
    ),
    "the peak taken for the mean": (
        fast.integration.truncated,
        "assemble",
        lambda f: lambda *a: (lambda t: t._replace(mean=t.peak))(f(*a)),
    ),
    "sign of the entropy": (fast.integration.truncated, "assemble", keywords(entropy=np.negative)),
    "heights off by 1e-6": (
        fast.integration.truncated,
        "choose_apex",
        keywords(heights=lambda h: h * (1 + 1e-6)),
    ),
    "log of the density at the apex doubled": (
        fast.many_dimensions.geometry,
        "dots",
        lambda f: lambda a, b: f(a, b) * (1 + 1e-6),
    ),
    "regions left out": (
        fast.many_dimensions.pairs,
        "_stops",
        lambda f: lambda left, spans, *a: spans[0],
    ),
    "bounds too low": (
        fast.many_dimensions.skipping.bounds,
        "_bounds",
        result(lambda b: b._replace(log_mass=b[0] - 40 * (np.arange(b[0].shape[-1]) % 2))),
    ),
    "prior precision for prior covariance": (
        fast.partitioned,
        "ManyDimensions",
        argument(2, np.linalg.inv),
    ),
    "q's variance halved": (fast.many_dimensions.e_step, "elbo", argument(3, lambda c: 0.5 * c)),
    "mode at the mean": (
        fast.many_dimensions.posterior,
        "choose_apex",
        lambda f: lambda items, **k: (lambda a: a._replace(place=items.means))(f(items, **k)),
    ),
    "the limit off by 1e-6": (
        fast.distributions.zero_noise._Search,
        "_polished",
        result(lambda z: z + 1e-6),
    ),
}
REFERENCE = {
    "a sign of Lemma 4": (
        reference.polyhedra.inclusion_exclusion,
        "inclusion_exclusion",
        result(lambda terms: [(-terms[0][0], terms[0][1]), *terms[1:]]),
    ),
    "a simplex left out": (
        reference.polyhedra.inclusion_exclusion,
        "triangulation",
        result(lambda simplices: simplices[1:] or simplices),
    ),
    "bivariate probabilities off by 1e-6": (
        reference.integration.normal_cdf,
        "bivariate",
        result(lambda p: p * (1 + 1e-6)),
    ),
    "masses off by 1e-6": (
        reference.integration.cone_moments,
        "mass",
        result(lambda m: m * (1 + 1e-6)),
    ),
    "first moments with their sign turned": (
        reference.integration.cone_moments,
        "first_moment",
        result(np.negative),
    ),
    "second moments for variances": (
        reference.integration.cone_moments,
        "second_moment",
        result(lambda m: m * (1 + 1e-6)),
    ),
    "facet density off": (
        reference.integration.cone_moments,
        "height",
        result(lambda h: h * (1 + 1e-6)),
    ),
    "a mean off by 1e-6": (
        reference.distributions.marginal,
        "posterior_mean",
        result(lambda m: m * (1 + 1e-6)),
    ),
    "covariance off by 1e-6": (
        reference.distributions.marginal,
        "posterior_factor",
        result(lambda c: c * (1 + 1e-6)),
    ),
}
CASES = [(fast, name, FAST[name]) for name in FAST] + [
    (reference, name, REFERENCE[name]) for name in REFERENCE
]


@pytest.mark.parametrize("impl", [fast, reference])
def test_nothing_is_seen_where_nothing_is_broken(impl):
    assert differences(impl) == []


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("impl", "name", "defect"),
    [
        # Every other one by default.
        pytest.param(*case, id=f"{case[0].__name__}-{case[1]}", marks=[pytest.mark.deep] * (i % 2))
        for i, case in enumerate(CASES)
    ],
)
def test_defect_is_seen(monkeypatch, impl, name, defect):
    """A wrong value, or the implementation's own refusal."""
    place, attribute, wrap = defect
    monkeypatch.setattr(place, attribute, wrap(getattr(place, attribute)))
    with contextlib.suppress(ArithmeticError, ValueError, np.linalg.LinAlgError):
        assert differences(impl) != [], name
