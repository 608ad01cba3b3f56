"""Picture of figure 3 in two latent dimensions: samples, marginal and one posterior."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from paper_figures import style
from paper_figures.options import Numbers

_DEPTH = 10.0  # nats below the peak at which the maps' colours end
_NAMED = 0.05  # regions with a larger share are given in numbers


def draw(numbers: Numbers) -> Figure:
    """Three panels as in figure 3; the right one the plane of z."""
    # Room between a colour bar's label and the next panel's.
    figure = Figure(figsize=(12.6, 4.1), layout=ConstrainedLayoutEngine(wspace=0.06))
    left, middle, right = figure.subplots(1, 3, width_ratios=(0.7, 0.95, 1.35))
    _samples(left, numbers)
    _marginal(figure, middle, numbers)
    _posterior(figure, right, numbers)
    return figure


def _frame(axes: Axes, numbers: Numbers) -> None:
    axes.set(xlabel="$x_1$ (data units)", ylabel="$x_2$ (data units)", aspect="equal")
    axes.set(xlim=numbers["grid_1"][[0, -1]], ylim=numbers["grid_2"][[0, -1]])
    axes.plot(
        *numbers["observed"], "s", color="black", markeredgecolor="white", markersize=7, label="$x$"
    )


def _samples(axes: Axes, numbers: Numbers) -> None:
    axes.plot(
        *numbers["noisy"].T, ".", color=style.NOISY, alpha=0.3, markersize=3, markeredgewidth=0
    )
    axes.plot(*numbers["clean"].T, ".", color=style.NOISELESS, markersize=2, markeredgewidth=0)
    axes.plot([], [], "o", color=style.NOISELESS, markersize=4, label="$g(z)$")
    axes.plot([], [], "o", color=style.NOISY, markersize=4, label=r"$g(z) + \epsilon$")
    _frame(axes, numbers)
    style.label_panel(axes, "a", f"{len(numbers['clean'])} samples, S = 2")
    axes.legend(loc="best", handletextpad=0.2)


def _marginal(figure: Figure, axes: Axes, numbers: Numbers) -> None:
    _map(figure, axes, numbers["log_density"], (numbers["grid_1"], numbers["grid_2"]), "p(x)")
    _frame(axes, numbers)
    style.label_panel(axes, "b", "marginal $p(x)$")


def _posterior(figure: Figure, axes: Axes, numbers: Numbers) -> None:
    axis = numbers["latent_axis"]
    _map(figure, axes, numbers["log_posterior"], (axis, axis), "p(z\\,|\\,x)")
    polygons = [p for p in np.split(numbers["corners"], numbers["ends"][:-1]) if len(p)]
    axes.add_collection(
        PolyCollection(polygons, facecolors="none", edgecolors="white", linewidths=0.35, alpha=0.6)
    )
    axes.plot(*numbers["draws"].T, ".", color="white", markersize=2, alpha=0.8, label="exact draws")
    marks = (
        ("posterior_mean", "o", style.MEAN, "mean"),
        ("posterior_mode", "D", style.MODE, "mode"),
        ("z0", "^", style.NOISELESS, "the $z$ that gave $x$"),
    )
    for name, mark, colour, label in marks:
        axes.plot(
            *numbers[name], mark, color=colour, markeredgecolor="white", markersize=8, label=label
        )
    axes.set(xlim=axis[[0, -1]], ylim=axis[[0, -1]], aspect="equal")
    axes.set(xlabel="$z_1$ (prior s.d.)", ylabel="$z_2$ (prior s.d.)")
    share = int(np.sum(numbers["e0"] > _NAMED))
    style.label_panel(
        axes, "c", f"posterior over {len(numbers['e0'])} regions, {share} with more than 5 %"
    )
    legend = axes.legend(loc="lower left", handletextpad=0.3)
    legend.get_frame().set_facecolor("#777777")
    for text in legend.get_texts():
        text.set_color("white")


def _map(
    figure: Figure,
    axes: Axes,
    values: np.ndarray,
    grid: tuple[np.ndarray, np.ndarray],
    name: str,
) -> None:
    """Log densities (nats) as colours, down to so many nats below the largest."""
    edges = [float(e) for a in grid for e in (1.5 * a[0] - 0.5 * a[1], 1.5 * a[-1] - 0.5 * a[-2])]
    image = axes.imshow(
        values,
        origin="lower",
        extent=(edges[0], edges[1], edges[2], edges[3]),
        cmap=style.DENSITY_MAP,
        interpolation="bilinear",
        vmin=float(values.max()) - _DEPTH,
    )
    figure.colorbar(image, ax=axes, label=f"$\\log {name}$ (nats)", extend="min", shrink=0.9)
