"""The posterior of data of which different entries are observed: those of every pattern as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fast.distributions.posterior import Posterior, Shares
from fast.distributions.reconstruction import Images
from fast.partition.layer_maps import maps_to
from reference.model import Array, Codes, Indices


class JoinedPosterior(Posterior):
    """Posteriors of some rows each, as the posterior of all N.

    images: of all of x, what is not observed too. parts: rows of the data, and their posterior.
    """

    def __init__(
        self, images: Images, parts: Sequence[tuple[Indices, Posterior]], max_memory: float
    ) -> None:
        self._parts = parts
        count = sum(len(rows) for rows, _ in parts)
        # Of all data, the part that each is in, and where in it.
        self._part_of, self._row_of = np.empty((2, count), dtype=np.intp)
        for i, (rows, _) in enumerate(parts):
            self._part_of[rows], self._row_of[rows] = i, np.arange(len(rows))
        own = [part._n_regions for _, part in parts]
        apart = any(part.numbers_pieces for _, part in parts)
        # What pieces of boxes are called is their own posterior's affair.
        self._before = np.cumsum([0, *own[:-1]]) if apart else np.zeros(len(parts), dtype=np.intp)
        shares = [part.shares for _, part in parts]
        datum = np.concatenate([rows[s.datum] for (rows, _), s in zip(parts, shares, strict=True)])
        moved = zip(shares, self._before, strict=True)
        region = np.concatenate([s.region + before for s, before in moved])
        order = np.lexsort((region, datum))
        self._pair_of = np.concatenate([np.arange(len(s.datum)) for s in shares])[order]
        joined = (np.concatenate(field)[order] for field in list(zip(*shares, strict=True))[2:])
        super().__init__(
            n_regions=sum(own) if apart else own[0],
            images=images,
            log_evidence=self._of_data([part._log_evidence for _, part in parts]),
            shares=Shares(datum[order], region[order], *joined),
            skipped=self._of_data([part.skipped for _, part in parts]),
            error=self._of_data([part.error for _, part in parts]),
            max_memory=max_memory,
        )

    def _of_data(self, values: Sequence[Array]) -> Array:
        """Values of the data of every part, (n, ...), as values of all, (N, ...)."""
        result = np.empty((len(self._part_of), *values[0].shape[1:]))
        for (rows, _), own in zip(self._parts, values, strict=True):
            result[rows] = own
        return result

    def mode(self) -> Array:
        """The z at which p(z | x) is largest over all regions.

        Returns
        -------
        ndarray, shape (N, S)
            Latent units.
        """
        return self._of_data([part.mode() for _, part in self._parts])

    def _codes(self, pairs: slice | Indices) -> Codes:
        part_of, pair_of = self._part_of[self.shares.datum[pairs]], self._pair_of[pairs]
        result = np.empty((len(pair_of), sum(self._images.network.code_lengths)), dtype=np.int8)
        for i in np.unique(part_of).tolist():
            mine = np.flatnonzero(part_of == i)
            result[mine] = self._parts[i][1]._codes(pair_of[mine])
        return result

    def _slopes(self, pairs: slice) -> Array:
        coordinates, network = self._images.coordinates, self._images.network
        maps = maps_to(network, self._codes(pairs), coordinates.index)
        return coordinates.of_maps(maps).slopes

    def _log_density(self, points: Array) -> Array:
        return self._of_data([part._log_density(points[rows]) for rows, part in self._parts])

    def _draw(self, datum: Indices, region: Indices, rng: np.random.Generator) -> Array:
        draws = np.empty((len(datum), self.shares.mean.shape[1]))
        part_of = self._part_of[datum]
        for i, (_, part) in enumerate(self._parts):
            mine = np.flatnonzero(part_of == i)
            own = region[mine] - self._before[i]
            found = part._draw(self._row_of[datum[mine]], own, rng)
            draws[mine] = found.reshape(len(mine), -1)
        return draws
