"""Defects put in force in the running process: the code of a function, its defaults, or a
constant of a module.

Functions keep their identity, so that a defect is wherever the function is: in classes, in modules
that imported it, in closures. Meant for a process that ends afterwards: nothing is taken back.
"""

from __future__ import annotations

import ast
import functools
import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from oracle.mutants.mutant import Mutant
from oracle.mutation.systematic import PACKAGES, SystematicMutant, broken_source, source_of

Defect = SystematicMutant | Mutant


class NotInForce(Exception):
    """The place of a defect is not there, or not once."""


def file_of(root: Path, defect: Defect) -> Path:
    """The file a defect is in."""
    if isinstance(defect, SystematicMutant):
        return source_of(root, defect)
    return root / defect.package / (defect.module.replace(".", "/") + ".py")


def lines_of(root: Path, defect: Defect) -> range:
    """The lines that a defect changes."""
    if isinstance(defect, SystematicMutant):
        return range(defect.line, defect.last + 1)
    text, start, stop = _place(root, defect)
    return range(text[:start].count("\n") + 1, text[:stop].count("\n") + 2)


def broken_text(root: Path, defect: Defect) -> str:
    """The text of a file with a defect. Raises NotInForce unless its place is there once."""
    if isinstance(defect, SystematicMutant):
        return broken_source(root, defect)
    text, start, stop = _place(root, defect)
    return text[:start] + defect.by + text[stop:]


def _place(root: Path, mutant: Mutant) -> tuple[str, int, int]:
    """The file's text, and where in it what the defect replaces begins and ends."""
    text = file_of(root, mutant).read_text(encoding="utf-8")
    node = definition(ast.parse(text), mutant.function, None)
    lines = text.splitlines(keepends=True)
    start = sum(map(len, lines[: node.lineno - 1]))
    body = "".join(lines[node.lineno - 1 : node.end_lineno])
    count = body.count(mutant.replaced)
    if count != 1:
        raise NotInForce(f"{mutant.label}: its text occurs {count} times")
    start += body.index(mutant.replaced)
    return text, start, start + len(mutant.replaced)


def put_in_force(root: Path, defect: Defect) -> None:
    """Replace what the defect changes, everywhere in this process. Raises NotInForce."""
    text = broken_text(root, defect)
    tree = ast.parse(text)
    if defect.function:
        line = defect.line if isinstance(defect, SystematicMutant) else None
        _replace_function(file_of(root, defect), text, definition(tree, defect.function, line))
    else:
        assert isinstance(defect, SystematicMutant)
        _replace_constant(tree, defect)
    for found in gc.get_objects():
        of = getattr(found, "__module__", None)
        if isinstance(found, functools._lru_cache_wrapper) and str(of).split(".")[0] in PACKAGES:
            found.cache_clear()


def _replace_function(path: Path, text: str, node: ast.FunctionDef) -> None:
    first = first_line(node)
    (code,) = (
        c
        for c in _codes(compile(text, str(path), "exec", dont_inherit=True))
        if c.co_name == node.name and c.co_firstlineno == first
    )
    functions = [
        found
        for found in gc.get_objects()
        if isinstance(found, FunctionType)
        and found.__code__.co_filename == str(path)
        and found.__code__.co_firstlineno == first
        and found.__code__.co_name == node.name
    ]
    if not functions:
        raise NotInForce(f"{path.name}: no {node.name} in this process")
    for function in functions:
        _replace_defaults(function, node.args)
        function.__code__ = code


def _replace_defaults(function: FunctionType, arguments: ast.arguments) -> None:
    space = function.__globals__

    def value(node: ast.expr) -> object:
        return eval(compile(ast.Expression(node), "<default>", "eval"), space)

    if arguments.defaults:
        function.__defaults__ = tuple(value(node) for node in arguments.defaults)
    named = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    keyword = {argument.arg: value(node) for argument, node in named if node is not None}
    if keyword:
        function.__kwdefaults__ = keyword


def first_line(node: ast.FunctionDef) -> int:
    """The line its code begins at: of its first decorator, if it has one."""
    return min([node.lineno, *(d.lineno for d in node.decorator_list)])


def definition(tree: ast.Module, function: str, line: int | None) -> ast.FunctionDef:
    """Where a function, "name" or "Class.name", is defined, around a line if one is given."""
    *of, name = function.split(".")
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and [n.name] == of]
    bodies = [n.body for n in classes] if of else [tree.body]
    nodes = [n for body in bodies for n in body if isinstance(n, ast.FunctionDef)]
    for node in nodes:
        # A statement dropped at its end may have made it a line shorter.
        around = line is None or first_line(node) <= line <= (node.end_lineno or 0) + 1
        if node.name == name and around:
            return node
    raise NotInForce(f"no function {function}")


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _codes(part)


def _replace_constant(tree: ast.Module, mutant: SystematicMutant) -> None:
    """Evaluate the constant's statement anew, and hand the value to all who imported it."""
    module = sys.modules[f"{mutant.package}.{mutant.module}"]
    statement = next(n for n in tree.body if n.lineno <= mutant.line <= (n.end_lineno or 0))
    before = dict(vars(module))
    space = dict(before)
    exec(compile(ast.Module([statement], []), "<constant>", "exec"), space)
    for name, value in space.items():
        if name in before and before[name] is not value:
            for other in list(sys.modules.values()):
                if isinstance(other, ModuleType) and vars(other).get(name) is before[name]:
                    setattr(other, name, value)
