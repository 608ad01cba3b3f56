"""A model with its regions: all of them, or those that matter for given data; found once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from fast.distributions.cost import Cost, estimated_cost
from fast.distributions.joint_model import LOCAL_DIMENSIONS
from fast.distributions.missing.by_pattern import ByPattern
from fast.distributions.model import LatentModel
from fast.distributions.progress import Cuts
from fast.distributions.reconstruction import Images
from fast.estimates.estimating import Estimating
from fast.integration.truncated import MOST_DIMENSIONS
from fast.many_dimensions.local.model import LocalDimensions
from fast.many_dimensions.model import ManyDimensions
from fast.one_dimension.model import OneDimension
from fast.partition import partition as partitioning
from fast.partition.cost.memory import LEAST
from fast.partition.cost.partition_cost import partition_cost
from fast.partition.cut_space import Progress
from fast.partition.exact_vertices import OutOfRange
from fast.partition.partition import Partition
from reference.model import (
    Array,
    Indices,
    PartitionError,
    TooManyRegionsError,
    TooMuchMemoryError,
    check_indices,
    cov_of_outputs,
    is_whole,
    outputs_of,
)

# From so many regions on an estimate of all of them takes less time than they did.
_MANY_REGIONS = 50_000
# By how much it has to exceed the limits: as it may be wrong by.
_FAR_BEYOND = 3.0
# Regions that take minutes and gigabytes to find, where those that matter for a datum take seconds.
_TOO_MANY = 250_000


class Partitioned(Estimating):
    """A joint model with its regions, for data of which any entries are observed."""

    # The model that this is a marginal of, if it is one, and which entries of x it has.
    _part_of: tuple[Self, Indices] | None = None

    @cached_property
    def _model(self) -> LatentModel:
        latent = self.network.latent_dimension
        if latent > MOST_DIMENSIONS:
            raise ValueError(
                f"network: integration for at most {MOST_DIMENSIONS} latent dimensions, it has "
                f"{latent}"
            )
        if self.is_local:
            return LocalDimensions(
                self.network,
                self._coordinates,
                self.cov_z,
                self.negligible,
                self.max_regions,
                self.progress,
            )
        return self._whole

    def _of(self, data: Array) -> LatentModel | ByPattern:
        """What answers for such data, (N, D): with NaN, models of what is observed."""
        if is_whole(data):
            return self._model
        images = Images(self.network, self._coordinates)
        return ByPattern(lambda observed: self._part(observed)._model, images, self.noise)

    def _part(self, observed: Indices) -> Self:
        """The model of some entries of x; itself for all of them, in order."""
        if np.array_equal(observed, np.arange(self.network.observed_dimension)):
            return self
        network, cov_x = outputs_of(self.network, observed), cov_of_outputs(self.cov_x, observed)
        part = type(self)(network, cov_x, self.cov_z, **self._settings())
        part._part_of = self, observed
        return part

    def marginal(self, indices: Sequence[int]) -> Self:
        """The model of some entries of x, the others left out.

        Parameters
        ----------
        indices : sequence of int
            Distinct places from 0 to D - 1, in the order that the marginal has.

        Returns
        -------
        DGN
            Of as many observed dimensions. It shares this model's regions.

        Notes
        -----
        ∫ p(x) dx_m, exactly: rows of the last layer are left out, and rows and columns of Σx. After
        a last layer that is not Dense, a Dense one selects outputs. Guarded by `python -m oracle`
        and tests/distributions/test_missing_data.py.

        Examples
        --------
        >>> from fast import DGN, Dense, Network
        >>> dgn = DGN(Network([Dense([[1.0], [2.0]], [0.0, 0.0])]), cov_x=0.5)
        >>> print(dgn.marginal([1]).cov())
        [[4.5]]
        """
        return self._part(check_indices(indices, "indices", self.network.observed_dimension))

    @cached_property
    def _whole(self) -> LatentModel:
        """On all regions."""
        partition = self.partition()
        if self.network.latent_dimension == 1:
            return OneDimension(partition, self._coordinates, self.cov_z, self.progress)
        return ManyDimensions(
            partition, self._coordinates, self.cov_z, self.negligible, self.progress
        )

    @cached_property
    def is_local(self) -> bool:
        """Whether the regions are those that can matter for given data, rather than all."""
        if self._part_of is not None:
            return self._part_of[0].is_local
        if self.partition_choice != "auto" or self.network.latent_dimension not in LOCAL_DIMENSIONS:
            return self.partition_choice == "local"
        # With nothing left out a bound is of no use.
        if not self.negligible:
            return False
        try:
            self.partition(self._unless_far_beyond())
        except (TooManyRegionsError, TooMuchMemoryError):
            return True
        return False

    def _unless_far_beyond(self) -> Progress:
        """What raises TooManyRegionsError where the regions so far are many, and by estimate all of
        them are far beyond the limits, or so many that few of them cost less."""
        looked = False

        def look(done: int, units: int, regions: int) -> None:
            nonlocal looked
            if looked or regions < _MANY_REGIONS:
                return
            looked = True
            found, spent = partition_cost(self.network)
            over = max(found / self.max_regions, spent.memory / max(self.max_memory, LEAST))
            if over > _FAR_BEYOND or found > _TOO_MANY:
                raise TooManyRegionsError(f"max_regions: by estimate there are {found:.2g} regions")

        return look

    def _all_regions(self, name: str) -> Partition:
        """The partition, for what needs all regions."""
        if self.is_local and self._found is None:
            raise ValueError(
                f"partition: {name} needs all regions, and this model has those that matter for "
                "given data; pass partition='full' to DGN, with a larger max_regions if need be"
            )
        return self.partition()

    def partition(self, callback: Progress | None = None) -> Partition:
        """The latent partition Ω with A_ω, b_ω [Lemma 3, Corollary 1, eq. 2], found once.

        Parameters
        ----------
        callback : callable, optional
            For S > 1, called after every cut with the units done, the units in all and the regions
            so far. What it raises ends the search.

        Returns
        -------
        Partition
            For any S.

        Raises
        ------
        TooManyRegionsError
            If there are more than max_regions; a ValueError, as the next.
        TooMuchMemoryError
            If finding them takes more than max_memory bytes.
        PartitionError
            If a vertex or a map is beyond the range of doubles.
        """
        if callback is not None and not callable(callback):
            raise ValueError(f"callback: expected a function, got {callback!r}")
        if self._found is None and self._part_of is not None:
            whole, indices = self._part_of
            self._found = partitioning.of_outputs(whole.partition(callback), indices)
        if self._found is None:
            shown = Cuts(callback) if self.progress else None
            try:
                self._found = partitioning.partition(
                    self.network, self.max_regions, shown or callback, self.max_memory
                )
            finally:
                if shown is not None:
                    shown.close()
        return self._found

    def estimate_cost(self, X: ArrayLike) -> Cost:
        """How many regions there are, and what the partition and results for data will take.

        Parameters
        ----------
        X : array_like, shape (N, D)
            Data; NaN where an entry is not observed.

        Returns
        -------
        Cost
            Regions, seconds and bytes, of all regions together: less if the model is local.

        Raises
        ------
        PartitionError
            If the network's values leave the range of doubles.

        Notes
        -----
        Nothing is enumerated. A unit makes a region of each of its facets where it cuts, and a
        random line meets a facet with a probability that is its share of a hyperplane of projective
        space: the sum of the inverse shares of facets on random lines has R - 1 for its mean.
        """
        data = self._data(X)
        try:
            return estimated_cost(self.network, self.noise, self.cov_z, data)
        except OutOfRange:
            raise PartitionError(partitioning.OUT_OF_RANGE) from None
