"""Exact and variational learning, and what judges a q(z|x) exactly."""
