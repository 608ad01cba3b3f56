"""Deliberate defects written by hand, and who catches them."""
