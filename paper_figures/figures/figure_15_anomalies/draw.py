"""Picture of figure 15: areas under ROC curves, differences, tail probabilities, attributions."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures import style
from paper_figures.figures.figure_15_anomalies.compute import (
    areas_of,
    groups_of,
    interval,
    methods_of,
    tails_of,
)
from paper_figures.figures.figure_15_anomalies.detectors import METHODS, PEERS
from paper_figures.figures.figure_15_anomalies.one_start import PATCH
from paper_figures.figures.figure_15_anomalies.splits import POOLED
from paper_figures.options import Numbers
from reference.model import Array

_COLOURS = (style.EM, "#0072B2", *(grey for grey, _ in style.LEVELS), style.MODE)
_MARKS = ("o", "s", *(mark for _, mark in style.LEVELS), "D")
_LOOKS = dict(zip(METHODS, zip(_COLOURS, _MARKS, strict=True), strict=True))
_SHORT = {"network": "OutlierDetector (ours)", "decoder": "decoder, EM (ours)"}
#: Per cent of patches within the scale of colours.
_SHOWN = 97.0
_LINES = ("-", "--", "-.", ":")
_GROUPS = (style.EM, style.NOISY, style.NOISELESS, style.MEAN)


def draw(numbers: Numbers) -> Figure:
    """(a) areas by data set, (b) what the network is above others, (c) tail probabilities, (d) to
    (f) patches of images."""
    figure = Figure(figsize=(10.6, 8.2), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=(1.5, 1.0))
    upper, lower = (figure.add_subfigure(grid[row]) for row in range(2))
    groups = list(groups_of(numbers))
    panels = upper.subplots(2, len(groups), sharey="row", squeeze=False)
    for column, group in enumerate(groups):
        _areas(panels[0, column], numbers, group)
        _differences(panels[1, column], numbers, group)
    style.label_panel(panels[0, 0], "a", groups[0])
    style.label_panel(panels[1, 0], "b", "paired; left of 0 it loses")
    panels = lower.subplots(1, 4, width_ratios=(1.3, 1.0, 1.0, 1.0))
    _tails(panels[0], numbers)
    _patches(list(panels[1:]), numbers)
    figure.suptitle(
        f"Anomalies among real data: area under the ROC curve on new data, {len(numbers['seeds'])} "
        "splits; settings chosen on a part of their own",
        fontsize=10,
    )
    return figure


def _areas(axes: Axes, numbers: Numbers, group: str) -> None:
    """The median and the range of splits; a line at the network's."""
    found = {method: areas_of(numbers, group, method) for method in methods_of(numbers, group)}
    for height, method in enumerate(METHODS):
        if method in found:
            values, (colour, mark) = found[method], _LOOKS[method]
            axes.plot([values.min(), values.max()], [height] * 2, color=colour, linewidth=1.0)
            axes.plot(np.median(values), height, mark, color=colour, markersize=5)
    axes.axvline(float(np.median(found["network"])), color="#CCCCCC", linewidth=0.8, zorder=0)
    axes.set_yticks(range(len(METHODS)), [_SHORT.get(m, name) for m, name in METHODS.items()])
    axes.set_ylim(len(METHODS) - 0.5, -0.5)
    axes.set_title(group, loc="left")
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlabel("area: median, range")


def _differences(axes: Axes, numbers: Numbers, group: str) -> None:
    """Of the network and every peer."""
    for height, method in enumerate(PEERS):
        own, other = (areas_of(numbers, group, name) for name in ("network", method))
        mean, low, high = interval(own - other)
        colour, mark = _LOOKS[method]
        axes.plot([low, high], [height] * 2, color=colour, linewidth=1.0)
        axes.plot(mean, height, mark, color=colour, markersize=5)
    axes.axvline(0.0, color=style.BOUND, linewidth=0.9)
    axes.set_yticks(range(len(PEERS)), [METHODS[method] for method in PEERS])
    axes.set_ylim(len(PEERS) - 0.5, -0.5)
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlabel("network less it: mean, 95 %")


def _tails(axes: Axes, numbers: Numbers) -> None:
    """The shares of tail probabilities below each value, of all runs of a data set."""
    for group, colour, line in zip(groups_of(numbers), _GROUPS, _LINES, strict=True):
        for what, look in (("tail", {"label": group}), ("own", {"alpha": 0.35})):
            values = np.sort(np.concatenate(tails_of(numbers, group, what)))
            shares = np.arange(1, len(values) + 1) / len(values)
            axes.step(values, shares, color=colour, linestyle=line, where="post", **look)
    axes.plot([0, 1], [0, 1], color=style.BOUND, linewidth=0.8)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2)
    axes.set(xlabel="tail probability", ylabel="share below", xlim=(0, 1), ylim=(0, 1))
    style.label_panel(axes, "c", "new normal data;\nfaint: the model's own draws")


def _patches(panels: list[Axes], numbers: Numbers) -> None:
    """A four and a nine, what their patches have less than those of fours, and so of all nines."""
    name = groups_of(numbers)["MNIST"][0]
    images, parts = numbers[f"{name}|images"][0], numbers[f"{name}|parts"][0]
    pooled = numbers[f"{name}|all_nines"][0]
    titles = ("a four, patch by patch", "a nine", "mean of nines")
    # A single patch may be far off, and would leave no colour to the others.
    most = float(np.percentile(np.abs([*parts, pooled]), _SHOWN))
    for axes, image, values, letter, title in zip(
        panels, [*images, None], [*parts, pooled], "def", titles, strict=True
    ):
        side = POOLED // PATCH
        extent = (-0.5, POOLED - 0.5, POOLED - 0.5, -0.5)
        shown = axes.imshow(
            values.reshape(side, side), cmap="RdBu", vmin=-most, vmax=most, extent=extent
        )
        if image is not None:
            _outline(axes, image)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[["left", "bottom"]].set_visible(False)
        style.label_panel(axes, letter, title)
    bar = panels[-1].figure.colorbar(shown, ax=panels, shrink=0.8, extend="both")
    bar.set_label(r"$\log p(x_g \mid x_{-g})$ less that of fours, nats")


def _outline(axes: Axes, image: Array) -> None:
    """The digit as contours of its ink."""
    axes.contour(image.reshape(POOLED, POOLED), levels=[0.3, 0.6], colors="black", linewidths=0.9)
