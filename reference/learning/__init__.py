"""The M-step and EM."""
