"""Many nearly degenerate networks through both implementations, in a run that can be stopped and
resumed: what is found of each is a line of a file."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from oracle.checks.implementations import network_from
from oracle.checks.near_degenerate import Examined, Finding, examine
from oracle.models.architectures import degenerate_case, degenerate_network

#: The file of the results, and the folder of networks and cases that fail, in the report's folder.
RESULTS, FAILURES = "near_degenerate.jsonl", "near_degenerate"
#: What a result depends on: results of other code are not gone on with.
_SOURCES = ("reference", "fast", "oracle")

Progress = Callable[[Iterable[Examined]], Iterable[Examined]]


class OtherCode(ValueError):
    """A file holds results of other code, or no results."""


def near_degenerate_campaign(
    seeds: range, folder: Path, processes: int, progress: Progress = iter
) -> list[Examined]:
    """Everything found for the networks of these seeds, in their order.

    Seeds whose line is in the folder's RESULTS already are not examined again. What fails is
    written beside it, under FAILURES, bit for bit. An interrupt from the keyboard ends the run, and
    what was found so far is returned. A kill loses the networks it was at, and no others. progress:
    what iterates over those still to be examined.

    Raises OtherCode if the file is not this code's. Guarded by
    tests/oracle/test_degenerate_campaign.py.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, heading = folder / RESULTS, _heading()
    done = _read(path, heading)
    missing = [seed for seed in seeds if seed not in done]
    with open(path, "a", encoding="utf-8") as stream, suppress(KeyboardInterrupt):
        if not path.stat().st_size:
            _append(stream, heading)
        for found in progress(_each(missing, processes)):
            done[found.seed] = found
            _keep_failures(found, folder / FAILURES)
            _append(stream, asdict(found))
    return [done[seed] for seed in seeds if seed in done]


def _heading() -> dict[str, Any]:
    """The first line of a file: the code that its results are of."""
    root, found = Path(__file__).resolve().parents[2], hashlib.sha256()
    for path in sorted(path for name in _SOURCES for path in (root / name).rglob("*.py")):
        found.update(str(path.relative_to(root)).encode())
        found.update(path.read_bytes())
    return {"results of code": found.hexdigest()[:16]}


def _append(stream: TextIO, content: dict[str, Any]) -> None:
    """Write one line and hand it to the system, so that a kill leaves whole lines but for one."""
    stream.write(json.dumps(content, ensure_ascii=False) + "\n")
    stream.flush()


def _read(path: Path, heading: dict[str, Any]) -> dict[int, Examined]:
    """The results in a file, by seed. A last line without an end is cut off: it is of a kill."""
    if not path.exists():
        return {}
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        os.truncate(path, len(whole))
    lines = whole.decode("utf-8").splitlines()
    if lines and lines[0] != json.dumps(heading):
        raise OtherCode(f"{path} holds results of other code: remove it, or take another folder")
    return {found.seed: found for found in map(_examined, lines[1:])}


def _examined(line: str) -> Examined:
    """What one line says."""
    content = json.loads(line)
    findings = tuple(Finding(**finding) for finding in content.pop("findings"))
    return Examined(**content, findings=findings)


def _each(seeds: list[int], processes: int) -> Iterator[Examined]:
    """One by one, in this process or as others finish them. See oracle.campaign.run on forks."""
    if processes == 1:
        yield from map(examine, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(processes, _quiet) as pool:
        yield from pool.imap_unordered(examine, seeds)


def _quiet() -> None:
    """An interrupt from the keyboard is for the process that writes: it ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _keep_failures(found: Examined, folder: Path) -> None:
    """Write what reproduces a failure: the network, and the case if its log p is wrong."""
    if not found.failures:
        return
    folder.mkdir(parents=True, exist_ok=True)
    name = f"degenerate-{found.seed}"
    if any(failure.check == "log p" for failure in found.failures):
        degenerate_case(found.seed).save(folder / f"{name}.json")
    if any(failure.check != "log p" for failure in found.failures):
        network_from(degenerate_network(found.seed).layers).save(folder / f"{name}.npz")


def summary(found: list[Examined]) -> str:
    """A table: of every check by implementation and latent dimension how many held, how many were
    wrong, refused and declined, and the worst error among those that held; then refusals by
    type."""
    lines = [
        f"{'check':24}{'':11}{'S':>2}{'made':>8}{'held':>8}{'wrong':>8}{'refused':>9}"
        f"{'declined':>10}{'worst held':>12}"
    ]
    findings = [(each.latent_dimension, f) for each in found for f in each.findings]
    for check, name, size in sorted({(f.check, f.implementation, s) for s, f in findings}):
        mine = [f for s, f in findings if (f.check, f.implementation, s) == (check, name, size)]
        count = {o: sum(f.outcome == o for f in mine) for o in ("held", "wrong", "refused")}
        worst = max((f.error for f in mine if f.outcome == "held"), default=0.0)
        lines.append(
            f"{check:24}{name:11}{size:2}{len(mine):8}{count['held']:8}{count['wrong']:8}"
            f"{count['refused']:9}{len(mine) - sum(count.values()):10}{worst:12.1e}"
        )
    return "\n".join([*lines, *_in_words([f for _, f in findings])])


def _in_words(findings: list[Finding]) -> list[str]:
    """By implementation: how many refusals of every type."""
    lines = []
    for name in sorted({f.implementation for f in findings}):
        mine = [f for f in findings if f.implementation == name and f.outcome == "refused"]
        types = Counter(f.words.split(":")[0] for f in mine)
        lines += [f"{name}: {count} refused with {kind}" for kind, count in sorted(types.items())]
    return lines
