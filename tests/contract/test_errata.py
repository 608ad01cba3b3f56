"""The paper's errata: the printed form fails against the oracle, the corrected form passes.

See the table in docs/errata.md.
"""

import numpy as np
import pytest
from shared_models import circle

import fast
import reference
from oracle.exact.layers import layers_of
from oracle.truths.one_dimension import exact_values
from reference import Dense, LeakyReLU, Network, ReLU
from reference.partition.partition import code_halfspaces


def model(seed=0, noise=0.2):
    """A small leaky network with data off its manifold, and a prior variance that is not 1."""
    network = Network.random([1, 4, 3, 2], LeakyReLU(0.1), seed)
    dgn = reference.DGN(network, noise, 2.5)
    return dgn, dgn.rvs(6, 1) + 0.3


def oracle_values(dgn, X):
    """The oracle's values for each row of X."""
    zeros = np.zeros(len(X))
    return exact_values(layers_of(dgn.network), dgn.cov_x, dgn.cov_z, X, zeros, zeros + 1.0)[1:]


class TestCorollary1:
    """Printed: A z < -q ⊙ b. Correct: q ⊙ (A z + b) > 0."""

    def halfspaces(self):
        """Points, each with its region's code, maps A, b of all units, and whether it is inside."""
        dgn, _ = model()
        partition = dgn.partition()
        for z in np.random.default_rng(0).normal(size=(50, 1)) * 2:
            for region, code in enumerate(partition.codes):
                normals, offsets = code_halfspaces(dgn.network, code)
                slope, offset = code[:, None] * normals, code * offsets
                yield z, code, slope, offset, region == partition.locate(z[None])[0]

    def test_corrected(self):
        for z, code, slope, offset, inside in self.halfspaces():
            assert np.all(code * (slope @ z + offset) > 0) == inside

    def test_printed_fails(self):
        wrong = [
            np.all(slope @ z < -code * offset) != inside
            for z, code, slope, offset, inside in self.halfspaces()
        ]
        assert any(wrong)


