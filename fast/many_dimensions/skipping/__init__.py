"""The certified skip for S >= 2: which regions of a datum may matter, without an integral.

`region_tree` rules out groups of regions, `bounds` single ones, and `search` lists the others by
their bounds. `many_dimensions/pairs.py` integrates these in turn and decides when to stop
(`_in_doubles`).
"""
