"""Picture of figure 7: images along the manifolds EM learned on the digit 4, and its curves."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from paper_figures import digits, style
from paper_figures.curves import ranking
from paper_figures.draw_curves import architecture, curves, ends, legend_below, reference
from paper_figures.options import Numbers

_INK = 0.25  # data units, drawn black


def draw(numbers: Numbers) -> Figure:
    """Above: data and images along the manifold. Below: the curves of every start."""
    names = numbers["names"].tolist()
    figure = Figure(figsize=(10.2, 7.9), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=(1.0, 1.05))
    _images(figure.add_subfigure(grid[0]), numbers, names)
    lower = figure.add_subfigure(grid[1])
    panels = lower.subplots(1, 2 * len(names), width_ratios=(1.0, 0.9) * len(names))
    for column, name in enumerate(names):
        first, second = panels[2 * column : 2 * column + 2]
        _training(first, numbers, name)
        style.label_panel(first, "bd"[column], f"{architecture(name)}: per iteration")
        _ends(second, numbers, name)
        style.label_panel(second, "ce"[column], "where each start ended")
    legend_below(figure, list(panels))
    figure.suptitle(
        "EM on MNIST digit 4, one latent dimension (the EM side only; no VAE in this picture)",
        fontsize=10,
    )
    return figure


def _images(figure: SubFigure, numbers: Numbers, names: list[str]) -> None:
    """A column for each architecture: the best, middle and worst start by training likelihood."""
    panels = figure.subplots(4, len(names))
    _strip(panels[0, 0], numbers["clean"], "(a) training images (unit norm)")
    _strip(panels[0, 1], numbers["noisy"], "the same with the noise that training sees")
    for column, name in enumerate(names):
        order = ranking(numbers[f"{name}_nll"])
        places = ((0, "best"), (len(order) // 2, "middle"), (-1, "worst"))
        for row, (place, word) in enumerate(places, start=1):
            title = f"$g(z)$ of EM {architecture(name)}, {word} of {len(order)} starts"
            _strip(panels[row, column], numbers[f"{name}_images"][order[place]], title)
        _quantiles(panels[-1, column], numbers["levels"])


def _strip(axes: Axes, images: NDArray[np.float64], title: str) -> None:
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


def _training(axes: Axes, numbers: Numbers, name: str) -> None:
    """NLL above the entropy of the added noise, below which no model gets in expectation."""
    bound = float(numbers["noise_entropy"])
    curves(axes, numbers[f"{name}_nll"] - bound, style.EM, "EM, training data")
    curves(axes, numbers[f"{name}_watched"] - bound, style.HELD_OUT, "EM, held out")
    axes.set_yscale("log")
    axes.set_yticks([15, 20, 30, 50, 100, 200, 500])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylabel(f"mean NLL + {-bound:.1f} (nats per image)")


def _ends(axes: Axes, numbers: Numbers, name: str) -> None:
    ends(axes, numbers, name)
    reference(axes, float(numbers["line_train"]), "-", "straight line (PPCA), training data")
    reference(axes, float(numbers["line_held_out"]), ":", "straight line (PPCA), held out")
    axes.set_ylabel("mean NLL (nats per image)")
