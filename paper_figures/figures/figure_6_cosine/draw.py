"""Picture of figure 6: curves that every method learned on the localised cosine, and training."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures import style
from paper_figures.comparison.numbers import Comparison
from paper_figures.comparison.panels import count_above, curves, ends, legend, line_at
from paper_figures.options import Numbers

_TOP = 2.2


def draw(numbers: Numbers) -> Figure:
    """Above: learned curves. Below: NLL by step and by second, and where every start ended."""
    (one,) = Comparison.all_of(numbers)
    figure = Figure(figsize=(10.6, 8.6), layout="constrained")
    grid = figure.add_gridspec(3, 1, height_ratios=(0.85, 0.85, 1.1))
    letters = iter("abcdefghi")
    for row in range(2):
        part = figure.add_subfigure(grid[row])
        panels = part.subplots(1, 3, sharex=True, sharey=True)
        for axes, method in zip(panels, one.methods[3 * row : 3 * row + 3], strict=True):
            _curves(axes, numbers, one, method)
            style.label_panel(axes, next(letters), style.METHODS[method].label)
            axes.set_xlabel("$x_1$ (data units)")
        panels[0].set_ylabel("$x_2$ (data units)")
    panels = figure.add_subfigure(grid[2]).subplots(1, 3)
    curves(panels[0], one, "step")
    curves(panels[1], one, "seconds")
    ends(panels[2], one)
    for axes, title in zip(
        panels,
        ("training data, by step", "the same by time", "where every start ended"),
        strict=True,
    ):
        line_at(axes, float(numbers["truth_train"]), "-", "true density, training data")
        line_at(axes, float(numbers["truth_held_out"]), ":", "true density, held out")
        axes.set_ylim(min(0.0, float(numbers["truth_train"]) - 0.05), _TOP)
        style.label_panel(axes, next(letters), title)
    count_above(panels[2], one)
    panels[0].set_ylabel("mean NLL (nats per point)")
    legend(figure, one.methods, panels[0])
    figure.suptitle(
        f"Localised cosine, generator {one.widths}, {len(numbers['seeds'])} starts: "
        "learned $g(z)$ for $|z| < 3$, the best start bold",
        fontsize=10,
    )
    return figure


def _curves(axes: Axes, numbers: Numbers, one: Comparison, method: str) -> None:
    """Draw the curve of every start, the one with the lowest training NLL bold.

    How many leave the view is written.
    """
    data, colour = numbers["data"], style.METHODS[method].colour
    axes.plot(*data.T, ".", color=style.DATA, markersize=2.5)
    learned = one.of(method, "curve")
    for curve in learned:
        axes.plot(*curve.T, color=colour, **style.FAINT)
    axes.plot(*learned[one.final(method).argmin()].T, color=colour, **style.BOLD)
    low, high = data.min(axis=0), data.max(axis=0)
    # Room above for words.
    low, high = low - 0.15 * (high - low), high + (high - low) * np.array([0.1, 0.3])
    leaving = int(np.any((learned < low) | (learned > high), axis=(1, 2)).sum())
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    if leaving:
        said = f"{leaving} of {len(learned)} leave this view"
        axes.text(0.02, 0.97, said, transform=axes.transAxes, va="top", fontsize=8)
