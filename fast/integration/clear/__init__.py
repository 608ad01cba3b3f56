"""Gaussians on polygons in plain doubles, with a bound on what rounding may do."""
