"""How every picture looks: one colour a meaning, safe for colour-blind readers and in grey print.

The hues are those of Okabe and Ito (2008). EM is black in every figure, as it is in the paper's.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import matplotlib
from matplotlib.axes import Axes

EM = "#000000"
HELD_OUT = "#CC79A7"
DATA = "#56B4E9"
NOISELESS = "#D55E00"
NOISY = "#0072B2"
POSTERIOR = "#0072B2"
MEAN = "#009E73"
REGION_LIMIT = "#000000"
REFERENCE = "#E69F00"
BOUND = "#7F7F7F"

DENSITY_MAP = "cividis"
LATENT_MAP = "viridis"

#: One start among many: faint, but there.
FAINT: dict[str, Any] = {"linewidth": 0.7, "alpha": 0.35}
BOLD: dict[str, Any] = {"linewidth": 1.8}

_SETTINGS: Any = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "legend.fontsize": 7.5,
    "legend.framealpha": 0.9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.4,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "savefig.bbox": "tight",
    "savefig.pad_inches": 0.08,
    "pdf.fonttype": 42,
}


def applied() -> AbstractContextManager[None]:
    """The settings, for as long as a picture is drawn and saved."""
    return matplotlib.rc_context(_SETTINGS)


def latent_colours(shares: Any) -> Any:
    """Colours (n, 4) of numbers in [0, 1] (n,), on the map of the latent space."""
    return matplotlib.colormaps[LATENT_MAP](shares)


def label_panel(axes: Axes, letter: str, title: str) -> None:
    """A panel's letter and title, above it on the left."""
    axes.set_title(f"({letter}) {title}", loc="left")
