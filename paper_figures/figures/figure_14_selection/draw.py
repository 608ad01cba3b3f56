"""Picture of figure 14: what each criterion chose for data of each truth, and what that lost."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures import style
from paper_figures.figures.figure_14_selection.compute import (
    CRITERIA,
    found,
    interval,
    true_candidate,
)
from paper_figures.options import Numbers

_LOOKS = dict(zip(CRITERIA, style.LEVELS, strict=True))
#: Losses below are drawn here, and 0 too.
_LEAST = 1e-3


def draw(numbers: Numbers) -> Figure:
    """Above, tables of choices; below, shares with intervals, and losses."""
    figure = Figure(figsize=(11.0, 6.4), layout="constrained")
    rows = figure.subfigures(2, 1, squeeze=False, height_ratios=(1.0, 1.15))
    above, below = rows[:, 0]
    tables = above.subplots(1, len(CRITERIA), sharey=True)
    for letter, axes, criterion in zip("abcd", tables, CRITERIA, strict=True):
        _choices(axes, numbers, criterion)
        style.label_panel(axes, letter, CRITERIA[criterion])
    tables[0].set_ylabel("data of")
    shares, losses = below.subplots(1, 2)
    _shares(shares, numbers)
    _losses(losses, numbers)
    count = len(numbers["seeds"]) * len(numbers["names"])
    figure.suptitle(
        f"Which architecture is chosen for {count} data sets of known networks: above, how often; "
        "framed: the truth",
        fontsize=10,
    )
    return figure


def _words(latent: int, width: int) -> str:
    return f"S = {latent}, " + (f"{width} units" if width else "linear")


def _names(numbers: Numbers) -> list[str]:
    pairs = zip(numbers["latent"], numbers["width"], strict=True)
    return [_words(latent, width) for latent, width in pairs]


def _choices(axes: Axes, numbers: Numbers, criterion: str) -> None:
    """How often each candidate is chosen for data of each truth."""
    first = numbers["names"][0]
    latent, width = (numbers[f"{first}|{key}"][0] for key in ("latent", "width"))
    order = np.lexsort((width, latent))
    counts = np.array(
        [
            np.bincount(found(numbers, criterion, place).chosen, minlength=len(latent))[order]
            for place in range(len(numbers["names"]))
        ]
    )
    most = len(numbers["seeds"])
    axes.imshow(counts, cmap="Greys", vmin=0, vmax=1.4 * most, aspect="auto")
    for (row, column), value in np.ndenumerate(counts):
        colour = "white" if value > 0.6 * most else "black"
        text = axes.text(column, row, str(value) if value else "", color=colour, fontsize=8)
        text.set(ha="center", va="center")
    for place in range(len(counts)):
        at = int(np.flatnonzero(order == true_candidate(numbers, place))[0])
        frame = [at - 0.5, at + 0.5, at + 0.5, at - 0.5, at - 0.5]
        axes.plot(frame, place + np.array([-0.5, -0.5, 0.5, 0.5, -0.5]), color=style.NOISELESS)
    labels = [_words(latent[i], width[i]) for i in order]
    axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(counts)), _names(numbers))


def _shares(axes: Axes, numbers: Numbers) -> None:
    """How often S is found, and S with the width, with exact intervals."""
    names = _names(numbers)
    for i, (criterion, (colour, mark)) in enumerate(_LOOKS.items()):
        for place in range(len(names)):
            one = found(numbers, criterion, place)
            for right, filled, shift in ((one.latent, True, -0.04), (one.whole, False, 0.04)):
                where = place + 0.2 * (i - 1.5) + shift
                share = 100.0 * right.mean()
                ends = 100.0 * np.array(interval(int(right.sum()), len(right)))
                axes.plot([where, where], ends, color=colour, linewidth=1.0)
                face = colour if filled else "white"
                axes.plot(where, share, mark, color=colour, markerfacecolor=face, zorder=3)
        axes.plot([], [], mark, color=colour, label=CRITERIA[criterion])
    axes.set_xticks(range(len(names)), names)
    axes.set(ylim=(-3, 103), ylabel="% of data sets")
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=len(CRITERIA))
    style.label_panel(axes, "e", "S is found (filled), S and the width (empty); 95% intervals")


def _losses(axes: Axes, numbers: Numbers) -> None:
    """What the choice of every data set loses against the best candidate."""
    names = _names(numbers)
    for i, (criterion, (colour, mark)) in enumerate(_LOOKS.items()):
        if criterion == "fresh":
            continue
        for place in range(len(names)):
            loss = found(numbers, criterion, place).loss
            spread = np.linspace(-0.09, 0.09, len(loss)) if len(loss) > 1 else np.zeros(1)
            where = place + 0.25 * (i - 1) + spread
            axes.plot(where, np.maximum(loss, _LEAST), mark, color=colour, markersize=3.5)
            mean = max(float(loss.mean()), _LEAST)
            axes.plot(where[[0, -1]] + [-0.02, 0.02], [mean, mean], color=style.NOISELESS)
    axes.set(yscale="log", ylabel="nats a fresh datum lost", xlim=(-0.5, len(names) - 0.5))
    axes.set_xticks(range(len(names)), names)
    label = f"lost against the best candidate (none: {_LEAST:g}); red: mean"
    style.label_panel(axes, "f", label)
