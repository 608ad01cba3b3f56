"""Deliberate defects of estimates by importance sampling."""

from __future__ import annotations

from oracle.mutants.mutant import Mutant, in_fast

ESTIMATES: tuple[Mutant, ...] = (
    in_fast(
        "a mixture's density without its weights",
        "estimates.mixture",
        "Mixture.logpdf",
        "np.log(weights) + _each",
        "np.zeros(len(weights)) + _each",
        "Components that are added up as if each were all.",
    ),
    in_fast(
        "densities of proposals without their determinants",
        "estimates.mixture",
        "_each",
        "-0.5 * squares - log_det",
        "-0.5 * squares",
        "A quadratic form taken for a density.",
    ),
    in_fast(
        "the mean of log weights",
        "estimates.logpdf_estimate",
        "_Weighted.log_mean",
        "float(self.log_weights.max() + np.log(self.shares.mean()))",
        "float(self.log_weights.mean())",
        "An ELBO taken for log p(x).",
    ),
    in_fast(
        "the standard error of one draw's mean",
        "estimates.logpdf_estimate",
        "_told",
        "(mean * np.sqrt(count))",
        "(mean * count)",
        "n for its root.",
    ),
    in_fast(
        "draws of the proposal taken for the posterior's",
        "estimates.logpdf_estimate",
        "estimated",
        "p=shares / shares.sum()",
        "p=None",
        "Resampling without weights.",
    ),
    in_fast(
        "fewer draws than were needed",
        "estimates.logpdf_estimate",
        "_sampled",
        "request.standard_error**2",
        "request.standard_error",
        "A standard error for its square.",
    ),
)
