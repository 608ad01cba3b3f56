"""Every quantity of a model from its definition, for tests: sums over exact regions of integrals
by quadrature, and maps evaluated with the codes held.

Shares no code with `reference` or `fast`: regions and maps are oracle.exact_regions', weights those
of described layers (oracle.models.descriptions). Guarded by tests/contract/test_definitions.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import numpy as np
from latent_integrals import Moments, moments, whitened

from oracle.exact.layer_specs import unit_slopes
from oracle.exact.regions import exact_regions
from oracle.models.descriptions import specs_of

#: Regions that hold less than exp(-this) of what the heaviest holds are left out.
NEGLIGIBLE = 30.0


class Region(NamedTuple):
    """A region's code, half-spaces normals z + offsets > 0, and map slope z + offset."""

    code: tuple[int, ...]
    normals: np.ndarray
    offsets: np.ndarray
    slope: np.ndarray
    offset: np.ndarray


def full(cov, dimension):
    """A covariance, given as a matrix, variances or one variance, as a matrix."""
    cov = np.asarray(cov, dtype=float)
    return cov if cov.ndim == 2 else np.diag(np.broadcast_to(cov, (dimension,)))


def log_normal(away, cov):
    """log N(away; 0, cov), nats."""
    root = np.linalg.cholesky(cov)
    white = np.linalg.solve(root, away)
    return -0.5 * white @ white - np.log(np.diag(root)).sum() - 0.5 * len(cov) * np.log(2 * np.pi)


def forward(specs, Z):
    """g at every row of Z."""
    hidden = np.asarray(Z, dtype=float)
    for kind, *values in specs:
        if kind == "dense":
            hidden = hidden @ values[0].T + values[1]
        elif kind == "slope":
            slopes, _ = unit_slopes(values[0], hidden.shape[1])
            hidden = np.maximum(hidden, 0) + slopes * np.minimum(hidden, 0)
        else:
            hidden = np.stack([hidden[:, w].max(axis=1) for w in values[0]], axis=1)
    return hidden


def frozen_maps(specs, codes):
    """The maps (R, D, S + 1) of (z, 1) to x with the codes held, whatever the weights."""
    latent = np.shape(specs[0][1])[1]
    current = np.broadcast_to(np.eye(latent, latent + 1), (len(codes), latent, latent + 1))
    place = 0
    for kind, *values in specs:
        if kind == "dense":
            current = values[0] @ current
            current[:, :, -1] += values[1]
            continue
        slopes, acting = unit_slopes(values[0], current.shape[1]) if kind == "slope" else ([], [])
        count = len(acting) if kind == "slope" else len(values[0])
        mine = codes[:, place : place + count]
        place += count
        if kind == "slope":
            scales = np.broadcast_to(slopes, (len(mine), len(slopes))).copy()
            scales[:, acting] = np.where(mine > 0, 1.0, scales[:, acting])
            current = scales[:, :, None] * current
        else:
            winners = [
                [window[q] for window, q in zip(values[0], row, strict=True)] for row in mine
            ]
            current = np.take_along_axis(current, np.array(winners)[:, :, None], axis=1)
    return current


class Quadratic(NamedTuple):
    """What an M-step maximises by some parameters: gradientᵀ Δ - Δᵀ curvature Δ / 2, Δ = values -
    current; which of the parameters are weights."""

    gradient: np.ndarray
    curvature: np.ndarray
    current: np.ndarray
    is_weight: np.ndarray


