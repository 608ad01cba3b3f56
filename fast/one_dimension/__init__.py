"""S = 1: regions are intervals of the latent line."""
