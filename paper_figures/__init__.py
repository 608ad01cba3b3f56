"""The paper's figures, computed anew: `python -m paper_figures`.

Figure N is three things: `compute_N` makes its numbers, `draw_N` makes a picture of them, and the
table in `catalogue` says what it is. `results` keeps the numbers beside the pictures, so that a
figure is recomputed only when its parameters or the code that made it have changed.
"""
