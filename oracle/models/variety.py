"""Networks with activations of any knots and slopes in place of common ones, and with blocks that
have a skip connection."""

from __future__ import annotations

from typing import Any

import numpy as np

from oracle.models.descriptions import Description, latent_shape, output_shape
from oracle.models.random_choices import Choices

_PLAIN = ("ReLU", "LeakyReLU", "Abs")
#: What a plain activation may become; those after the first three have two knots or more.
KINDS = ("LeakyReLU", "PReLU", "PiecewiseAffine", "ReLU6", "Hardtanh", "Hardsigmoid")
_ONE_KNOT = 3
# Of how many inputs and outputs a block may be.
_WIDEST = 8


def varied(
    choices: Choices, latent: int, layers: tuple[Description, ...]
) -> tuple[str, tuple[Description, ...]]:
    """The layers as they are, or with other activations and a block; and in words what is other.

    Parameters
    ----------
    choices : Choices
        What is drawn with.
    latent : int
        S. With S > 1, one activation at most gets several knots: regions multiply.
    layers : tuple of Description
        A network.

    Returns
    -------
    said : str
        Empty if nothing is other.
    layers : tuple of Description
        Of the same latent dimension and the same outputs.

    Notes
    -----
    Guarded by tests/oracle/test_variety.py.
    """
    if not choices.chance(0.4):
        return "", layers
    found, said, several = list(layers), set[str](), latent == 1
    shape = latent_shape(*layers[0])
    left = 1
    for i, (kind, settings) in enumerate(layers):
        if kind in _PLAIN and choices.chance(0.6):
            kinds = KINDS if several or left else KINDS[:_ONE_KNOT]
            found[i] = _activation(choices, choices.pick(kinds), shape[0], several or left > 0)
            left -= len(found[i][1].get("knots", [0])) > 1 or found[i][0] in KINDS[_ONE_KNOT:]
            said.add(found[i][0])
        shape = output_shape(kind, settings, shape)
    if choices.chance(0.4):
        places = [i for i, layer in enumerate(found) if _is_small(layer)]
        if places:
            i = choices.pick(places)
            found[i] = _block(choices, found[i])
            said.add("Residual")
    return f" with {' '.join(sorted(said))}" if said else "", tuple(found)


def _activation(choices: Choices, kind: str, channels: int, several: bool) -> Description:
    """An activation of this kind for so many channels; several: with more than one knot."""
    if kind == "LeakyReLU":
        return kind, {"slope": choices.pick([-0.5, 1.5, 3.0, -2.0])}
    if kind == "PReLU":
        return kind, {"slope": np.round(choices.normals(channels), 2)}
    if kind == "Hardtanh":
        return kind, {"lower": choices.pick([-1.0, -0.25, 0.5]), "upper": choices.pick([1.0, 2.5])}
    if kind == "PiecewiseAffine":
        return kind, _pieces(choices, channels, choices.whole(1, 4) if several else 1)
    return kind, {}


def _pieces(choices: Choices, channels: int, knots: int) -> dict[str, Any]:
    """Knots, slopes and a value at 0, for all units or for each channel."""
    rows = channels if choices.chance(0.3) else 1
    places = np.sort(choices.normals((rows, knots)), axis=1)
    slopes, value = choices.normals((rows, knots + 1)), choices.normals(rows)
    if choices.chance(0.3):
        # Places and slopes of which many are the same, and flat pieces.
        places = places[:1] * 0 + np.arange(knots) - choices.whole(0, 2)
        places, slopes = np.repeat(places, rows, axis=0), choices.wholes(-1, 2, slopes.shape)
    if rows == 1:
        return {"knots": places[0], "slopes": slopes[0], "value": float(value[0])}
    return {"knots": places, "slopes": slopes, "value": value}


def _is_small(layer: Description) -> bool:
    kind, settings = layer
    return kind == "Dense" and max(np.shape(settings["weight"])) <= _WIDEST


def _block(choices: Choices, layer: Description) -> Description:
    """A Dense layer as the skip connection of a block, or a block before it or after it."""
    rows, columns = np.shape(layer[1]["weight"])
    place, width = choices.pick(["beside", "before", "after"]), choices.whole(1, 3)
    ends = {"beside": (columns, rows), "before": (columns, columns), "after": (rows, rows)}[place]
    inner = [
        _dense(choices, ends[0], width),
        (choices.pick(["ReLU", "Abs"]), {}),
        _dense(choices, width, ends[1]),
    ]
    if place == "beside":
        return "Residual", {"layers": inner, "projection": [layer]}
    block: Description = ("Residual", {"layers": inner})
    both = [layer, block] if place == "after" else [block, layer]
    # A block of both, beside nothing but zeros: blocks in blocks.
    nothing = ("Dense", {"weight": np.zeros((rows, columns)), "bias": np.zeros(rows)})
    return "Residual", {"layers": both, "projection": [nothing]}


def _dense(choices: Choices, n_in: int, n_out: int) -> Description:
    weight = choices.normals((n_out, n_in)) * np.sqrt(2 / n_in)
    return "Dense", {"weight": weight, "bias": choices.normals(n_out)}
