"""The paper's figures, computed anew: `python -m paper_figures`.

A figure is a folder in `figures`: `compute` makes its numbers, `claims` says what they mean for the
paper's claims, `draw` makes a picture of them. `catalogue` lists the figures. `records` keeps the
numbers beside the pictures, so that a figure is recomputed only when its parameters or its code
have changed.

No name is imported here: the command sets the number of threads before it imports NumPy.
"""
