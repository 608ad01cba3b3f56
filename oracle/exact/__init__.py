"""Integer geometry: every region of a network without rounding."""
