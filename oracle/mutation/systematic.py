"""Systematic defects of the implementations: every place where an operator of mutation testing
applies.

Cosmic Ray finds the places and makes the changes. Its own operators exchange arithmetic,
comparisons, logic and constants; five more, written here with its classes, drop statements, named
arguments, bounds of slices and transposes, and swap arguments. Exchanges that can only crash (a
shift for a sum) are left out: they would flatter the score. So are places that compute nothing:
annotations, docstrings, messages, types, imports, decorators, warnings, dtypes, defaults in the
body of a class, the -1 of a reshape. Of swapped arguments about half can only crash as well: which
do cannot be told from the source, so the score is given without them too.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

from oracle.mutation.operators import operators

PACKAGES = ("reference", "fast")


@dataclass(frozen=True)
class SystematicMutant:
    """A defect in `module` of `package`: the `occurrence`-th place of `operator`.

    function: the function, "name" or "Class.name", it is in; "" for a constant of the module. line:
    the first line of the changed statement, last: its last. before, after: what the change replaces
    by what, with the white space folded.
    """

    package: str
    module: str
    function: str
    line: int
    last: int
    operator: str
    occurrence: int
    before: str
    after: str

    @property
    def label(self) -> str:
        """Where and what, in a line."""
        place = f"{self.package}.{self.module}:{self.line} {self.function}".strip()
        return f"{place}  {self.before}  ->  {self.after}"

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What stays the same when lines move."""
        return self.package, self.module, self.function, self.before, self.after


def source_of(root: Path, mutant: SystematicMutant) -> Path:
    """The file a defect is in."""
    return root / mutant.package / (mutant.module.replace(".", "/") + ".py")


def broken_source(root: Path, mutant: SystematicMutant) -> str:
    """The text of the file with the defect."""
    text = source_of(root, mutant).read_text(encoding="utf-8")
    broken = mutate_code(text, operators()[mutant.operator], mutant.occurrence)
    assert broken is not None
    return str(broken)


@dataclass(frozen=True)
class Site:
    """A place where an operator applies; whether anything changes there is not yet known."""

    package: str
    path: Path
    function: str
    line: int
    last: int
    operator: str
    occurrence: int


def sites(root: Path, package: str) -> Iterator[Site]:
    """Every place of a package where an operator applies, file by file."""
    for path in sorted((root / package).rglob("*.py")):
        if path.name != "__init__.py":
            yield from sites_of_file(path, package)


def sites_of_file(path: Path, package: str) -> Iterator[Site]:
    """Every place of a file where an operator applies."""
    text = path.read_text(encoding="utf-8")
    tree, parsed = ast.parse(text), get_ast(text)
    outside, spans = _not_counted(tree), _functions(tree)
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    for name, operator in operators().items():
        occurrence = -1
        for node in ast_nodes(parsed):
            for start, stop in operator.mutation_positions(node):
                occurrence += 1
                function = _function_at(spans, start)
                if not _within(outside, start) and function is not None:
                    line, last = _statement_at(statements, start, stop)
                    yield Site(
                        package=package,
                        path=path,
                        function=function,
                        line=line,
                        last=last,
                        operator=name,
                        occurrence=occurrence,
                    )


def mutant_at(site: Site, root: Path) -> SystematicMutant | None:
    """The defect of a place, or None where the change is none that python sees."""
    text = site.path.read_text(encoding="utf-8")
    broken = mutate_code(text, operators()[site.operator], site.occurrence)
    change = _change(text, broken)
    if change is None:
        return None
    module = ".".join(site.path.relative_to(root / site.package).with_suffix("").parts)
    return SystematicMutant(
        package=site.package,
        module=module,
        function=site.function,
        line=site.line,
        last=site.last,
        operator=site.operator,
        occurrence=site.occurrence,
        before=change[0],
        after=change[1],
    )


def _change(text: str, broken: str | None) -> tuple[str, str] | None:
    """What differs, or None where nothing does that python sees."""
    if broken is None:
        return None
    try:
        same = ast.dump(ast.parse(broken)) == ast.dump(ast.parse(text))
    except SyntaxError:
        return None
    if same:
        return None
    old, new = text.splitlines(), broken.splitlines()
    first = next(i for i, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1])
    tail = 0
    most = min(len(old), len(new)) - first
    while tail < most and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return tuple(  # type: ignore[return-value]
        " ".join(" ".join(lines[first : len(lines) - tail]).split()) for lines in (old, new)
    )


