"""Figure 1: the walk over facets that finds a latent partition."""
