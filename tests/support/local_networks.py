"""Small networks of two and three latent dimensions, ugly ones among them, for local partitions."""

import numpy as np

from reference import (
    Abs,
    Conv2d,
    Dense,
    Flatten,
    Hardtanh,
    LeakyReLU,
    MaxPool,
    Network,
    PiecewiseAffine,
    PReLU,
    ReLU,
    ReLU6,
    Reshape,
    Residual,
    Upsample,
)


def networks():
    """By what is special about them."""
    normal = np.random.default_rng(5).standard_normal

    def dense(n_out, n_in, bias=1.0):
        return Dense(normal((n_out, n_in)), bias * normal(n_out))

    def stack(first, *activations, out=3):
        width = len(first.bias)
        one, other = activations
        return Network([first, one, dense(6, width), other, dense(out, 6)])

    twice = Dense(np.tile(normal((4, 2)), (2, 1)), np.tile(normal(4), 2))
    nearly = Dense(twice.weight + 1e-13 * normal((8, 2)), twice.bias)
    block = Residual([dense(5, 8), ReLU(), dense(8, 5)])
    return {
        "two layers": stack(dense(8, 2), ReLU(), ReLU()),
        "zero biases": Network([dense(8, 2, 0), ReLU(), dense(6, 8, 0), ReLU(), dense(3, 6, 0)]),
        "copies of neurons": stack(twice, ReLU(), ReLU()),
        "nearly copies": stack(nearly, LeakyReLU(0.1), ReLU()),
        "quantised": Network(
            [
                Dense(np.round(normal((8, 2))), np.round(normal(8))),
                ReLU(),
                Dense(np.round(normal((5, 8))), np.round(normal(5))),
                ReLU(),
                dense(3, 5),
            ]
        ),
        "several knots": stack(dense(6, 2), Hardtanh(), ReLU6()),
        "bends of both signs": stack(
            dense(6, 2), PiecewiseAffine([-1.0, 0.2, 0.9], [0.3, -1.0, 2.0, 0.1], 0.4), Abs()
        ),
        "a block": Network(
            [dense(8, 2), PReLU(np.linspace(-0.4, 1.5, 8)), block, ReLU(), dense(3, 8)]
        ),
        "a block of pooling": Network(
            [
                dense(6, 2),
                Residual([MaxPool(channels=2), dense(6, 3)]),
                LeakyReLU(0.3),
                dense(3, 6),
            ]
        ),
        "rank one": stack(Dense(np.outer(normal(6), [1.0, 0.5]), normal(6)), ReLU(), ReLU()),
        "no units": Network([dense(3, 2)]),
        "units at the end": Network([dense(8, 2), ReLU(), dense(5, 8), ReLU()]),
        "pooling": Network(
            [dense(12, 2), Reshape((1, 3, 4)), MaxPool((3, 2)), Flatten(), ReLU(), dense(3, 2)]
        ),
        "an image": Network(
            [
                dense(8, 2),
                LeakyReLU(0.2),
                Reshape((2, 2, 2)),
                Upsample(2),
                Conv2d(normal((1, 2, 3, 3)), normal(1), padding=1),
                Flatten(),
            ]
        ),
        "large and small weights": Network(
            [
                Dense(1e5 * normal((8, 2)), 1e5 * normal(8)),
                ReLU(),
                Dense(1e-5 * normal((6, 8)), normal(6)),
                ReLU(),
                dense(3, 6),
            ]
        ),
        "dead units": stack(
            Dense(normal((8, 2)), np.r_[normal(4), np.full(4, -1e3)]), ReLU(), ReLU()
        ),
        "width one": Network([dense(1, 2), ReLU(), dense(3, 1)]),
        "three dimensions": Network([dense(4, 3), ReLU(), dense(2, 4), ReLU(), dense(2, 2)]),
        "three dimensions, zero biases": Network([dense(5, 3, 0), ReLU(), dense(2, 5, 0)]),
    }
