"""Picture of figure 13: the error of log p(x) far from the data."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures import style
from paper_figures.figures.figure_13_tails.compute import errors
from paper_figures.options import Numbers

#: Errors below the spacing of doubles are drawn at it.
_LEAST = 2.0**-53


def draw(numbers: Numbers) -> Figure:
    """(a) the published approach; (b) ours: every network a line, a grey a noise variance."""
    figure = Figure(figsize=(10.2, 4.6), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, which in zip(panels, ("published", "ours"), strict=True):
        _errors(axes, numbers, which)
        axes.set_xlabel("distance from $g(z)$ (standard deviations of the noise)")
    panels[0].set_ylabel(r"|error of $\log p(x)$| / max(1, $|\log p(x)|$)")
    style.label_panel(panels[0], "a", r"box $\pm 18$, CDF differences, floor $10^{-42}$")
    style.label_panel(panels[1], "b", "fast.DGN.logpdf")
    panels[1].legend(loc="upper left")
    count = len(numbers["seeds"])
    figure.suptitle(
        f"Accuracy against the tail: {count} random network{'s' * (count > 1)} [1, 8, 8, 2], truth "
        "by the oracle",
        fontsize=10,
    )
    return figure


def _errors(axes: Axes, numbers: Numbers, which: str) -> None:
    distances = np.maximum(numbers["distances"], 0.5)
    found = np.maximum(errors(numbers, which), _LEAST)
    for i, variance in enumerate(numbers["variances"].tolist()):
        colour, mark = style.LEVELS[i]
        for j, row in enumerate(found[i]):
            label = rf"$\Sigma_x = {variance:g}\, I$" if j == 0 else None
            axes.plot(
                distances, row, color=colour, marker=mark, markersize=4, linewidth=0.7, label=label
            )
    axes.set(xscale="log", yscale="log", ylim=(0.5 * _LEAST, 10.0))
    ticks = [0.5, 1, 10, 100, 1000]
    axes.set_xticks(ticks, ["0", "1", "10", "100", "1000"])
