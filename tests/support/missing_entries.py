"""Models, data of which entries are not observed, and what follows from the definition."""

import numpy as np
import pytest

import fast
import reference
from reference import LeakyReLU, Network

NAN = np.nan
FULL = np.array([[0.5, 0.2, 0.05], [0.2, 0.4, -0.15], [0.05, -0.15, 0.3]])
NOISES = {"scalar": np.array(0.4), "diagonal": np.array([0.2, 0.5, 0.9]), "full": FULL}
PRIOR = np.array([[1.3, 0.3, 0.0], [0.3, 0.8, 0.1], [0.0, 0.1, 1.1]])
#: Patterns of three entries, with nothing and all observed among them, some twice.
GAPS = np.array(
    [[0, 1, 0], [1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=bool
)


#: `reference` takes seconds for S = 2 and 3. There both are compared, by one test, in everything.
EACH = [pytest.param(reference, 1, id="reference-1")]
EACH += [pytest.param(fast, latent, id=f"fast-{latent}") for latent in (1, 2)]


def model(impl, latent, cov_x, **settings):
    """[latent, 4, 3], leaky, with a prior that is not the identity."""
    network = Network.random([latent, 4, 3], LeakyReLU(0.2), latent)
    return impl.DGN(network, cov_x, PRIOR[:latent, :latent], **settings)


def with_gaps(dgn):
    """Draws of which entries are not observed, and the same whole."""
    whole = dgn.rvs(len(GAPS), random_state=0)
    return np.where(GAPS, NAN, whole), whole


def seen(row):
    """Which entries of a row are observed."""
    return np.flatnonzero(~np.isnan(row))


def matrix(cov_x, dimension=3):
    """Σx as a matrix."""
    return cov_x if cov_x.ndim == 2 else np.diag(np.broadcast_to(cov_x, (dimension,)))


def log_normal(away, cov):
    """log φ(away; 0, cov) of rows."""
    root = np.linalg.cholesky(cov)
    white = np.linalg.solve(root, away.T)
    constant = np.log(np.diag(root)).sum() + 0.5 * len(cov) * np.log(2 * np.pi)
    return -0.5 * np.square(white).sum(axis=0) - constant


def log_joint(dgn, row, Z):
    """log p(what is observed of a row, z) for rows of Z, written out."""
    own = seen(row)
    result = log_normal(Z, dgn.cov_z)
    if len(own):
        cov = matrix(dgn.cov_x)[np.ix_(own, own)]
        result = result + log_normal(row[own] - dgn.network(Z)[:, own], cov)
    return result


def panels(ends, count, nodes=24):
    """Points and weights of Gauss-Legendre on equal panels."""
    points, weights = np.polynomial.legendre.leggauss(nodes)
    edges = np.linspace(*ends, count + 1)
    half = 0.5 * np.diff(edges)[:, None]
    middle = 0.5 * (edges[:-1] + edges[1:])[:, None]
    return (middle + half * points).ravel(), (half * weights).ravel()


def em_of_factors(X, weight, bias, variances, iterations):
    """Factor analysis by EM with missing entries, written out for joint Gaussians of (x, z)."""
    dimension, latent = weight.shape
    for _ in range(iterations):
        second = np.zeros((dimension + latent + 1,) * 2)
        joint = np.block(
            [[weight @ weight.T + np.diag(variances), weight], [weight.T, np.eye(latent)]]
        )
        mean = np.append(bias, np.zeros(latent))
        for row in X:
            seen = np.append(~np.isnan(row), np.zeros(latent, dtype=bool))
            pull = joint[:, seen] @ np.linalg.inv(joint[np.ix_(seen, seen)])
            filled = mean + pull @ (row[seen[:dimension]] - mean[seen])
            cov = joint - pull @ joint[seen]
            one = np.append(filled, 1.0)
            second += np.outer(one, one)
            second[:-1, :-1] += cov
        x, h = np.arange(dimension), np.arange(dimension, dimension + latent + 1)
        cross, gram = second[np.ix_(x, h)], second[np.ix_(h, h)]
        both = cross @ np.linalg.inv(gram)
        left = second[np.ix_(x, x)] - both @ cross.T
        variances = np.diag(left) / len(X)
        weight, bias = both[:, :-1], both[:, -1]
    return weight, bias, variances
