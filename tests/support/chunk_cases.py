"""Small models of every kind of layer, every method on them, and what counts as the same result."""

from functools import cache
from types import SimpleNamespace

import numpy as np

import fast
from reference import (
    Abs,
    AdaptiveAvgPool,
    AvgPool,
    Conv1d,
    Conv2d,
    ConvTranspose1d,
    ConvTranspose2d,
    Dense,
    Flatten,
    Hardsigmoid,
    Hardtanh,
    LeakyReLU,
    MaxPool,
    Network,
    PiecewiseAffine,
    PixelShuffle,
    PReLU,
    ReLU,
    ReLU6,
    Reshape,
    Residual,
    Upsample,
    ZeroPad,
)

LATENT = (1, 2, 3)
KINDS = (
    *("relu", "leaky and absolute", "maxout", "image", "max-pooling", "decoder", "signal"),
    "pieces and a block",
)


def layers(kind, latent):
    """Small networks: of three latent dimensions every pair costs a millisecond."""
    normal = np.random.default_rng(11).standard_normal

    def dense(n_out, n_in):
        return Dense(normal((n_out, n_in)), 0.5 * normal(n_out))

    if kind == "relu":
        return [dense(3, latent), ReLU(), dense(3, 3)]
    if kind == "leaky and absolute":
        units = 2 if latent == 3 else 4
        return [
            *(dense(units, latent), LeakyReLU(0.2)),
            *(dense(1, units), Abs(), dense(2, 1)),
        ]
    if kind == "maxout":
        return [dense(4, latent), MaxPool(channels=2), dense(3, 2)]
    if kind == "image":
        return [
            *(dense(2, latent), Reshape((1, 1, 2)), Upsample((2, 1))),
            Conv2d(normal((2, 1, 2, 2)), normal(2), (1, 2), (0, 1)),
            *(LeakyReLU(0.3), AvgPool((1, 2), 1), Flatten(), dense(3, 2)),
        ]
    if kind == "decoder":
        return [
            *(dense(4, latent), Reshape((4, 1, 1)), PixelShuffle(2)),
            *(ConvTranspose2d(normal((1, 1, 2, 1)), normal(1)), AdaptiveAvgPool((1, 2))),
            *(LeakyReLU(0.3), ZeroPad((0, 1, 0, 0)), Flatten()),
        ]
    if kind == "pieces and a block":
        block = Residual([dense(1, 2), Hardtanh(-0.5, 1.0), dense(2, 1)])
        return [
            *(dense(2, latent), PReLU([0.2, -0.5]), block, dense(1, 2), ReLU6(), dense(1, 1)),
            *(Hardsigmoid(), dense(2, 1), PiecewiseAffine([0.25], [-0.5, 1.0], 0.5)),
        ]
    if kind == "signal":
        return [
            *(dense(2, latent), Reshape((1, 2)), ConvTranspose1d(normal((1, 1, 2)), normal(1))),
            *(Conv1d(normal((1, 1, 2)), normal(1)), ReLU(), Flatten(), dense(3, 2)),
        ]
    return [
        *(dense(4, latent), Reshape((1, 2, 2)), MaxPool((2, 1), 1)),
        Conv2d(normal((2, 1, 1, 2)), normal(2), 1, (0, 1)),
    ]


@cache
def case(latent, kind):
    """A network with covariances, data, a Gaussian q for each, and points in the latent space.

    cheap: what repeats whole E-steps, KL divergences, gradients and training, is run as well.
    """
    network = Network(layers(kind, latent))
    rng = np.random.default_rng(100 * latent + KINDS.index(kind))
    observed = network.observed_dimension
    half = 0.2 * rng.standard_normal((observed, observed))
    cov_x = (0.1, np.linspace(0.08, 0.15, observed), half @ half.T + 0.1 * np.eye(observed))[
        (KINDS.index(kind) + latent) % 3
    ]
    root = np.eye(latent) + 0.3 * np.tri(latent, k=-1)
    count = 7 if latent == 1 else 5
    spread = 0.3 * rng.standard_normal((count, latent, latent))
    return SimpleNamespace(
        latent=latent,
        cheap=latent == 1 or kind == "max-pooling",
        network=network,
        cov_x=cov_x,
        cov_z=root @ root.T,
        X=fast.DGN(network, cov_x, root @ root.T).rvs(count, rng),
        q_mean=rng.standard_normal((count, latent)),
        # From narrow to wide: what is far away in deviations of one is near in another's.
        q_cov=np.geomspace(1e-4, 1.0, count)[:, None, None]
        * (spread @ np.swapaxes(spread, 1, 2) + np.eye(latent)),
        Z=1.5 * rng.standard_normal((count, latent)),
    )


