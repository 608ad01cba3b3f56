"""The variational autoencoder: the same model, an unbiased bound, training that arrives."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest
from scipy.stats import norm

from fast import Dense, LeakyReLU, Network, ReLU
from paper_figures.methods.autoencoder import BATCH, CHUNK, batches, train
from paper_figures.methods.endings import loss_and_divergence
from paper_figures.methods.exact_bound import elbo
from paper_figures.methods.ppca import best_line
from paper_figures.methods.recipe import Recipe
from paper_figures.methods.reparameterised_elbo import Parameters, negative_elbo

ALARM = 1e-6
BRIEF = Recipe("any", 0.01, 5 * CHUNK)


def last(network, X, recipe, seed=0, deviation=0.3):
    """Where training ends."""
    (end,) = train(network, deviation, X, [recipe], seed, [recipe.updates])
    return end


@pytest.fixture(scope="module")
def circle_like():
    rng = np.random.default_rng(3)
    angle = rng.uniform(0.0, 2.0 * np.pi, 100)
    return np.stack([np.cos(angle), np.sin(angle)], 1) + 0.1 * rng.standard_normal((100, 2))


class TestStart:
    def test_nothing_is_compiled_while_the_clock_runs(self, circle_like):
        compiled = []

        def listen(event, duration, **rest):
            if "backend_compile" in event:
                compiled.append(event)

        jax.clear_caches()
        jax.monitoring.register_event_duration_secs_listener(listen)
        try:
            network = Network.random((1, 6, 2), LeakyReLU(0.1), 2)
            recipe = Recipe("any", 0.01, 3 * CHUNK)
            running = train(network, 0.3, circle_like, [recipe], 0, [0, CHUNK, 3 * CHUNK])
            assert next(running).update == 0
            before = len(compiled)
            assert before > 0  # the listener hears
            assert [snapshot.update for snapshot in running] == [CHUNK, 3 * CHUNK]
            assert len(compiled) == before
        finally:
            jax.monitoring.unregister_event_duration_listener(listen)

    @pytest.mark.parametrize("widths", [(1, 6, 2), (1, 5, 4, 2), (2, 5, 2)])
    def test_the_decoder_is_the_network_bit_for_bit(self, widths, circle_like):
        network = Network.random(widths, LeakyReLU(0.1), 5)
        recipe = Recipe("any", 0.01, CHUNK)
        (start,) = train(network, 0.3, circle_like, [recipe], 0, [0])
        mine, given = start.dgn().network.parameters(), network.parameters()
        assert mine.keys() == given.keys()
        for name in given:
            np.testing.assert_array_equal(mine[name], given[name])
        assert float(start.dgn().cov_x) == pytest.approx(0.09, rel=1e-15)
        assert start.seconds >= 0.0

    def test_a_recipe_may_start_from_its_own_noise(self, circle_like):
        network = Network.random((1, 6, 2), LeakyReLU(0.1), 5)
        recipe = Recipe("own", 0.01, CHUNK, start_deviation=0.12)
        (start,) = train(network, 0.3, circle_like, [recipe], 0, [0])
        assert float(start.dgn().cov_x) == pytest.approx(0.0144, rel=1e-14)

    def test_q_starts_near_the_prior(self, circle_like):
        network = Network.random((1, 6, 2), LeakyReLU(0.1), 5)
        (start,) = train(network, 0.3, circle_like, [Recipe("any", 0.01, CHUNK)], 0, [0])
        q = start.posterior(circle_like)
        assert np.max(np.abs(q.means)) < 1.0
        assert 0.4 < np.sqrt(q.covs.min()) <= np.sqrt(q.covs.max()) < 2.5

    @pytest.mark.parametrize(
        ("layers", "count", "said"),
        [
            ([Dense(np.ones((2, 1)), np.zeros(2))], 100, "network"),
            (
                [Dense(np.ones((3, 1)), np.zeros(3)), ReLU(), Dense(np.ones((2, 3)), np.zeros(2))],
                100,
                "network",
            ),
            (None, 99, "multiple of 50"),
        ],
    )
    def test_what_it_is_not_made_for_is_refused(self, layers, count, said):
        network = (
            Network.random((1, 3, 2), LeakyReLU(0.1), 0) if layers is None else Network(layers)
        )
        with pytest.raises(ValueError, match=said):
            last(network, np.zeros((count, 2)), Recipe("any", 0.01, CHUNK))


class TestBatches:
    @pytest.mark.parametrize("count", [BATCH, 100, 500, 1000, 150])
    def test_every_datum_once_an_epoch_in_another_order_each(self, count):
        places = np.asarray(batches(jax.random.key(1), count)).ravel()
        assert places.size == CHUNK * BATCH
        epochs = [places[i : i + count] for i in range(0, places.size - count + 1, count)]
        for epoch in epochs:
            np.testing.assert_array_equal(np.sort(epoch), np.arange(count))
        if len(epochs) > 1:
            assert not np.array_equal(epochs[0], epochs[1])


class TestBound:
    @pytest.mark.parametrize(
        ("widths", "extra"),
        [
            ((1, 6, 2), {}),
            pytest.param((1, 6, 2), {"samples": 4}, marks=pytest.mark.deep),
            ((1, 6, 2), {"components": 3}),
            pytest.param((2, 5, 2), {}, marks=pytest.mark.deep),
            ((2, 5, 2), {"full": True}),
        ],
    )
    def test_the_loss_is_unbiased_for_the_exact_bound(self, widths, extra, circle_like):
        """Mean of 4,000 losses of the same data against `fast`; it would see 0.002 to 0.02 nats."""
        network = Network.random(widths, LeakyReLU(0.1), 2)
        end = last(network, circle_like, Recipe("any", 0.01, 5 * CHUNK, **extra))
        exact = -elbo_of(end, circle_like)
        slope, latent = 0.1, widths[0]

        def loss(key):
            arguments = end.parameters, circle_like, key, 1.0, end.recipe.form, slope, latent
            return negative_elbo(*arguments)

        keys = jax.random.split(jax.random.key(9), 4000)
        drawn = np.asarray(jax.jit(lambda keys: jax.lax.map(loss, keys))(keys))
        error = drawn.std() / np.sqrt(drawn.size)
        threshold = norm.isf(0.5 * ALARM) * error
        assert threshold < 0.02  # the smallest error it would see
        assert abs(drawn.mean() - exact) < threshold

    def test_a_wrong_bound_would_be_seen(self, circle_like):
        """Negative control: half of the KL, or the noise's determinant left out."""
        network = Network.random((1, 6, 2), LeakyReLU(0.1), 2)
        end = last(network, circle_like, Recipe("any", 0.01, 5 * CHUNK))
        exact = -elbo_of(end, circle_like)
        keys = jax.random.split(jax.random.key(9), 1000)

        def loss(key, weight):
            return negative_elbo(end.parameters, circle_like, key, weight, end.recipe.form, 0.1, 1)

        halved = np.mean([float(loss(key, 0.5)) for key in keys[:200]])
        assert abs(halved - exact) > 0.1


