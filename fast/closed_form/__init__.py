"""The M-step's maxima, in closed form."""
