"""Picture of figure 5: KL(q || p(z|x)) in training, and what exact likelihood gains at its end."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures import style
from paper_figures.comparison.curves import median_curve
from paper_figures.comparison.numbers import Comparison
from paper_figures.comparison.panels import legend
from paper_figures.options import Numbers

# A KL, or a gain, below this is drawn at it: the axes are logarithmic.
_LEAST = 1e-4


def draw(numbers: Numbers) -> Figure:
    """A column for each start of the noise."""
    columns = Comparison.all_of(numbers)
    figure = Figure(figsize=(10.2, 7.0), layout="constrained")
    panels = figure.subplots(2, len(columns), squeeze=False)
    for column, one in enumerate(columns):
        upper, lower = panels[:, column]
        _during(upper, one)
        title = rf"$\sigma_x$ starts at {one.start}"
        style.label_panel(upper, "ab"[column], f"{title}: KL during training")
        _gains(lower, one)
        style.label_panel(lower, "cd"[column], "at the end: KL, and what it hides")
    panels[0, 0].set_ylabel(r"mean KL$(q\,\|\,p(z\,|\,x))$ (nats)")
    panels[1, 0].set_ylabel("NLL that exact likelihood gains\nfrom there (nats)")
    legend(figure, columns[0].autoencoders)
    figure.suptitle(
        f"VAEs of figure 4: generator {columns[0].widths}, {len(numbers['seeds'])} starts, "
        "exact KL over the training data",
        fontsize=10,
    )
    return figure


def _during(axes: Axes, one: Comparison) -> None:
    for method in one.autoencoders:
        look = style.METHODS[method]
        steps, divergence = one.of(method, "step")[0], one.of(method, "kl")
        shown = steps > 0
        values = np.maximum(divergence[:, shown], _LEAST)
        for row in values:
            axes.plot(steps[shown], row, color=look.colour, **style.FAINT)
        median = median_curve(values)
        axes.plot(steps[shown], median, color=look.colour, linestyle=look.line, **style.BOLD)
    axes.set(xscale="log", yscale="log", xlabel="updates (batches of 50)")
    axes.set_ylim(bottom=0.9 * _LEAST)


def _gains(axes: Axes, one: Comparison) -> None:
    """One mark a start: above the diagonal lies what the KL there does not account for."""
    for method in one.autoencoders:
        look = style.METHODS[method]
        divergence = one.final(method, "kl")
        gain = one.final(method) - one.of(method, "continued")
        axes.plot(
            np.maximum(divergence, _LEAST),
            np.maximum(gain, _LEAST),
            look.mark,
            color=look.colour,
            markersize=5,
        )
    ends = [_LEAST, 5.0]
    axes.plot(ends, ends, color=style.BOUND, linewidth=0.9)
    axes.text(1.2e-4, 2.2e-4, "gain = KL", color=style.BOUND, rotation=33, fontsize=8)
    axes.set(xscale="log", yscale="log", xlim=(0.8 * _LEAST, 1.5), ylim=(0.8 * _LEAST, 5.0))
    axes.set_xlabel(r"mean KL$(q\,\|\,p(z\,|\,x))$ at the end (nats); $10^{-4}$: that or less")
