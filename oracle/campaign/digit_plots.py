"""Pictures of a campaign as SVG text: how many digits every comparison agreed to."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from oracle.checks.implementations import LOCAL, ROUTES
from oracle.checks.tally import ALL_DIGITS, Comparison
from oracle.checks.tolerances import TOLERANCES

#: Colour-blind safe, and apart in grey.
COLOURS = {"reference": "#0072B2", "fast": "#E69F00", LOCAL: "#009E73"}


def digits(comparison: Comparison) -> str:
    """For one latent dimension a panel a quantity: the share of its comparisons by digits agreed,
    every route; those left of the dotted line are beyond the tolerance of `fast`."""
    quantities = list(dict.fromkeys(quantity for quantity, _ in comparison.tallies))
    columns = 5
    rows = -(-len(quantities) // columns)
    figure = Figure(figsize=(11, 1.5 * rows + 0.4), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for panel, quantity in zip(axes, quantities, strict=False):
        for name, shift in zip(ROUTES, (-0.27, 0.0, 0.27), strict=True):
            tally = comparison.tallies.get((quantity, name))
            if tally is None:
                continue
            places = sorted(tally.digits)
            shares = [100 * tally.digits[d] / tally.compared for d in places]
            panel.bar([d + shift for d in places], shares, 0.27, color=COLOURS[name], label=name)
        tolerances = TOLERANCES[comparison.dimension]
        route = "fast" if quantity in tolerances["fast"] else LOCAL
        tolerance = tolerances[route][quantity]
        panel.axvline(-np.log10(tolerance), color="0.5", linewidth=0.8, linestyle=":")
        panel.set_title(quantity, fontsize=8)
        panel.set_xlim(-0.5, ALL_DIGITS + 0.5)
        panel.tick_params(labelsize=7)
    for panel in axes[len(quantities) :]:
        panel.set_axis_off()
    axes[0].legend(fontsize=7, frameon=False, loc="upper left")
    figure.supxlabel("digits agreed, of the quantity's scale", fontsize=8)
    figure.supylabel("% of comparisons", fontsize=8)
    return _svg(figure)


def _svg(figure: Figure) -> str:
    """The same figure, the same text: names inside it do not depend on the run."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "oracle", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
