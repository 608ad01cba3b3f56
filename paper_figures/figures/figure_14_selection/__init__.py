"""Figure 14: how often cv, BIC and AIC find the latent dimension and the width."""