@dataclass(frozen=True, eq=False)
class Definitions:
    """A model with data X (N, D) and a Gaussian q for each: layers of oracle.models.descriptions,
    cov_x and cov_z in any structure."""

    layers: tuple
    cov_x: np.ndarray
    cov_z: np.ndarray
    X: np.ndarray
    q_mean: np.ndarray
    q_cov: np.ndarray

    @cached_property
    def specs(self):
        return specs_of(self.layers)

    @cached_property
    def latent(self):
        return int(np.shape(self.specs[0][1])[1])

    @cached_property
    def regions(self):
        """All regions, sorted by code."""
        return [_region(found) for found in exact_regions(self.specs)]

    @cached_property
    def codes(self):
        return np.array([region.code for region in self.regions])

    @cached_property
    def noise(self):
        return full(self.cov_x, len(self.regions[0].slope))

    @cached_property
    def prior(self):
        return full(self.cov_z, self.latent)

    def log_joint(self, x, z, region):
        """log p(x, z) of z in a region."""
        image = region.slope @ z + region.offset
        return log_normal(x - image, self.noise) + log_normal(z, self.prior)

    def log_joint_at(self, X, Z):
        """log p(x, z) for rows of X and of Z, by the forward pass."""
        images = forward(self.specs, Z)
        rows = zip(X, images, Z, strict=True)
        return np.array(
            [log_normal(x - g, self.noise) + log_normal(z, self.prior) for x, g, z in rows]
        )

    def images(self, Z):
        """g at every row of Z."""
        return forward(self.specs, Z)

    def zero_noise(self, share):
        """The smallest (x - g)ᵀ Σx^-1 (x - g), and zᵀ Σz^-1 z where that plus a small share of the
        latter is smallest: (N,), (N,)."""
        found = []
        for x in self.X:
            best = (np.inf, np.inf, np.inf)
            for region in self.regions:
                gram = region.slope.T @ np.linalg.solve(self.noise, region.slope)
                cov = np.linalg.inv(gram + share * np.linalg.inv(self.prior))
                away = np.linalg.solve(self.noise, x - region.offset)
                mean = cov @ region.slope.T @ away
                on = whitened(region.normals, region.offsets, mean, 0.5 * (cov + cov.T))
                if on is None:
                    continue
                z = on.mean + on.root @ on.peak
                miss = x - region.slope @ z - region.offset
                misfit = miss @ np.linalg.solve(self.noise, miss)
                size = z @ np.linalg.solve(self.prior, z)
                best = min(best, (misfit + share * size, misfit, size))
            found.append(best)
        return np.array(found)[:, 1], np.array(found)[:, 2]

    @cached_property
    def joint(self):
        """For each datum the moments of p(x, z) on each region."""
        return [self._joint(x) for x in self.X]

    def _joint(self, x):
        gaussians = []
        precision, prior = np.linalg.inv(self.noise), np.linalg.inv(self.prior)
        for region in self.regions:
            slope = region.slope
            cov = np.linalg.inv(prior + slope.T @ precision @ slope)
            mean = cov @ slope.T @ precision @ (x - region.offset)
            gaussians.append((self.log_joint(x, mean, region), mean, 0.5 * (cov + cov.T)))
        return self._on_regions(gaussians)

    def _on_regions(self, gaussians):
        """Moments on every region of its Gaussian (log height, mean, covariance); a region whose
        largest value is negligible beside that of another one has a log mass of -inf."""
        on = [
            whitened(region.normals, region.offsets, mean, cov)
            for region, (_, mean, cov) in zip(self.regions, gaussians, strict=True)
        ]
        sizes = [
            -np.inf if one is None else height + one.log_size
            for one, (height, _, _) in zip(on, gaussians, strict=True)
        ]
        parts = []
        for one, size, (height, mean, cov) in zip(on, sizes, gaussians, strict=True):
            if size < max(sizes) - NEGLIGIBLE:
                parts.append(Moments(-np.inf, mean, cov, mean))
            else:
                part = moments(one)
                parts.append(part._replace(log_mass=height + part.log_mass))
        return parts

    @cached_property
    def log_p(self):
        """log p(x), (N,)."""
        return np.array([_log_sum([part.log_mass for part in row]) for row in self.joint])

    @cached_property
    def e0(self):
        """(N, R)."""
        masses = np.array([[part.log_mass for part in row] for row in self.joint])
        return np.exp(masses - self.log_p[:, None])

    @cached_property
    def region_mean(self):
        return np.array([[part.mean for part in row] for row in self.joint])

    @cached_property
    def region_cov(self):
        return np.array([[part.cov for part in row] for row in self.joint])

    @cached_property
    def e1(self):
        return self.e0[:, :, None] * self.region_mean

    @cached_property
    def e2(self):
        outer = self.region_mean[:, :, :, None] * self.region_mean[:, :, None, :]
        return self.e0[:, :, None, None] * (self.region_cov + outer)

    @cached_property
    def posterior_mean(self):
        return self.e1.sum(axis=1)

    @cached_property
    def posterior_cov(self):
        mean = self.posterior_mean
        return self.e2.sum(axis=1) - mean[:, :, None] * mean[:, None, :]

    @cached_property
    def expected_complete_loglik(self):
        return np.array(
            [
                share @ [self._expected(x, part, r) for r, part in enumerate(row)]
                for x, row, share in zip(self.X, self.joint, self.e0, strict=True)
            ]
        )

    def _expected(self, x, part, r):
        """E[log p(x, z)] under the moments of z on a region: the value at the mean, less half the
        curvature's trace."""
        region = self.regions[r]
        curvature = np.linalg.inv(self.prior) + region.slope.T @ np.linalg.solve(
            self.noise, region.slope
        )
        return self.log_joint(x, part.mean, region) - 0.5 * np.sum(curvature * part.cov)

    @cached_property
    def entropy(self):
        """-E[log p(z | x)], nats."""
        return self.log_p - self.expected_complete_loglik

    @cached_property
    def elbo(self):
        """E_q[log p(x, z)] - E_q[log q]."""
        values = []
        for x, mean, cov in zip(self.X, self.q_mean, full_stack(self.q_cov), strict=True):
            height = log_normal(np.zeros(self.latent), cov)
            parts = self._on_regions([(height, mean, cov)] * len(self.regions))
            masses = np.exp([part.log_mass for part in parts])
            expected = sum(
                m * self._expected(x, p, r)
                for r, (m, p) in enumerate(zip(masses, parts, strict=True))
            )
            values.append(expected - (height - 0.5 * self.latent))
        return np.array(values)

    @cached_property
    def on_prior(self):
        """The moments of z ~ N(0, Σz) on every region."""
        zero = np.zeros(self.latent)
        return self._on_regions(
            [(log_normal(zero, self.prior), zero, self.prior)] * len(self.regions)
        )

    @cached_property
    def marginal(self):
        """Mean and covariance of p(x)."""
        masses = np.exp([part.log_mass for part in self.on_prior])
        images = np.array(
            [r.slope @ p.mean + r.offset for r, p in zip(self.regions, self.on_prior, strict=True)]
        )
        mean, cov = masses @ images, self.noise.copy()
        for mass, image, region, part in zip(
            masses, images, self.regions, self.on_prior, strict=True
        ):
            away = image - mean
            cov += mass * (region.slope @ part.cov @ region.slope.T + np.outer(away, away))
        return mean, cov

    @cached_property
    def log_peak(self):
        """The largest log p(x, z), (N,)."""
        return np.array(
            [
                max(
                    self.log_joint(x, part.peak, region)
                    for part, region in zip(row, self.regions, strict=True)
                    if part.log_mass > -np.inf
                )
                for x, row in zip(self.X, self.joint, strict=True)
            ]
        )

    # Sums over data [Sec. 4.1], with (z, 1) in place of z.

    @cached_property
    def latent_sums(self):
        """Σ_x E[(z, 1)(z, 1)ᵀ 1 | x], (R, S + 1, S + 1)."""
        sums = np.empty((len(self.regions), self.latent + 1, self.latent + 1))
        sums[:, :-1, :-1] = self.e2.sum(axis=0)
        sums[:, :-1, -1] = sums[:, -1, :-1] = self.e1.sum(axis=0)
        sums[:, -1, -1] = self.e0.sum(axis=0)
        return sums

    @cached_property
    def data_sums(self):
        """Σ_x x E[(z, 1) 1 | x]ᵀ, (R, D, S + 1)."""
        lifted = np.concatenate([self.e1, self.e0[:, :, None]], axis=2)
        return np.einsum("nd,nrs->rds", self.X, lifted)

    def residual_sums(self, specs):
        """Σ_x E[(x - g(z)) (z, 1)ᵀ 1 | x], (R, D, S + 1), g by these layers."""
        return self.data_sums - frozen_maps(specs, self.codes) @ self.latent_sums

    def scatter(self, specs):
        """Σ_x E[(x - g(z))(x - g(z))ᵀ | x], (D, D), g by these layers."""
        total = np.zeros_like(self.noise)
        maps = frozen_maps(specs, self.codes)
        for n, x in enumerate(self.X):
            for r, one in enumerate(maps):
                away = x - one @ np.append(self.region_mean[n, r], 1.0)
                slope = one[:, :-1]
                spread = slope @ self.region_cov[n, r] @ slope.T
                total += self.e0[n, r] * (np.outer(away, away) + spread)
        return total

    # What an M-step maximises.

    def quadratic(self, layers, cov_x, index, parts):
        """By the named arrays ("weight", "bias") of a layer, their entries one after another, from
        the maps that a whole unit of each entry changes: the surrogate is quadratic in them."""
        specs = specs_of(layers)
        before = frozen_maps(specs, self.codes)
        settings = layers[index][1]
        changes, current, is_weight = [], [], []
        for part in parts:
            value = settings[part]
            for at in np.ndindex(value.shape):
                moved = value.copy()
                moved[at] += 1.0
                one = list(layers)
                one[index] = (layers[index][0], {**settings, part: moved})
                changes.append(frozen_maps(specs_of(tuple(one)), self.codes) - before)
                current.append(value[at])
                is_weight.append(part == "weight")
        changes = np.array(changes)
        white = np.linalg.solve(full(cov_x, len(self.noise)), changes)
        gradient = np.einsum("prds,rds->p", white, self.residual_sums(specs))
        curvature = np.einsum("prds,rst,qrdt->pq", white, self.latent_sums, changes, optimize=True)
        return Quadratic(gradient, curvature, np.array(current), np.array(is_weight))


def full_stack(covs):
    """Covariances (N, S, S), or variances (N, S), as (N, S, S)."""
    return np.array([full(cov, cov.shape[0]) for cov in np.asarray(covs, dtype=float)])


def _region(found):
    scale = 1 << found.exponent
    rows = np.array([[float(Fraction(int(v), scale)) for v in row] for row in found.rows])
    facets = [facet for facet, _ in found.cone.facets() if any(facet[:-1])]
    largest = [max(map(abs, facet)) for facet in facets]
    sides = np.array(
        [
            [float(Fraction(v, top)) for v in facet]
            for facet, top in zip(facets, largest, strict=True)
        ]
    ).reshape(-1, rows.shape[1])
    return Region(found.code, sides[:, :-1], sides[:, -1], rows[:, :-1], rows[:, -1])


def _log_sum(values):
    top = np.max(values)
    return top + np.log(np.sum(np.exp(np.array(values) - top)))
