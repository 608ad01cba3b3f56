"""All regions of a network, cut at once."""
