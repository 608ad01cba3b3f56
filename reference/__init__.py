"""Every equation of the paper as readable code: one function an equation, loops and plain numpy."""

from reference.dgn import DGN
from reference.distributions.e_step import Statistics
from reference.distributions.posterior import Posterior
from reference.integration.on_polyhedron import TruncatedMoments, gaussian_on_polyhedron
from reference.learning.em import ConvergenceWarning, FitResult, fit_em
from reference.learning.m_step import SingularCovarianceError, m_step
from reference.model.network import (
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
from reference.partition.partition import Partition
from reference.polyhedra.polyhedron import PartitionError, TooManyRegionsError
from reference.polyhedra.validity import OutsideValidity

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
