"""Picture of figure 8: learned surfaces, the latent plane of the digits, and how well each model
predicts."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d import Axes3D
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from numpy.typing import NDArray

from paper_figures import digits, style
from paper_figures.options import Numbers

_INK = 0.25  # data units, drawn black
#: From where each surface is seen, degrees; the roll from near its axis.
_VIEWS = {"sphere": -60, "roll": -75}
_TITLES = {
    "sphere": "sphere, S = 2",
    "roll": "swiss roll, S = 2",
    "digits": "digits 4, S = 2",
    "digits_3": "digits 4, S = 3",
}


def draw(numbers: Numbers) -> Figure:
    """Above: what was learned in space. Below: the digits, and every model's held-out loss."""
    figure = Figure(figsize=(10.6, 9.6), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(1.0, 1.0))
    for column, name in enumerate(("sphere", "roll")):
        axes = figure.add_subplot(grid[0, column], projection="3d")
        _surface(axes, numbers, name)
        regions = len(numbers[f"{name}_ends"])
        title = f"{_TITLES[name]}: g(z) over {regions} regions"
        axes.set_title(f"({'ab'[column]}) {title}", loc="left")
    lower = figure.add_subfigure(grid[1, 0])
    _digits(lower.subplots(), numbers)
    _losses(figure.add_subplot(grid[1, 1]), numbers)
    figure.suptitle(
        "Two and three latent dimensions, learned by exact EM and exact likelihood", fontsize=10
    )
    return figure


def _polygons(numbers: Numbers, name: str, of: str) -> list[NDArray[np.float64]]:
    """Those with an interior in the window."""
    parts = np.split(numbers[f"{name}_{of}"], numbers[f"{name}_ends"][:-1])
    return [part for part in parts if len(part) > 2]


def _surface(axes: Axes3D, numbers: Numbers, name: str) -> None:
    corners, images = _polygons(numbers, name, "corners"), _polygons(numbers, name, "images")
    # Dark where the prior's mass is: the colour is the distance from the middle of the plane.
    reach = np.array([np.linalg.norm(part.mean(axis=0)) for part in corners])
    colours = style.latent_colours(reach / reach.max())
    axes.add_collection3d(
        Poly3DCollection(images, facecolors=colours, edgecolors="white", linewidths=0.5, alpha=0.6)
    )
    data = numbers[f"{name}_data"]
    axes.plot(*data.T, ".", color=style.EM, markersize=2, label="training data")
    limit = 1.1 * float(np.abs(data).max())
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), zlim=(-limit, limit))
    axes.set(xlabel="$x_1$", ylabel="$x_2$", zlabel="$x_3$ (data units)")
    axes.set_box_aspect((1, 1, 1), zoom=1.05)
    axes.view_init(elev=22, azim=_VIEWS[name])
    axes.locator_params(nbins=5)
    axes.legend(loc="upper right")


def _digits(axes: Axes, numbers: Numbers) -> None:
    """The latent plane: its regions, the data's posterior means, and g on a grid as images."""
    levels = numbers["levels"]
    axes.add_collection(
        PolyCollection(
            _polygons(numbers, "digits", "corners"),
            facecolors="none",
            edgecolors=style.DATA,
            linewidths=0.8,
        )
    )
    size = 0.45 * (levels[1] - levels[0])
    generated = numbers["digits_generated"].reshape(-1, digits.SIDE, digits.SIDE)
    grid = np.stack(np.meshgrid(levels, levels), axis=-1).reshape(-1, 2)
    for (x, y), image in zip(grid, generated, strict=True):
        axes.imshow(
            np.ma.masked_less(image, 0.06),
            extent=(x - size, x + size, y - size, y + size),
            cmap="gray_r",
            vmin=0.0,
            vmax=_INK,
            interpolation="nearest",
            zorder=2,
        )
    axes.plot(
        *numbers["digits_means"].T,
        ".",
        color=style.REFERENCE,
        markersize=2.5,
        zorder=1,
        label="E[z | x] of the training data",
    )
    end = float(levels[-1]) + 0.4
    axes.set(xlim=(-end, end), ylim=(-end, end), aspect="equal")
    axes.set(xlabel="$z_1$ (prior s.d.)", ylabel="$z_2$ (prior s.d.)")
    regions = len(numbers["digits_ends"])
    style.label_panel(axes, "c", f"digits, S = 2: {regions} regions and g(z)")
    axes.legend(loc="lower left", framealpha=1.0)


def _losses(axes: Axes, numbers: Numbers) -> None:
    """Nats a datum below the full Gaussian's loss, on the same data: held out and in training."""
    names = numbers["names"].tolist()
    marks = (
        ("affine", "s", style.BOUND, "one affine layer (PPCA)"),
        ("em", "^", style.NOISY, "exact EM"),
        ("mle", "o", style.EM, "then exact likelihood"),
    )
    for row, name in enumerate(names):
        best = int(np.argmin(numbers[f"{name}_end"]))
        gaussian = numbers[f"{name}_gaussian"]
        for place, (model, mark, colour, label) in enumerate(marks):
            losses = numbers[f"{name}_{model}"]
            losses = losses if model == "affine" else losses[best]
            height = row + 0.2 * (place - 1)
            train, test = gaussian - losses
            axes.plot([train, test], [height, height], color=colour, linewidth=0.8)
            axes.plot(train, height, mark, color="white", markeredgecolor=colour, markersize=6)
            shown = f"{label}, held out" if not row else None
            axes.plot(test, height, mark, color=colour, markersize=6, label=shown)
    axes.plot([], [], "o", color="white", markeredgecolor="black", label="hollow: training data")
    axes.axvline(0.0, color=style.BOUND, linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(names)), [_TITLES[name] for name in names])
    axes.invert_yaxis()
    axes.set_xlabel("mean log-likelihood above a full Gaussian's on the same data (nats a datum)")
    style.label_panel(axes, "d", "what the nonlinearity is worth")
    axes.legend(loc="lower right")
