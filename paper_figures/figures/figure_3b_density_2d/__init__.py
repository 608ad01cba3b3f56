"""Figure 3b: samples, p(x) and p(z|x) in two latent dimensions."""
