"""Trials of systematic defects: the default tests that reach one, in a process that has it.

pytest collects the tests once. Then every defect has a process of its own, forked from there, in
which it is put in force and the tests that reach it run until one fails: those first that have told
other defects, then the quickest files.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from oracle.mutation.in_force import Defect, put_in_force
from oracle.mutation.reached import Reached

#: A timeout is no catch: a run that hangs shows nothing. A crash of the interpreter is none either.
Outcome = Literal["caught", "survived", "timeout", "unreached", "died"]
# A defect's process may take so many times what its tests took when they were measured, and so many
# seconds more: of processor time, so that what else runs does not matter, and of the clock so many
# times that, for one that waits.
_PATIENCE, _GRACE, _WAITING = 5.0, 120.0, 20.0
# So many tests that have told other defects run first, then so many of each file's.
_TELLING, _TASTE = 12, 3
_MEMORY = 10 << 30


@dataclass(frozen=True)
class Trial:
    """What became of a defect. test: the test that failed; seconds: how long it took; tests: how
    many reach the place."""

    defect: Defect
    outcome: Outcome
    test: str = ""
    seconds: float = 0.0
    tests: int = 0


class Trials:
    """A pytest plugin that runs trials in place of the tests."""

    def __init__(
        self,
        root: Path,
        reaching: Sequence[tuple[Defect, Sequence[str]]],
        seconds: dict[str, float],
        processes: int,
        progress: Callable[[Trial], object],
        grace: float,
    ) -> None:
        self._root, self._reaching, self._seconds = root, reaching, seconds
        self._processes, self._progress, self._grace = processes, progress, grace
        self.found: list[Trial] = []
        self.false: list[str] = []
        self._failed: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        """Every defect in a process of its own, several at a time."""
        items = {item.nodeid: item for item in session.items}
        waiting = list(self._reaching)[::-1]
        running: dict[int, tuple[Defect, int, float, float, int]] = {}
        while waiting or running:
            while waiting and len(running) < self._processes:
                defect, names = waiting.pop()
                mine = self._ordered([name for name in names if name in items])
                if not mine:
                    self._tell(Trial(defect, "unreached"))
                    continue
                allowed = self._grace + _PATIENCE * sum(map(self._cost, mine))
                child, pipe = self._start(defect, [items[name] for name in mine])
                running[child] = (defect, pipe, time.monotonic(), allowed, len(mine))
            for child in list(running):
                self._poll(child, running)
            time.sleep(0.02)
        telling = {trial.test for trial in self.found if trial.outcome == "caught"}
        self.false = self._failing([items[name] for name in self._ordered(sorted(telling))])
        return True

    def _failing(self, items: list[Any]) -> list[str]:
        """Of the tests that told defects, those that fail without one, in such a process as well:
        they tell nothing."""
        if not items:
            return []
        child, pipe = self._start(None, items)
        with os.fdopen(pipe, encoding="utf-8") as stream:
            text = stream.read()
        os.waitpid(child, 0)
        return list(json.loads(text)["failed"])

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Remember failures."""
        if report.failed:
            self._failed.append(report.nodeid)

    def _ordered(self, names: Sequence[str]) -> list[str]:
        """Tests that told most defects; the cheapest tests of every file, then the others; file by
        file, so that what a file's tests share is made once, and the quickest file first."""
        told = Counter(trial.test for trial in self.found if trial.outcome == "caught")
        reaching = set(names)
        telling = [name for name, _ in told.most_common() if name in reaching][:_TELLING]
        files = defaultdict(list)
        for name in sorted(reaching - set(telling), key=lambda name: (self._cost(name), name)):
            files[name.split("::")[0]].append(name)
        rounds = [f[:_TASTE] for f in files.values()], [f[_TASTE:] for f in files.values()]
        return telling + [
            name
            for each in rounds
            for file in sorted(each, key=lambda names: sum(map(self._cost, names)))
            for name in file
        ]

    def _cost(self, name: str) -> float:
        """Seconds, as measured."""
        return self._seconds.get(name, 1.0)

    def _start(self, defect: Defect | None, items: list[Any]) -> tuple[int, int]:
        """Fork the process of a defect: its number, and where its answer can be read."""
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child:
            os.close(writing)
            return child, reading
        try:
            os.setpgrp()
            os.close(reading)
            quiet = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(quiet, stream)
            resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
            with os.fdopen(writing, "w", encoding="utf-8") as answer:
                json.dump(self._run(defect, items), answer)
        finally:
            os._exit(0)

    def _run(self, defect: Defect | None, items: list[Any]) -> dict[str, Any]:
        try:
            if defect is not None:
                put_in_force(self._root, defect)
        except Exception as error:
            return {"outcome": "died", "test": f"not put in force: {error!r}"}
        # It writes to where pytest's own output goes.
        items[0].config.pluginmanager.unregister(name="terminalreporter")
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._failed and defect is not None:
                return {"outcome": "caught", "test": self._failed[0]}
        return {"outcome": "survived"} if defect is not None else {"failed": self._failed}

    def _poll(self, child: int, running: dict[int, tuple[Defect, int, float, float, int]]) -> None:
        """Take the answer of a process that has ended; end one that takes too long."""
        defect, pipe, start, allowed, count = running[child]
        waited = time.monotonic() - start
        seconds = _processor_seconds(child) or waited
        done, _ = os.waitpid(child, os.WNOHANG)
        if not done and seconds < allowed and waited < _WAITING * allowed:
            return
        if not done:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(pipe)
            answer = {"outcome": "timeout"}
        else:
            with os.fdopen(pipe, encoding="utf-8") as stream:
                text = stream.read()
            answer = json.loads(text) if text else {"outcome": "died"}
        del running[child]
        self._tell(Trial(defect=defect, seconds=seconds, tests=count, **answer))  # type: ignore[arg-type]

    def _tell(self, trial: Trial) -> None:
        self.found.append(trial)
        self._progress(trial)


def _processor_seconds(process: int) -> float:
    """What a process of ours has used; 0 where the system does not say."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as stream:
            fields = stream.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run_trials(
    root: Path,
    defects: Sequence[Defect],
    reached: Reached,
    *,
    processes: int,
    progress: Callable[[Trial], object],
    collected: str = "tests",
    grace: float = _GRACE,
) -> list[Trial]:
    """A trial of every defect by the default tests that are known to reach it.

    Raises RuntimeError if a test that told a defect fails without one.

    collected: the folder or file, in `root`, whose tests may be run. grace: what a trial may take,
    in seconds of processor time, beyond five times what its tests took when they were measured.

    Cost: from a tenth of a second to as long as all tests that reach it take.
    """
    reaching = [(defect, reached.by(root, defect)) for defect in defects]
    trials = Trials(root, reaching, reached.seconds, processes, progress, grace)
    options = ["-o", "addopts=--strict-markers", "-m", "not deep", "-q", "-p", "no:cacheprovider"]
    options += ["--benchmark-disable", "--rootdir", str(root), "-p", "no:xdist"]
    os.chdir(root)
    code = pytest.main([*options, str(root / collected)], plugins=[trials])
    if code not in (0, pytest.ExitCode.NO_TESTS_COLLECTED) or len(trials.found) != len(defects):
        raise RuntimeError(f"the trials ended with exit code {code}")
    if trials.false:
        raise RuntimeError(f"these tests fail without a defect: {', '.join(trials.false)}")
    return trials.found
