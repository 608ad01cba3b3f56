"""Random models, and what names their values."""
