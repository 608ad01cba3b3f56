"""Sums over data, gradients and updates by definition."""
