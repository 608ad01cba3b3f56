"""A model with points to compare at, and the small file that keeps it bit for bit."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from oracle.exact.layer_specs import LayerSpec
from oracle.exact.number_types import Array
from oracle.models.descriptions import Description, specs_of
from oracle.models.whole_files import write_whole


@dataclass(frozen=True)
class Case:
    """A model, points to evaluate it at, and a Gaussian q for each point.

    Parameters
    ----------
    seed : int
        The seed it was drawn with.
    label : str
        What it is, in words.
    layers : tuple[Description, ...]
        A description (kind, settings) of each layer, as in oracle.models.descriptions.
    cov_x : Array
        Σx: a number in an array of shape (), the diagonal (D,), or all of it (D, D).
    cov_z : Array
        Σz, (S, S).
    X : Array
        The points, (N, D).
    q_mean : Array
        The mean of each q, (N, S).
    q_cov : Array
        The covariance of each q, (N, S, S).
    """

    seed: int
    label: str
    layers: tuple[Description, ...]
    cov_x: Array
    cov_z: Array
    X: Array
    q_mean: Array
    q_cov: Array

    @property
    def latent_dimension(self) -> int:
        """The latent dimension S."""
        return len(self.cov_z)

    @cached_property
    def specs(self) -> tuple[LayerSpec, ...]:
        """The layers as the oracle computes with them; see oracle.exact.layers.LayerSpec."""
        return specs_of(self.layers)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the case to a JSON file, bit for bit: Python prints doubles exactly.

        Parameters
        ----------
        path : str or os.PathLike[str]
            The file. It is written whole or not at all.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        content = {
            "format": FORMAT,
            "seed": self.seed,
            "label": self.label,
            "layers": [[kind, _plain(settings)] for kind, settings in self.layers],
            **{name: getattr(self, name).tolist() for name in _ARRAYS},
        }
        write_whole(path, json.dumps(content, indent=1))

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Case:
        """Read a case written by `save`.

        Parameters
        ----------
        path : str or os.PathLike[str]
            The file.

        Returns
        -------
        Case
            The case, with the bits it was saved with.

        Raises
        ------
        ValueError
            If the file holds no case, or a later version wrote it.
        OSError
            If it cannot be read.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            if content.get("format", 0) > FORMAT:
                raise ValueError("a later version of exactdgn wrote it: update exactdgn")
            layers = tuple((str(kind), _settings(values)) for kind, values in content["layers"])
            arrays = {name: np.array(content[name], dtype=float) for name in _ARRAYS}
            return Case(
                seed=int(content["seed"]), label=str(content["label"]), layers=layers, **arrays
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"path: {os.fspath(path)!r} holds no case ({error})") from error


#: What cases are written as; a file that bears no number is of 0.1.0, and read as ever.
FORMAT = 1
_ARRAYS = ("cov_x", "cov_z", "X", "q_mean", "q_cov")
_NUMBERS = ("weight", "bias", "slope", "knots", "slopes", "value")
_BRANCHES = ("layers", "projection")


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as JSON knows them."""
    return {
        k: v.tolist()
        if isinstance(v, np.ndarray)
        else [[kind, _plain(own)] for kind, own in v]
        if k in _BRANCHES
        else v
        for k, v in settings.items()
    }


def _settings(values: dict[str, Any]) -> dict[str, Any]:
    """Settings as layers take them: numbers are arrays, branches of a block are layers, what else
    is a list is a tuple."""
    return {
        name: np.array(value, dtype=float)
        if name in _NUMBERS and isinstance(value, list)
        else [(str(kind), _settings(own)) for kind, own in value]
        if name in _BRANCHES
        else tuple(value)
        if isinstance(value, list)
        else value
        for name, value in values.items()
    }
