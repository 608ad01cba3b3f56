"""Figure 11: how often the printed M-step raises the NLL."""
