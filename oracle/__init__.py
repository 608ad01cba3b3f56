"""Ground truth from weights, covariances and points alone: slow, dumb and independent."""

try:
    import mpmath  # noqa: F401
except ImportError as error:
    raise ImportError("the oracle needs mpmath: pip install 'exactdgn[oracle]'") from error

from oracle.architectures import random_case, random_network
from oracle.cases import Case
from oracle.exact_layers import layers_of
from oracle.exact_partition import exact_partition
from oracle.exact_regions import certify, exact_regions
from oracle.finite_differences import gradient
from oracle.latent_space import LatentSpace
from oracle.one_dimension import exact_values
from oracle.polygon import polygon_moments
from oracle.polyhedron import polyhedron_moments
from oracle.products import random_product
from oracle.quadrature import OracleDisagreement
from oracle.two_dimensions import nested_values

__all__ = [
    "Case",
    "LatentSpace",
    "OracleDisagreement",
    "certify",
    "exact_partition",
    "exact_regions",
    "exact_values",
    "gradient",
    "layers_of",
    "nested_values",
    "polygon_moments",
    "polyhedron_moments",
    "random_case",
    "random_network",
    "random_product",
]
