"""The implementations on random models."""
