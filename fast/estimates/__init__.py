"""Where exact ends: estimates of log p(x) by importance sampling, for any latent dimension.

Never mixed with exact results: what is told here is an estimate by name, with its standard error.
"""
