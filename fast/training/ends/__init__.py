"""Whether training has ended at a maximum, and what it says if it has not."""
