"""Processes that compute beside the first one, and never longer than it wants.

Two things may end a run: a signal to every process of a terminal (Ctrl-C) or to the first one
alone. Of the first kind the others do what the first one does: they ignore SIGINT if it ignores
it, as the background jobs of a script do, and otherwise they end, without a word, since the first
one says what there is to say. For the second kind each holds the reading end of a pipe whose
writing end only the first process has: when that closes, whoever closed it, they end too.
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
    """As many processes as there are cores, started when there is work for them."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        line, self._end_of_line = context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(
            os.cpu_count(), context, initializer=_begin, initargs=(line, _interrupts_blocked())
        )

    def submit(self, function: Callable[[], R]) -> Future[R]:
        """Have a function called."""
        with _interrupts_held_back():
            return self._pool.submit(function)

    def end(self) -> None:
        """At once: what is being computed is lost."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._end_of_line.close()


@cache
def workers() -> Workers:
    """The same for all figures: each process takes seconds to import what it needs."""
    return Workers()


def _begin(line: Connection, blocked: bool) -> None:
    """The first that a worker does: until now it held SIGINT back, to be silent if that ends it."""
    threading.Thread(target=_end_with, args=(line,), daemon=True).start()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if not blocked and sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _end_with(line: Connection) -> None:
    """End when the line does: nothing is ever sent on it."""
    line.poll(None)
    os._exit(1)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Within, SIGINT waits, and processes that are started hold it back as well."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _interrupts_blocked() -> bool:
    """Whether this process was told to hold SIGINT back."""
    return sys.platform != "win32" and signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
