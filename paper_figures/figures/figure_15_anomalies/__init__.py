"""Figure 15: anomaly detection on real data, by exact log p(x) and by others."""
