"""A numeric constant of `fast` or `reference` made larger or smaller, in memory.

As a plugin of pytest (`-p scaled_constant` with SCALED_CONSTANT="name factor") it rewrites one
module as that is imported; importers of the constant get the scaled one too.
"""

import ast
import importlib.abc
import importlib.machinery
import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("fast", "reference")


def _is_number(node):
    """A float that is small, large, or written with an exponent: no count, share or coefficient."""
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, float)
        and node.value != 0
        and not 1e-2 < abs(node.value) < 1e3
    )


def _named(node):
    """The name of a constant that a module defines by an expression with floats or ε in it."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        name = target.id if isinstance(target, ast.Name) else ""
        parts = list(ast.walk(node.value))
        floats = any(isinstance(n, ast.Constant) and isinstance(n.value, float) for n in parts)
        calls = any(isinstance(n, ast.Call) for n in parts)
        epsilon = any(isinstance(n, ast.Attribute) and n.attr in ("eps", "tiny") for n in parts)
        if name.isupper() and ((floats and not calls) or epsilon):
            return name
    return None


class _Scaling(ast.NodeTransformer):
    """Lists the constants of a module by name, and scales the one that is asked for."""

    def __init__(self, module, chosen=None, factor=1.0):
        self.module, self.chosen, self.factor = module, chosen, factor
        self.found, self._place, self._count = [], [], {}

    def _scaled(self, node, name):
        self.found.append(name)
        if name != self.chosen:
            return node
        return ast.BinOp(node, ast.Mult(), ast.Constant(self.factor))

    def visit_Module(self, node):
        body = []
        for statement in node.body:
            name = _named(statement)
            if name is None:
                body.append(self.visit(statement))
                continue
            if isinstance(statement.value, ast.Tuple):
                statement.value.elts = [
                    self._scaled(part, f"{self.module}.{name}[{i}]")
                    if isinstance(part, (ast.Constant, ast.BinOp))
                    else part
                    for i, part in enumerate(statement.value.elts)
                ]
            else:
                statement.value = self._scaled(statement.value, f"{self.module}.{name}")
            body.append(statement)
        node.body = body
        return node

    def visit_FunctionDef(self, node):
        self._place.append(node.name)
        self.generic_visit(node)
        self._place.pop()
        return node

    visit_ClassDef = visit_FunctionDef

    def visit_Constant(self, node):
        if not _is_number(node):
            return node
        name = ".".join([self.module, *self._place]) + f": {node.value:g}"
        self._count[name] = self._count.get(name, 0) + 1
        if self._count[name] > 1:
            name += f" ({self._count[name]})"
        return self._scaled(node, name)


def constants():
    """The names of all constants, sorted."""
    found = []
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            scaling = _Scaling(".".join(path.relative_to(ROOT).with_suffix("").parts))
            scaling.visit(ast.parse(path.read_text(encoding="utf-8")))
            found += scaling.found
    return sorted(set(found))


class _Finder(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Imports one module with a constant scaled."""

    def __init__(self, chosen, factor):
        parts, path = chosen.split(":")[0].split("."), ROOT
        while path.suffix != ".py":
            path /= parts.pop(0)
            if path.with_suffix(".py").exists():
                path = path.with_suffix(".py")
        self.module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        super().__init__(self.module, str(path))
        self._chosen, self._factor = chosen, factor

    def find_spec(self, name, path, target=None):
        """The one module, and no other."""
        if name != self.module:
            return None
        return importlib.machinery.ModuleSpec(name, self, origin=self.path)

    def get_code(self, fullname):
        """Its code with the constant scaled."""
        scaling = _Scaling(self.module, self._chosen, self._factor)
        tree = scaling.visit(ast.parse(Path(self.path).read_text(encoding="utf-8")))
        assert self._chosen in scaling.found, self._chosen
        return compile(ast.fix_missing_locations(tree), self.path, "exec")


if "SCALED_CONSTANT" in os.environ:
    _name, _, _factor = os.environ["SCALED_CONSTANT"].rpartition(" ")
    sys.meta_path.insert(0, _Finder(_name, float(_factor)))
