"""Ground truth from weights, covariances and points alone: slow, dumb and independent."""
