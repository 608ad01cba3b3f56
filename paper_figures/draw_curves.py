"""What figures of training share: the curves of every start, and where each start ended."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from paper_figures import style
from paper_figures.curves import last_values, median_curve, ranking
from paper_figures.options import Numbers
from reference.network import Array


def curves(axes: Axes, values: Array, colour: str, label: str) -> None:
    """Every start faint, their median bold: values (starts, iterations), the start at 0."""
    steps = np.arange(values.shape[1])
    for i, row in enumerate(values):
        name = f"{label}, each of {len(values)} starts" if i == 0 else None
        axes.plot(steps, row, color=colour, label=name, **style.FAINT)
    axes.plot(steps, median_curve(values), color=colour, label=f"{label}, median", **style.BOLD)
    axes.set_xscale("symlog", linthresh=1.0, linscale=0.3)
    axes.set_xticks([tick for tick in (0, 1, 10, 100, 1000) if tick <= steps[-1]])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set(xlim=(0, steps[-1]), xlabel="EM iteration")


def ends(axes: Axes, numbers: Numbers, name: str) -> None:
    """Final NLL of each start, best first: on the training data, and on held-out data."""
    order = ranking(numbers[f"{name}_nll"])
    places = np.arange(1, len(order) + 1)
    sets: tuple[tuple[str, dict[str, Any]], ...] = (
        ("nll", {"marker": "o", "color": style.EM, "label": "EM, final, training data"}),
        ("watched", {"marker": "D", "color": style.HELD_OUT, "label": "EM, final, held out"}),
    )
    for key, look in sets:
        values = last_values(numbers[f"{name}_{key}"])[order]
        axes.plot(places, values, linestyle="none", markersize=4.5, **look)
    axes.set(xlabel="start, by final training NLL", xlim=(0.4, len(order) + 0.6))
    axes.set_xticks(places if len(order) <= 10 else places[::3])


def reference(axes: Axes, value: float, linestyle: str, label: str) -> None:
    """A horizontal line that is no result of EM."""
    axes.axhline(value, color=style.REFERENCE, linestyle=linestyle, linewidth=1.2, label=label)


def legend_below(figure: Figure, panels: list[Axes]) -> None:
    """One legend for all panels, each label once, under them."""
    entries: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=3)


def architecture(name: str) -> str:
    """An architecture as the paper writes its widths: "1-8-2" -> "[1, 8, 2]"."""
    return f"[{name.replace('-', ', ')}]"
