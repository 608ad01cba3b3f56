"""Picture of figure 1: the walk over facets, step by step, and the partition it finds."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import BoundaryNorm, Colormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from paper_figures import style
from paper_figures.options import Numbers
from reference.model import Array

_STEPS = 3
_KNOWN = "#D9D9D9"


def draw(numbers: Numbers) -> Figure:
    """The start and its half-spaces; three steps; the whole partition; g over it."""
    figure = Figure(figsize=(10.2, 6.4), layout="constrained")
    panels = figure.subplots(2, 3)
    _start(panels[0, 0], numbers)
    for step in range(1, _STEPS + 1):
        _step(panels.flat[step], numbers, step)
    _whole(figure, panels[1, 1], numbers)
    _output(figure, panels[1, 2], numbers)
    figure.text(0.5, -0.02, _hidden(numbers), ha="center", va="top", fontsize=8.5)
    return figure


def _colours(numbers: Numbers) -> Colormap:
    """One colour a ring."""
    return matplotlib.colormaps[style.LATENT_MAP].resampled(int(numbers["rings"].max()) + 1)


def _polygons(numbers: Numbers) -> list[Array]:
    """Each region's part of the window, in order of discovery."""
    return np.split(numbers["corners"], numbers["ends"][:-1])


def _on_border(polygon: Array, numbers: Numbers) -> NDArray[np.bool_]:
    """For each edge (from a corner to the next), whether it is the window's and not a facet."""
    at = np.isclose(polygon[:, :, None], numbers["window"] * np.array([-1.0, 1.0]))
    both: NDArray[np.bool_] = np.any(at & np.roll(at, -1, axis=0), axis=(1, 2))
    return both


def _edges(polygon: Array, numbers: Numbers) -> list[Array]:
    """The visible parts of the facets of a region."""
    ends = np.stack([polygon, np.roll(polygon, -1, axis=0)], axis=1)
    return list(ends[~_on_border(polygon, numbers)])


def _fill(axes: Axes, numbers: Numbers, regions: NDArray[np.intp], colours: Any) -> None:
    """Regions in their colours, with the facets as black lines."""
    polygons = _polygons(numbers)
    shown = [polygons[r] for r in regions]
    axes.add_collection(PolyCollection(shown, facecolors=colours, edgecolors="none"))
    edges = [edge for polygon in shown for edge in _edges(polygon, numbers)]
    axes.add_collection(LineCollection(edges, colors=style.REGION_LIMIT, linewidths=0.6))


def _frame(axes: Axes, numbers: Numbers) -> None:
    window = float(numbers["window"])
    axes.set(xlim=(-window, window), ylim=(-window, window), aspect="equal")
    axes.set(xlabel="latent $z_1$", ylabel="latent $z_2$")
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set(visible=True, linestyle=(0, (1, 2)), color=style.BOUND)


def _start(axes: Axes, numbers: Numbers) -> None:
    """The first region, and of all its half-spaces those that bound it and those that do not."""
    _fill(axes, numbers, np.array([0]), _colours(numbers)(0))
    bounding = numbers["start_bounding"]
    for (first, second, offset), is_facet in zip(numbers["start_lines"], bounding, strict=True):
        normal = np.array([first, second])
        point = -offset * normal / (normal @ normal)
        if not is_facet:
            axes.axline(point, point + np.array([-second, first]), color=style.BOUND, **_DASHED)
    facets = _edges(_polygons(numbers)[0], numbers)
    axes.add_collection(LineCollection(facets, colors=style.NOISELESS, linewidths=2.2))
    start: dict[str, Any] = {"color": "white", "markeredgecolor": "black", "markersize": 5}
    axes.plot(0.0, 0.0, "o", **start, label="$z = 0$")
    axes.plot([], [], color=style.NOISELESS, linewidth=2.2, label="facets")
    axes.plot([], [], color=style.BOUND, label="redundant half-spaces", **_DASHED)
    axes.legend(loc="upper left")
    _frame(axes, numbers)
    style.label_panel(axes, "a", f"start: {bounding.sum()} of {bounding.size} half-spaces bound it")


_DASHED: dict[str, Any] = {"linestyle": (0, (5, 3)), "linewidth": 0.8}


def _step(axes: Axes, numbers: Numbers, step: int) -> None:
    """One ring of new neighbours, and the facets they were entered through."""
    rings = numbers["rings"]
    (known,), (new,) = np.nonzero(rings < step), np.nonzero(rings == step)
    _fill(axes, numbers, known, _KNOWN)
    _fill(axes, numbers, new, _colours(numbers)(step))
    axes.plot(*numbers["entries"][new].T, "o", color="white", markeredgecolor="black", markersize=4)
    axes.plot([], [], "o", color="white", markeredgecolor="black", markersize=4, label="crossed at")
    axes.legend(loc="lower right", handletextpad=0.2)
    _frame(axes, numbers)
    title = f"step {step}: {new.size} new regions, {known.size + new.size} known"
    style.label_panel(axes, "abcdef"[step], title)


def _whole(figure: Figure, axes: Axes, numbers: Numbers) -> None:
    rings, colours = numbers["rings"], _colours(numbers)
    _fill(axes, numbers, np.arange(rings.size), colours(rings))
    _frame(axes, numbers)
    style.label_panel(axes, "e", f"nothing new after step {rings.max()}: {rings.size} regions")
    norm = BoundaryNorm(np.arange(rings.max() + 2) - 0.5, colours.N)
    mappable = matplotlib.cm.ScalarMappable(norm, colours)
    bar = figure.colorbar(mappable, ax=axes, ticks=np.arange(rings.max() + 1), shrink=0.8)
    bar.set_label("step of discovery")


def _output(figure: Figure, axes: Axes, numbers: Numbers) -> None:
    """One output of the network: affine on every region, with its kinks on the facets."""
    polygons = _polygons(numbers)
    edges = [edge for polygon in polygons for edge in _edges(polygon, numbers)]
    axes.add_collection(LineCollection(edges, colors=style.REGION_LIMIT, linewidths=0.6))
    grid, values = numbers["grid"], numbers["output"]
    shades = axes.contourf(grid, grid, values, levels=14, cmap=style.DENSITY_MAP)
    axes.contour(grid, grid, values, levels=shades.levels, colors="white", linewidths=0.7)
    figure.colorbar(shades, ax=axes, shrink=0.8).set_label("$g_1(z)$")
    _frame(axes, numbers)
    style.label_panel(axes, "f", r"$g(z) = A_\omega z + b_\omega$ on each region")


def _hidden(numbers: Numbers) -> str:
    """What the window leaves out."""
    polygons, window = _polygons(numbers), float(numbers["window"])
    outside = sum(len(polygon) == 0 for polygon in polygons)
    cut = sum(len(p) > 0 and bool(np.any(_on_border(p, numbers))) for p in polygons)
    return (
        f"The dotted window $|z_i|\\leq{window:g}$ (prior standard deviations) cuts the drawing "
        f"only, not the walk: of the {len(polygons)} regions it cuts {cut} and hides {outside}; "
        f"{numbers['unbounded'].sum()} are unbounded."
    )
