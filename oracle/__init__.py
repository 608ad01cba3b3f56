"""Ground truth from weights, covariances and points alone: slow, dumb and independent."""

try:
    import mpmath  # noqa: F401
except ImportError as error:
    raise ImportError("the oracle needs mpmath: pip install 'exactdgn[oracle]'") from error

from oracle.architectures import Case, random_case
from oracle.exact_layers import layers_of
from oracle.exact_partition import exact_partition
from oracle.exact_regions import certify, exact_regions
from oracle.finite_differences import gradient
from oracle.one_dimension import exact_values
from oracle.quadrature import OracleDisagreement
from oracle.random_networks import random_network

__all__ = [
    "Case",
    "OracleDisagreement",
    "certify",
    "exact_partition",
    "exact_regions",
    "exact_values",
    "gradient",
    "layers_of",
    "random_case",
    "random_network",
]
