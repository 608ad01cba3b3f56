"""Methods side by side, from the same weights on the same data."""
