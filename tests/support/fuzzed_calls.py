"""Calls of the public API with numbers of any size, kind and layout, and what no call may do.

No result has a NaN that is not documented, no error is of numpy, scipy or Python itself, no
argument is changed, shapes are as documented. Choices are oracle.models.random_choices', so that a
seed or hypothesis may make them.
"""

import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from oracle.checks.implementations import network_from
from oracle.models.architectures import draw_degenerate, draw_network
from reference.model import NotSolvedError

#: Sizes of numbers, the simplest first.
ORDINARY = (1.0, 0.0, 1e-3, 30.0)
EXTREME = (5e-324, 1e-300, 1e-150, 1e-30, 1e-8, 1e8, 1e30, 1e150, 1e300)
LARGEST = 1e308
#: The most regions a model may have: larger ones are refused by name.
MOST_REGIONS = {"fast": 60, "reference": 8}
#: How an error begins: with what it is about.
NAMED = re.compile(r"^[A-Za-z_][\w.]*(\[\d+\])?(, [A-Za-z_]\w*)*: ")


def documented(impl):
    """The exceptions that an implementation says it raises; none that is derived from them."""
    own = {impl.PartitionError, impl.TooManyRegionsError, impl.SingularCovarianceError}
    if impl.__name__ == "reference":
        own |= {impl.OutsideValidity, NotImplementedError}
    return {ValueError, ArithmeticError, NotSolvedError, *own}


def asked(impl, function, **arguments):
    """What a call returns, or None if it is refused as documented.

    Raises AssertionError if it is refused otherwise, warns, or changes an argument.
    """
    before = {name: kept(value) for name, value in arguments.items()}
    result = refusal = None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            result = function(**arguments)
        except Exception as error:
            refusal = error
    if refusal is not None:
        said = f"{type(refusal).__name__}: {refusal}"
        if type(refusal) not in documented(impl) or not NAMED.match(str(refusal)):
            raise AssertionError(f"not as documented: {said}") from refusal
    for name, value in arguments.items():
        assert kept(value) == before[name], f"{name} was changed"
    return result


def kept(value):
    """An argument's kind and content, to be compared."""
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.flags.writeable, value.tobytes()
    return repr(value)


# Layouts of numbers


def _every_other(values):
    """The same numbers, not one beside the other in memory."""
    wide = np.full([2 * n for n in values.shape], np.nan)
    view = wide[tuple(slice(0, None, 2) for _ in values.shape)]
    view[...] = values
    return view


def _read_only(values):
    """The same numbers, which cannot be written."""
    own = np.array(values)
    own.flags.writeable = False
    return own


#: Ways in which numbers are given, the simplest first.
GUISES = {
    "array": np.array,
    "list": lambda values: values.tolist(),
    "Fortran order": np.asfortranarray,
    "read-only": _read_only,
    "every other": _every_other,
    "backwards": lambda values: values[::-1].copy()[::-1],
    "single precision": lambda values: np.clip(values, -3e38, 3e38).astype(np.float32),
    "integers": lambda values: np.clip(np.round(values), -(2**53), 2**53).astype(np.int64),
    "big-endian": lambda values: values.astype(">f8"),
    "long double": lambda values: values.astype(np.longdouble),
}
#: What is refused: no rows, what is infinite, an axis too few.
REFUSED = {
    "no rows": lambda values: values[:0],
    "infinite": lambda values: np.where(values == values.max(), np.inf, values),
    "minus infinite": lambda values: np.where(values == values.max(), -np.inf, values),
    "flat": np.ravel,
}