def elbo_of(end, X):
    q, dgn = end.posterior(X), end.dgn()
    if q.weights.shape[1] == 1:
        return float(np.mean(dgn.elbo(X, q.means[:, 0], q.covs[:, 0])))
    return float(np.mean(elbo(dgn, X, q)))


class TestEnded:
    def test_what_diverged_is_no_number(self, circle_like):
        """Parameters that are none; and a q whose covariances overflow, of a model that is fine."""
        good = last(Network.random((1, 6, 2), LeakyReLU(0.1), 2), circle_like, BRIEF)
        loss, divergence = loss_and_divergence(good, circle_like)
        assert loss == pytest.approx(-good.dgn().logpdf(circle_like).mean())
        assert 0 < divergence < np.inf
        encoder, decoder, log_variance = good.parameters
        lost = replace(good, parameters=Parameters(encoder, decoder, np.array(np.nan)))
        assert np.all(np.isnan(loss_and_divergence(lost, circle_like)))
        blind = [(weight * np.nan, bias) for weight, bias in encoder]
        lost = replace(good, parameters=Parameters(blind, decoder, log_variance))
        assert np.all(np.isnan(loss_and_divergence(lost, circle_like)))
        noiseless = replace(good, parameters=Parameters(encoder, decoder, np.array(-2000.0)))
        assert np.all(np.isnan(loss_and_divergence(noiseless, circle_like)))
        weight, bias = encoder[-1]
        wide = [*encoder[:-1], (weight, bias + 400.0)]
        wide_q = replace(good, parameters=Parameters(wide, decoder, log_variance))
        still, unknown = loss_and_divergence(wide_q, circle_like)
        assert still == loss
        assert np.isnan(unknown)


