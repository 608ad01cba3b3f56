"""The code that a module's results depend on: itself and what it imports from this project."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_PACKAGES = ("reference", "fast", "paper_figures")


def source_files(module: str) -> list[Path]:
    """The files of `module` and of every project module it reaches by imports, sorted."""
    found: dict[str, Path] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        path = _path(name)
        if path is None or name in found:
            continue
        found[name] = path
        pending.extend(_imports(path))
    return sorted(found.values())


def fingerprint(module: str) -> str:
    """SHA-256 of those files' names and contents, in hexadecimal."""
    digest = hashlib.sha256()
    for path in source_files(module):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _path(module: str) -> Path | None:
    """The file of a project module; None for a name that is not one (a class, another library)."""
    if module.split(".")[0] not in _PACKAGES:
        return None
    base = ROOT.joinpath(*module.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def _imports(path: Path) -> Iterator[str]:
    """The absolute names a file imports, those of `from package import submodule` included."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
