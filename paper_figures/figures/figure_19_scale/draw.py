"""Picture of figure 19: time and memory against the number of regions."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures import style
from paper_figures.figures.figure_19_scale.measure import LOCAL
from paper_figures.options import Numbers


def draw(numbers: Numbers) -> Figure:
    """(a) seconds a datum; (b) seconds of set-up; (c) memory: trained and random networks."""
    figure = Figure(figsize=(12.0, 4.4), layout="constrained")
    panels = figure.subplots(1, 3, sharex=True)
    scales = ("datum", 1e3), ("set_up", 1.0), ("memory", 1.0)
    titles = "ms a datum: log p(x) and posterior", "seconds of set-up", "GB at most"
    for axes, (key, scale), title, letter in zip(panels, scales, titles, "abc", strict=True):
        _points(axes, numbers, scale * numbers[key])
        style.label_panel(axes, letter, title)
        axes.set_xlabel("regions")
    panels[0].legend(loc="upper left")
    figure.suptitle(f"What exactness costs: one core, {numbers['count']} data each", fontsize=10)
    return figure


def _points(axes: Axes, numbers: Numbers, values: np.ndarray) -> None:
    random, local = np.char.startswith(numbers["names"], "random"), np.isin(numbers["names"], LOCAL)
    groups = (
        (~random & ~local, "trained decoders", 0),
        (local, "trained decoders, by the pieces of regions that data met", 1),
        (random, "random networks", 2),
    )
    for mine, label, level in groups:
        if not np.any(mine):
            continue
        colour, mark = style.LEVELS[level]
        order = np.argsort(numbers["regions"][mine])
        axes.plot(
            numbers["regions"][mine][order],
            values[mine][order],
            color=colour,
            marker=mark,
            linestyle="none" if level < 2 else "-",
            label=label,
        )
    for name, regions, value in zip(
        numbers["names"][~random], numbers["regions"][~random], values[~random], strict=True
    ):
        axes.annotate(
            str(name), (regions, value), xytext=(4, -9), textcoords="offset points", fontsize=6
        )
    axes.set(xscale="log", yscale="log")
