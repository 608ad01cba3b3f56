"""What a reader can take in: rooms of few files, short modules and functions, records by name."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("reference", "fast", "oracle", "paper_figures", "exactdgn")
MOST_FILES, MOST_LINES, MOST_IN_A_FUNCTION, MOST_BY_PLACE = 16, 400, 60, 6


def modules(root: Path) -> list[Path]:
    return sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))


def crowded_folders(root: Path) -> Iterator[str]:
    """Folders with too many modules; the folder of the figures has one for each figure."""
    for folder in sorted({path.parent for path in modules(root)}):
        count = len(list(folder.glob("*.py")))
        if count > MOST_FILES and folder != root / "paper_figures" / "figures":
            yield f"{folder.relative_to(root)}: {count} modules"


def long_modules(root: Path) -> Iterator[str]:
    for path in modules(root):
        count = len(path.read_text(encoding="utf-8").splitlines())
        if count > MOST_LINES:
            yield f"{path.relative_to(root)}: {count} lines"


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring, which may be as long as it has to."""
    first = function.body[0]
    documented = ast.get_docstring(function, clean=False) is not None
    text = first.end_lineno - first.lineno + 1 if documented and first.end_lineno else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - text


def long_functions(root: Path) -> Iterator[str]:
    for path in modules(root):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                count = body_lines(node)
                if count > MOST_IN_A_FUNCTION:
                    yield f"{path.relative_to(root)}: {node.name}: {count} lines"


def is_record(node: ast.AST) -> bool:
    """Whether it is a NamedTuple or a dataclass."""
    if not isinstance(node, ast.ClassDef):
        return False
    words = [ast.unparse(one) for one in (*node.bases, *node.decorator_list)]
    return any("NamedTuple" in word or "dataclass" in word for word in words)


def records_by_place(root: Path) -> Iterator[str]:
    """Calls that build a record from more values than one can count by their places alone."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in modules(root)}
    records = {node.name for tree in trees.values() for node in ast.walk(tree) if is_record(node)}
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and len(node.args) > MOST_BY_PLACE:
                name = ast.unparse(node.func).rsplit(".", maxsplit=1)[-1]
                if name in records:
                    yield f"{path.relative_to(root)}:{node.lineno}: {name}"


RULES = (crowded_folders, long_modules, long_functions, records_by_place)


@pytest.mark.parametrize("rule", RULES)
def test_a_reader_can_take_it_in(rule):
    assert list(rule(ROOT)) == []


def test_what_is_too_much_is_seen(tmp_path):
    """Each rule on a package that breaks it, by one."""
    room = tmp_path / "fast" / "room"
    room.mkdir(parents=True)
    for number in range(MOST_FILES + 1):
        (room / f"m{number}.py").write_text("", encoding="utf-8")
    (room / "m0.py").write_text("\n" * (MOST_LINES + 1), encoding="utf-8")
    body = "    x = 1\n" * MOST_IN_A_FUNCTION
    (room / "m1.py").write_text(f'def f():\n    """A sentence."""\n{body}', encoding="utf-8")
    record = "class R(NamedTuple):\n    a: int\n\n\nR(1, 2, 3, 4, 5, 6, 7)\nR(1, 2, 3, 4, 5, 6)\n"
    (room / "m2.py").write_text(record, encoding="utf-8")
    assert [len(list(rule(tmp_path))) for rule in RULES] == [1, 1, 1, 1]
