"""Figure 10: how the VAE was tuned."""
