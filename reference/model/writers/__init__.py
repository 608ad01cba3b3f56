"""Networks given back to torch: as a module of its own, or as the weights of one that is there."""