class TestTraining:
    def test_where_q_can_be_exact_it_arrives_at_the_exact_maximum(self):
        """Of an affine generator the posterior is Gaussian: an autoencoder that works ends at the
        likelihood of PPCA, which is in closed form, with a KL of almost nothing."""
        rng = np.random.default_rng(0)
        X = rng.standard_normal((500, 1)) @ [[1.0, -0.5]] + 0.3 * rng.standard_normal((500, 2))
        affine = LeakyReLU(1.0)
        network = Network.random((1, 3, 2), affine, 0)
        end = last(network, X, Recipe("any", 0.01, 10_000, falling=True), deviation=0.5)
        dgn = end.dgn()
        least = -best_line(X).logpdf(X).mean()
        loss = -dgn.logpdf(X).mean()
        assert least - 1e-12 < loss < least + 2e-3
        q = end.posterior(X)
        assert 0 <= dgn.kl(X, q.means[:, 0], q.covs[:, 0]).mean() < 2e-3

    def test_the_same_seed_gives_the_same_weights_and_another_does_not(self, circle_like):
        network = Network.random((1, 6, 2), LeakyReLU(0.1), 2)
        recipe = Recipe("any", 0.01, 2 * CHUNK)
        one, again, other = (last(network, circle_like, recipe, seed) for seed in (0, 0, 1))
        assert one.dgn().parameters()["0.weight"].tolist() == (
            again.dgn().parameters()["0.weight"].tolist()
        )
        assert np.any(
            one.dgn().network.parameters()["0.weight"] != other.dgn().parameters()["0.weight"]
        )

    def test_recipes_side_by_side_end_where_they_do_by_themselves(self, circle_like):
        network = Network.random((1, 6, 2), LeakyReLU(0.1), 2)
        recipes = [
            Recipe("slow", 0.001, 2 * CHUNK),
            Recipe("falling", 0.01, 2 * CHUNK, falling=True, warm_up=0.5),
            Recipe("drawn", 0.01, 2 * CHUNK, samples=3),
        ]
        together = list(train(network, 0.3, circle_like, recipes, 4, [2 * CHUNK]))
        assert [end.recipe for end in together] == recipes
        for end in together:
            alone = last(network, circle_like, end.recipe, 4)
            for mine, theirs in zip(
                jax.tree.leaves(end.parameters), jax.tree.leaves(alone.parameters), strict=True
            ):
                np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)

    def test_a_falling_rate_falls_to_nothing(self, circle_like):
        """In the last CHUNK of updates a constant rate moves far more than a falling one."""
        network = Network.random((1, 6, 2), LeakyReLU(0.1), 2)
        updates = 20 * CHUNK
        recipes = [
            Recipe("constant", 0.01, updates),
            Recipe("falling", 0.01, updates, falling=True),
        ]
        seen = list(train(network, 0.3, circle_like, recipes, 0, [updates - CHUNK, updates]))
        moved = {}
        for recipe in recipes:
            before, after = (s.parameters for s in seen if s.recipe == recipe)
            moved[recipe.name] = max(
                np.max(np.abs(a - b))
                for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
            )
        assert moved["falling"] < 0.05 * moved["constant"]

    def test_warm_up_weighs_the_prior_less_at_first(self, circle_like):
        """Without the pull of the prior q becomes narrow sooner."""
        network = Network.random((1, 6, 2), LeakyReLU(0.1), 2)
        widths = {}
        for warm_up in (0.0, 1.0):
            recipe = Recipe("any", 0.01, 20 * CHUNK, warm_up=warm_up)
            (early,) = train(network, 0.3, circle_like, [recipe], 0, [2 * CHUNK])
            widths[warm_up] = np.sqrt(early.posterior(circle_like).covs).mean()
        assert widths[1.0] < 0.9 * widths[0.0]
