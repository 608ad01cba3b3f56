"""Picture of figure 11: on how many runs the printed M-step raises the NLL, and by how much."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import beta

from paper_figures import style
from paper_figures.figures.figure_11_printed_m_step.compute import largest_rises
from paper_figures.options import Numbers

#: Grey by damping, with a hatch: the guarded step is EM's black.
_LOOKS = ((style.EM, ""), ("#555555", ""), ("#A0A0A0", "///"), ("#E0E0E0", "..."))
_LEAST = 1e-3


def draw(numbers: Numbers) -> Figure:
    """(a) shares of starts; (b) the largest rise of every start on which there was one."""
    figure = Figure(figsize=(10.4, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    trials, settings = numbers["trials"].tolist(), numbers["settings"].tolist()
    for i, damping in enumerate(settings):
        colour, hatch = _LOOKS[i]
        label = f"printed, damping {damping:g}" if damping else "guarded"
        for place, name in enumerate(trials):
            rises = largest_rises(numbers[f"{name}|nll"][:, i])
            where = place + 0.2 * (i - 0.5 * (len(settings) - 1))
            _share(left, where, rises, colour, hatch, label if place == 0 else None)
            some = np.maximum(rises[rises > 0], _LEAST)
            spread = np.linspace(-0.07, 0.07, len(some)) if len(some) > 1 else np.zeros(len(some))
            edge = {"markeredgecolor": "black", "markeredgewidth": 0.4}
            right.plot(where + spread, some, "o", color=colour, markersize=4, **edge)
    places = zip(numbers["data"].tolist(), numbers["architectures"].tolist(), strict=True)
    names = ["\n".join(place) for place in places]
    for axes in (left, right):
        axes.set_xticks(range(len(trials)), names)
        axes.set_xlim(-0.5, len(trials) - 0.5)
    left.set(ylabel="% of starts on which the NLL rose", ylim=(0, 100))
    handles = left.get_legend_handles_labels()[0]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    right.set(yscale="log", ylabel="largest rise in one iteration (nats per datum)")
    right.set_ylim(bottom=0.7 * _LEAST)
    count, iterations = len(numbers["seeds"]), numbers[f"{trials[0]}|nll"].shape[2] - 1
    style.label_panel(left, "a", f"{count} starts, {iterations} iterations; bars: 95% intervals")
    style.label_panel(right, "b", "by how much, where it rose")
    figure.suptitle(
        "EM with the M-step as printed, its misprints corrected, at three dampings", fontsize=10
    )
    return figure


def _share(
    axes: Axes, where: float, rises: np.ndarray, colour: str, hatch: str, label: str | None
) -> None:
    """A bar with Clopper and Pearson's interval."""
    rose, count = int((rises > 0).sum()), len(rises)
    share = 100.0 * rose / count
    low = 0.0 if rose == 0 else float(beta.ppf(0.025, rose, count - rose + 1))
    high = 1.0 if rose == count else float(beta.ppf(0.975, rose + 1, count - rose))
    look: dict[str, Any] = {"color": colour, "hatch": hatch, "edgecolor": "black", "linewidth": 0.5}
    axes.bar(where, share, 0.18, label=label, **look)
    reach = [[share - 100.0 * low], [100.0 * high - share]]
    axes.errorbar(where, share, reach, color=style.BOUND, capsize=2, linewidth=1)