class TestLemma2:
    """Printed: p(z | x) → δ at argmin ‖x - g(z)‖² + zᵀ Σz z as σ → 0. Correct: the regulariser is
    zᵀ Σz^-1 z and its weight vanishes with σ; where A has no full column rank there is no Dirac."""

    network = Network([Dense([[1.0]], [0.0]), LeakyReLU(0.1), Dense([[2.0], [1.0]], [0.1, -0.2])])
    x = np.array([[2.5, 1.5]])
    grid = np.linspace(-5, 5, 2_000_001)

    def limit(self, weight):
        """argmin ‖x - g(z)‖² + weight z² on a fine grid."""
        square = ((self.x - self.network(self.grid[:, None])) ** 2).sum(axis=1)
        return self.grid[np.argmin(square + weight * self.grid**2)]

    def test_corrected(self):
        """The oracle's posterior concentrates at the least-squares point, as fast as σ² shrinks."""
        target = self.limit(0.0)
        for variance in (1e-4, 1e-6):
            values = oracle_values(reference.DGN(self.network, variance, 0.5), self.x)[0]
            assert abs(float(values["posterior mean", (0,)].value) - target) < 10 * variance + 1e-5
            assert float(values["posterior covariance", (0, 0)].value) < variance

    def test_printed_fails(self):
        """With the regulariser kept the minimiser stays away from the limit."""
        values = oracle_values(reference.DGN(self.network, 1e-6, 0.5), self.x)[0]
        assert abs(float(values["posterior mean", (0,)].value) - self.limit(0.5)) > 0.1

    def test_regulariser_is_the_precision(self, impl):
        """At σ > 0 the mode minimises ‖x - g(z)‖² + σ² zᵀ Σz^-1 z, not with Σz."""
        variance, prior = 0.3, 0.5
        mode = impl.DGN(self.network, variance, prior).posterior(self.x).mode()[0, 0]
        assert mode == pytest.approx(self.limit(variance / prior), abs=1e-5)
        assert abs(mode - self.limit(variance * prior)) > 0.01

    @pytest.mark.parametrize("prior", [0.5, 3.0])
    def test_zero_noise_latent(self, prior):
        """The oracle's posterior mean and mode approach it in proportion to σ², whatever Σz is, and
        not the printed minimiser."""
        z = reference.DGN(self.network, 0.3, prior).zero_noise_latent(self.x)[0, 0]
        assert z == pytest.approx(self.limit(0.0), abs=1e-5)
        printed = self.limit(prior)
        distances = []
        for variance in (1e-4, 1e-6):
            values = oracle_values(reference.DGN(self.network, variance, prior), self.x)[0]
            mean = float(values["posterior mean", (0,)].value)
            distances.append(abs(mean - z))
            assert abs(mean - printed) > 0.1
        assert distances[1] == pytest.approx(0.01 * distances[0], rel=0.01)

    plane = Network(
        [
            Dense([[1.0, 0.4], [-0.3, 1.0]], [0.2, 0.1]),
            LeakyReLU(0.3),
            Dense([[1.0, 0.5], [0.2, 1.0], [0.7, -0.4]], [0.1, -0.2, 0.3]),
        ]
    )

    def test_two_latent_dimensions(self):
        """The same for S = 2, with Σz no multiple of I: mean and mode of the exact posterior."""
        x, cov_z = np.array([[1.5, 0.8, -0.2]]), np.array([[1.0, 0.6], [0.6, 2.0]])
        z = reference.DGN(self.plane, 0.3, cov_z).zero_noise_latent(x)[0]
        side = np.linspace(-4, 4, 801)
        points = np.array(np.meshgrid(side, side)).reshape(2, -1).T
        square = ((x - self.plane(points)) ** 2).sum(axis=1)
        printed = points[np.argmin(square + np.einsum("ni,ij,nj->n", points, cov_z, points))]
        np.testing.assert_allclose(z, points[np.argmin(square)], atol=0.02)
        assert np.linalg.norm(printed - z) > 0.3
        distances = []
        for variance in (1e-3, 1e-4):
            posterior = reference.DGN(self.plane, variance, cov_z).posterior(x)
            distances.append(np.linalg.norm(posterior.mode()[0] - z))
            assert np.linalg.norm(posterior.mean()[0] - z) < 10 * variance
            assert np.linalg.norm(posterior.cov()[0]) < 10 * variance
        assert distances[1] == pytest.approx(0.1 * distances[0], rel=0.01)

    def test_flat_region_in_two_dimensions(self):
        """Both units off: the posterior goes to the prior on the quadrant, not to a point; what the
        other regions keep vanishes with σ."""
        flat = Network([Dense(np.eye(2), [0.0, 0.0]), ReLU(), Dense(np.eye(2), [0.0, 0.0])])
        x = np.array([[-0.03, -0.02]])
        half_normal = -np.sqrt(2 / np.pi), 1 - 2 / np.pi
        for deviation in (0.02, 0.01):
            posterior = reference.DGN(flat, deviation**2).posterior(x)
            np.testing.assert_allclose(posterior.mean()[0], half_normal[0], atol=deviation)
            cov = half_normal[1] * np.eye(2)
            np.testing.assert_allclose(posterior.cov()[0], cov, atol=deviation)
        best = reference.DGN(flat, 1e-4).zero_noise_latent(x)[0]
        np.testing.assert_allclose(best, [0.0, 0.0], atol=1e-14)
        np.testing.assert_allclose(posterior.mode()[0], best, atol=1e-14)

    def test_flat_region_keeps_its_spread(self):
        """Where A_ω = 0 the limit is the prior on the region: no Dirac."""
        flat = Network([Dense([[1.0]], [0.0]), ReLU(), Dense([[2.0], [1.0]], [0.0, 0.0])])
        values = oracle_values(reference.DGN(flat, 1e-8, 1.0), np.array([[-1.0, -1.0]]))[0]
        variance = float(values["posterior covariance", (0, 0)].value)
        assert variance == pytest.approx(1 - 2 / np.pi, abs=1e-3)


