"""Every equation of the paper as readable code: one function an equation, loops and plain numpy."""

from reference.dgn import DGN
from reference.e_step import Statistics
from reference.gaussian import gaussian_on_polyhedron
from reference.m_step import SingularCovarianceError, m_step
from reference.network import Abs, Dense, LeakyReLU, Network, ReLU
from reference.partition import Partition
from reference.posterior import Posterior
from reference.training import FitResult, fit_em

__all__ = [
    "DGN",
    "Abs",
    "Dense",
    "FitResult",
    "LeakyReLU",
    "Network",
    "Partition",
    "Posterior",
    "ReLU",
    "SingularCovarianceError",
    "Statistics",
    "fit_em",
    "gaussian_on_polyhedron",
    "m_step",
]
