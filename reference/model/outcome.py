"""Why training ended."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """Why training ended.

    Every member is a string and equals its text: ``fit.outcome == "converged"`` and
    ``fit.outcome is Outcome.CONVERGED`` say the same.

    An error may also end training, where an update leads to a model that has no likelihood. Its
    text, such as ``"PartitionError: what it said"``, is then the outcome. It is a plain string and
    no member.

    Examples
    --------
    >>> from reference.model import Outcome
    >>> Outcome.CONVERGED == "converged"
    True
    >>> print(Outcome.NO_STEP)
    no step found
    """

    #: The last iteration gained next to nothing, and the model is at a maximum.
    CONVERGED = "converged"
    #: All iterations that were allowed are made.
    MAX_ITER = "max_iter reached"
    #: The callback returned True.
    STOPPED = "stopped by callback"
    #: Ctrl-C. The model is the best so far.
    INTERRUPTED = "interrupted"
    #: An update of Σx or Σz was not positive definite. The model is the one before it.
    SINGULAR_COVARIANCE = "singular covariance"
    #: The objective is flat, but curved upwards in some direction (`reference`; `fast` leaves it).
    SADDLE = "at a saddle"
    #: Rounding hides further progress, as where Σx is all but singular.
    NO_STEP = "no step found"


def outcome_of(text: str) -> Outcome | str:
    """The outcome with this text, as a file has it.

    Parameters
    ----------
    text : str
        The text of a member, or of an error.

    Returns
    -------
    Outcome or str
        The member whose text this is, or the text itself if there is none.
    """
    return Outcome(text) if text in set(Outcome) else text


def outcome_of_error(error: Exception) -> str:
    """The outcome of training that an error ended: its class and what it says.

    Parameters
    ----------
    error : Exception
        What the model after an update raised.

    Returns
    -------
    str
        Such as ``"PartitionError: what it said"``.
    """
    return f"{type(error).__name__}: {error}"
