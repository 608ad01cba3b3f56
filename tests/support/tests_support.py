"""What several tests share: marks, processes of a known signal state, checks of a partition."""

import signal
import sys
from contextlib import contextmanager

import numpy as np
import pytest


def em_module(impl):
    """Where an implementation has its EM."""
    return sys.modules[impl.fit_em.__module__]


def guarded_module(impl):
    """Where an implementation has its guarded step."""
    package = impl.fit_em.__module__.rpartition(".")[0]
    return sys.modules.get(f"{package}.guarded_step", em_module(impl))


def patch_closed_form(monkeypatch, impl, function):
    """Put a function in place of the closed-form M-step wherever EM calls it."""
    for module in (em_module(impl), guarded_module(impl)):
        monkeypatch.setattr(module, "closed_form", function)


def deep(*values):
    """Values of a parameter that only a deep run tries."""
    return [pytest.param(value, marks=pytest.mark.deep) for value in values]


@contextmanager
def interrupts(disposition):
    """Within, processes are started with SIGINT at its default or ignored, whatever the process
    that tests was started with: a script's background job, for one, ignores it."""
    handler = signal.SIG_IGN if disposition == "ignored" else signal.default_int_handler
    before = signal.signal(signal.SIGINT, handler)
    blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        signal.signal(signal.SIGINT, before)


def inside(found, region, z):
    """The smallest slack of a point in a region's half-spaces, relative to the terms it is of."""
    normals, offsets = found.halfspaces(region)
    sizes = np.abs(normals) @ np.abs(z) + np.abs(offsets)
    return np.min((normals @ z + offsets) / np.where(sizes > 0, sizes, 1.0), initial=1.0)


def points_inside(found, region, rng, count):
    """Random points of a region, from its corners: a check on them as well."""
    vertices, rays, lines = found.vertices(region), found.rays(region), found.lines(region)
    assert len(vertices) > 0
    shares = rng.dirichlet(np.ones(len(vertices)), count)
    along = rng.exponential(1.0, (count, len(rays)))
    return shares @ vertices + along @ rays + rng.standard_normal((count, len(lines))) @ lines


def wrong_at_random_points(network, found):
    """What is wrong with a partition at points drawn from the corners of its regions, and at points
    anywhere: a few words, or None."""
    rng = np.random.default_rng(72)
    for region in range(found.n_regions):
        try:
            points = points_inside(found, region, rng, 3)
        except (AssertionError, np.linalg.LinAlgError, ValueError):
            return "no corners"
        for z in points:
            if not inside(found, region, z) > 0:
                return "a corner outside its region"
            image = found.slopes[region] @ z + found.offsets[region]
            if np.max(np.abs(image - network(z[None])[0])) > 1e-12 * (1 + np.max(np.abs(z))):
                return "a map that is not the network's"
    anywhere = 3 * rng.standard_normal((300, network.latent_dimension))
    for z, region in zip(anywhere, found.locate(anywhere), strict=True):
        if not inside(found, region, z) > 0:
            return "a point in the wrong region"
    return None
