"""Picture of figure 18: log p of new images while VAEs train and while EM polishes, and images."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures import style
from paper_figures.figures.figure_18_polishing.compute import chosen
from paper_figures.options import Numbers

#: Adam's rates: constant, then falling from each of three.
_LABELS = ("VAE, rate 0.001", "falling from 0.001", "from 0.003", "from 0.01")
_COLOURS = tuple(style.METHODS[f"vae {name}"].colour for name in ("0.001", "0.005", "0.0001"))


def draw(numbers: Numbers) -> Figure:
    """A row for every decoder: by iterations and updates, by seconds, and reconstructions."""
    names = [str(name) for name in numbers["names"]]
    figure = Figure(figsize=(11.0, 3.3 * len(names)), layout="constrained")
    axes = figure.subplots(len(names), 3, squeeze=False, width_ratios=(1.0, 1.0, 1.1))
    for row, name in zip(axes, names, strict=True):
        _ends(row[0], numbers, name)
        _curves(row[1], numbers, name)
        _images(row[2], numbers, name)
    axes[0, 1].legend(loc="lower right")
    figure.suptitle(
        "Trained VAEs: their decoders polished by exact EM, and the same VAEs trained six times as "
        "long",
        fontsize=10,
    )
    return figure


def _ends(axes: Axes, numbers: Numbers, name: str) -> None:
    """Where every start ends: a line from the VAE that is polished to each of both."""
    found = chosen(numbers, name)
    for key, place in (("vae", -1.0), ("em", 1.0)):
        for start in range(len(found["before"])):
            ends = found["before"][start], found[key][start]
            axes.plot([0.0, place], ends, color="#999999", linewidth=0.8, zorder=1)
    look, tuned = style.METHODS["em"], style.METHODS["vae tuned"]
    for key, place, colour, mark in (
        ("before", 0.0, _COLOURS[0], "^"),
        ("vae", -1.0, tuned.colour, tuned.mark),
        ("em", 1.0, look.colour, look.mark),
    ):
        axes.plot(np.full(len(found[key]), place), found[key], mark, color=colour, zorder=2)
    axes.set_xticks([-1.0, 0.0, 1.0], ["trained 6 times\nas long, tuned", "VAE", "polished"])
    axes.set(xlim=(-1.5, 1.5), ylabel=r"exact $\log p(x)$ of new images (nats)")
    style.label_panel(axes, "a", name.replace("_", " "))


def _curves(axes: Axes, numbers: Numbers, name: str) -> None:
    """By seconds of processor time, of the first start."""
    vae, seconds = numbers[f"{name}|vae"][0], numbers[f"{name}|vae_seconds"][0]
    em = numbers[f"{name}|em"][0]
    looks = (*zip(_COLOURS, ("-", "-", "-"), strict=True), (style.TUNED, "-"))
    for values, when, label, (colour, line) in zip(vae, seconds, _LABELS, looks, strict=True):
        axes.plot(when, values[:, 1], line, color=colour, label=label)
    known = ~np.isnan(em[:, 1])
    when = seconds[0, 0] + numbers[f"{name}|em_seconds"][0]
    look = style.METHODS["em"]
    axes.plot(when[known], em[known, 1], color=look.colour, marker=look.mark, label="exact EM")
    axes.set(xlabel="seconds of processor time, training included")
    axes.set(ylabel=r"exact $\log p(x)$ of new images (nats)")
    style.label_panel(axes, "b", "the first start, while it trains")


def _images(axes: Axes, numbers: Numbers, name: str) -> None:
    """New images, and what the posterior holds of them before and after."""
    rows = [numbers[f"{name}|{key}"][0] for key in ("shown", "before", "after")]
    side = int(np.sqrt(rows[0].shape[1]))
    joined = np.concatenate([np.concatenate(row.reshape(-1, side, side), axis=1) for row in rows])
    axes.imshow(joined, cmap="gray_r", vmin=0.0, vmax=1.0, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks(side * (np.arange(3) + 0.5) - 0.5, ["image", "VAE", "polished"])
    for spine in axes.spines.values():
        spine.set_visible(False)
    style.label_panel(axes, "c", r"new images, and $E[g(z) \mid x]$ before and after")
