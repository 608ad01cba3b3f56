"""Figure 12: a latent plane learned on the digit 4."""
