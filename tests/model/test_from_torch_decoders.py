"""Decoders as people build them, rebuilt small: each is read, or refused with the remedy."""

import numpy as np
import pytest

from reference import Network

torch = pytest.importorskip("torch")
nn = torch.nn
functional = nn.functional
weight_norm = nn.utils.parametrizations.weight_norm


class Mlp(nn.Module):
    """torch's example of a VAE: its decoder is a method of two layers; here without its sigmoid."""

    def __init__(self):
        super().__init__()
        self.fc3, self.fc4 = nn.Linear(2, 16), nn.Linear(16, 12)

    def forward(self, z):
        return self.fc4(functional.relu(self.fc3(z)))


def dcgan():
    """Transposed convolutions from one pixel, with batch normalisation between."""
    return nn.Sequential(
        nn.Unflatten(1, (3, 1, 1)),
        nn.ConvTranspose2d(3, 8, 4, 1, 0, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(True),
        nn.ConvTranspose2d(8, 4, 4, 2, 1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(True),
        nn.ConvTranspose2d(4, 1, 4, 2, 1, bias=False),
    )


class UpsampleConv(nn.Module):
    """Resampling and convolution, which leave no checkerboard."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 4 * 3 * 3)
        self.conv1 = nn.Conv2d(4, 3, 3, padding=1)
        self.conv2 = nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, z):
        h = functional.leaky_relu(self.first(z), 0.2).view(-1, 4, 3, 3)
        h = functional.interpolate(h, scale_factor=2, mode="bilinear", align_corners=False)
        h = functional.leaky_relu(self.conv1(h), 0.2)
        h = functional.interpolate(h, scale_factor=2, mode="nearest")
        return self.conv2(h)


def batch_norm():
    """Batch normalisation after every layer, of activations too."""
    return nn.Sequential(
        nn.Linear(2, 16),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.BatchNorm1d(16),
        nn.Linear(16, 3 * 2 * 2),
        nn.Unflatten(1, (3, 2, 2)),
        nn.BatchNorm2d(3),
        nn.ConvTranspose2d(3, 2, 3, 2, 1, 1),
        nn.BatchNorm2d(2),
    )


def weight_normalised():
    return nn.Sequential(
        weight_norm(nn.Linear(2, 16)),
        nn.ReLU(),
        nn.Dropout(0.2),
        weight_norm(nn.Linear(16, 16)),
        nn.ReLU(),
        weight_norm(nn.Linear(16, 5)),
    )


def prelu():
    return nn.Sequential(
        nn.Linear(2, 12),
        nn.PReLU(),
        nn.Unflatten(1, (3, 2, 2)),
        nn.ConvTranspose2d(3, 4, 2, 2),
        nn.PReLU(4),
        nn.Conv2d(4, 1, 1),
    )


class InvertedResidual(nn.Module):
    """The block of MobileNetV2: wide in between, each channel convolved alone, ReLU6."""

    def __init__(self, channels):
        super().__init__()
        wide = 3 * channels
        self.conv = nn.Sequential(
            nn.Sequential(nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide)),
            nn.ReLU6(inplace=True),
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU6(inplace=True),
            nn.Conv2d(wide, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x):
        return x + self.conv(x)


def relu6():
    first = nn.Linear(2, 12), nn.Unflatten(1, (3, 2, 2))
    return nn.Sequential(
        *first, InvertedResidual(3), nn.Upsample(scale_factor=2), nn.Conv2d(3, 1, 1)
    )


class Block(nn.Module):
    """The basic block of a ResNet, with a projection where the number of channels changes."""

    def __init__(self, before, after):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.downsample = None
        if before != after:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1), nn.BatchNorm2d(after))

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        out = functional.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return functional.relu(out)


def residual():
    first = nn.Linear(2, 12), nn.Unflatten(1, (3, 2, 2))
    return nn.Sequential(
        *first, Block(3, 3), Block(3, 2), nn.Upsample(scale_factor=2), nn.Flatten()
    )


def pixel_shuffle():
    return nn.Sequential(
        nn.Linear(2, 16),
        nn.Unflatten(1, (4, 2, 2)),
        nn.Conv2d(4, 8, 3, padding=1),
        nn.LeakyReLU(0.1),
        nn.PixelShuffle(2),
        nn.Conv2d(2, 4, 3, padding=1),
        nn.PixelShuffle(2),
    )


class Signals(nn.Module):
    """A decoder of signals: transposed convolutions of one axis, clipped in the end."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(2, 12)
        self.up1 = nn.ConvTranspose1d(3, 2, 4, stride=2, padding=1)
        self.up2 = nn.ConvTranspose1d(2, 1, 5, stride=3, padding=2, output_padding=1)
        self.smooth = nn.Conv1d(1, 1, 3, padding=1)

    def forward(self, z):
        h = self.dense(z).reshape(z.shape[0], 3, -1)
        h = torch.relu(self.up2(torch.relu(self.up1(h))))
        return torch.flatten(torch.clamp(self.smooth(h), -1.0, 1.0), start_dim=1)


def group_norm():
    return nn.Sequential(nn.Linear(2, 8), nn.Unflatten(1, (4, 2, 1)), nn.GroupNorm(2, 4), nn.ReLU())


class Logits(Mlp):
    """torch's example of a VAE as it is."""

    def forward(self, z):
        return torch.sigmoid(super().forward(z))


READ = [
    ("MLP", Mlp),
    ("DCGAN-like", dcgan),
    ("Upsample + Conv", UpsampleConv),
    ("BatchNorm throughout", batch_norm),
    ("weight_norm", weight_normalised),
    ("PReLU", prelu),
    ("ReLU6, inverted residual", relu6),
    ("residual", residual),
    ("PixelShuffle", pixel_shuffle),
    ("1-D convolutional", Signals),
]
REFUSED = [
    ("GroupNorm in eval mode", group_norm, r"module\[2\] \(GroupNorm\): .* use BatchNorm"),
    ("Sigmoid", Logits, r"module \(Logits\), sigmoid in its forward: .* logits"),
]


def made(make):
    """The module after it has seen data, in eval mode."""
    torch.manual_seed(0)
    module = make()
    size = 3 if make is dcgan else 2
    with torch.no_grad():
        for _ in range(3):
            module(1.5 * torch.randn(64, size) + 0.5)
    return module.eval(), size


@pytest.mark.parametrize(("name", "make"), READ, ids=[name for name, _ in READ])
def test_read(name, make):
    """The same values as the module in double precision, where no rounding is its own."""
    module, size = made(make)
    network = Network.from_torch(module)
    Z = 2.0 * np.random.default_rng(0).standard_normal((50, size))
    with torch.no_grad():
        expected = module.double()(torch.from_numpy(Z)).numpy().reshape(50, -1)
    assert network.latent_dimension == size
    # The weights of weight_norm are rounded to single precision before they are read.
    tolerance = 1e-6 if make is weight_normalised else 1e-13
    np.testing.assert_allclose(
        network(Z), expected, rtol=0, atol=tolerance * np.abs(expected).max()
    )


@pytest.mark.parametrize(("name", "make", "told"), REFUSED, ids=[name for name, _, _ in REFUSED])
def test_refused(name, make, told):
    module, _ = made(make)
    with pytest.raises(ValueError, match=told):
        Network.from_torch(module)
