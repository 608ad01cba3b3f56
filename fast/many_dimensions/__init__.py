"""S >= 2: regions are polyhedra; the same file names as for S = 1 for the same things."""
