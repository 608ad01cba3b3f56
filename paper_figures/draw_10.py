"""Picture of figure 10: every setting of the autoencoder that was tried, and exact training."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures import style
from paper_figures.options import Numbers


def draw(numbers: Numbers) -> Figure:
    """A panel a network: a row a setting, a mark a random start, a grey where the noise starts."""
    searches = numbers["searches"].tolist()
    figure = Figure(figsize=(5.3 * len(searches) + 1.6, 6.4), layout="constrained")
    panels = figure.subplots(1, len(searches), squeeze=False, sharey=True)[0]
    for letter, axes, name in zip("ab", panels, searches, strict=False):
        _settings(axes, numbers, name)
        widths = name.split("_")[1].replace("-", ", ")
        style.label_panel(axes, letter, f"noisy circle, [{widths}]")
    handles = panels[0].get_legend_handles_labels()[0]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    figure.suptitle(
        f"How the VAE was tuned: {len(numbers['seeds'])} starts that no other figure shows; bar: "
        "median",
        fontsize=10,
    )
    return figure


def _settings(axes: Axes, numbers: Numbers, name: str) -> None:
    recipes, starts = numbers["recipes"].tolist(), numbers["starts"].tolist()
    rows = [
        ("EM, guarded", "em"),
        ("exact likelihood", "mle"),
        *((f"VAE, {r}", r) for r in recipes),
    ]
    for i, start in enumerate(starts):
        colour, mark = style.LEVELS[i]
        dodge = 0.16 * (i - 0.5 * (len(starts) - 1))
        for place, (_, key) in enumerate(rows):
            exact = key in ("em", "mle")
            values = (
                numbers[f"{name}|{key}"][:, i]
                if exact
                else numbers[f"{name}|train"][:, i, recipes.index(key)]
            )
            label = rf"$\sigma_x$ from {start:g}" if place == 0 else None
            heights = np.full(len(values), place + dodge)
            axes.plot(values, heights, mark, color=colour, markersize=4, label=label)
            middle = np.median(values)
            axes.plot([middle] * 2, [place + dodge - 0.09, place + dodge + 0.09], color=colour)
    axes.set_yticks(range(len(rows)), [label for label, _ in rows])
    axes.axhline(1.5, color=style.BOUND, linewidth=0.8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("mean NLL of the training data at the end (nats per point)")
