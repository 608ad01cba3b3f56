"""Figure 5: KL(q || p(z|x)) of the VAEs on the circle."""
