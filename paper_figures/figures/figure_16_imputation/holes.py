"""Digits with a hole: what a trained decoder holds of what is hidden."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from sklearn.impute import KNNImputer

from fast import DGN
from paper_figures.data_sets.decoders import decoder, pixels
from paper_figures.data_sets.digits import SIDE, checksum
from paper_figures.options import Numbers, Record
from reference.model import Array, Mask

#: What is hidden: a square of 12 pixels' side in the middle, or the upper half.
HOLES = ("square", "upper half")
#: Images for each row of the picture: the mean of what is hidden, draws of g(z), one with noise.
SHOWN_DRAWS = 4
#: Nines among `test_9` that decoders learned from; the others are new.
_LEARNED_NINES = 400
_DRAWS = 200
_GRID = 161
#: Deviations of z to either side of its mean, of the map of p(z | x).
_WINDOW = 4.0


@dataclass(frozen=True, kw_only=True)
class Digits:
    """A decoder, and how many new digits of each class it is asked about.

    Attributes
    ----------
    decoder : str
        One of `decoders.NAMES`, with two latent dimensions.
    fours, nines : int
        The first so many of those that it has not learned from; at most 500 and 100.
    """

    decoder: str
    fours: int
    nines: int

    @property
    def name(self) -> str:
        """As it names files."""
        return "digits_with_a_hole"

    def record(self) -> Record:
        """Its fields and its data's, ready for JSON."""
        return asdict(self) | {"data_sha256": checksum()}

    def new(self) -> tuple[Array, Mask]:
        """Digits that the decoder has not learned from, and whether each is a four."""
        fours, nines = pixels("test_4")[: self.fours], pixels("test_9")[_LEARNED_NINES:]
        both = np.concatenate([fours, nines[: self.nines]])
        return np.asarray(both), np.arange(len(both)) < self.fours


def learned() -> tuple[Array, Mask]:
    """Digits that all decoders learned from, and whether each is a four."""
    fours, nines = pixels("train_4"), pixels("test_9")[:_LEARNED_NINES]
    both = np.concatenate([fours, nines])
    return np.asarray(both), np.arange(len(both)) < len(fours)


def hole(name: str) -> Mask:
    """Which pixels are hidden, (784,)."""
    hidden = np.zeros((SIDE, SIDE), dtype=bool)
    if name == "square":
        hidden[8:20, 8:20] = True
    else:
        hidden[: SIDE // 2] = True
    return hidden.ravel()


def run(job: Digits, seed: int) -> Numbers:
    """Fill the holes of new digits, and choose those that are shown.

    Parameters
    ----------
    job : Digits
        The decoder and its digits.
    seed : int
        Of the draws.

    Returns
    -------
    Numbers
        rmse (2, 4): of hidden pixels, by hole: of their mean in the digits that the decoder learned
        from, of KNNImputer on these, of E[x_m | x_o], of E[g_m | x], which sees the whole digit:
        the least that this decoder can do. fours (n,), share (n,): whether a digit is a four, and
        of how many draws given its lower half the nearest digit that was learned from is. Of the
        digits that are shown, the first four and the first nine with a square hidden and with the
        upper half, and the one whose draws are most evenly of both classes: images, means,
        deviations of g(z) where it is hidden (5, 784), draws (5, 5, 784), the last with noise;
        hidden (5, 784). Of the last:
        map (161, 161) of p(z | x_o), window (2, 2), of z, and modes, its local maxima (k, 3): z and
        p(z | x_o) as a share of the highest.
    """
    dgn, (X, fours) = decoder(job.decoder), job.new()
    found = [_filled(dgn, X, hole(name)) for name in HOLES]
    upper = np.where(hole("upper half"), np.nan, X)
    share = _share_of_fours(dgn, upper, seed)
    even = int(np.argmin(np.abs(share - 0.5)))
    rows = [0, job.fours, 0, job.fours, even]
    hidden = np.array([hole(HOLES[i]) for i in (0, 0, 1, 1, 1)])
    shown = _shown(dgn, X[rows], hidden, seed)
    return shown | {
        "rmse": np.array(found),
        "fours": fours,
        "share": share,
        "even": np.array(even),
        **_plane(dgn, upper[even]),
    }


def _filled(dgn: DGN, X: Array, hidden: Mask) -> list[float]:
    """The errors of hidden pixels by every method."""
    gappy, (known, _) = np.where(hidden, np.nan, X), learned()
    fillings = (
        np.broadcast_to(known.mean(axis=0), X.shape),
        KNNImputer().fit(known).transform(gappy),
        dgn.conditional(gappy).mean(),
        dgn.posterior(X).reconstruction(),
    )
    return [float(np.sqrt(np.mean((one - X)[:, hidden] ** 2))) for one in fillings]


def _share_of_fours(dgn: DGN, gappy: Array, seed: int) -> Array:
    """Of draws of z given what is seen, how many have an image whose nearest digit is a four."""
    known, fours = learned()
    squares, result = np.square(known).sum(axis=1), []
    for Z in dgn.posterior(gappy).rvs(_DRAWS, seed):
        nearest = np.argmin(squares - 2.0 * dgn.network(Z) @ known.T, axis=1)
        result.append(fours[nearest].mean())
    return np.array(result)


def _shown(dgn: DGN, X: Array, hidden: Mask, seed: int) -> Numbers:
    """What is drawn of some digits. With the decoder's noise, of one variance, the mean of what is
    hidden given z is g(z) there, so that draws without noise are images of draws of z."""
    gappy = np.where(hidden, np.nan, X)
    given, posterior = dgn.conditional(gappy), dgn.posterior(gappy)
    variances = posterior.reconstruction_cov(diagonal=True)
    Z = posterior.rvs(SHOWN_DRAWS, seed)
    images = np.array([dgn.network(own) for own in Z])
    clean = np.where(hidden[:, None], images, X[:, None])
    return {
        "images": X,
        "hidden": hidden,
        "means": given.mean(),
        "deviations": np.where(hidden, np.sqrt(variances), 0.0),
        "draws": np.concatenate([clean, given.rvs(1, seed)], axis=1),
    }


def _plane(dgn: DGN, row: Array) -> Numbers:
    """p(z | x_o) of a digit about its mean, and its local maxima."""
    posterior = dgn.posterior(row[None])
    centre, spread = posterior.mean()[0], np.sqrt(np.diag(posterior.cov()[0]))
    window = np.stack([centre - _WINDOW * spread, centre + _WINDOW * spread])
    z1, z2 = (np.linspace(low, high, _GRID) for low, high in window.T)
    points = np.stack(np.meshgrid(z1, z2), axis=-1)
    log_p = posterior.logpdf(points.reshape(-1, 2)).reshape(_GRID, _GRID)
    inner, highest = log_p[1:-1, 1:-1], np.ones((_GRID - 2,) * 2, dtype=bool)
    for i in range(3):
        for j in range(3):
            if (i, j) != (1, 1):
                highest &= inner > log_p[i : i + _GRID - 2, j : j + _GRID - 2]
    heights = np.exp(inner[highest] - log_p.max())
    order = np.argsort(-heights)
    places = points[1:-1, 1:-1][highest]
    return {
        "map": np.exp(log_p - log_p.max()),
        "window": window,
        "modes": np.column_stack([places, heights])[order],
    }
