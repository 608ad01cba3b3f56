"""The implementation to use: the same names as `reference`, vectorised over data and regions."""

from fast.dgn import DGN
from fast.e_step import Statistics
from fast.integration import TruncatedMoments, gaussian_on_polyhedron
from fast.likelihood import fit_mle
from fast.m_step import SingularCovarianceError, m_step
from fast.partition import Partition, PartitionError, TooManyRegionsError
from fast.posterior import Posterior
from fast.starts import initial_network
from fast.training import ConvergenceWarning, FitResult, fit_em
from reference.network import (
    Abs,
    AvgPool,
    Conv2d,
    Dense,
    Flatten,
    GaussianPrior,
    LaplacePrior,
    LeakyReLU,
    MaxPool,
    Network,
    ReLU,
    Reshape,
    UniformPrior,
    Upsample,
)

__all__ = [
    "DGN",
    "Abs",
    "AvgPool",
    "Conv2d",
    "ConvergenceWarning",
    "Dense",
    "FitResult",
    "Flatten",
    "GaussianPrior",
    "LaplacePrior",
    "LeakyReLU",
    "MaxPool",
    "Network",
    "Partition",
    "PartitionError",
    "Posterior",
    "ReLU",
    "Reshape",
    "SingularCovarianceError",
    "Statistics",
    "TooManyRegionsError",
    "TruncatedMoments",
    "UniformPrior",
    "Upsample",
    "fit_em",
    "fit_mle",
    "gaussian_on_polyhedron",
    "initial_network",
    "m_step",
]
