"""Figure 3: samples, p(x) and p(z|x) of a random DGN."""
