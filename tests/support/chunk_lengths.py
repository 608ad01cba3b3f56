"""Chunks of so many rows everywhere in `fast`, and which of its loops came to a second one."""

import ast
import contextlib
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fast.polyhedra.chunks

FAST = Path(fast.__file__).parent


class Place(NamedTuple):
    """A function that loops over chunks, and what it takes them from."""

    module: str
    function: str
    source: str


class RowsLeftOut(Exception):
    """Chunks end before the last row."""


class Reached:
    """The places that came to a second chunk, and to a last one shorter than those before."""

    def __init__(self):
        self.second, self.ragged = set(), set()

    def watch(self, slices, count, places):
        """The same slices, taking down what they come to; they must be all of the rows in turn."""
        longest = end = 0
        for part in slices:
            length = part.stop - part.start
            assert part.start == end < part.stop
            end = part.stop
            if longest:
                self.second |= places
            if length < longest:
                self.ragged |= places
            longest = max(longest, length)
            yield part
        if end != count:
            raise RowsLeftOut


@contextlib.contextmanager
def rows_per_chunk(rows):
    """Every chunk has so many rows, or as many as fit in memory if None; gives what was reached.

    Memory that nothing was written to holds no numbers: by chance it often holds the right ones.
    """
    reached = Reached()
    successive, at_once, empty = (
        fast.polyhedra.chunks._successive,
        fast.polyhedra.chunks.rows_at_once,
        np.empty,
    )

    def poisoned(*shape_and_type, **options):
        array = empty(*shape_and_type, **options)
        if array.dtype.kind in "fi":
            array.fill(np.nan if array.dtype.kind == "f" else np.iinfo(array.dtype).max)
        return array

    def watched(count, fitting):
        places = _places_on_the_stack(sys._getframe(1))
        return reached.watch(successive(count, fitting), count, places)

    fast.polyhedra.chunks._successive, np.empty = watched, poisoned
    if rows is not None:
        fast.polyhedra.chunks.rows_at_once = lambda fitting: rows
    try:
        yield reached
    finally:
        fast.polyhedra.chunks._successive, fast.polyhedra.chunks.rows_at_once = successive, at_once
        np.empty = empty


def trees():
    """The parsed modules of `fast` that work on chunks: all but the one that makes them."""
    return {
        ".".join(("fast", *path.relative_to(FAST).with_suffix("").parts)): ast.parse(
            path.read_text(encoding="utf-8")
        )
        for path in sorted(FAST.rglob("*.py"))
        if path.stem != "chunks"
    }


def functions(tree):
    """Every function of a module that is in no other function, with its qualified name."""
    for node in tree.body:
        for one in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(one, ast.FunctionDef):
                within = f"{node.name}." if node is not one else ""
                yield f"{within}{one.name}", one


def name_called(call):
    """The last part of what is called: f of f(...) and of a.b.f(...)."""
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def _is_passed_on(function):
    return ast.unparse(function.returns or ast.Constant(None)).startswith("Iterator[")


#: Functions that pass chunks on to those who call them: (module, qualified name).
PASSED_ON = {
    (module, name)
    for module, tree in trees().items()
    for name, function in functions(tree)
    if _is_passed_on(function)
}
#: What chunks are taken from.
SOURCES = {"chunks", "uneven_chunks"} | {name.rpartition(".")[2] for _, name in PASSED_ON}


def calls_of_sources(tree):
    """Every call in a module from which chunks are taken. Without arguments it is another's: the
    items of a dictionary."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and name_called(node) in SOURCES:
            yield node


def all_places():
    """Every place in the source where chunks are taken."""
    places = []
    for module, tree in trees().items():
        inside = [
            Place(module, name, name_called(call))
            for name, function in functions(tree)
            for call in calls_of_sources(function)
        ]
        assert len(inside) == len(list(calls_of_sources(tree))), f"{module}: a loop in no function"
        places += inside
    assert len(set(places)) == len(places), "two loops of one function over the same source"
    return set(places)


def _places_on_the_stack(frame):
    """Who asked for chunks, and for whom, up to the first that passes them on to nobody."""
    places, here = set(), (frame.f_globals["__name__"], frame.f_code.co_qualname)
    while True:
        frame = frame.f_back
        # Comprehensions are functions of their own.
        name = frame.f_code.co_qualname.partition(".<locals>")[0]
        caller = frame.f_globals["__name__"], name
        if caller == here:
            continue
        places.add(Place(*caller, here[1].rpartition(".")[2]))
        if caller not in PASSED_ON:
            return places
        here = caller
