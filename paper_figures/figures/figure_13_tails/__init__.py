"""Figure 13: accuracy of log p(x) far from the data."""
