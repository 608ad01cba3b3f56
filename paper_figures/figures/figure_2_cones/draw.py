"""Picture of figure 2: a region's triangulation, and a triangle as a sum of signed cones."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Polygon

from paper_figures import style
from paper_figures.options import Numbers

#: How often a point is counted, from -2 to 2: less than nothing in orange, more in blue.
_COUNTS = ListedColormap(["#D55E00", "#F0B98D", "#FFFFFF", "#9CC7E8", "#0072B2"])
_NORM = BoundaryNorm(np.arange(-2.5, 3.0), _COUNTS.N)
_TRIANGLES = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#0072B2", "#D55E00")
_NAMES = {0: "plane", 1: "half-plane", 2: "wedge"}


def draw(numbers: Numbers) -> Figure:
    """The region above; below, one column for each signed polyhedron, and the sum so far."""
    figure = Figure(figsize=(11.4, 7.0), layout="constrained")
    rows = figure.add_gridspec(2, 1, height_ratios=(1.0, 1.25))
    above, below = figure.add_subfigure(rows[0]), figure.add_subfigure(rows[1])
    left, middle, right = above.subplots(1, 3)
    _region(left, numbers, split=False)
    style.label_panel(left, "a", "a region $\\omega$ of the partition")
    _region(middle, numbers, split=True)
    style.label_panel(middle, "b", f"$T(\\omega)$: {len(numbers['triangles'])} triangles")
    _masses(right, numbers)
    axes = below.subplots(2, len(numbers["signs"]), sharex=True, sharey=True)
    running = np.zeros(numbers["inside"].shape[1:])
    total = 0.0
    for i, sign in enumerate(numbers["signs"]):
        running = running + sign * numbers["inside"][i]
        total += float(sign * numbers["masses"][i])
        mark = "+" if sign > 0 else "\N{MINUS SIGN}"
        name = _NAMES[int(numbers["facets"][i])]
        _counts(axes[0, i], numbers, sign * numbers["inside"][i])
        axes[0, i].set_title(f"{mark} {name}\n{mark}{numbers['masses'][i]:.5f}", fontsize=8)
        image = _counts(axes[1, i], numbers, running)
        axes[1, i].set_title(f"sum: {total:.5f}", fontsize=8)
    for row, letter, title in ((0, "d", "signed, H(Δ)"), (1, "e", "running sum")):
        axes[row, 0].set_ylabel(f"({letter}) {title}\n$z_2$ (s.d.)")
    for axis in axes[1]:
        axis.set_xlabel("$z_1$ (s.d.)")
    bar = below.colorbar(image, ax=axes, ticks=np.arange(-2, 3), shrink=0.8, pad=0.01)
    bar.set_label("times counted")
    return figure


def _region(axes: Axes, numbers: Numbers, *, split: bool) -> None:
    if split:
        for i, triangle in enumerate(numbers["triangles"]):
            colour = _TRIANGLES[i % len(_TRIANGLES)]
            axes.add_patch(Polygon(triangle, facecolor=colour, alpha=0.55, edgecolor="black"))
        centre = numbers["triangles"][int(numbers["chosen"])].mean(axis=0)
        axes.text(centre[0], centre[1], "Δ", ha="center", va="center", fontsize=13)
    else:
        axes.add_patch(Polygon(numbers["corners"], facecolor="#DDDDDD", edgecolor="black"))
    axes.plot(*numbers["corners"].T, "o", color="black", markersize=4)
    low, high = numbers["corners"].min(axis=0), numbers["corners"].max(axis=0)
    margin = 0.08 * float(np.max(high - low))
    axes.set(xlim=(low[0] - margin, high[0] + margin), ylim=(low[1] - margin, high[1] + margin))
    axes.set(aspect="equal", xlabel="$z_1$ (prior s.d.)", ylabel="$z_2$ (prior s.d.)")


def _masses(axes: Axes, numbers: Numbers) -> None:
    """The prior mass of every triangle, and of the region by another way."""
    masses = numbers["triangle_masses"]
    colours = [_TRIANGLES[i % len(_TRIANGLES)] for i in range(len(masses))]
    axes.bar(np.arange(1, len(masses) + 1), masses, color=colours, alpha=0.75, edgecolor="black")
    region = float(numbers["region_mass"])
    axes.axhline(region, color=style.MEAN, linestyle="--")
    axes.text(
        0.02,
        1.01 * region,
        "ω, integrated whole",
        color=style.MEAN,
        ha="left",
        va="bottom",
        transform=axes.get_yaxis_transform(),
        fontsize=8,
    )
    axes.bar(len(masses) + 1, masses.sum(), color="#BBBBBB", edgecolor="black")
    axes.set_xticks(range(1, len(masses) + 2), [*map(str, range(1, len(masses) + 1)), "sum"])
    axes.set(xlabel="triangle", ylabel="mass under $N(0, I)$", ylim=(0, 1.2 * region))
    difference = abs(masses.sum() - region)
    style.label_panel(axes, "c", f"masses; sum and whole differ by {difference:.0e}")


def _counts(axes: Axes, numbers: Numbers, values: np.ndarray) -> AxesImage:
    one, two = numbers["grid_1"], numbers["grid_2"]
    image = axes.imshow(
        values,
        origin="lower",
        extent=(one[0], one[-1], two[0], two[-1]),
        cmap=_COUNTS,
        norm=_NORM,
        interpolation="nearest",
    )
    triangle = numbers["triangles"][int(numbers["chosen"])]
    axes.add_patch(Polygon(triangle, fill=False, edgecolor="black", linewidth=0.8))
    axes.locator_params(nbins=3)
    return image