Place = tuple[int, int]


def _not_counted(tree: ast.Module) -> list[tuple[Place, Place]]:
    """Where no numbers are made: annotations, messages, imports, decorators, representations."""
    found: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            found.append(node.annotation)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found += node.decorator_list
            if isinstance(node, ast.FunctionDef):
                found += [node.returns] if node.returns is not None else []
                found += [node] if node.name == "__repr__" else []
        elif isinstance(node, ast.Raise):
            found += [node.exc] if node.exc is not None else []
        elif isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom) or _is_message(node):
            found.append(node)
        elif _is_unknown_length(node):
            lengths = [part for argument in node.args for part in ast.walk(argument)]
            found += [part for part in lengths if isinstance(part, ast.UnaryOp)]
    return [_span(node) for node in found]


def _is_message(node: ast.AST) -> bool:
    """A warning, an assertion (`strict` of zip is one) or a type."""
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in ("warnings.warn", "cast")
    return isinstance(node, ast.keyword) and node.arg in ("strict", "dtype")


def _is_unknown_length(node: ast.AST) -> TypeGuard[ast.Call]:
    """reshape(..., -1): numpy takes any negative number for the length that it finds out."""
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith("reshape")


def _span(node: ast.AST) -> tuple[Place, Place]:
    """Where a node begins and ends."""
    a, b = getattr(node, "lineno"), getattr(node, "col_offset")  # noqa: B009
    c, d = getattr(node, "end_lineno"), getattr(node, "end_col_offset")  # noqa: B009
    return (a, b), (c, d)


def _within(spans: list[tuple[Place, Place]], place: Place) -> bool:
    return any(start <= place < stop for start, stop in spans)


def _functions(tree: ast.Module) -> list[tuple[Place, Place, str | None]]:
    """Functions and methods by name ("Class.name"); everything else that is not counted as None."""
    spans: list[tuple[Place, Place, str | None]] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            spans.append((*_span(node), node.name))
        elif isinstance(node, ast.ClassDef):
            for part in node.body:
                if isinstance(part, ast.FunctionDef):
                    spans.append((*_span(part), f"{node.name}.{part.name}"))
            spans.append((*_span(node), None))
        elif not _is_constant(node):
            spans.append((*_span(node), None))
    return spans


def _is_constant(node: ast.stmt) -> bool:
    """Whether a module's statement computes a number, and is no alias of a type, list of names or
    import."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or "__all__" in ast.unparse(node):
        return False
    if node.value is None or isinstance(node.value, ast.Subscript):
        return False
    return any(
        isinstance(part, ast.Constant) and isinstance(part.value, int | float)
        for part in ast.walk(node.value)
    )


def _function_at(spans: list[tuple[Place, Place, str | None]], place: Place) -> str | None:
    """The function a place is in; "" for a module's constant; None where nothing is counted."""
    for start, stop, name in spans:
        if start <= place < stop:
            return name
    return ""


def _statement_at(statements: Sequence[ast.stmt], start: Place, stop: Place) -> Place:
    """First and last line of the smallest statement around a place; of a compound one its head."""
    around = [s for s in statements if _span(s)[0] <= start and stop <= (_span(s)[1][0] + 1, 0)]
    if not around:
        return start[0], stop[0]
    smallest = min(around, key=lambda s: (_span(s)[1][0] - s.lineno, -s.lineno))
    body = getattr(smallest, "body", None)
    if isinstance(body, list) and body:
        return smallest.lineno, max(start[0], smallest.lineno)
    return smallest.lineno, _span(smallest)[1][0]


def sample(root: Path, package: str, count: int, seed: int) -> list[SystematicMutant]:
    """`count` defects of a package, each with the same chance, file by file."""
    places = list(sites(root, package))
    random.Random(seed).shuffle(places)
    found: list[SystematicMutant] = []
    for place in places:
        if len(found) == count:
            break
        mutant = mutant_at(place, root)
        if mutant is not None:
            found.append(mutant)
    return sorted(found, key=lambda mutant: (mutant.module, mutant.line, mutant.operator))
