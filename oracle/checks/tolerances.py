"""How far off the implementations may be on random models, by quantity."""

from __future__ import annotations

from oracle.checks.implementations import LOCAL

#: Logarithms, masses, breakpoints, and moments that carry their mass.
_LOGS = (
    "log p",
    "e0",
    "log e0",
    "e1",
    "e2",
    "entropy",
    "log p at the mode",
    "expected complete log-likelihood",
    "ELBO",
    "KL",
    "region mass",
    "region width",
    "region end",
)
#: Means and covariances that are quotients by a mass: they lose a digit more.
_MOMENTS = (
    "region mean",
    "region covariance",
    "posterior mean",
    "posterior covariance",
    "reconstruction mean",
    "reconstruction covariance",
    "score",
    "marginal mean",
    "marginal covariance",
)
_PRECISE = {**dict.fromkeys(_LOGS, 1e-12), **dict.fromkeys(_MOMENTS, 1e-11)}
#: For S > 1 the reference sums terms of both signs. It vouches for 1e-9 of p(x), and declines where
#: it cannot (reference.polyhedra.validity). Its mean of log p(x, z) takes second moments with
#: weights of the size of Σx^-1. What it says within a region is compared through e1 and e2 alone,
#: since regions of next to no weight are beyond its validity.
_CANCELLING = {
    quantity: allowed
    for quantity, allowed in {
        **dict.fromkeys(_LOGS, 1e-9),
        **dict.fromkeys(_MOMENTS, 1e-8),
        **dict.fromkeys(("e1", "e2"), 1e-8),
        **dict.fromkeys(("entropy", "expected complete log-likelihood"), 1e-7),
    }.items()
    if quantity not in ("log e0", "region mean", "region covariance")
}
#: Of local partitions nothing is told of single regions, nor of the model without data.
_OF_DATA = (
    "log p",
    "entropy",
    "log p at the mode",
    "expected complete log-likelihood",
    "ELBO",
    "KL",
    "posterior mean",
    "posterior covariance",
    "reconstruction mean",
    "reconstruction covariance",
    "score",
)
#: They are cut in doubles and integrated in each box's own coordinates. Entropies are sums over
#: pieces, which lose a digit more where needles hold what counts: 1.01e-11 was the most seen.
_IN_BOXES = {
    **dict.fromkeys(_OF_DATA, 1e-11),
    **dict.fromkeys(("entropy", "expected complete log-likelihood"), 1e-10),
    **dict.fromkeys(("posterior mean", "posterior covariance"), 1e-10),
    **dict.fromkeys(("reconstruction mean", "reconstruction covariance", "score"), 1e-10),
    "bounds of log p": 1e-11,
}
#: Allowed error of each quantity by latent dimension and implementation, in units of its scale. The
#: scale of a log density is max(1, |log p|). That of a mean is the standard deviation, that of a
#: covariance the product of two, that of e1 and e2 roots of the posterior's second moments. Errors
#: of masses are absolute, those of breakpoints relative to the larger end of their region.
TOLERANCES: dict[int, dict[str, dict[str, float]]] = {
    1: {"reference": _PRECISE, "fast": _PRECISE},
    2: {"reference": _CANCELLING, "fast": _PRECISE, LOCAL: _IN_BOXES},
    3: {
        "reference": _CANCELLING,
        "fast": {**dict.fromkeys(_LOGS, 1e-10), **dict.fromkeys(_MOMENTS, 1e-9)},
        LOCAL: _IN_BOXES,
    },
}
#: The most regions the reference is asked about, by latent dimension: its sums take minutes.
MOST_FOR_REFERENCE = {1: 400, 2: 24, 3: 8}
