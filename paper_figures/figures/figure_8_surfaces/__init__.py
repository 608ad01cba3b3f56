"""Figure 8: two and three latent dimensions."""
