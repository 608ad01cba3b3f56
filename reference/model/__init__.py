"""The model, defined once: networks, layers, priors of weights; no probability of data.

The names here are all that `fast` takes from `reference`.
"""

from reference.model.activations import PiecewiseAffine
from reference.model.arrays import (
    Array,
    Codes,
    Indices,
    Mask,
    RandomState,
    ReadOnly,
    freeze,
    of_tensor,
)
from reference.model.dense import Dense
from reference.model.errors import (
    NO_LIKELIHOOD,
    ConvergenceWarning,
    NotSolvedError,
    PartitionError,
    SingularCovarianceError,
    TooManyRegionsError,
    TooMuchMemoryError,
    UnverifiedWarning,
)
from reference.model.exact import Dyadic, ExactNetwork, Integers, dyadic
from reference.model.images.convolutions import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from reference.model.images.data import check_data
from reference.model.images.kernels import Convolution
from reference.model.images.max_pool import MaxPool
from reference.model.images.resampling import (
    AdaptiveAvgPool,
    AvgPool,
    PixelShuffle,
    Upsample,
    ZeroPad,
)
from reference.model.images.reshaping import Flatten, Reshape
from reference.model.layer_protocol import Layer, Shape
from reference.model.named_activations import (
    Abs,
    Hardsigmoid,
    Hardtanh,
    LeakyReLU,
    PReLU,
    ReLU,
    ReLU6,
)
from reference.model.network import Network, learnable_layers
from reference.model.observed.outputs import cov_of_outputs, outputs_of
from reference.model.observed.patterns import Pattern, check_indices, is_whole, patterns
from reference.model.observed.weights import counted, counted_for_fit, of_columns
from reference.model.outcome import Outcome, outcome_of, outcome_of_error
from reference.model.residual import Beside, Residual, Weighted, weighted
from reference.model.saving import load_model, save_model
from reference.model.validation import (
    check_array,
    check_bounds,
    check_count,
    check_covariance,
    check_covariances,
    check_flag,
    check_mapping,
    check_names,
    check_number,
    check_points,
    check_random_state,
)
from reference.model.weight_priors import (
    GaussianPrior,
    LaplacePrior,
    UniformPrior,
    WeightPrior,
    blend,
    check_weight_prior,
    log_weight_prior,
    rise,
    uphill,
)
from reference.model.whole_files import (
    UNFINISHED,
    check_path,
    load_arrays,
    save_arrays,
    write_whole,
)
from reference.model.writers.into_torch import torch_parameters

__all__ = [
    "NO_LIKELIHOOD",
    "UNFINISHED",
    "Abs",
    "AdaptiveAvgPool",
    "Array",
    "AvgPool",
    "Beside",
    "Codes",
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvergenceWarning",
    "Convolution",
    "Dense",
    "Dyadic",
    "ExactNetwork",
    "Flatten",
    "GaussianPrior",
    "Hardsigmoid",
    "Hardtanh",
    "Indices",
    "Integers",
    "LaplacePrior",
    "Layer",
    "LeakyReLU",
    "Mask",
    "MaxPool",
    "Network",
    "NotSolvedError",
    "Outcome",
    "PReLU",
    "PartitionError",
    "Pattern",
    "PiecewiseAffine",
    "PixelShuffle",
    "RandomState",
    "ReLU",
    "ReLU6",
    "ReadOnly",
    "Reshape",
    "Residual",
    "Shape",
    "SingularCovarianceError",
    "TooManyRegionsError",
    "TooMuchMemoryError",
    "UniformPrior",
    "UnverifiedWarning",
    "Upsample",
    "WeightPrior",
    "Weighted",
    "ZeroPad",
    "blend",
    "check_array",
    "check_bounds",
    "check_count",
    "check_covariance",
    "check_covariances",
    "check_data",
    "check_flag",
    "check_indices",
    "check_mapping",
    "check_names",
    "check_number",
    "check_path",
    "check_points",
    "check_random_state",
    "check_weight_prior",
    "counted",
    "counted_for_fit",
    "cov_of_outputs",
    "dyadic",
    "freeze",
    "is_whole",
    "learnable_layers",
    "load_arrays",
    "load_model",
    "log_weight_prior",
    "of_columns",
    "of_tensor",
    "outcome_of",
    "outcome_of_error",
    "outputs_of",
    "patterns",
    "rise",
    "save_arrays",
    "save_model",
    "torch_parameters",
    "uphill",
    "weighted",
    "write_whole",
]
