"""The code that a module's results depend on: itself and what it imports from this project."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("reference", "fast", "oracle", "paper_figures")


def source_files(module: str) -> list[Path]:
    """The files of a module and of every module of this project that it reaches by imports.

    Parameters
    ----------
    module : str
        Its dotted name.

    Returns
    -------
    list of Path
        Sorted. The `__init__` of a package is among them only if something is imported from it.
    """
    found: dict[str, Path] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        path = _path(name)
        if path is None or name in found:
            continue
        found[name] = path
        pending.extend(_imports(path.read_bytes()))
    return sorted(found.values())


def fingerprint(module: str) -> str:
    """What changes when code changes that a module's results depend on.

    Parameters
    ----------
    module : str
        Its dotted name.

    Returns
    -------
    str
        SHA-256 of the names and contents of `source_files`, in hexadecimal.
    """
    digest = hashlib.sha256()
    for path in source_files(module):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _path(module: str) -> Path | None:
    """The file of a module of this project; None for other names, as of a class or a library."""
    if module.split(".")[0] not in _PACKAGES:
        return None
    base = ROOT.joinpath(*module.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


@cache
def _imports(content: bytes) -> tuple[str, ...]:
    """The absolute names a file imports, those of `from package import submodule` included."""
    names: list[str] = []
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Import):
            names += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
            names += (f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(names)
