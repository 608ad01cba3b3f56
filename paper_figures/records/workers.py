"""Worker processes that compute runs side by side, and that end when their parent does.

A run may be ended by a signal to all processes of a terminal (Ctrl-C), or by one to the parent
alone.

- To all: workers do with SIGINT what the parent does. If it ignores the signal, as a background job
  of a script does, they ignore it too. Otherwise they exit silently, and the parent reports.
- To the parent alone: each worker holds the reading end of a pipe, and only the parent holds the
  writing end. When that is closed, by the parent or because it is gone, the workers exit.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from multiprocessing.connection import Connection
from typing import TypeVar

R = TypeVar("R")


class Workers:
    """A pool of as many processes as there are cores, started when there is work for them."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        line, self._end_of_line = context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(
            os.cpu_count(), context, initializer=_begin, initargs=(line, _interrupts_blocked())
        )

    def submit(self, function: Callable[[], R]) -> Future[R]:
        """Have a function called in a worker.

        Parameters
        ----------
        function : callable
            Without arguments; it and its result can be pickled.

        Returns
        -------
        Future
            Of the result.
        """
        with _interrupts_held_back():
            return self._pool.submit(function)

    def end(self) -> None:
        """End all workers at once; what they are computing is lost."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._end_of_line.close()


@cache
def workers() -> Workers:
    """The pool that all figures share: each process takes seconds to import what it needs."""
    return Workers()


def _begin(line: Connection, blocked: bool) -> None:
    """Set a worker up: watch the parent, and handle SIGINT as it does.

    SIGINT was blocked while the worker started, so that it cannot end it with a traceback.
    """
    threading.Thread(target=_end_with, args=(line,), daemon=True).start()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if not blocked and sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _end_with(line: Connection) -> None:
    """Exit when the parent's end of the pipe is closed; nothing is ever sent through it."""
    line.poll(None)
    os._exit(1)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """A context in which SIGINT is blocked, in this process and in those that it starts."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _interrupts_blocked() -> bool:
    """Whether SIGINT is blocked in this process."""
    return sys.platform != "win32" and signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
