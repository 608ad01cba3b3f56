"""Picture of figure 3: samples, marginal and two posteriors of a random DGN."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures import style
from paper_figures.options import Numbers

_MARKS = ("o", "s")
_NAMES = ("$x = g(z_0)$", r"$x = g(z_0) + \epsilon_0$")
_KINDS = ("on the manifold, ", "noisy, ")
_DEPTH = 10.0  # nats below the peak at which the map's colours end


def draw(numbers: Numbers) -> Figure:
    """Three panels as in the paper; the right one split, one half for each observation."""
    figure = Figure(figsize=(10.2, 3.7), layout="constrained")
    grid = figure.add_gridspec(2, 3, width_ratios=(1.1, 1.22, 1.1))
    left, middle = figure.add_subplot(grid[:, 0]), figure.add_subplot(grid[:, 1])
    _samples(left, numbers)
    _marginal(figure, middle, numbers)
    upper = figure.add_subplot(grid[0, 2])
    lower = figure.add_subplot(grid[1, 2], sharex=upper)
    style.label_panel(upper, "c", "posterior $p(z\\,|\\,x)$ and the region limits")
    for index, axes in enumerate((upper, lower)):
        _posterior(axes, numbers, index)
    upper.tick_params(labelbottom=False)
    lower.set_xlabel("latent $z$ (prior standard deviations)")
    upper.legend(loc="center right")
    return figure


def _frame(axes: Axes, numbers: Numbers) -> None:
    axes.set(xlabel="$x_1$ (data units)", ylabel="$x_2$ (data units)", aspect="equal")
    axes.set(xlim=numbers["grid_1"][[0, -1]], ylim=numbers["grid_2"][[0, -1]])


def _observations(axes: Axes, numbers: Numbers) -> None:
    for point, mark, name in zip(numbers["observed"], _MARKS, _NAMES, strict=True):
        axes.plot(*point, mark, color="black", markeredgecolor="white", markersize=7, label=name)


def _samples(axes: Axes, numbers: Numbers) -> None:
    noisy, clean = numbers["noisy"], numbers["clean"]
    axes.plot(*noisy.T, ".", color=style.NOISY, alpha=0.25, markersize=3, markeredgewidth=0)
    axes.plot(*clean.T, ".", color=style.NOISELESS, markersize=3, markeredgewidth=0)
    axes.plot([], [], "o", color=style.NOISELESS, markersize=4, label="$g(z)$")
    axes.plot([], [], "o", color=style.NOISY, markersize=4, label=r"$g(z) + \epsilon$")
    _observations(axes, numbers)
    _frame(axes, numbers)
    style.label_panel(axes, "a", f"{len(clean)} samples")
    axes.legend(loc="lower right", handletextpad=0.2)


def _marginal(figure: Figure, axes: Axes, numbers: Numbers) -> None:
    values = numbers["log_density"]
    image = axes.imshow(
        values,
        origin="lower",
        extent=(*_edges(numbers["grid_1"]), *_edges(numbers["grid_2"])),
        interpolation="bilinear",
        cmap=style.DENSITY_MAP,
        vmin=float(values.max()) - _DEPTH,
    )
    _observations(axes, numbers)
    _frame(axes, numbers)
    style.label_panel(axes, "b", "marginal $p(x)$")
    figure.colorbar(image, ax=axes, label="$\\log p(x)$ (nats)", extend="min", shrink=0.9)


def _edges(centres: np.ndarray) -> tuple[float, float]:
    """The outer edges of pixels with these centres."""
    half = 0.5 * (centres[1] - centres[0])
    return float(centres[0] - half), float(centres[-1] + half)


def _posterior(axes: Axes, numbers: Numbers, index: int) -> None:
    """One posterior with its mean, the true z0 and every region limit in view."""
    z, density = numbers["z"], numbers["posterior"][index]
    limits = numbers["breakpoints"]
    visible = limits[(limits > z[0]) & (limits < z[-1])]
    for i, limit in enumerate(visible):
        name = "region limits" if i == 0 else None
        axes.axvline(limit, color=style.REGION_LIMIT, linewidth=0.5, alpha=0.7, label=name)
    axes.fill_between(z, density, color=style.POSTERIOR, alpha=0.25, linewidth=0)
    axes.plot(z, density, color=style.POSTERIOR, label="$p(z\\,|\\,x)$")
    mean = numbers["posterior_mean"][index]
    axes.axvline(mean, color=style.MEAN, linestyle="--", label="mean $E[z\\,|\\,x]$")
    axes.plot(
        numbers["z0"],
        0.0,
        "^",
        color=style.NOISELESS,
        clip_on=False,
        zorder=5,
        label="$z_0$",
    )
    axes.set(xlim=(z[0], z[-1]), ylim=(0.0, 1.45 * float(np.max(density))), ylabel="density")
    axes.plot(0.97, 0.88, _MARKS[index], color="black", transform=axes.transAxes, markersize=6)
    axes.text(
        0.94,
        0.88,
        _KINDS[index] + _NAMES[index],
        transform=axes.transAxes,
        ha="right",
        va="center",
        fontsize=8,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.9, "pad": 1.5},
    )