class TestProposition1:
    """Printed: a mixture p(t = r) = Φ_ω(0, Σz), x = A_r z + b_r + noise, z ~ N(0, Σz) for every t,
    as in an MPPCA. The weights are right, but given t, z is truncated to ω_r: they depend."""

    def parts(self):
        """For every region: its index, weight and prior mean given t = r, by quadrature."""
        partition = model()[0].partition()
        ends = [-40.0, *partition.breakpoints, 40.0]
        nodes, weights = np.polynomial.legendre.leggauss(60)
        for r in range(partition.n_regions):
            low, high = np.clip(ends[r : r + 2], -15, 15)
            z = low + 0.5 * (high - low) * (nodes + 1)
            density = 0.5 * (high - low) * weights * np.exp(-0.5 * z**2 / 2.5)
            yield r, density.sum() / np.sqrt(2 * np.pi * 2.5), density @ z / density.sum()

    def test_weights(self):
        """Φ_ω(0, Σz) is the probability of the region, by quadrature, and they sum to 1."""
        dgn, _ = model()
        total = 0.0
        for r, weight, _ in self.parts():
            got = reference.distributions.prior.region_weight(r, dgn.partition(), dgn.cov_z)
            assert got == pytest.approx(weight, rel=1e-10)
            total += got
        assert abs(total - 1) < 1e-13

    def test_latent_depends_on_the_component(self):
        """E[z | t = r] is within ω_r, and not 0 for all."""
        dgn, _ = model()
        for r, _, mean in self.parts():
            prior = reference.distributions.prior.prior_on_regions(dgn.partition(), dgn.cov_z)[r]
            assert prior.mean[0] == pytest.approx(mean, abs=1e-10)
            assert prior.cov[0, 0] < 2.5
            assert dgn.partition().locate(prior.mean[None])[0] == r

    def test_printed_fails(self):
        """The density of the mixture as printed is not p(x), by the oracle's count; ours is."""
        dgn, X = model()
        partition = dgn.partition()
        for x, values in zip(X, oracle_values(dgn, X), strict=True):
            truth = float(values["log p", ()].value)
            printed = 0.0
            for r, weight, _ in self.parts():
                slope, offset = partition.slopes[r], partition.offsets[r]
                printed += weight * np.exp(
                    reference.distributions.marginal.log_region_marginal(
                        x, slope, offset, dgn.cov_x, dgn.cov_z
                    )
                )
            assert abs(np.log(printed) - truth) > 1e-3
            assert dgn.logpdf(x[None])[0] == pytest.approx(truth, rel=1e-12)


class TestClosedPolytopes:
    """Printed [Sec. 3.2]: regions are closed polytopes with at least S + 1 faces. Some are always
    unbounded, with fewer faces; a box around them changes the answer."""

    def network(self):
        """Two units in two dimensions: four quadrants."""
        return Network([Dense(np.eye(2), [0.0, 0.0]), ReLU(), Dense(np.eye(2), [0.0, 0.0])])

    def test_printed_fails(self, impl):
        """Regions of two facets, and p(x) far out is not that of the box ±3."""
        dgn = impl.DGN(self.network(), 0.05)
        partition = dgn.partition()
        assert all(len(partition.halfspaces(r)[0]) == 2 for r in range(4))
        assert all(len(partition.rays(r)) == 2 for r in range(4))
        box, sides = np.concatenate([np.eye(2), -np.eye(2)]), np.full(4, 3.0)
        r = int(partition.locate([[1.0, 1.0]])[0])
        normals, offsets = partition.halfspaces(r)
        cov = 0.05 / 1.05 * np.eye(2)
        centre = np.full((1, 2), 3.2 / 1.05)
        whole, boxed = (
            impl.gaussian_on_polyhedron(n, o, centre, cov).log_mass[0]
            for n, o in (
                (normals, offsets),
                (np.concatenate([normals, box]), np.concatenate([offsets, sides])),
            )
        )
        assert whole - boxed > 1

    def test_corrected(self, impl):
        """With all of R² the prior masses sum to 1, and p(x) is the closed form: a product."""
        dgn = impl.DGN(self.network(), 0.05)
        x = np.array([[3.2, 3.2]])
        one = impl.DGN(Network([Dense([[1.0]], [0.0]), ReLU(), Dense([[1.0]], [0.0])]), 0.05)
        assert dgn.logpdf(x)[0] == pytest.approx(2 * one.logpdf(x[:, :1])[0], rel=1e-10)


class TestEStep:
    """Printed: the last bracket is added outside the -1/2 of the E-step. Correct: inside."""

    def terms(self, impl):
        """Of each datum: what stands before the last bracket, and the bracket."""
        dgn, X = model()
        partition, posterior = dgn.partition(), impl.DGN(dgn.network, 0.2, 2.5).posterior(X)
        slopes, offsets = partition.slopes[:, :, 0], partition.offsets
        for n, x in enumerate(X):
            e0, e1, e2 = posterior.e0[n], posterior.e1[n, :, 0], posterior.e2[n, :, 0, 0]
            constant = 3 * np.log(2 * np.pi) + 2 * np.log(0.2) + np.log(2.5) + e2.sum() / 2.5
            expected = (slopes * e1[:, None] + offsets * e0[:, None]).sum(axis=0)
            before = x @ x / 0.2 - 2 * x @ expected / 0.2
            bracket = (slopes**2).sum(axis=1) @ e2 / 0.2
            bracket += ((e0[:, None] * offsets + 2 * slopes * e1[:, None]) * offsets).sum() / 0.2
            yield constant + before, bracket

    def test_corrected(self, impl):
        dgn, X = model()
        result = impl.DGN(dgn.network, 0.2, 2.5).expected_complete_loglik(X)
        for values, got, (before, bracket) in zip(
            oracle_values(dgn, X), result, self.terms(impl), strict=True
        ):
            truth = float(values["expected complete log-likelihood", ()].value)
            assert -0.5 * (before + bracket) == pytest.approx(truth, rel=1e-11)
            assert got == pytest.approx(truth, rel=1e-12)

    def test_printed_fails(self, impl):
        dgn, X = model()
        for values, (before, bracket) in zip(oracle_values(dgn, X), self.terms(impl), strict=True):
            truth = float(values["expected complete log-likelihood", ()].value)
            assert abs(-0.5 * before + bracket - truth) > 1.0


