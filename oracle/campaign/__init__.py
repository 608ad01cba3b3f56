"""The cross-check as a whole, and its report."""
