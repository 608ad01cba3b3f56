"""Truncated Gaussians, however far out."""
