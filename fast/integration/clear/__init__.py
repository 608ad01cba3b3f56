"""Gaussians on polyhedra whose corners, in doubles, leave no digit to doubt."""
