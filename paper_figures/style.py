"""How every picture looks: one colour a meaning, safe for colour-blind readers and in grey print.

The hues are those of Okabe and Ito (2008). EM is black in every figure, as it is in the paper's;
every method keeps its colour and its mark throughout, so that grey print tells them apart too.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes

DATA = "#56B4E9"
NOISELESS = "#D55E00"
NOISY = "#0072B2"
POSTERIOR = "#0072B2"
MEAN = "#009E73"
MODE = "#E69F00"
REGION_LIMIT = "#000000"
BOUND = "#7F7F7F"

DENSITY_MAP = "cividis"
LATENT_MAP = "viridis"


class Look(NamedTuple):
    """How a method is drawn.

    Attributes
    ----------
    colour : str
        Of its lines and marks.
    mark : str
        Matplotlib's name of the mark.
    line : Any
        Matplotlib's line style.
    label : str
        The method's name in legends and in words.
    """

    colour: str
    mark: str
    line: Any
    label: str


#: The autoencoders' colours are the paper's: blue, red and green for the three learning rates.
METHODS = {
    "em": Look("#000000", "o", "-", "EM, guarded"),
    "mle": Look("#E69F00", "D", "-", "exact likelihood (L-BFGS)"),
    "vae 0.005": Look("#0072B2", "v", "--", "VAE, rate 0.005"),
    "vae 0.001": Look("#D55E00", "^", "-.", "VAE, rate 0.001"),
    "vae 0.0001": Look("#009E73", "s", (0, (1, 1)), "VAE, rate 0.0001"),
    "vae tuned": Look("#CC79A7", "P", (0, (5, 1)), "VAE, tuned"),
}
EM = METHODS["em"].colour
MLE = METHODS["mle"].colour
TUNED = METHODS["vae tuned"].colour

#: For series that are not methods: greys, with marks that no method has.
LEVELS = (("#333333", "X"), ("#777777", "<"), ("#A0A0A0", ">"), ("#C4C4C4", "p"))

#: How one start among many is drawn, and how the one that stands for all.
FAINT: dict[str, Any] = {"linewidth": 0.6, "alpha": 0.3}
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
    """A context within which pictures are drawn and saved with this style.

    Returns
    -------
    context manager
        It restores Matplotlib's settings at its end.
    """
    return matplotlib.rc_context(_SETTINGS)


def latent_colours(shares: Any) -> Any:
    """The colours of the latent space.

    Parameters
    ----------
    shares : array_like, shape (n,)
        In [0, 1]; in figures the distance from z = 0.

    Returns
    -------
    array, shape (n, 4)
        Red, green, blue and opacity.
    """
    return matplotlib.colormaps[LATENT_MAP](shares)


def label_panel(axes: Axes, letter: str, title: str) -> None:
    """Write a panel's letter and title above it, on the left."""
    axes.set_title(f"({letter}) {title}", loc="left")
