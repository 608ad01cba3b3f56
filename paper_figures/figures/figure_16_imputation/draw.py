"""Picture of figure 16: digits with a hole, two answers, and tables of what is recovered."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures import style
from paper_figures.data_sets.digits import SIDE
from paper_figures.figures.figure_16_imputation.compute import of_method
from paper_figures.figures.figure_16_imputation.methods import METHODS
from paper_figures.options import Numbers
from reference.model import Array

_DIGITS = "digits_with_a_hole"
_COLUMNS = ("digit", "seen", "mean", "deviation", "draws of $g(z)$", "", "", "", "with noise")
_HOLE = (0.80, 0.87, 0.93)
_LOOKS = dict(zip(METHODS, (*style.LEVELS, ("#0072B2", "s"), (style.EM, "o")), strict=True))


def draw(numbers: Numbers) -> Figure:
    """(a) digits; (b) p(z) given the lower half of the last; (c) p(x2) given x1 on the circle; (d),
    (e) RMSE and log density by method."""
    figure = Figure(figsize=(10.6, 7.4), layout="constrained")
    grid = figure.add_gridspec(3, 6, height_ratios=(1.0, 1.0, 1.6))
    _digits(figure.add_subplot(grid[:2, :4]), numbers)
    _plane(figure.add_subplot(grid[0, 4:]), numbers)
    _seen(figure.add_subplot(grid[1, 4:]), numbers)
    errors = figure.add_subplot(grid[2, :3])
    densities = figure.add_subplot(grid[2, 3:], sharey=errors)
    _table(errors, numbers, "rmse", "d", "RMSE of what was held back (lower is better)")
    _table(densities, numbers, "log_density", "e", "its log density, nats (higher is better)")
    densities.tick_params(labelleft=False)
    handles = errors.get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(METHODS))
    figure.suptitle("Imputation by the exact conditional p(x_missing | x_observed)", fontsize=10)
    return figure


def _of_digits(numbers: Numbers, what: str) -> Array:
    return np.asarray(numbers[f"{_DIGITS}|{what}"][0])


def _digits(axes: Axes, numbers: Numbers) -> None:
    """A row a digit: whole, with its hole, mean, deviation, draws."""
    images, hidden = _of_digits(numbers, "images"), _of_digits(numbers, "hidden").astype(bool)
    deviations = _of_digits(numbers, "deviations")
    # Of all digits by one scale: black is the most unsure.
    unsure = deviations / deviations.max()
    rows = [images, images, _of_digits(numbers, "means"), unsure]
    rows += list(np.swapaxes(_of_digits(numbers, "draws"), 0, 1))
    tiles = np.stack([row.reshape(-1, SIDE, SIDE) for row in rows], axis=1)
    picture = _in_colour(tiles)
    seen = picture[:, 1]
    seen[hidden.reshape(-1, SIDE, SIDE)] = _HOLE
    height, width = tiles.shape[:2]
    joined = picture.transpose(0, 2, 1, 3, 4).reshape(height * SIDE, width * SIDE, 3)
    axes.imshow(joined, interpolation="nearest")
    for column in range(1, width):
        axes.axvline(column * SIDE - 0.5, color="white", linewidth=1.5)
    for row in range(1, height):
        axes.axhline(row * SIDE - 0.5, color="white", linewidth=1.5)
    middles = SIDE * (np.arange(width) + 0.5) - 0.5
    axes.set_xticks(middles, _COLUMNS)
    axes.xaxis.tick_top()
    axes.set_yticks([])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title("(a) new digits, a square or the upper half hidden", loc="left", pad=18)


def _in_colour(tiles: Array) -> Array:
    """Ink on white, red, green and blue."""
    grey = 1.0 - np.clip(tiles, 0.0, 1.0)
    return np.repeat(grey[..., None], 3, axis=-1)


def _plane(axes: Axes, numbers: Numbers) -> None:
    """p(z | x_o) of the digit in the last row."""
    window, modes = _of_digits(numbers, "window"), _of_digits(numbers, "modes")
    low, high = window
    extent = (low[0], high[0], low[1], high[1])
    density = _of_digits(numbers, "map")
    axes.imshow(density, origin="lower", extent=extent, cmap=style.DENSITY_MAP, aspect="auto")
    kept = modes[modes[:, 2] > 0.05]
    axes.plot(kept[:, 0], kept[:, 1], "+", color=style.NOISELESS, markersize=9)
    axes.set(xlabel="$z_1$", ylabel="$z_2$")
    style.label_panel(axes, "b", "p(z | lower half), last row; maxima")


def _seen(axes: Axes, numbers: Numbers) -> None:
    """The density of the circle's second coordinate, by the first seed."""
    name = next(str(n) for n in numbers["names"] if str(n).startswith("circle"))
    values = numbers[f"{name}|seen.values"][0]
    for method in ("factors", "network"):
        colour, _ = _LOOKS[method]
        density = numbers[f"{name}|seen.{method}"][0]
        axes.plot(values, density, color=colour, label=METHODS[method])
    axes.set(xlabel="$x_2$ (deviations)", ylabel="$p(x_2 \\mid x_1 = 0)$")
    axes.set_ylim(0.0, 1.5 * axes.get_ylim()[1])  # above is room for the legend
    axes.legend(loc="upper center")
    style.label_panel(axes, "c", "the circle: two places")


def _table(axes: Axes, numbers: Numbers, score: str, letter: str, title: str) -> None:
    """A row for data and share, a mark a seed and method."""
    names = [str(name) for name in numbers["names"]]
    for i, name in enumerate(names):
        for j, (method, (colour, mark)) in enumerate(_LOOKS.items()):
            values = of_method(numbers, name, method, score)
            style_of: dict[str, Any] = {"color": colour, "markersize": 4, "linestyle": ""}
            height = np.full(len(values), i + 0.12 * (j - 2.5))
            label = METHODS[method] if i == 0 else None
            axes.plot(values, height, marker=mark, label=label, **style_of)
        axes.axhline(i + 0.5, color="#DDDDDD", linewidth=0.6)
    labels = [name.replace("_", " ") + " %" for name in names]
    axes.set_yticks(range(len(names)), labels)
    axes.set_ylim(len(names) - 0.5, -0.5)
    style.label_panel(axes, letter, title)
