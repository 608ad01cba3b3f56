"""The implementations on a few fixed models."""
