"""Picture of figure 4: training on the noisy circle, by step and by second, and where it ended."""

from __future__ import annotations

from matplotlib.figure import Figure

from paper_figures import style
from paper_figures.comparison.numbers import Comparison
from paper_figures.comparison.panels import count_above, curves, ends, legend, line_at
from paper_figures.options import Numbers

_TOP = 2.7


def draw(numbers: Numbers) -> Figure:
    """A row for each start of the noise."""
    rows = Comparison.all_of(numbers)
    figure = Figure(figsize=(10.6, 3.0 * len(rows) + 1.0), layout="constrained")
    panels = figure.subplots(len(rows), 3, squeeze=False, width_ratios=(1.1, 1.0, 1.15))
    for row, (one, axes) in enumerate(zip(rows, panels, strict=True)):
        letters = "abcdef"[3 * row : 3 * row + 3]
        curves(axes[0], one, "step")
        curves(axes[1], one, "seconds")
        ends(axes[2], one)
        for panel in axes:
            line_at(panel, float(numbers["truth_train"]), "-", "true density, training data")
            line_at(panel, float(numbers["truth_held_out"]), ":", "true density, held out")
            panel.set_ylim(0.0, _TOP)
        count_above(axes[2], one)
        axes[0].set_ylabel("mean NLL (nats per point)")
        start = rf"$\sigma_x$ starts at {one.start}"
        style.label_panel(axes[0], letters[0], f"{start}: training data")
        style.label_panel(axes[1], letters[1], "the same by time")
        style.label_panel(axes[2], letters[2], "where every start ended")
    legend(figure, rows[0].methods, panels[0, 0])
    count = len(numbers["seeds"])
    figure.suptitle(
        f"Noisy circle, generator {rows[0].widths}, {count} starts; bold: the start that ended in "
        "the middle",
        fontsize=10,
    )
    return figure
