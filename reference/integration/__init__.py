"""Gaussians on polyhedra."""
