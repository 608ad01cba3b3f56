"""Equations (3) to (7) and the E-step."""
