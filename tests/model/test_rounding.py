"""How far two evaluations of the same layers may differ: bounds that hold, and are not idle."""

import numpy as np
import pytest

from reference import Abs, Dense, Hardtanh, MaxPool, PReLU
from reference.model.readers.parts import Normalisation, Part
from reference.model.readers.rounding import through, values_of

SINGLE = float(np.finfo(np.float32).eps) / 2


def part(*layers, normalisation=None):
    return Part("h", "", ("z",), layers, normalisation)


def single(array):
    """Numbers that are held in single precision."""
    return np.asarray(array, dtype=np.float32)


@pytest.mark.parametrize("width", [3, 60, 2000])
@pytest.mark.parametrize("cancelling", [False, True])
def test_sums_in_single_precision(width, cancelling):
    """The error is below the bound, and the bound within three powers of ten of it."""
    rng = np.random.default_rng([1, width])
    weight, inputs = single(rng.standard_normal((50, width))), single(rng.random((40, width)))
    bias = single(-weight @ inputs[0] if cancelling else rng.standard_normal(50))
    computed = inputs @ weight.T + bias
    nothing = np.zeros_like(inputs, dtype=float)
    layer = Dense(weight, bias)
    value, error = through(part(layer), (width,), [inputs.astype(float)], [nothing], SINGLE)
    gap = np.abs(computed - value)
    assert np.all(gap <= error)
    assert np.max(gap) > 1e-3 * np.median(error)


@pytest.mark.parametrize("around", [0.0, 1.0])
def test_normalisations_in_single_precision(around):
    """Whether a large mean cancels the input or not."""
    rng = np.random.default_rng(2)
    mean, scale, bias = (single(rng.standard_normal(6) * size) for size in (1e4, 3.0, 1.0))
    inputs = single(around * mean.repeat(4) + rng.standard_normal((300, 24)))
    by_channel = inputs.reshape(300, 6, 4)
    computed = (by_channel - mean[:, None]) * scale[:, None] + bias[:, None]
    read = Normalisation(*(array.astype(float) for array in (mean, scale, bias)))
    errors = [np.zeros(inputs.shape)]
    value, error = through(
        part(normalisation=read), (6, 2, 2), [inputs.astype(float)], errors, SINGLE
    )
    gap = np.abs(computed.reshape(300, 24) - value)
    assert np.all(gap <= error)
    # Multiplied out first it loses more, and stays below the bound.
    shift = bias - mean * scale
    folded = (by_channel * scale[:, None] + shift[:, None]).reshape(300, 24)
    gap = np.abs(folded - value)
    assert np.all(gap <= error)
    assert np.max(gap) > 1e-3 * np.max(error)


@pytest.mark.parametrize("layer", [Abs(), PReLU([-3.0, 2.0]), Hardtanh(-0.5, 0.75)], ids=repr)
def test_errors_go_through_activations(layer):
    """Whichever piece the two are on: by no more than the steepest slope."""
    rng = np.random.default_rng(3)
    inputs, errors = rng.standard_normal((2, 500, 2)) * [[[1.0]], [[0.3]]]
    errors = np.abs(errors)
    layer = layer.placed((2,))
    _, error = through(part(layer), (2,), [inputs], [errors], SINGLE)
    other = layer.apply(inputs + errors * rng.uniform(-1.0, 1.0, errors.shape))
    assert np.all(np.abs(other - layer.apply(inputs)) <= error)
    steepest = max(1.0, np.abs(layer.slopes).max())
    assert np.all(error <= steepest * errors + 200 * SINGLE * (1 + np.abs(inputs)))


def test_errors_go_through_windows():
    """An input that does not win may win with its error."""
    layer = MaxPool(channels=2).placed((2,))
    value, error = through(
        part(layer), (2,), [np.array([[1.0, 0.9]])], [np.array([[0.1, 0.4]])], SINGLE
    )
    assert (value.item(), error.item()) == (1.0, 0.4)


def test_sums_of_branches():
    first = Part("a", "", ("z",), (Dense([[2.0]], [0.0]),))
    total = Part("b", "", ("a", "z"))
    points = np.array([[3.0]])
    units = {"a": 0.0, "b": SINGLE}
    known = values_of([first, total], {"z": (1,), "a": (1,)}, "z", points, units)
    assert known["b"][0].item() == 9.0
    assert known["b"][1].item() == SINGLE * 9.0
    inputs, errors = [points, points], [np.array([[0.25]]), np.array([[0.5]])]
    assert through(total, (1,), inputs, errors, 0.0)[1].item() == 0.75
