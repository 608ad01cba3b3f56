"""Small networks on one latent dimension with layers on images, for several tests."""

import numpy as np

from reference import (
    Abs,
    AvgPool,
    Conv2d,
    Dense,
    Flatten,
    LeakyReLU,
    MaxPool,
    Network,
    ReLU,
    Reshape,
    Upsample,
)


def decoders():
    """Networks by what is special about them; each has 5 to 25 regions and D from 4 to 24."""
    normal = np.random.default_rng(5).standard_normal
    return {
        "Dense after convolution": Network(
            [
                Dense(normal((8, 1)), normal(8)),
                ReLU(),
                Reshape((2, 2, 2)),
                Upsample((1, 2)),
                Conv2d(normal((3, 2, 2, 2)), normal(3), (1, 2), (0, 1)),
                LeakyReLU(0.2),
                AvgPool((1, 2), 1),
                Flatten(),
                Dense(normal((4, 6)) / 2, normal(4)),
            ]
        ),
        "affine layers at the end": Network(
            [
                Dense(normal((6, 1)), normal(6)),
                LeakyReLU(0.1),
                Dense(normal((4, 6)) / 2, normal(4)),
                Reshape((1, 2, 2)),
                Conv2d(normal((2, 1, 2, 1)), normal(2), 1, (1, 0)),
                Upsample((1, 2)),
            ]
        ),
        "upsampling after a nonlinearity": Network(
            [
                Dense(normal((4, 1)), normal(4)),
                LeakyReLU(0.3),
                Reshape((1, 2, 2)),
                Upsample((3, 2)),
            ]
        ),
        "max-pooling": Network(
            [
                Dense(normal((12, 1)), normal(12)),
                MaxPool(channels=2),
                Reshape((1, 2, 3)),
                Conv2d(normal((2, 1, 2, 2)), normal(2), 1, 1),
                MaxPool((2, 1), 1),
                Flatten(),
            ]
        ),
        "activations after convolution": Network(
            [
                Dense(normal((4, 1)), normal(4)),
                Reshape((1, 2, 2)),
                Conv2d(normal((2, 1, 1, 2)), normal(2), 1, (0, 1)),
                Abs(),
                Reshape((4, 3, 1)),
                LeakyReLU(0.5),
            ]
        ),
        "Flatten at the end": Network(
            [
                Dense(normal((3, 1)), normal(3)),
                ReLU(),
                Dense(normal((5, 3)), normal(5)),
                Flatten(),
            ]
        ),
    }
