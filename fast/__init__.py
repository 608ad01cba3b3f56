"""The implementation to use: the same names as `reference`, vectorised over data and regions."""

from fast.dgn import DGN
from fast.e_step import Statistics
from fast.gaussian import gaussian_on_polyhedron
from fast.m_step import SingularCovarianceError, m_step
from fast.partition import Partition
from fast.posterior import Posterior
from fast.training import FitResult, fit_em
from reference.network import Abs, Dense, LeakyReLU, Network, ReLU

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
