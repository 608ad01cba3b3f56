"""Polyhedra by small programs, cut into signed cones."""
