"""Settings that are lost or ignored are noticed, and thresholds that are moved: each defect is put
in, and the test that is meant for it must fail."""

import functools
import inspect

import numpy as np
import pytest
import test_argument_limits
import test_settings

import fast
from fast.training import checkpoint, initial_networks
from fast.training import em as training
from reference import AvgPool, Hardsigmoid, MaxPool
from reference.model import arrays, saving, validation


def forgets(name):
    """A constructor of DGN that takes no notice of one of its arguments."""
    heeded = fast.DGN.__init__

    @functools.wraps(heeded)
    def constructor(self, *args, **options):
        options.pop(name, None)
        heeded(self, *args, **options)

    return constructor


@pytest.mark.parametrize(
    "name", ["max_regions", "negligible", "partition", "max_memory", "progress"]
)
def test_a_limit_that_is_forgotten(monkeypatch, name):
    monkeypatch.setattr(fast.DGN, "__init__", forgets(name))
    with pytest.raises(AssertionError):
        test_settings.test_every_argument_is_heeded("DGN", "fast", name)


def test_a_limit_that_is_lost_on_the_way(monkeypatch):
    def with_parameters(self, values):
        return fast.DGN(self.network, values.get("cov_x", self.cov_x), self.cov_z)

    monkeypatch.setattr(fast.DGN, "with_parameters", with_parameters)
    with pytest.raises(AssertionError):
        test_settings.test_models_made_from_models(fast, "scalar")


def test_a_fit_that_takes_no_damping(monkeypatch):
    closed_form = training.closed_form
    monkeypatch.setattr(
        training, "closed_form", lambda *a, **o: closed_form(*a, **{**o, "damping": 1.0})
    )
    with pytest.raises(AssertionError):
        test_settings.test_every_argument_is_heeded("fit_em", "fast", "damping")


def test_starts_of_uncorrelated_latents(monkeypatch):
    placed = initial_networks.initial_network
    monkeypatch.setattr(
        initial_networks,
        "initial_network",
        lambda net, X, cov, rng, **more: placed(net, X, np.diag(cov), rng, **more),
    )
    with pytest.raises(AssertionError):
        test_settings.test_starts_have_the_covariance_that_was_given()


@pytest.mark.parametrize("lost", ["padding", "stride"])
@pytest.mark.parametrize("kind", [AvgPool, MaxPool])
def test_a_setting_that_is_not_in_the_file(monkeypatch, tmp_path, kind, lost):
    kept = tuple(name for name in saving.ARGUMENTS[kind] if name != lost)
    monkeypatch.setitem(saving.ARGUMENTS, kind, kept)
    with pytest.raises(AssertionError):
        test_settings.test_layers_in_networks(tmp_path, kind.__name__, "both", "file")


# The place of each setting among what a checkpoint is known by.
PLACES = {
    "m_step": 2,
    "damping": 3,
    "tol": 4,
    "gtol": 5,
    "weight_prior": 6,
    "max_regions": 9,
    "noise_floor": 11,
    "accelerate": 12,
}


@pytest.mark.parametrize("setting", PLACES)
def test_a_setting_that_checkpoints_do_not_know(monkeypatch, tmp_path, setting):
    known = checkpoint.fingerprint

    def fingerprint(*parts):
        return known(*(part for i, part in enumerate(parts) if i != PLACES[setting]))

    monkeypatch.setattr(checkpoint, "fingerprint", fingerprint)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        test_settings.test_resumed_with_other_settings(tmp_path, setting, False)


def test_pickles_that_can_be_written_to(monkeypatch):
    monkeypatch.setattr(arrays.ReadOnly, "__setstate__", lambda self, s: vars(self).update(s))
    with pytest.raises(AssertionError):
        test_settings.test_copies("Dense", "both", "pickle")


@pytest.mark.parametrize("tolerance", [4e-6, 1.0001e-10, 0.9999e-10])
def test_another_asymmetry(monkeypatch, tolerance):
    """Wider is noticed by what is refused, narrower by what is accepted: one unit in the last place
    of an entry is a millionth of the tolerance."""
    monkeypatch.setattr(validation, "ASYMMETRY", tolerance)
    wider = tolerance > 1e-10
    check = (
        test_argument_limits.test_what_is_wrong_is_refused
        if wider
        else test_argument_limits.test_what_is_right_is_accepted
    )
    for place in (("DGN", "fast", "cov_x"), ("DGN.kl", "reference", "q_cov")):
        with pytest.raises(AssertionError if wider else ValueError):
            check(*place)


@pytest.mark.parametrize(
    ("high", "check"),
    [
        (np.nextafter(1.0, 0.0), test_argument_limits.test_what_is_right_is_accepted),
        (np.nextafter(1.0, 2.0), test_argument_limits.test_what_is_wrong_is_refused),
    ],
)
def test_a_range_that_ends_elsewhere(monkeypatch, high, check):
    """One unit in the last place below or above."""

    original = Hardsigmoid.__init__

    def constructor(self, slope=0.25, value=0.5):
        original(self, slope, min(validation.check_number(value, "value", 0.0, high), 1.0))

    monkeypatch.setattr(Hardsigmoid, "__init__", constructor)
    with pytest.raises((AssertionError, ValueError)):
        check("Hardsigmoid", "both", "value")


def test_a_new_argument(monkeypatch):
    """One that the tables do not have."""
    known = fast.fit_em

    def fit_em(*args, annealing=1.0, **options):
        return known(*args, **options)

    given = inspect.signature(known)
    annealing = inspect.signature(fit_em).parameters["annealing"]
    fit_em.__signature__ = given.replace(parameters=[*given.parameters.values(), annealing])
    monkeypatch.setattr(fast, "fit_em", fit_em)
    with pytest.raises(AssertionError):
        test_argument_limits.test_every_argument_has_an_entry(fast)
