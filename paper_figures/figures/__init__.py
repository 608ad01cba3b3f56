"""A folder a figure: `compute`, `claims` and `draw`; `one_start` where it has runs of its own."""
