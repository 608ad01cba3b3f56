"""Picture of figure 9: what a better q recovers, for models learned with it and for fixed ones."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures import style
from paper_figures.options import Numbers
from reference.model import Array

_MODELS = (
    ("mle", style.MLE, "exact likelihood"),
    ("em", style.EM, "EM"),
    ("vae", style.TUNED, "VAE"),
)


def draw(numbers: Numbers) -> Figure:
    """Four panels: what autoencoders reach, and what the nearest q would.

    (a) NLL and KL of autoencoders that differ in q, on the circle; (b) KL of the nearest q for
    fixed models; (c) its distribution over the data; (d) as (a) on the sphere.
    """
    figure = Figure(figsize=(10.6, 7.2), layout="constrained")
    panels = figure.subplots(2, 2)
    _learned(panels[0, 0], numbers, "circle", "recipes")
    style.label_panel(panels[0, 0], "a", "circle, S = 1: VAEs that differ in q alone")
    _fixed(panels[0, 1], numbers)
    style.label_panel(panels[0, 1], "b", "fixed models of the circle: the nearest q of every datum")
    _spread(panels[1, 0], numbers)
    style.label_panel(panels[1, 0], "c", "over the data: how many Gaussians are how far off")
    _learned(panels[1, 1], numbers, "sphere", "surface_recipes")
    style.label_panel(panels[1, 1], "d", "sphere, S = 2: VAEs with diagonal and full covariance")
    figure.suptitle(
        f"What a better $q(z\\,|\\,x)$ recovers: {len(numbers['seeds'])} starts, one mark each",
        fontsize=10,
    )
    return figure


def _learned(axes: Axes, numbers: Numbers, data: str, key: str) -> None:
    """One line a start, from one q to the other: NLL filled, -ELBO hollow."""
    names = numbers[key].tolist()
    losses, divergences = numbers[f"{data}.train"], numbers[f"{data}.kl"]
    places = np.arange(len(names))
    for row, kl in zip(losses, divergences, strict=True):
        axes.plot(places, row, "-P", color=style.TUNED, linewidth=0.8, markersize=5)
        axes.plot(
            places,
            row + kl,
            ":P",
            color=style.TUNED,
            linewidth=0.8,
            markersize=5,
            markerfacecolor="none",
        )
    axes.plot([], [], "P", color=style.TUNED, label="NLL")
    axes.plot([], [], "P", color=style.TUNED, markerfacecolor="none", label="-ELBO = NLL + KL")
    medians = np.median(divergences, axis=0)
    labels = [f"{n}\nmedian KL {m:.3f}" for n, m in zip(names, medians, strict=True)]
    axes.set_xticks(places, labels)
    axes.set_xlim(-0.4, len(names) - 0.6)
    axes.set_ylabel("nats per point")
    axes.margins(y=0.25)
    axes.legend(loc="upper right")


def _fixed(axes: Axes, numbers: Numbers) -> None:
    """Mean KL over the data of every start: nearest Gaussian, then mixture."""
    width = 0.22
    for place, (model, colour, _) in enumerate(_MODELS):
        for what, dodge, face in (("gaussian", -width, colour), ("mixture", width, "none")):
            means = numbers[f"{model}.{what}"].mean(axis=1)
            spread = np.linspace(-0.1, 0.1, len(means)) if len(means) > 1 else np.zeros(1)
            axes.plot(
                place + dodge + spread, means, "o", color=colour, markerfacecolor=face, markersize=5
            )
            median = float(np.median(means))
            reach = [place + dodge - 0.15, place + dodge + 0.15]
            axes.plot(reach, [median, median], color=colour)
    axes.plot([], [], "o", color=style.BOUND, label="nearest Gaussian")
    axes.plot(
        [],
        [],
        "o",
        color=style.BOUND,
        markerfacecolor="none",
        label="mixture of up to 3 Gaussians (found; the best may be nearer)",
    )
    axes.set_xticks(range(len(_MODELS)), [name for _, _, name in _MODELS])
    axes.set(ylabel=r"mean KL$(q\,\|\,p(z\,|\,x))$ (nats)", xlim=(-0.6, len(_MODELS) - 0.4))
    axes.set_ylim(0.0, 1.35 * axes.get_ylim()[1])
    axes.legend(loc="upper left")


def _spread(axes: Axes, numbers: Numbers) -> None:
    """The share of data whose nearest Gaussian is farther off than the value on the axis."""
    for model, colour, name in _MODELS:
        line = style.METHODS["vae tuned" if model == "vae" else model].line
        values = np.sort(np.maximum(numbers[f"{model}.gaussian"].ravel(), 1e-6))
        share: Array = 1.0 - np.arange(len(values)) / len(values)
        axes.plot(values, 100 * share, color=colour, linestyle=line, label=name)
    axes.axvline(np.log(2.0), color=style.BOUND, linestyle=":", linewidth=1.1)
    axes.text(np.log(2.0) * 0.93, 60, "log 2: two equal modes", rotation=90, ha="right", fontsize=8)
    axes.set(xscale="log", xlim=(1e-5, 3.0), ylim=(0.0, 102.0))
    axes.set_xlabel(r"KL$(q\,\|\,p(z\,|\,x))$ of the nearest Gaussian (nats)")
    axes.set_ylabel("% of the data, all starts, beyond")
    axes.legend(loc="lower left")
