"""Ground truth from weights, covariances and points alone: slow, simple and independent.

Nothing here that computes a value imports `reference` or `fast`;
tests/contract/test_independence.py states it as a rule about folders. `python -m oracle` compares
both implementations with it.
"""

try:
    import mpmath  # noqa: F401
except ImportError as error:
    raise ImportError("the oracle needs mpmath: pip install 'exactdgn[oracle]'") from error

from oracle.exact.layers import layers_of
from oracle.exact.line import exact_partition
from oracle.exact.regions import certify, exact_regions
from oracle.learning.finite_differences import gradient
from oracle.models.architectures import random_case, random_network
from oracle.models.case import Case
from oracle.quadrature.interval import OracleDisagreement
from oracle.quadrature.polygon import polygon_moments
from oracle.quadrature.polyhedron import polyhedron_moments
from oracle.quadrature.product_polyhedra import random_product
from oracle.truths.nested_plane import nested_values
from oracle.truths.one_dimension import exact_values
from oracle.truths.regionwise import LatentSpace

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
