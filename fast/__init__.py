"""The implementation to use: the same names as `reference`, vectorised over data and regions."""

from fast.closed_form.m_step import SingularCovarianceError, m_step
from fast.dgn import DGN
from fast.distributions.posterior import Posterior
from fast.integration.on_polyhedron import TruncatedMoments, gaussian_on_polyhedron
from fast.one_dimension.e_step import Statistics
from fast.partition.partition import Partition, PartitionError, TooManyRegionsError
from fast.training.em import ConvergenceWarning, FitResult, fit_em
from fast.training.initial_networks import initial_network
from fast.training.maximum_likelihood import fit_mle
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
