"""Every equation of the paper as readable code: one function an equation, loops and plain numpy."""

from reference.dgn import DGN
from reference.e_step import Statistics
from reference.m_step import SingularCovarianceError, m_step
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
from reference.on_polyhedron import TruncatedMoments, gaussian_on_polyhedron
from reference.partition import Partition
from reference.polyhedron import PartitionError, TooManyRegionsError
from reference.posterior import Posterior
from reference.training import ConvergenceWarning, FitResult, fit_em
from reference.validity import OutsideValidity

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
    "OutsideValidity",
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
    "gaussian_on_polyhedron",
    "m_step",
]
