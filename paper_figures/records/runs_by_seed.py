"""One run a random seed, side by side on all cores, each kept in a file as soon as it is done.

A figure from twenty starts has twenty files. So a command that is killed loses only the runs under
way, and more seeds cost only the new ones. A file is used again only if it carries the key of its
parameters and of the code that makes it.

`joblib.Memory` could keep such runs too. It is not used, for two reasons. It sees a change in the
code of the function itself but not in the modules that the function imports, which is nearly all of
the code here; `source_fingerprint` follows the imports. And it writes pickles into folders that are
named by hashes. A file here is a .npz whose name says what it holds, and reading it runs no code.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import as_completed
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from tqdm import tqdm

from paper_figures.options import Numbers, Record
from paper_figures.records.keyed_arrays import key_of, load, save
from paper_figures.records.source_fingerprint import fingerprint
from paper_figures.records.workers import workers

#: In every run: the seconds it took, on one core.
SECONDS = "run_seconds"


class Parameters(Protocol):
    """What a run depends on beside its seed."""

    @property
    def name(self) -> str:
        """It becomes part of the names of files."""

    def record(self) -> Record:
        """All that determines the run, ready for JSON."""


P = TypeVar("P", bound=Parameters)


def runs_of(
    run: Callable[[P, int], Numbers],
    jobs: Sequence[P],
    seeds: Sequence[int],
    folder: Path | None,
) -> list[Numbers]:
    """The runs of every job from every seed: those that are kept are found, the others computed.

    Parameters
    ----------
    run : callable
        run(job, seed) -> Numbers. It is a function of a module, so that workers can call it.
    jobs : sequence
        What the runs depend on beside the seed; `Parameters` says what a job has.
    seeds : sequence of int
        Of the random starts.
    folder : Path or None
        Runs are kept in its folder `runs`; None to keep none.

    Returns
    -------
    list of Numbers
        One a job, `stacked`, with `SECONDS` besides.

    Notes
    -----
    A progress bar goes to stderr if that is a terminal.
    """
    source = fingerprint(run.__module__)
    tasks = []
    for job in jobs:
        key = key_of(job.record(), source)
        tasks += [
            _Task(run, job, seed, f"{key} {seed}", _path(folder, run, job, seed)) for seed in seeds
        ]
    found = {i: kept for i, task in enumerate(tasks) if (kept := task.kept()) is not None}
    missing = {i: task for i, task in enumerate(tasks) if i not in found}
    title = _room(run).replace("_", " ")
    bar = tqdm(total=len(tasks), initial=len(found), desc=title, unit="run", disable=None)
    with bar, closing(_computed(missing)) as computed:
        for i, numbers in computed:
            tasks[i].keep(numbers)
            found[i] = numbers
            bar.update()
    count = len(seeds)
    rows = [[found[i * count + k] for k in range(count)] for i in range(len(jobs))]
    return [stacked(row) for row in rows]


def named_runs(
    run: Callable[[P, int], Numbers],
    jobs: Sequence[P],
    seeds: Sequence[int],
    folder: Path | None,
) -> Numbers:
    """The runs of every job from every seed, all in one dictionary.

    Parameters
    ----------
    run, jobs, seeds, folder
        As of `runs_of`.

    Returns
    -------
    Numbers
        The arrays of `runs_of`, named "job|what". SECONDS (seeds,): of all jobs together.
    """
    numbers: Numbers = {SECONDS: np.zeros(len(seeds))}
    for job, runs in zip(jobs, runs_of(run, jobs, seeds, folder), strict=True):
        numbers[SECONDS] = numbers[SECONDS] + runs.pop(SECONDS)
        numbers |= {f"{job.name}|{name}": values for name, values in runs.items()}
    return numbers


def stacked(runs: Sequence[Numbers]) -> Numbers:
    """The arrays of several runs, a row a run.

    Parameters
    ----------
    runs : sequence of Numbers
        All with the same names.

    Returns
    -------
    Numbers
        Shorter rows are continued with NaN.
    """
    result: Numbers = {}
    for name in runs[0]:
        rows = [np.asarray(run[name]) for run in runs]
        if rows[0].ndim:
            longest = max(len(row) for row in rows)
            padding = [((0, longest - len(row)), *((0, 0),) * (row.ndim - 1)) for row in rows]
            rows = [
                np.pad(row, pad, constant_values=np.nan) if pad[0][1] else row
                for row, pad in zip(rows, padding, strict=True)
            ]
        result[name] = np.stack(rows)
    return result


@dataclass(frozen=True)
class _Task:
    """One job with one seed, and the file that keeps it."""

    run: Callable[[Any, int], Numbers]
    job: Parameters
    seed: int
    key: str
    path: Path | None

    def kept(self) -> Numbers | None:
        return None if self.path is None else load(self.path, self.key)

    def keep(self, numbers: Numbers) -> None:
        if self.path is not None:
            self.path.parent.mkdir(exist_ok=True)
            save(self.path, numbers, self.key)

    def compute(self) -> Numbers:
        start = time.process_time()
        numbers = self.run(self.job, self.seed)
        return numbers | {SECONDS: np.array(time.process_time() - start)}


def _path(
    folder: Path | None, run: Callable[[P, int], Numbers], job: Parameters, seed: int
) -> Path | None:
    if folder is None:
        return None
    return folder / "runs" / f"{_room(run)}_{job.name}_seed_{seed}.npz"


def _room(run: Callable[[P, int], Numbers]) -> str:
    """The folder of a run's module: it names the run, as modules are all called `one_start`."""
    return run.__module__.split(".")[-2:][0]


def _computed(tasks: Mapping[int, _Task]) -> Generator[tuple[int, Numbers], None, None]:
    """Results in the order in which they are done.

    With a single task, or on a single core, they are computed in this process; else by workers.
    """
    if min(len(tasks), os.cpu_count() or 1) < 2:
        for i, task in tasks.items():
            yield i, task.compute()
        return
    pool = workers()
    try:
        futures = {pool.submit(task.compute): i for i, task in tasks.items()}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BaseException:
        workers.cache_clear()
        pool.end()
        raise
