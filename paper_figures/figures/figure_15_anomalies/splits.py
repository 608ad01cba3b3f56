"""Real data of which one class is normal, split into parts that learn, choose and judge."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from paper_figures.data_sets import digits
from paper_figures.data_sets.decoders import pixels
from paper_figures.options import DATA_SEED, Record
from reference.model import Array

#: Nines from here on trained no decoder.
_NEW_NINES = 400
#: MNIST's images have a side of 28 pixels, of which two by two are joined into their mean.
POOLED = digits.SIDE // 2


class Parts(NamedTuple):
    """What learns, chooses and judges, in units of `Split.parts`.

    Attributes
    ----------
    train : Array, shape (N, D)
        Normal data alone.
    choosing, judging : (Array, Array)
        Normal data and anomalies, by which hyperparameters are chosen, and by which all is judged.
    mean, scale : Array, shape (D,)
        Data = mean + scale times these units.
    """

    train: Array
    choosing: tuple[Array, Array]
    judging: tuple[Array, Array]
    mean: Array
    scale: Array


@dataclass(frozen=True, kw_only=True)
class Split:
    """Data, and the class that is normal.

    Attributes
    ----------
    data : str
        "MNIST", "digits", "breast cancer" or "wine".
    normal : int
        The class; all others are anomalies. Of MNIST the fours are normal and nines are not.
    few : int
        How many anomalies choose.
    most : int
        How many of each kind judge at most; and how many of MNIST's fours choose.
    rows : int
        How many of MNIST's fours are learned from.
    """

    data: str
    normal: int
    few: int = 10
    most: int = 300
    rows: int = 500

    @property
    def name(self) -> str:
        """As it names files."""
        return f"{self.data.replace(' ', '_')}_{self.normal}"

    def record(self) -> Record:
        """Its fields and its data's, ready for JSON."""
        return asdict(self) | {"data_sha256": digits.checksum()}

    def parts(self, seed: int) -> Parts:
        """Its rows, each in one part.

        Parameters
        ----------
        seed : int
            Of the split.

        Returns
        -------
        Parts
            About the mean of what is learned from, in deviations: of every feature of a table, of
            all pixels together.
        """
        rng = np.random.default_rng([DATA_SEED, 15, seed])
        if self.data == "MNIST":
            train = rng.permutation(pooled(pixels("train_4")))[: self.rows]
            normal = rng.permutation(pooled(pixels("test_4")))
            other = rng.permutation(pooled(pixels("test_9")[_NEW_NINES:]))
            choosing = min(len(normal) // 5, self.most)
        else:
            normal, other = (rng.permutation(rows) for rows in self._classes())
            choosing = len(normal) // 5
            learned = len(normal) - 2 * choosing
            train, normal = normal[:learned], normal[learned:]
        mean, scale = train.mean(axis=0), train.std(axis=0)
        if self.data in ("MNIST", "digits"):
            scale = np.full_like(scale, np.sqrt(np.mean(scale**2)))
        train, normal, other = ((rows - mean) / scale for rows in (train, normal, other))
        return Parts(
            train,
            (normal[:choosing], other[: self.few]),
            (normal[choosing:][: self.most], other[self.few :][: self.most]),
            mean,
            scale,
        )

    def _classes(self) -> tuple[Array, Array]:
        """The normal class, and all others."""
        load = {"digits": load_digits, "breast cancer": load_breast_cancer, "wine": load_wine}
        X, classes = load[self.data](return_X_y=True)
        of_class = classes == self.normal
        return np.asarray(X[of_class], dtype=float), np.asarray(X[~of_class], dtype=float)


def pooled(images: Array) -> Array:
    """The means of two by two pixels of MNIST's images (N, 784), flat: (N, 196)."""
    blocks = images.reshape(-1, POOLED, 2, POOLED, 2)
    return np.asarray(blocks.mean(axis=(2, 4)).reshape(len(images), -1))
