"""The small fixed models, and what an implementation may be off on them.

Networks are built anew for every comparison, since a comparison may run on broken code.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from oracle.checks.implementations import network_from
from oracle.exact.layer_specs import LayerSpec
from oracle.exact.number_types import Array
from oracle.models.descriptions import specs_of
from reference.model import Network

#: Allowed errors by implementation and latent dimension, in units of max(1, |values|) of what is
#: compared: twenty times and more what was measured. The reference vouches for 1e-9 of p(x) where
#: S > 1, and averages with weights of the size of Σx^-1; on these models it is good to 1e-12.
ALLOWED: dict[tuple[str, int], float] = {
    ("reference", 1): 1e-12,
    ("reference", 2): 1e-8,
    ("reference", 3): 1e-8,
    ("fast", 1): 1e-12,
    ("fast", 2): 1e-11,
    ("fast", 3): 1e-9,
}


@dataclass(frozen=True, eq=False)
class Model:
    """A fixed model with data, and a Gaussian q for each point.

    Parameters
    ----------
    name
        By which checks are named.
    layers : tuple[LayerSpec, ...]
        (kind, settings) of each layer.
    cov_x
        Σx: a number, (D,) or (D, D).
    cov_z
        Σz, (S, S).
    X
        The points, (N, D).
    q_mean, q_cov
        Means (N, S) and covariances (N, S, S) of the q.
    """

    name: str
    layers: tuple[tuple[str, dict[str, Any]], ...]
    cov_x: Array
    cov_z: Array
    X: Array
    q_mean: Array
    q_cov: Array

    @property
    def latent(self) -> int:
        """S."""
        return len(self.cov_z)

    def network(self) -> Network:
        """The network, built anew."""
        return network_from(self.layers)

    def dgn(self, impl: Any) -> Any:
        """An implementation's model."""
        return impl.DGN(self.network(), self.cov_x, self.cov_z)

    def allowed(self, impl: Any) -> float:
        """What an implementation's errors may be."""
        return ALLOWED[impl.__name__, self.latent]


def _dense(weight: Any, bias: Any) -> tuple[str, dict[str, Any]]:
    return "Dense", {"weight": np.array(weight), "bias": np.array(bias)}


# No weight is exact in single precision; no covariance has a symmetric factor.
_FULL2 = np.array([[0.31, 0.17], [0.17, 0.23]])

_FULL3 = np.array([[0.31, 0.17, -0.05], [0.17, 0.23, 0.03], [-0.05, 0.03, 0.11]])

PRIOR2 = np.array([[1.7, 0.9], [0.9, 0.8]])

PRIOR3 = np.array([[1.7, 0.9, 0.2], [0.9, 0.8, -0.1], [0.2, -0.1, 1.3]])

_WIDER = [[0.7], [-1.1]], [0.1, 0.2]

_SLOPES = np.array([[0.1, 1.3, -0.4], [0.7, -0.9, 0.2]])

LINE = Model(
    name="line",
    layers=(
        _dense([[1.1], [-2.1], [0.6]], [0.3, 1.1, -0.7]),
        ("LeakyReLU", {"slope": 0.2}),
        _dense([[1.1, 0.6, -0.9], [0.7, -1.1, 0.9]], [0.6, -0.9]),
        ("LeakyReLU", {"slope": 0.2}),
        _dense([[1.1, 1.9], [-1.4, 0.6]], [0.1, -0.3]),
    ),
    cov_x=np.array([0.05, 0.2]),
    cov_z=np.array([[2.5]]),
    # Near the manifold, off it, in the tail, and where no z of ±18 reaches.
    X=np.array([[0.5, -1.0], [2.0, 1.0], [-1.0, 0.0], [30.0, -20.0], [75.3, 5.1]]),
    q_mean=np.array([[0.3], [-1.0], [0.5], [2.0], [1.1]]),
    q_cov=np.array([[[0.5]], [[2.0]], [[0.01]], [[1.0]], [[0.3]]]),
)

