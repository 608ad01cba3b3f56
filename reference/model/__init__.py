"""The model, defined once: networks, layers, priors of weights; no probability of data."""
