"""How far what takes long has come, on stderr: a bar of tqdm where that is installed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Protocol

# Seconds before anything is told, and between two lines where there are no bars.
_QUIET, _BETWEEN = 2.0, 5.0


class _Bar(Protocol):
    """What tqdm's bars do here."""

    def update(self, n: float) -> object:
        """So much more is done."""

    def close(self) -> object:
        """All is done, or given up."""


class _Lines:
    """Lines in place of a bar."""

    def __init__(self, total: int, what: str) -> None:
        self._done, self._total, self._what = 0.0, total, what
        self._next = monotonic() + _QUIET

    def update(self, n: float) -> None:
        """So much more is done."""
        self._done += n
        if monotonic() >= self._next:
            self._next = monotonic() + _BETWEEN
            print(f"{self._what}: {self._done:g} of {self._total}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """There is nothing to close."""


def _bar(total: int, what: str) -> _Bar:
    try:
        from tqdm import tqdm
    except ImportError:
        return _Lines(total, what)
    bar: _Bar = tqdm(total=total, desc=what, delay=_QUIET, file=sys.stderr)
    return bar


def told(parts: Iterable[slice], total: int, progress: bool) -> Iterable[slice]:
    """The same slices of so many data; with progress how many are done is told in between."""
    if not progress:
        yield from parts
        return
    bar = _bar(total, "data")
    try:
        for part in parts:
            yield part
            bar.update(part.stop - part.start)
    finally:
        bar.close()


class Cuts:
    """Told after every cut of an enumeration how far it is: shows that, and hands it on."""

    def __init__(self, beyond: Callable[[int, int, int], object] | None) -> None:
        self._beyond, self._done = beyond, 0
        self._bar: _Bar | None = None

    def __call__(self, done: int, units: int, regions: int) -> None:
        """So many units of how many have cut, into so many regions."""
        self._bar = self._bar or _bar(units, "partition, units")
        self._bar.update(done - self._done)
        self._done = done
        if self._beyond is not None:
            self._beyond(done, units, regions)

    def close(self) -> None:
        """Enumeration has ended."""
        if self._bar is not None:
            self._bar.close()