def per_datum(dgn, given, rows):
    """Everything that has one row for each datum, for some of the data."""
    X, q = given.X[rows], (given.q_mean[rows], given.q_cov[rows])
    posterior = dgn.posterior(X)
    values = {
        "image": given.network(given.Z[rows]),
        "locate": dgn.partition().locate(given.Z[rows]),
        "logpdf": dgn.logpdf(X),
        "score": dgn.score(X),
        "zero noise": dgn.zero_noise_latent(X),
        "complete": dgn.expected_complete_loglik(X),
        "elbo": dgn.elbo(X, *q),
        "posterior at Z": posterior.logpdf(given.Z),
        "posterior at its own Z": posterior.logpdf(given.Z[rows][:, None]),
    }
    if given.cheap:
        values["kl"] = dgn.kl(X, *q)
    for name in ("log_e0", "e0", "e1", "e2", "region_mean", "region_cov", "skipped", "error"):
        if hasattr(posterior, name):
            values[name] = getattr(posterior, name)
    values["posterior variances"] = posterior.reconstruction_cov(diagonal=True)
    for name in ("mean", "cov", "reconstruction", "reconstruction_cov", "entropy", "mode"):
        values[f"posterior {name}"] = getattr(posterior, name)()
    return values


def of_partition(found):
    """Every array that a partition gives."""
    values = {"codes": found.codes, "slopes": found.slopes, "offsets": found.offsets}
    for r in range(found.n_regions):
        values[f"normals {r}"], values[f"levels {r}"] = found.halfspaces(r)
        for name in ("vertices", "rays", "lines"):
            values[f"{name} {r}"] = getattr(found, name)(r)
    # Points inside, and where units are zero: corners, and edges that have no other end.
    regions = range(found.n_regions)
    inside = [found.vertices(r).mean(axis=0) + found.rays(r).sum(axis=0) for r in regions]
    corners = [found.vertices(r) for r in regions]
    edges = [found.vertices(r)[:1] + found.rays(r) for r in regions]
    values["corners located"] = found.locate(np.concatenate([inside, *corners, *edges]))
    return values


def summed(dgn, given):
    """Everything of `fast` that is a sum over data or regions, and what is learnt from it."""
    statistics = dgn.statistics(given.X)
    values = {f"statistics {name}": value for name, value in vars(statistics).items()}
    values |= {"marginal mean": dgn.mean(), "marginal cov": dgn.cov()}
    if given.cheap or any(isinstance(layer, Conv2d) for layer in given.network.layers):
        values |= {f"gradient {name}": value for name, value in dgn.gradient(given.X).items()}
    learnt = {"m_step": fast.m_step(dgn, statistics)}
    if given.cheap:
        fits = {"fit_em paper": fast.fit_em(dgn, given.X, m_step="paper", max_iter=1, tol=0)}
        if given.latent == 1:  # the walk back to where the likelihood rises takes many E-steps
            fits["fit_em guarded"] = fast.fit_em(dgn, given.X, max_iter=1, tol=0)
        fits["fit_mle"] = fast.fit_mle(dgn, given.X, max_iter=1, tol=0)
        for name, fit in fits.items():
            learnt[name], values[f"{name} history"] = fit.dgn, fit.history
    for name, model in learnt.items():
        values |= {f"{name} {key}": value for key, value in model.parameters().items()}
    return values


#: What holds choices, and no products or sums: the same bit for bit.
EXACT = ("codes", "locate", "corners located", "statistics n")
#: Least squares: normal equations lose up to the square of a condition number, here, of unknowns in
#: units of their own, below 1e3.
LEARNT = ("m_step", "fit_em", "fit_mle")


def differences(values, expected):
    """The names of values that are not as expected: EXACT ones not bit for bit, others not to 1e-12
    of the largest entry, LEARNT ones to 1e-9.

    Products of matrices of other shapes and sums in another order round differently, by some ε
    times the number of terms, a few hundred: measured, 1e-13 at most, and 4e-11 for the learnt.
    """
    assert values.keys() == expected.keys()
    wrong = []
    for name, value in values.items():
        value, other = np.asarray(value), np.asarray(expected[name])
        tolerance = 0.0 if name in EXACT else 1e-9 if name.startswith(LEARNT) else 1e-12
        scale = np.max(np.abs(other), initial=0.0, where=np.isfinite(other))
        if value.shape != other.shape or not np.allclose(
            value, other, rtol=0.0, atol=tolerance * scale, equal_nan=True
        ):
            wrong.append(name)
    return wrong
