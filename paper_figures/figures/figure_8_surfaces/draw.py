"""Picture of figure 8: learned surfaces, and how well each model predicts."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d import Axes3D
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from numpy.typing import NDArray

from paper_figures import style
from paper_figures.options import Numbers

#: From where each surface is seen, degrees; the roll from near its axis.
_VIEWS = {"sphere": -60, "roll": -75}
_TITLES = {
    "sphere": "sphere, S = 2",
    "roll": "swiss roll, S = 2",
    "digits": "digits 4, S = 2",
    "digits_3": "digits 4, S = 3",
}


def draw(numbers: Numbers) -> Figure:
    """Above: what was learned in space. Below: every model's loss, training and held out."""
    figure = Figure(figsize=(10.6, 8.2), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(1.3, 1.0))
    for column, name in enumerate(("sphere", "roll")):
        axes = figure.add_subplot(grid[0, column], projection="3d")
        _surface(axes, numbers, name)
        regions = len(numbers[f"{name}_ends"])
        title = f"{_TITLES[name]}: g(z) over {regions} regions"
        axes.set_title(f"({'ab'[column]}) {title}", loc="left")
    _losses(figure.add_subplot(grid[1, :]), numbers)
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
    axes.plot(*data.T, ".", color=style.DATA, markersize=2, label="training data")
    limit = 1.1 * float(np.abs(data).max())
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), zlim=(-limit, limit))
    axes.set(xlabel="$x_1$", ylabel="$x_2$", zlabel="$x_3$ (data units)")
    axes.set_box_aspect((1, 1, 1), zoom=1.05)
    axes.view_init(elev=22, azim=_VIEWS[name])
    axes.locator_params(nbins=5)
    axes.legend(loc="upper right")


def _losses(axes: Axes, numbers: Numbers) -> None:
    """Nats a datum below the full Gaussian's loss, on the same data: in training and held out."""
    names = numbers["names"].tolist()
    marks = (
        ("affine", "s", style.BOUND, "one affine layer (PPCA)"),
        ("em", "o", style.EM, "EM, guarded"),
        ("mle", "D", style.MLE, "then exact likelihood (L-BFGS)"),
    )
    for row, name in enumerate(names):
        best = int(np.argmin(numbers[f"{name}_mle"][:, 0]))
        gaussian = numbers[f"{name}_gaussian"]
        for place, (model, mark, colour, label) in enumerate(marks):
            losses = numbers[f"{name}_{model}"]
            losses = losses if model == "affine" else losses[best]
            height = row + 0.2 * (place - 1)
            train, test = gaussian - losses
            axes.plot([train, test], [height, height], color=colour, linewidth=0.8, zorder=1)
            shown = f"{label}, training data" if not row else None
            axes.plot(train, height, mark, color=colour, markersize=6, label=shown)
            axes.plot(test, height, mark, color="white", markeredgecolor=colour, markersize=6)
    axes.plot([], [], "o", color="white", markeredgecolor="black", label="hollow: held-out data")
    axes.axvline(0.0, color=style.BOUND, linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(names)), [_TITLES[name] for name in names])
    axes.invert_yaxis()
    axes.set_xlabel("mean log-likelihood above a full Gaussian's on the same data (nats a datum)")
    style.label_panel(axes, "c", "what the nonlinearity is worth")
    axes.legend(loc="lower right")
