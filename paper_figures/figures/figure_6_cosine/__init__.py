"""Figure 6: methods on the localised cosine."""
