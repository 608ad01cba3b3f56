"""The implementation to use: the same names as `reference`, vectorised over data and regions.

Estimators of scikit-learn are imported when they are first asked for: they need that package.
"""

from typing import TYPE_CHECKING

from fast.autodiff.jax_log_prob import jax_log_prob
from fast.autodiff.torch_log_prob import torch_log_prob
from fast.closed_form.free_parameters import free_parameters
from fast.closed_form.m_step import m_step
from fast.dgn import DGN
from fast.distributions.cost import Cost
from fast.distributions.missing.conditional import Conditional
from fast.distributions.posterior import Posterior
from fast.distributions.statistics import Statistics
from fast.estimates.logpdf_estimate import LogpdfEstimate
from fast.integration.on_polyhedron import gaussian_on_box, gaussian_on_polyhedron
from fast.integration.truncated_moments import TruncatedMoments
from fast.partition.partition import Partition
from fast.training.em import fit_em
from fast.training.held_out import HeldOut
from fast.training.initial_networks import initial_network
from fast.training.maximum_likelihood import fit_mle
from fast.training.result import FitResult
from reference.model import (
    Abs,
    AdaptiveAvgPool,
    AvgPool,
    Conv1d,
    Conv2d,
    ConvergenceWarning,
    ConvTranspose1d,
    ConvTranspose2d,
    Dense,
    Flatten,
    GaussianPrior,
    Hardsigmoid,
    Hardtanh,
    LaplacePrior,
    LeakyReLU,
    MaxPool,
    Network,
    Outcome,
    PartitionError,
    PiecewiseAffine,
    PixelShuffle,
    PReLU,
    ReLU,
    ReLU6,
    Reshape,
    Residual,
    SingularCovarianceError,
    TooManyRegionsError,
    TooMuchMemoryError,
    UniformPrior,
    UnverifiedWarning,
    Upsample,
    ZeroPad,
)

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
    "Cost",
    "Dense",
    "FitResult",
    "Flatten",
    "GaussianPrior",
    "Hardsigmoid",
    "Hardtanh",
    "HeldOut",
    "LaplacePrior",
    "LeakyReLU",
    "LogpdfEstimate",
    "MaxPool",
    "Network",
    "Outcome",
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
    "TooMuchMemoryError",
    "TruncatedMoments",
    "UniformPrior",
    "UnverifiedWarning",
    "Upsample",
    "ZeroPad",
    "fit_em",
    "fit_mle",
    "free_parameters",
    "gaussian_on_box",
    "gaussian_on_polyhedron",
    "initial_network",
    "jax_log_prob",
    "m_step",
    "torch_log_prob",
]

#: Those estimators, and what chooses among them. They are not in `__all__`, so that
#: `from fast import *` does without scikit-learn.
ESTIMATORS = (
    "DeepGenerativeImputer",
    "DeepGenerativeModel",
    "DeepGenerativeOutlierDetector",
    "select_dimension",
    "waic",
)

if TYPE_CHECKING:
    from fast.estimators import DeepGenerativeImputer as DeepGenerativeImputer
    from fast.estimators import DeepGenerativeModel as DeepGenerativeModel
    from fast.estimators import DeepGenerativeOutlierDetector as DeepGenerativeOutlierDetector
    from fast.estimators import select_dimension as select_dimension
    from fast.estimators import waic as waic
else:  # unseen by a type checker, which would let any name pass

    def __getattr__(name):
        if name not in ESTIMATORS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            from fast import estimators
        except ImportError as error:
            raise ImportError(
                f"{name} needs scikit-learn: pip install 'exactdgn[sklearn]'"
            ) from error
        return getattr(estimators, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *ESTIMATORS])
