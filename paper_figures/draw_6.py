"""Picture of figure 6: the manifolds EM learned on the localised cosine, and its curves."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from paper_figures import style
from paper_figures.curves import ranking
from paper_figures.draw_curves import architecture, curves, ends, legend_below, reference
from paper_figures.options import Numbers


def draw(numbers: Numbers) -> Figure:
    """A row for each architecture: learned manifolds, NLL per iteration, where each start ended."""
    names = numbers["names"].tolist()
    figure = Figure(figsize=(10.2, 2.9 * len(names) + 1.1), layout="constrained")
    panels = figure.subplots(len(names), 3, squeeze=False, width_ratios=(1.45, 1.0, 0.9))
    for row, name in enumerate(names):
        first, second, third = panels[row]
        letters = "abcdefghi"[3 * row : 3 * row + 3]
        lines = _manifolds(first, numbers, name)
        figure.colorbar(lines, ax=first, label="latent $z$ (prior std. dev.)")
        style.label_panel(first, letters[0], f"{architecture(name)}: learned $g(z)$, $|z| < 3$")
        _training(second, numbers, name)
        style.label_panel(second, letters[1], "training data, per iteration")
        _ends(third, numbers, name)
        style.label_panel(third, letters[2], "where each start ended")
    legend_below(figure, list(panels[0]))
    figure.suptitle(
        "EM on a localised cosine (the EM side only; no VAE in this picture)", fontsize=10
    )
    return figure


def _manifolds(axes: Axes, numbers: Numbers, name: str) -> LineCollection:
    """Every start's manifold faint; the best start's coloured by z, as wide as the prior is dense.

    Best: by the likelihood of the training data.
    """
    manifolds = numbers[f"{name}_manifold"]
    best = manifolds[ranking(numbers[f"{name}_nll"])[0]]
    axes.plot(*numbers["data"].T, ".", color=style.DATA, markersize=3, label="training data")
    for curve in manifolds:
        axes.plot(*curve.T, color=style.EM, **style.FAINT)
    scores = numbers["scores"]
    centres = 0.5 * (scores[:-1] + scores[1:])
    lines = LineCollection(
        list(np.stack([best[:-1], best[1:]], axis=1)),
        array=centres,
        cmap=style.LATENT_MAP,
        linewidths=0.8 + 3.2 * np.exp(-0.5 * centres**2),
        capstyle="round",
        zorder=3,
    )
    axes.add_collection(lines)
    middle = matplotlib.colormaps[style.LATENT_MAP](0.5)
    axes.plot([], [], color=middle, linewidth=4, label="EM, best start (width: prior density)")
    _view(axes, numbers["data"], manifolds)
    return lines


def _view(axes: Axes, data: np.ndarray, manifolds: np.ndarray) -> None:
    """The neighbourhood of the data; manifolds that leave it are counted in words."""
    low, high = data.min(axis=0), data.max(axis=0)
    low, high = low - 0.35 * (high - low), high + 0.35 * (high - low)
    leaving = int(np.any((manifolds < low) | (manifolds > high), axis=(1, 2)).sum())
    axes.set(xlabel="$x_1$ (data units)", ylabel="$x_2$ (data units)")
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    axes.text(
        0.02,
        0.98,
        f"{leaving} of {len(manifolds)} starts leave this view",
        transform=axes.transAxes,
        va="top",
        fontsize=8,
    )


def _training(axes: Axes, numbers: Numbers, name: str) -> None:
    curves(axes, numbers[f"{name}_nll"], style.EM, "EM")
    reference(axes, float(numbers["truth_train"]), "-", "true density, training data")
    axes.axhline(  # the floor of the expected NLL of fresh data under any model
        float(numbers["entropy"]),
        color=style.BOUND,
        linestyle="--",
        linewidth=1.2,
        label="entropy of the true density",
    )
    top = 1.1 * float(np.nanmax(numbers[f"{name}_nll"]))
    axes.set_yscale("symlog", linthresh=1.0, linscale=2.0)
    axes.set_yticks([t for t in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 2.0, 5.0, 10.0, 20.0) if t < top])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set(ylim=(0.0, top), ylabel="mean NLL (nats per point)")


def _ends(axes: Axes, numbers: Numbers, name: str) -> None:
    ends(axes, numbers, name)
    reference(axes, float(numbers["truth_train"]), "-", "true density, training data")
    reference(axes, float(numbers["truth_held_out"]), ":", "true density, held out")
    worst, held_out = numbers["worst"].tolist()
    share = float(np.median(numbers[f"{name}_worst_share"]))
    axes.text(
        0.03,
        0.97,
        f"{100 * share:.0f}% of the held-out excess over the\n"
        f"truth is due to {worst} of {held_out} points",
        transform=axes.transAxes,
        va="top",
        fontsize=7.5,
    )
    axes.set_ylabel("mean NLL (nats per point)")
    axes.set_ylim(0.0, 1.25 * axes.get_ylim()[1])