@dataclass(frozen=True)
class Drawing:
    """What calls are drawn with: choices, an implementation, the chance that a size is extreme, and
    whether networks may be nearly degenerate."""

    choices: Any
    impl: Any
    extreme: float
    degenerate: bool

    def is_extreme(self):
        """Whether something is to be extreme. hypothesis knows no chances but none and some."""
        return bool(self.extreme) and self.choices.chance(self.extreme)

    def size(self):
        """The size of some numbers."""
        return self.choices.pick(EXTREME if self.is_extreme() else ORDINARY)

    def numbers(self, *shape):
        """Finite numbers of one size."""
        return np.clip(self.choices.normals(shape) * self.size(), -LARGEST, LARGEST)

    def given(self, values):
        """Numbers in one of the ways in which they may be given."""
        return GUISES[self.choices.pick(tuple(GUISES))](values)

    def covariance(self, dimension):
        """A variance, variances, or a matrix; not subnormal, and not so large that it overflows."""
        scale = np.clip(self.size() or 1.0, 1e-290, 1e290)
        kind = self.choices.pick(("number", "diagonal", "full"))
        if kind == "number":
            return float(scale)
        spread = 10.0 ** np.array([self.choices.real(-1.5, 1.5) for _ in range(dimension)])
        if kind == "diagonal":
            return scale * spread
        root = np.tril(0.3 * self.choices.normals((dimension, dimension)), -1) + np.diag(spread)
        return scale * (root @ root.T)

    def model(self, latent):
        """A DGN, or None if it is refused: any network, one of its arrays now and then of another
        size."""
        draw = draw_network
        if self.degenerate and self.choices.chance(0.5):
            draw = draw_degenerate
        layers = [(kind, dict(settings)) for kind, settings in draw(self.choices, latent)[1]]
        if self.is_extreme():
            settings = self.choices.pick([own for _, own in layers if "weight" in own])
            name = self.choices.pick(("weight", "bias"))
            with np.errstate(over="ignore"):
                scaled = settings[name] * self.choices.pick(EXTREME)
            settings[name] = np.clip(scaled, -LARGEST, LARGEST)
        network = network_from(tuple(layers))
        most = MOST_REGIONS[self.impl.__name__]
        return asked(
            self.impl,
            lambda **given: self.impl.DGN(network, **given, max_regions=most),
            cov_x=self.covariance(network.observed_dimension),
            cov_z=self.covariance(latent),
        )

    def data(self, dgn):
        """One to three data."""
        return self.numbers(self.choices.whole(1, 4), dgn.network.observed_dimension)

    def gaussians(self, dgn, count):
        """A q for each datum."""
        latent = len(dgn.cov_z)
        variances = 10.0 ** self.choices.normals((count, latent)) * (self.size() or 1.0)
        mean = self.given(self.numbers(count, latent))
        return {"q_mean": mean, "q_cov": np.clip(variances, 1e-290, 1e290)}

    def ask(self, function, **arguments):
        """As `asked`."""
        return asked(self.impl, function, **arguments)


# What is returned


def finite(shape, *values):
    """All of this shape, and finite."""
    for value in values:
        assert np.shape(value) == shape, f"shape {np.shape(value)}, expected {shape}"
        assert np.all(np.isfinite(value)), "not finite"


def variances(cov):
    """Not negative."""
    least = np.min(np.diagonal(cov, axis1=-2, axis2=-1), initial=0.0)
    assert least >= 0, f"variance {least}"


def of_data(name, shape):
    """A check of what a method says of each datum."""

    def check(draw, dgn, X):
        found = draw.ask(getattr(dgn, name), X=X)
        if found is not None:
            finite((len(X), *(len(dgn.cov_z) for _ in range(shape))), found)

    return check


def check_statistics(draw, dgn, X):
    found = draw.ask(dgn.statistics, X=X)
    if found is None:
        return
    regions, latent, observed = len(found.e0), len(dgn.cov_z), dgn.network.observed_dimension
    assert found.n == len(X)
    finite((), found.loglik)
    finite((regions,), found.e0)
    finite((regions, latent), found.e1)
    finite((regions, latent, latent), found.e2)
    finite((regions, observed), found.residual0)
    finite((regions, observed, latent), found.residual1)
    finite(dgn.cov_x.shape, found.scatter)


def check_gradient(draw, dgn, X):
    found, values = draw.ask(dgn.gradient, X=X), dgn.parameters()
    if found is not None:
        assert found.keys() == values.keys()
        for name, value in found.items():
            finite(values[name].shape, value)


def check_bounds(draw, dgn, X):
    given = draw.gaussians(dgn, len(X))
    bound = draw.ask(dgn.elbo, X=X, **given)
    divergence = draw.ask(dgn.kl, X=X, **given)
    if bound is not None:
        finite((len(X),), bound)
    if divergence is not None:
        finite((len(X),), divergence)
    if bound is not None and divergence is not None:
        # The ELBO, of which it is the rest, has as many digits as it has.
        assert np.all(divergence >= -1e-7 * np.maximum(1.0, np.abs(bound))), "negative divergence"


