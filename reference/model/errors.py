"""Exceptions and warnings of both implementations, and of what is learned."""

from __future__ import annotations


class TooManyRegionsError(ValueError):
    """There are more regions than max_regions."""


class TooMuchMemoryError(ValueError):
    """What is asked for takes more bytes than max_memory."""


class PartitionError(RuntimeError):
    """The regions could not be told apart in double precision; the message says what and where."""


class SingularCovarianceError(ValueError):
    """An updated covariance is not positive definite: the data lie on the model's manifold."""


class NotSolvedError(ArithmeticError):
    """A least squares with a prior on its unknowns did not reach its optimum."""


class ConvergenceWarning(UserWarning):
    """Training ended before it converged; the text says why and what to do."""


class UnverifiedWarning(UserWarning):
    """A network was read from a module or a file that could not be run and compared with it."""


#: What a model without a likelihood in double precision raises. Training takes it for a step that
#: went too far, not for a mistake of the caller's.
NO_LIKELIHOOD = (PartitionError, TooManyRegionsError, TooMuchMemoryError, ArithmeticError)
