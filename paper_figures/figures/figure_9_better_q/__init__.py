"""Figure 9: what a better q(z|x) recovers."""
