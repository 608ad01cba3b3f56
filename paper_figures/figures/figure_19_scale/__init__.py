"""Figure 19, beyond the paper: what exactness costs on decoders that people have."""