def check_posterior(draw, dgn, X):
    found = draw.ask(dgn.posterior, X=X)
    if found is None:
        return
    count, latent, regions = len(X), len(dgn.cov_z), dgn.partition().n_regions
    finite((count, regions), found.e0)
    np.testing.assert_allclose(found.e0.sum(axis=1), 1.0, rtol=0, atol=1e-9)
    finite((count, regions, latent), found.e1)
    finite((count, regions, latent, latent), found.e2)
    assert not np.any(np.isnan(found.log_e0)), "NaN log e0"
    there = found.log_e0 > -np.inf
    if draw.impl.__name__ == "reference":  # NaN where a weight is within its error, too
        there &= ~np.all(np.isnan(found.region_mean), axis=2)
    finite((there.sum(), latent), found.region_mean[there])
    finite((there.sum(), latent, latent), found.region_cov[there])
    shapes = {"mean": (count, latent), "mode": (count, latent), "entropy": (count,)}
    for name, shape in {**shapes, "cov": (count, latent, latent)}.items():
        value = draw.ask(getattr(found, name))
        if value is not None:
            finite(shape, value)
            if name == "cov":
                variances(value)
    draws = draw.ask(found.rvs, size=3, random_state=0)
    if draws is not None:
        finite((count, 3, latent), draws)
    density = draw.ask(found.logpdf, Z=draw.given(draw.numbers(2, latent)))
    if density is not None:
        assert density.shape == (count, 2)
        assert not np.any(np.isnan(density)), "NaN log p(z | x)"


def check_marginal(draw, dgn, X):
    observed = dgn.network.observed_dimension
    mean, cov, draws = draw.ask(dgn.mean), draw.ask(dgn.cov), draw.ask(dgn.rvs, random_state=0)
    if mean is not None:
        finite((observed,), mean)
    if cov is not None:
        finite((observed, observed), cov)
        variances(cov)
    if draws is not None:
        finite((1, observed), draws)


def check_partition(draw, dgn, X):
    found = draw.ask(dgn.partition)
    if found is None:
        return
    regions, latent, observed = found.n_regions, len(dgn.cov_z), dgn.network.observed_dimension
    finite((regions, observed, latent), found.slopes)
    finite((regions, observed), found.offsets)
    for region in range(regions):
        facets = draw.ask(found.halfspaces, region=region)
        if facets is not None:
            finite((len(facets[0]), latent), facets[0])
            finite((len(facets[0]),), facets[1])
        for name in ("vertices", "rays", "lines"):
            directions = draw.ask(getattr(found, name), region=region)
            if directions is not None:
                finite((len(directions), latent), directions)
    located = draw.ask(found.locate, Z=draw.given(draw.numbers(4, latent)))
    if located is not None:
        assert located.shape == (4,)
        assert np.all((located >= 0) & (located < regions)), "no such region"


def check_network(draw, dgn, X):
    images = draw.ask(dgn.network, Z=draw.given(draw.numbers(3, len(dgn.cov_z))))
    if images is not None:
        finite((3, dgn.network.observed_dimension), images)


#: What is asked of a model and data, by name.
CHECKS = {
    "partition": check_partition,
    "network": check_network,
    "logpdf": of_data("logpdf", 0),
    "posterior": check_posterior,
    "marginal": check_marginal,
    "expected_complete_loglik": of_data("expected_complete_loglik", 0),
    "elbo, kl": check_bounds,
    "statistics": check_statistics,
    "gradient": check_gradient,
    "zero_noise_latent": of_data("zero_noise_latent", 1),
}


def check_polyhedron(draw, latent):
    """gaussian_on_polyhedron on half-spaces of any kind, some of them nearly parallel."""
    facets, means = draw.choices.whole(0, 7), draw.choices.whole(1, 4)
    normals, offsets = draw.numbers(facets, latent), draw.numbers(facets)
    if draw.degenerate and facets > 1 and draw.choices.chance(0.4):
        half, digits = facets // 2, draw.choices.whole(3, 16)
        apart = 1 + 10.0**-digits * draw.choices.normals((half, latent))
        normals[-half:] = draw.choices.pick((1.0, -1.0)) * normals[:half] * apart
    found = draw.ask(
        draw.impl.gaussian_on_polyhedron,
        normals=draw.given(normals),
        offsets=draw.given(offsets),
        means=draw.given(draw.numbers(means, latent)),
        cov=draw.covariance(latent),
    )
    if found is None:
        return
    assert found.log_mass.shape == (means,)
    assert not np.any(np.isnan(found.log_mass)), "NaN log mass"
    assert np.all(found.log_mass <= 1e-9), f"log mass {found.log_mass.max()}"
    there = found.log_mass > -np.inf
    finite((there.sum(), latent), found.mean[there])
    finite((there.sum(), latent, latent), found.cov[there])
    variances(found.cov[there])
    assert not np.any(np.isnan(found.log_mass_error)), "NaN log_mass_error"
