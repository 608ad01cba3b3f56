"""Picture of figure 12: a latent plane learned on the digit 4, its regions, data and samples."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from paper_figures import style
from paper_figures.data_sets import digits
from paper_figures.figures.figure_12_digit_plane.compute import separation
from paper_figures.figures.figure_12_digit_plane.one_start import LEVELS, WINDOW
from paper_figures.options import Numbers

_INK = 0.25  # data units, drawn black
_PAPER = 0.06  # fainter ink is left out, so that the regions show through


def draw(numbers: Numbers) -> Figure:
    """(a) the plane as polygons, with images; (b) samples; (c) log p of fours and nines."""
    figure = Figure(figsize=(10.6, 7.2), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.75, 1.0))
    _plane(figure.add_subplot(grid[:, 0]), numbers)
    upper, lower = figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, 1])
    _samples(upper, numbers)
    _separation(lower, numbers)
    figure.suptitle(
        "Digit 4, two latent dimensions, learned on noisy images by exact EM, then the gradient, "
        "with a Gaussian prior of the weights",
        fontsize=10,
    )
    return figure


def _plane(axes: Axes, numbers: Numbers) -> None:
    polygons = [p for p in np.split(numbers["corners"], numbers["ends"][:-1]) if len(p) > 2]
    reach = np.array([np.linalg.norm(part.mean(axis=0)) for part in polygons])
    colours = style.latent_colours(0.25 + 0.75 * reach / reach.max())
    colours[:, 3] = 0.3
    axes.add_collection(
        PolyCollection(polygons, facecolors=colours, edgecolors="black", linewidths=0.6)
    )
    axes.plot(
        *numbers["means"].T,
        ".",
        color=style.DATA,
        markersize=2.5,
        zorder=2,
        label="E[z | x] of the training data",
    )
    size = 0.46 * (LEVELS[1] - LEVELS[0])
    grid = np.stack(np.meshgrid(LEVELS, LEVELS), axis=-1).reshape(-1, 2)
    for (x, y), image in zip(grid, numbers["generated"], strict=True):
        axes.imshow(
            np.ma.masked_less(image.reshape(digits.SIDE, digits.SIDE), _PAPER),
            extent=(x - size, x + size, y - size, y + size),
            cmap="gray_r",
            vmin=0.0,
            vmax=_INK,
            interpolation="nearest",
            zorder=3,
        )
    end = min(WINDOW, float(LEVELS[-1]) + 0.5)
    axes.set(xlim=(-end, end), ylim=(-end, end), aspect="equal")
    axes.set(xlabel="$z_1$ (prior standard deviations)", ylabel="$z_2$ (prior standard deviations)")
    seen = f"{len(polygons)} of {len(numbers['ends'])} regions reach into it"
    style.label_panel(axes, "a", f"the latent plane and $g(z)$; {seen}")
    axes.legend(loc="lower left", framealpha=1.0)


def _samples(axes: Axes, numbers: Numbers) -> None:
    side = digits.SIDE
    images = numbers["samples"].reshape(2, -1, side, side)
    joined = images.transpose(0, 2, 1, 3).reshape(2 * side, -1)
    axes.imshow(joined, cmap="gray_r", vmin=0.0, vmax=_INK, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    style.label_panel(axes, "b", "samples: $g(z)$ of draws from the prior")


def _separation(axes: Axes, numbers: Numbers) -> None:
    best = int(np.argmin(numbers["mle"][:, 0]))
    fours, nines = numbers["fours"][best], numbers["nines"][best]
    low, high = np.percentile(np.concatenate([fours, nines]), (0.0, 100.0))
    bins = np.linspace(low, high, 40).tolist()
    axes.hist(fours, bins, color=style.DATA, alpha=0.8, label="held-out fours")
    axes.hist(
        nines,
        bins,
        histtype="step",
        color=style.NOISELESS,
        linewidth=1.5,
        label="nines, never seen",
    )
    axes.set(xlabel=r"exact $\log p(x)$ (nats)", ylabel="images")
    style.label_panel(
        axes, "c", f"a four beats a nine with probability {separation(fours, nines):.2f}"
    )
    axes.legend(loc="upper left")
