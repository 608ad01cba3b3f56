"""Networks of any linear layers, beside the same with Dense layers of their matrices."""

import numpy as np
from shared_models import codes_of

import fast
from reference.model import Dense, Network

NO_CODE = np.empty(0, np.int8)


def as_dense(network):
    """The same function with Dense layers for the others."""
    return Network(
        [
            Dense(layer.matrix.toarray(), layer.offset(NO_CODE, 0))
            if hasattr(layer, "matrix")
            else layer
            for layer in network.layers
            if type(layer).__name__ not in ("Reshape", "Flatten")
        ]
    )


def check_as_dense(impl, networks):
    """Codes of networks by latent dimension, and of the one with one the likelihoods: as those of
    their twins."""
    for network in networks.values():
        found, dense = impl.DGN(network, 0.3), fast.DGN(as_dense(network), 0.3)
        assert set(codes_of(found.partition())) == set(codes_of(dense.partition()))
    network = networks[1]
    X = fast.DGN(network, 0.3).rvs(3, 1)
    expected = fast.DGN(as_dense(network), 0.3).logpdf(X)
    np.testing.assert_allclose(impl.DGN(network, 0.3).logpdf(X), expected, rtol=1e-11)