CURVE = Model(
    name="curve",
    layers=(
        _dense([[1.3], [-0.7], [0.9]], [0.2, 0.4, -0.8]),
        ("ReLU", {}),
        _dense([[0.9, -1.2, 0.4], [0.3, 0.7, -1.6]], [-0.35, 0.55]),
        ("Abs", {}),
        _dense([[1.2, -0.3], [0.4, 0.8], [-0.6, 1.1]], [0.1, -0.2, 0.3]),
    ),
    cov_x=0.3 * _FULL3,
    cov_z=np.array([[0.7]]),
    X=np.array([[0.6, 0.2, 0.4], [-1.1, 2.3, 0.9], [1.9, 0.7, 0.1]]),
    q_mean=np.array([[0.1], [-0.6], [1.2]]),
    q_cov=np.array([[[0.4]], [[0.09]], [[1.5]]]),
)

PLANE = Model(
    name="plane",
    layers=(
        _dense([[1.1, 0.4], [-0.7, 1.3], [0.6, -0.9]], [0.3, -0.2, 0.6]),
        ("LeakyReLU", {"slope": 0.2}),
        _dense([[0.9, -1.2, 0.7], [0.3, 0.8, -1.1]], [-0.45, 0.35]),
        ("Abs", {}),
        _dense([[1.2, -0.3], [0.4, 0.9], [-0.6, 1.1]], [0.1, -0.2, 0.3]),
    ),
    cov_x=_FULL3,
    cov_z=PRIOR2,
    # Near the manifold twice, at log p = -1358, and with a mode 0.07 deviations from a facet. The
    # third q ends 4 deviations before a facet.
    X=np.array([[0.6, 0.2, 0.4], [1.3, 1.1, -0.3], [5.0, -7.0, 8.0], [0.03, 0.06, 0.61]]),
    q_mean=np.array([[0.2, -0.3], [0.7, 0.1], [0.5, -0.95], [-0.4, 0.2]]),
    q_cov=np.array(
        [
            [[0.9, 0.5], [0.5, 0.6]],
            [[0.2, -0.1], [-0.1, 0.4]],
            [[0.01, 0.002], [0.002, 0.01]],
            [[0.05, 0.02], [0.02, 0.07]],
        ]
    ),
)

IMAGES = Model(
    name="images",
    layers=(
        _dense([[1.1, 0.4], [-0.7, 1.3], [0.6, -0.9], [0.3, 0.7]], [0.3, -0.2, 0.6, 0.15]),
        ("Reshape", {"shape": (1, 2, 2)}),
        ("LeakyReLU", {"slope": 0.1}),
        (
            "Conv2d",
            {
                "weight": np.array([[[[0.7, -0.4], [1.1, 0.3]]]]),
                "bias": np.array([0.15]),
                "padding": 1,
            },
        ),
        ("AvgPool", {"kernel_size": 2, "stride": 2, "padding": 1}),
        ("Flatten", {}),
        ("MaxPool", {"channels": 2}),
    ),
    cov_x=np.array(0.09),
    cov_z=PRIOR2,
    X=np.array([[0.4, 0.3], [0.9, -0.2]]),
    q_mean=np.array([[0.2, -0.3], [0.7, 0.1]]),
    q_cov=np.array([[[0.9, 0.5], [0.5, 0.6]], [[0.2, -0.1], [-0.1, 0.4]]]),
)

#: A block that is narrower than z comes first, so that a region is several cells.
BENT = Model(
    name="bent",
    layers=(
        (
            "Residual",
            {
                "layers": [_dense([[0.9, -1.2]], [0.35]), ("Abs", {}), _dense(*_WIDER)],
                "projection": [_dense([[1.3, 0.2], [-0.4, 0.6]], [0.15, -0.25])],
            },
        ),
        ("PiecewiseAffine", {"knots": np.array([[-0.6, 0.8], [-0.3, 1.1]]), "slopes": _SLOPES}),
        _dense([[1.1, 0.4], [-0.7, 1.3]], [0.3, -0.2]),
        ("ReLU", {}),
        _dense([[1.2, -0.3], [0.4, 0.9]], [0.1, -0.2]),
    ),
    cov_x=_FULL2,
    cov_z=PRIOR2,
    X=np.array([[0.4, 0.3]]),
    q_mean=np.array([[0.2, -0.3]]),
    q_cov=np.array([[[0.9, 0.5], [0.5, 0.6]]]),
)

