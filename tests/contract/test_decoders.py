"""The trained decoders load and are what the file beside them says: by numpy alone."""

from pathlib import Path

import numpy as np
import pytest

import paper_figures
from fast import DGN
from oracle.truths.forward_passes import on_the_plane
from paper_figures.data_sets.decoders import decoder, pixels

DATA = Path(paper_figures.__file__).parent / "data"
DECODERS = sorted((DATA / "decoders").glob("*.npz"))
NAMES = {
    "conv_32_16",
    "conv_8_4",
    "dense_2-256-256-784",
    "dense_2-256-784",
    "dense_2-64-784",
    "dense_3-32-784",
    "upsample_4",
}


def loaded(path):
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    assert all(value.dtype == np.float32 for name, value in arrays.items() if name != "sigma")
    return {name: value.astype(np.float64) for name, value in arrays.items()}


def transposed_convolution(images, weight, bias):
    """Kernel 4, stride 2, padding 1: every pixel adds its multiple of the kernel where it lands."""
    n, _, height, width = images.shape
    out = np.zeros((n, weight.shape[1], 2 * height + 2, 2 * width + 2))
    for i, j in np.ndindex(4, 4):
        share = np.einsum("ncij,cd->ndij", images, weight[:, :, i, j])
        out[:, :, i : i + 2 * height : 2, j : j + 2 * width : 2] += share
    return out[:, :, 1:-1, 1:-1] + bias[:, None, None]


def upsampled_convolution(images, weight, bias):
    """Every pixel four times, then a convolution with kernel 3 and padding 1."""
    large = images.repeat(2, axis=2).repeat(2, axis=3)
    padded = np.pad(large, ((0, 0), (0, 0), (1, 1), (1, 1)))
    height, width = large.shape[2:]
    terms = [
        np.einsum("ncij,dc->ndij", padded[:, :, i : i + height, j : j + width], weight[:, :, i, j])
        for i, j in np.ndindex(3, 3)
    ]
    return sum(terms) + bias[:, None, None]


def images(name, arrays, z):
    """g(z), (N, 784)."""
    hidden = z @ arrays["W0"].T + arrays["b0"]
    last = max(int(key[1:]) for key in arrays if key[0] == "W")
    if not name.startswith("dense"):
        hidden = hidden.reshape(len(z), -1, 7, 7)
    for k in range(1, last + 1):
        hidden, weight, bias = np.maximum(hidden, 0.0), arrays[f"W{k}"], arrays[f"b{k}"]
        if name.startswith("dense"):
            hidden = hidden @ weight.T + bias
        elif name.startswith("conv"):
            hidden = transposed_convolution(hidden, weight, bias)
        else:
            hidden = upsampled_convolution(hidden, weight, bias)
    return hidden.reshape(len(z), -1)


def test_all_are_there():
    assert {path.stem for path in DECODERS} == NAMES


@pytest.mark.parametrize("path", DECODERS, ids=lambda path: path.stem)
def test_a_decoder(path):
    """Its shapes are those of its name, and its images those stored with it."""
    arrays, name = loaded(path), path.stem
    if name.startswith("dense"):
        widths = [int(width) for width in name.removeprefix("dense_").split("-")]
        shapes = [arrays[f"W{k}"].shape for k in range(len(widths) - 1)]
        assert shapes == list(zip(widths[1:], widths, strict=False))
    else:
        found = images(name, arrays, arrays["check_z"])
        np.testing.assert_allclose(found, arrays["check_x"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("path", DECODERS, ids=lambda path: path.stem)
def test_a_decoder_was_trained(path):
    """Its data lie as far from its images as its noise says: the nearest on a grid of latent space,
    per pixel, within a tenth of sigma."""
    arrays, latent = loaded(path), loaded(path)["W0"].shape[1]
    axis = np.linspace(-3.0, 3.0, 31 if latent == 2 else 13)
    grid = np.stack(np.meshgrid(*[axis] * latent), axis=-1).reshape(-1, latent)
    with np.load(DATA / "mnist_digits.npz", allow_pickle=False) as stored:
        data = np.concatenate([stored["train_4"][::20], stored["test_9"][:400:20]])
    X = data.reshape(len(data), -1) / 255.0
    g = images(path.stem, arrays, grid)
    squares = np.sum(X**2, axis=1)[:, None] - 2.0 * X @ g.T + np.sum(g**2, axis=1)
    nearest = np.sqrt(squares.min(axis=1).mean() / X.shape[1])
    assert nearest == pytest.approx(arrays["sigma"], rel=0.1)


@pytest.mark.deep
@pytest.mark.parametrize("name", sorted(NAMES - {"dense_3-32-784", "conv_32_16"}))
def test_likelihood_from_forward_passes_alone(name):
    """log p(x) and posterior means and covariances of 20 digits, by sums over the plane that know
    nothing of regions: to 1e-6, in nats and in deviations. Some twenty seconds a digit; the larger
    convolutional decoder takes minutes each."""
    (path,) = [path for path in DECODERS if path.stem == name]
    arrays, dgn = loaded(path), decoder(name)
    X = pixels("test_4")[::5][:20]
    if not name.startswith("dense"):
        dgn = DGN(dgn.network, dgn.cov_x, negligible=1e-10, partition="local")
    posterior = dgn.posterior(X)
    means, covs = posterior.mean(), posterior.cov()
    for x, log_p, mean, cov in zip(X, dgn.logpdf(X), means, covs, strict=True):
        found = on_the_plane(
            lambda z: images(name, arrays, z), arrays["sigma"] ** 2, np.eye(2), x, 1e-6
        )
        deviations = np.sqrt(np.diag(found.cov))
        assert log_p == pytest.approx(found.log_p, abs=2e-6)
        assert np.all(np.abs(mean - found.mean) <= 2e-6 * deviations)
        assert np.all(np.abs(cov - found.cov) <= 4e-6 * np.outer(deviations, deviations))
