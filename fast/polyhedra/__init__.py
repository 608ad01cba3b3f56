"""Faces of polyhedra from half-spaces."""
