"""Picture of figure 7: images along the curves that every method learned on the digit 4."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from paper_figures import style
from paper_figures.comparison.numbers import Comparison
from paper_figures.comparison.panels import count_above, curves, ends, legend, line_at
from paper_figures.data_sets import digits
from paper_figures.options import Numbers
from reference.model import Array

_INK = 0.25  # data units, drawn black


def draw(numbers: Numbers) -> Figure:
    """Above: images, a column a network. Below: NLL by step, and where every start ended."""
    columns = Comparison.all_of(numbers)
    figure = Figure(figsize=(10.6, 10.4), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=(1.5, 1.0))
    _images(figure.add_subfigure(grid[0]), numbers, columns)
    lower = figure.add_subfigure(grid[1])
    panels = lower.subplots(1, 2 * len(columns), width_ratios=(1.0, 1.1) * len(columns))
    bound = float(numbers["noise_entropy"])
    line_train, line_held_out = (float(numbers[f"line_{w}"]) - bound for w in ("train", "held_out"))
    for column, one in enumerate(columns):
        first, second = panels[2 * column : 2 * column + 2]
        curves(first, one, "step", shift=-bound)
        ends(second, one, shift=-bound)
        first.set(yscale="log", ylim=(10.0, 1000.0))
        low, high = _limits(one, bound)
        second.set_ylim(low, high)
        for axes in (first, second):
            line_at(axes, line_train, "-", "straight line (PPCA), training data")
            line_at(axes, line_held_out, ":", "straight line (PPCA), held out")
        style.label_panel(first, "bd"[column], f"{one.hidden_layers} hidden layers")
        style.label_panel(second, "ce"[column], "where every start ended")
        count_above(second, one, -bound)
    unit = f"mean NLL + {-bound:.1f} (nats per image)"
    panels[0].set_ylabel(f"{unit}\n0: the entropy of the noise")
    for axes in panels[1::2]:
        axes.set_ylabel(unit)
    legend(figure, columns[0].methods, panels[0])
    figure.suptitle(
        f"MNIST digit 4, one latent dimension, {len(numbers['seeds'])} starts; images: of the "
        "start with the least training NLL",
        fontsize=10,
    )
    return figure


def _limits(one: Comparison, bound: float) -> tuple[float, float]:
    """Of the panel of ends: all of EM's and the likelihood's, and what is near."""
    known = np.concatenate([one.final(m, w) for m in ("em", "mle") for w in ("train", "held_out")])
    return float(known.min()) - bound - 1.0, float(known.max()) - bound + 6.0


def _images(figure: SubFigure, numbers: Numbers, columns: list[Comparison]) -> None:
    """A column a network, a row a method: the start with the least training NLL."""
    methods = columns[0].methods
    panels = figure.subplots(len(methods) + 1, len(columns))
    _strip(panels[0, 0], numbers["clean"], "(a) training images (unit norm)")
    _strip(panels[0, 1], numbers["noisy"], "the same with the noise that training sees")
    for column, one in enumerate(columns):
        for row, method in enumerate(methods, start=1):
            finals = one.final(method)
            best = int(finals.argmin())
            loss = finals[best]
            ended = f"{loss:.1f} nats" if np.isfinite(loss) else "diverged"
            title = f"{style.METHODS[method].label}, {one.widths}: {ended}"
            _strip(panels[row, column], one.of(method, "curve")[best], title)
        _quantiles(panels[-1, column], numbers["levels"])


def _strip(axes: Axes, images: Array, title: str) -> None:
    """Images side by side in the grey scale that all share, ink dark."""
    side = digits.SIDE
    joined = images.reshape(-1, side, side).transpose(1, 0, 2).reshape(side, -1)
    axes.imshow(joined, cmap="gray_r", vmin=0.0, vmax=_INK, interpolation="nearest")
    axes.set_title(title, loc="left", fontsize=8.5, pad=3)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _quantiles(axes: Axes, levels: NDArray[np.float64]) -> None:
    """Under each image the quantile of the prior that it comes from."""
    labels = [f"{100 * level:.0f}%" for level in levels]
    axes.set_xticks(digits.SIDE * (np.arange(len(levels)) + 0.5) - 0.5, labels)
    axes.tick_params(length=0)
    axes.set_xlabel("quantile of the prior $p(z)$")
