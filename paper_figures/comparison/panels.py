"""What figures that compare methods share: every start's curve and end, and a legend."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from paper_figures import style
from paper_figures.comparison.numbers import Comparison
from reference.model import Array

_STEPS = "iterations (EM, likelihood),\nupdates (VAEs)"


def curves(axes: Axes, one: Comparison, against: str, shift: float = 0.0) -> None:
    """Draw the training NLL of every start of every method.

    Parameters
    ----------
    axes : Axes
        To draw in.
    one : Comparison
        The experiment's numbers.
    against : str
        "step" or "seconds": what the horizontal axis shows. It is logarithmic, so the start is left
        out.
    shift : float
        Added to the NLL, nats.

    Notes
    -----
    Of each method the start whose end is the median is bold, the others are faint. Against steps
    there is also the lowest loss of all autoencoders.
    """
    for method in one.methods:
        look = style.METHODS[method]
        middle = _middle(one.final(method))
        rows = zip(
            one.of(method, "step"), one.of(method, against), one.of(method, "train"), strict=True
        )
        for i, (step, when, values) in enumerate(rows):
            shown = step > 0
            width = style.BOLD if i == middle else style.FAINT
            line = look.line if i == middle else "-"
            axes.plot(
                when[shown], values[shown] + shift, color=look.colour, linestyle=line, **width
            )
    if against == "step":
        steps, lowest = one.lowest_autoencoder()
        shown = steps > 0
        median = np.median(lowest[:, shown], axis=0) + shift
        axes.plot(steps[shown], median, color=style.BOUND, linewidth=3.0, alpha=0.6, zorder=1)
    axes.set_xscale("log")
    axes.set_xlabel(_STEPS if against == "step" else "seconds on one core")


def count_above(axes: Axes, one: Comparison, shift: float = 0.0) -> None:
    """Write how many ends, of training and of held-out data, lie above the panel of `ends`.

    Parameters
    ----------
    axes : Axes
        The panel, with its limits set.
    one : Comparison
        The experiment's numbers.
    shift : float
        As of `ends`.
    """
    finals = np.array([one.final(m, w) for m in one.methods for w in ("train", "held_out")])
    above = int(np.sum(np.isfinite(finals) & (finals + shift > axes.get_ylim()[1])))
    if above:
        said = f"{above} of {finals.size} ends\nare above"
        axes.text(0.98, 0.98, said, transform=axes.transAxes, va="top", ha="right", fontsize=7.5)


def ends(axes: Axes, one: Comparison, shift: float = 0.0) -> None:
    """Draw where every start of every method ended, and the best autoencoder of every start.

    Parameters
    ----------
    axes : Axes
        To draw in.
    one : Comparison
        The experiment's numbers.
    shift : float
        Added to the NLL, nats.

    Notes
    -----
    Marks are filled for training data and hollow for held-out data. How many starts diverged is
    written at the upper edge.
    """
    columns = [*one.methods, "best VAE"]
    for column, method in enumerate(columns):
        best = method == "best VAE"
        look = style.Look(style.BOUND, "*", "-", "") if best else style.METHODS[method]
        for what, dodge, face in (("train", -0.16, look.colour), ("held_out", 0.16, "none")):
            values = one.best_autoencoder(what) if best else one.final(method, what)
            _marks(axes, values + shift, column + dodge, look, face)
    names = [_SHORT.get(method, method) for method in columns]
    axes.set_xticks(range(len(columns)), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.5, len(columns) - 0.5)


def _marks(axes: Axes, values: Array, place: float, look: style.Look, face: str) -> None:
    """A mark a start, a bar at the median, and in words how many diverged."""
    known = values[np.isfinite(values)]
    spread = np.linspace(-0.09, 0.09, len(known)) if len(known) > 1 else np.zeros(len(known))
    shape: dict[str, Any] = {"markersize": 4, "markeredgewidth": 0.8, "linestyle": "none"}
    axes.plot(place + spread, known, look.mark, color=look.colour, markerfacecolor=face, **shape)
    if len(known) < len(values):
        said = f"{len(values) - len(known)} diverged"
        where: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "rotation": 90}
        axes.text(place, 0.98, said, color=look.colour, ha="center", va="top", **where)
    median = float(np.median(values))
    if np.isfinite(median):
        axes.plot([place - 0.13, place + 0.13], [median] * 2, color=look.colour, linewidth=1.5)


_SHORT = {
    "em": "EM",
    "mle": "likelihood",
    "vae 0.005": "VAE 0.005",
    "vae 0.001": "VAE 0.001",
    "vae 0.0001": "VAE 0.0001",
    "vae tuned": "VAE tuned",
}


def _middle(finals: Array) -> int:
    """The start whose end is the median, or the worse of the two next to it."""
    return int(np.argsort(finals, kind="stable")[len(finals) // 2])


def line_at(axes: Axes, value: float, line: Any, label: str) -> None:
    """Draw a horizontal line at a value to compare with, which is not the result of a method."""
    axes.axhline(value, color=style.BOUND, linestyle=line, linewidth=1.1, label=label, zorder=0)


def legend(figure: Figure, methods: list[str], lines: Axes | None = None) -> None:
    """Draw one legend under all panels.

    Parameters
    ----------
    figure : Figure
        To draw in.
    methods : list of str
        Their names.
    lines : Axes or None
        A panel whose horizontal lines are explained too, and what filled and hollow marks are.
    """
    handles: list[Any] = []
    for method in methods:
        colour, mark, line, label = style.METHODS[method]
        look: dict[str, Any] = {"linestyle": line, "marker": mark, "markersize": 4.5}
        handles.append(Line2D([], [], color=colour, label=label, **look))
    if lines is not None:
        best = "lowest of all VAEs at each update, median of starts"
        handles.append(Line2D([], [], color=style.BOUND, linewidth=3.0, alpha=0.6, label=best))
        plain: dict[str, Any] = {"color": style.BOUND, "marker": "o", "linestyle": "none"}
        handles.append(Line2D([], [], label="filled: training data", **plain))
        plain["markerfacecolor"] = "none"
        handles.append(Line2D([], [], label="hollow: held-out data", **plain))
        handles += lines.get_legend_handles_labels()[0]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
