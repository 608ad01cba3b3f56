"""The M-step's maxima."""
