"""p(x, z) on boxes of latent space that can matter for the data, with a bound on all others."""
