"""Every equation of the paper as readable code: one function an equation, loops and plain numpy."""

from reference.dgn import DGN
from reference.distributions.conditional import Conditional
from reference.distributions.e_step import Statistics
from reference.distributions.posterior import Posterior
from reference.integration.on_box import gaussian_on_box
from reference.integration.on_polyhedron import gaussian_on_polyhedron
from reference.integration.truncated_moments import TruncatedMoments
from reference.learning.em import FitResult, fit_em
from reference.learning.free_parameters import free_parameters
from reference.learning.m_step import m_step
from reference.model.activations import PiecewiseAffine
from reference.model.dense import Dense
from reference.model.errors import (
    ConvergenceWarning,
    PartitionError,
    SingularCovarianceError,
    TooManyRegionsError,
    UnverifiedWarning,
)
from reference.model.images.convolutions import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from reference.model.images.max_pool import MaxPool
from reference.model.images.resampling import (
    AdaptiveAvgPool,
    AvgPool,
    PixelShuffle,
    Upsample,
    ZeroPad,
)
from reference.model.images.reshaping import Flatten, Reshape
from reference.model.named_activations import (
    Abs,
    Hardsigmoid,
    Hardtanh,
    LeakyReLU,
    PReLU,
    ReLU,
    ReLU6,
)
from reference.model.network import Network
from reference.model.outcome import Outcome
from reference.model.residual import Residual
from reference.model.weight_priors import GaussianPrior, LaplacePrior, UniformPrior
from reference.partition.partition import Partition
from reference.polyhedra.validity import OutsideValidity

__all__ = [
    "DGN",
    "Abs",
    "AdaptiveAvgPool",
    "AvgPool",
    "Conditional",
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvergenceWarning",
    "Dense",
    "FitResult",
    "Flatten",
    "GaussianPrior",
    "Hardsigmoid",
    "Hardtanh",
    "LaplacePrior",
    "LeakyReLU",
    "MaxPool",
    "Network",
    "Outcome",
    "OutsideValidity",
    "PReLU",
    "Partition",
    "PartitionError",
    "PiecewiseAffine",
    "PixelShuffle",
    "Posterior",
    "ReLU",
    "ReLU6",
    "Reshape",
    "Residual",
    "SingularCovarianceError",
    "Statistics",
    "TooManyRegionsError",
    "TruncatedMoments",
    "UniformPrior",
    "UnverifiedWarning",
    "Upsample",
    "ZeroPad",
    "fit_em",
    "free_parameters",
    "gaussian_on_box",
    "gaussian_on_polyhedron",
    "m_step",
]