SOLID = Model(
    name="solid",
    layers=(
        _dense([[1.1, 0.4, -0.3], [-0.7, 1.3, 0.2], [0.4, -0.6, 0.9]], [0.3, -0.2, 0.15]),
        ("ReLU", {}),
        _dense([[1.2, -0.3, 0.7], [0.4, 0.9, -0.5]], [0.1, -0.2]),
    ),
    cov_x=_FULL2,
    cov_z=PRIOR3,
    X=np.array([[0.6, 0.3]]),
    q_mean=np.array([[0.2, -0.3, 0.1]]),
    q_cov=np.array([[[0.9, 0.5, 0.1], [0.5, 0.6, 0.0], [0.1, 0.0, 0.4]]]),
)

#: Four planes through a line and a square in the other two dimensions, cut across: the square's
#: corners lie on many boundaries, and those that are no neighbours have as many in common as others
#: that are.
FIVE = Model(
    name="five",
    layers=(
        _dense(
            [
                *np.eye(5)[[0, 1, 2, 3, 4, 3, 4]].tolist(),
                [1.0, 1.0, 1.0, 0.0, 0.0],
                [0.5, 0.0, 0.0, 1.0, 1.0],
            ],
            [0.0, 0.0, 0.0, 0.0, 0.0, -1.0, -1.0, 0.0, -1.25],
        ),
        ("ReLU", {}),
    ),
    cov_x=0.1 * np.eye(9),
    cov_z=np.eye(5),
    X=np.zeros((1, 9)),
    q_mean=np.zeros((1, 5)),
    q_cov=np.eye(5)[None],
)

#: g(z) = |a·z + c|, whose preimages are pairs of lines; the second x is below the crease, so that
#: on both sides only a tail of the Gaussian is left.
FOLD = Model(
    name="fold",
    layers=(_dense([[0.9, -0.4]], [0.35]), ("Abs", {})),
    cov_x=np.array(0.04),
    cov_z=PRIOR2,
    X=np.array([[1.3], [-0.5]]),
    q_mean=np.array([[0.1, 0.2], [0.3, -0.1]]),
    q_cov=np.array([[[0.3, 0.1], [0.1, 0.2]], [[0.2, 0.0], [0.0, 0.1]]]),
)

#: g rises to 1 at z = 0.5, falls, and comes back to 1.05 at z = 6.9: a near miss beside a far hit.
HUMP = Model(
    name="hump",
    layers=(
        _dense([[-1.0], [1.0], [1.0]], [0.5, -0.5, -4.1]),
        ("ReLU", {}),
        _dense([[-0.9, -0.3, 0.7]], [1.0]),
    ),
    cov_x=np.array(0.04),
    cov_z=np.array([[1.0]]),
    X=np.array([[1.05]]),
    q_mean=np.array([[0.1]]),
    q_cov=np.array([[[0.3]]]),
)

#: More noise than signal: draws of x show the noise's covariance.
NOISE = Model(
    name="noise",
    layers=(_dense([[0.3, 0.1], [-0.2, 0.2]], [0.4, -0.1]),),
    cov_x=_FULL2,
    cov_z=PRIOR2,
    X=np.array([[0.6, 0.3]]),
    q_mean=np.array([[0.1, 0.2]]),
    q_cov=np.array([[[0.3, 0.1], [0.1, 0.2]]]),
)


@cache
def specs(model: Model) -> tuple[LayerSpec, ...]:
    """The model's layers as the oracle takes them."""
    return specs_of(model.layers)