class TestBiasUpdate:
    """Printed: the matrix sums over ω twice, without e0_ω(x). Correct: Σ_x Σ_ω e0_ω(x)."""

    def pieces(self, impl, layer):
        """Back-propagation matrices of a layer, e0, the right-hand side, from the definitions."""
        dgn, X = model()
        partition, posterior = dgn.partition(), dgn.posterior(X)
        bias = dgn.network.parameters()[f"{layer}.bias"]
        blocks, weights, right = [], [], np.zeros(len(bias))
        for r, code in enumerate(partition.codes):
            back = np.eye(2)
            parts = dgn.network.split_code(code)
            for i in range(len(dgn.network.layers) - 1, layer, -1):
                back = back @ dgn.network.layers[i].derivative(parts[i])
            without = partition.offsets[r] - back @ bias
            e0, e1 = posterior.e0[:, r], posterior.e1[:, r, 0]
            residual = (X - without).T @ e0 - partition.slopes[r, :, 0] * e1.sum()
            right += back.T @ residual / 0.2
            blocks.append(back.T @ back / 0.2)
            weights.append(e0.sum())
        return dgn, X, np.array(blocks), np.array(weights), right

    @pytest.mark.parametrize("layer", [2, 4])
    def test_corrected(self, impl, layer):
        """It is the update of both implementations, and a stationary point of the surrogate."""
        dgn, X, blocks, weights, right = self.pieces(impl, layer)
        corrected = np.linalg.solve(np.einsum("r,rij->ij", weights, blocks), right)
        own = impl.DGN(dgn.network, dgn.cov_x, dgn.cov_z)
        name = f"{layer}.bias"
        got = impl.m_step(own, own.statistics(X), [name]).parameters()[name]
        np.testing.assert_allclose(got, corrected, rtol=1e-9)

    @pytest.mark.parametrize("layer", [2, 4])
    def test_printed_fails(self, impl, layer):
        """The printed matrix, Σ_ω Σ_ω D Bᵀ Σx^-1 B D, gives another bias, and a lower surrogate."""
        _, _, blocks, weights, right = self.pieces(impl, layer)
        corrected = np.linalg.solve(np.einsum("r,rij->ij", weights, blocks), right)
        printed = np.linalg.solve(len(blocks) * blocks.sum(axis=0), right)
        assert np.abs(printed - corrected).max() > 0.1
        normal = np.einsum("r,rij->ij", weights, blocks)
        fall = 0.5 * (printed - corrected) @ normal @ (printed - corrected)
        assert fall > 1.0


class TestConvergence:
    """Printed: EM training converges with a guarantee. The printed M-step can raise the loss."""

    def start(self):
        """A start from which the printed M-step's first iteration goes wrong."""
        return Network.random([1, 8, 8, 2], LeakyReLU(0.1), 13), circle(13)

    def test_printed_fails(self):
        """One printed M-step raises the mean loss by nats, by the oracle's own count."""
        network, X = self.start()
        result = fast.fit_em(network, X, cov_x=0.55**2, m_step="paper", max_iter=1, tol=0.0)
        before = oracle_values(reference.DGN(network, 0.55**2), X[:6])
        after = oracle_values(result.dgn, X[:6])
        rise = [
            float(a["log p", ()].value - b["log p", ()].value)
            for a, b in zip(before, after, strict=True)
        ]
        assert np.mean(rise) > 1.0

    def test_guarded_passes(self):
        network, X = self.start()
        result = fast.fit_em(network, X, cov_x=0.55**2, m_step="guarded", max_iter=20, tol=0.0)
        assert np.diff(result.history).max() <= 1e-10
