"""What an M-step maximises, written from its definition, with its derivatives by one block."""

import numpy as np


class Surrogate:
    """Σ_x E[log p(x, z; θ)] under the posterior, the regions and the codes of `start`.

    The codes are frozen, the maps follow the new parameters.
    """

    def __init__(self, start, X):
        posterior = start.posterior(X)
        self.X, self.codes = X, start.partition().codes
        # `reference` has no moments where a region's share is lost beside the others' rounding.
        known = np.all(np.isfinite(posterior.region_mean), axis=2)
        assert np.all(posterior.e0[~known] < 1e-12)
        self.e0 = np.where(known, posterior.e0, 0.0)
        self.mean = np.where(known[:, :, None], posterior.region_mean, 0.0)
        self.cov = np.where(known[:, :, None, None], posterior.region_cov, 0.0)

    def __call__(self, dgn):
        n, dimension = self.X.shape
        latent = dgn.network.latent_dimension
        cov = dgn.cov_x if dgn.cov_x.ndim == 2 else np.diag(np.broadcast_to(dgn.cov_x, dimension))
        precision, prior = np.linalg.inv(cov), np.linalg.inv(dgn.cov_z)
        total = -0.5 * n * ((dimension + latent) * np.log(2 * np.pi) + np.linalg.slogdet(cov)[1])
        total -= 0.5 * n * np.linalg.slogdet(dgn.cov_z)[1]
        for r, code in enumerate(self.codes):
            slope, offset = np.eye(latent), np.zeros(latent)
            for layer, part in zip(dgn.network.layers, dgn.network.split_code(code), strict=True):
                matrix = layer.derivative(part)
                slope = matrix @ slope
                offset = matrix @ offset + layer.offset(part, len(offset))
            mean, spread = self.mean[:, r], self.cov[:, r]
            residual = self.X - offset - mean @ slope.T
            square = np.einsum("nd,de,ne->n", residual, precision, residual)
            square += np.einsum("ds,de,et,nst->n", slope, precision, slope, spread, optimize=True)
            square += np.einsum("ns,st,nt->n", mean, prior, mean)
            square += np.einsum("st,nst->n", prior, spread)
            total -= 0.5 * np.sum(self.e0[:, r] * square)
        return total

    def derivatives(self, dgn, key):
        """First and second derivatives by every entry of an array of a layer. The surrogate is a
        quadratic in it, so that differences over a whole unit have no error but rounding."""
        value, middle = dgn.parameters()[key], self(dgn)
        first, second = np.empty(value.size), np.empty(value.size)
        for i in range(value.size):
            unit = np.zeros(value.size)
            unit[i] = 1.0
            up, down = (
                self(dgn.with_parameters({key: value + sign * unit.reshape(value.shape)}))
                for sign in (1.0, -1.0)
            )
            first[i], second[i] = 0.5 * (up - down), up + down - 2 * middle
        return first.reshape(value.shape), second.reshape(value.shape)
