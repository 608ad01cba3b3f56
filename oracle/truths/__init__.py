"""Every quantity of a model, from weights, covariances and points alone."""
