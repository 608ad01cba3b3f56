"""Picture of figure 10: every setting of the autoencoder that was tried, and exact training."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures import style
from paper_figures.options import Numbers
from reference.model import Array

_DATA = {"circle": "noisy circle", "cosine": "localised cosine", "digits": "digit 4"}


def draw(numbers: Numbers) -> Figure:
    """A panel a network: a row a setting, a mark a random start, a grey where the noise starts."""
    searches = numbers["searches"].tolist()
    columns = min(2, len(searches))
    rows = -(-len(searches) // columns)
    figure = Figure(figsize=(6.0 * columns + 1.0, 5.8 * rows + 0.6), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    places = zip(numbers["data"].tolist(), numbers["architectures"].tolist(), strict=True)
    for letter, axes, name, (data, widths) in zip("abcd", panels, searches, places, strict=False):
        _settings(axes, numbers, name)
        style.label_panel(axes, letter, f"{_DATA[data]}, {widths}")
    figure.suptitle(
        f"How the VAE was tuned: {len(numbers['seeds'])} starts that no other figure shows; bar: "
        "median",
        fontsize=10,
    )
    return figure


def _settings(axes: Axes, numbers: Numbers, name: str) -> None:
    starts = numbers[f"{name}|starts"].tolist()
    labels = [f"VAE, {recipe}" for recipe in numbers[f"{name}|recipes"].tolist()]
    exact = np.stack([numbers[f"{name}|em"], numbers[f"{name}|mle"]], axis=2)
    ends = np.concatenate([exact, numbers[f"{name}|train"]], axis=2)
    for i, start in enumerate(starts):
        colour, mark = style.LEVELS[i]
        dodge = 0.18 * (i - 0.5 * (len(starts) - 1))
        axes.plot([], [], mark, color=colour, label=rf"$\sigma_x$ from {start:g}")
        for place, values in enumerate(ends[:, i].T):
            _row(axes, values, place + dodge, colour, mark)
    axes.set_yticks(range(ends.shape[2]), ["EM, guarded", "exact likelihood", *labels])
    axes.axhline(1.5, color=style.BOUND, linewidth=0.8)
    axes.set_ylim(ends.shape[2] - 0.4, -0.6)
    axes.set_xlabel("mean NLL of the training data at the end (nats per datum)")
    axes.legend(loc="best")


def _row(axes: Axes, values: Array, height: float, colour: str, mark: str) -> None:
    """A mark a start, a bar at the median, and in words how many diverged."""
    known = values[np.isfinite(values)]
    axes.plot(known, np.full(len(known), height), mark, color=colour, markersize=4)
    if len(known) < len(values):
        said = f"{len(values) - len(known)} diverged"
        axes.text(1.0, height, said, transform=axes.get_yaxis_transform(), ha="right", va="center")
    else:
        axes.plot([np.median(known)] * 2, [height - 0.09, height + 0.09], color=colour)
