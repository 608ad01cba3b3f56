"""Integrals to any precision."""
