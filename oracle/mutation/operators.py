"""What systematic defects are made by: Cosmic Ray's operators, and five more of its kind."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import parso
from cosmic_ray.ast import ast_nodes
from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.operators.provider import OperatorProvider

#: Where a change begins and ends, as line and column.
Place = tuple[tuple[int, int], tuple[int, int]]
#: Of Cosmic Ray's operators those whose result may run to its end with wrong numbers.
_EXCHANGES = (
    *(
        f"ReplaceBinaryOperator_{exchange}"
        for exchange in (
            "Add_Sub",
            "Sub_Add",
            "Mul_Div",
            "Div_Mul",
            "FloorDiv_Mul",
            "Mod_Mul",
            "Pow_Mul",
            "BitAnd_BitOr",
            "BitOr_BitAnd",
        )
    ),
    *(
        f"ReplaceComparisonOperator_{exchange}"
        for exchange in (
            "Lt_LtE",
            "LtE_Lt",
            "Gt_GtE",
            "GtE_Gt",
            "Lt_Gt",
            "LtE_GtE",
            "Gt_Lt",
            "GtE_LtE",
            "Eq_NotEq",
            "NotEq_Eq",
            "Is_IsNot",
            "IsNot_Is",
        )
    ),
    "ReplaceUnaryOperator_Delete_USub",
    "ReplaceUnaryOperator_Delete_Not",
    "ReplaceUnaryOperator_Delete_Invert",
    "AddNot",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "NumberReplacer",
    "ZeroIterationForLoop",
)
# Functions that take their first two arguments in any order.
_SYMMETRIC = {
    "add",
    "allclose",
    "array_equal",
    "dots",
    "equal",
    "gcd",
    "hypot",
    "isinstance",
    "logaddexp",
    "max",
    "maximum",
    "min",
    "minimum",
    "multiply",
    "union1d",
}


class _Own(Operator):  # type: ignore[misc]
    """What the operators written here share."""

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return ()


class DropStatement(_Own):
    """An assignment to a part of something, or to a name that has a value already, a call made for
    its effect, or a raise, becomes `pass`."""

    def mutation_positions(self, node: Any) -> Iterator[Place]:
        if node.type == "simple_stmt" and _can_go(node.children[0]):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        first = node.children[0]
        node.children[0] = parso.python.tree.Keyword("pass", first.start_pos, _prefix(first))
        return node


def _can_go(statement: Any) -> bool:
    """Whether the function runs on without a statement."""
    if statement.type == "raise_stmt":
        return True
    if statement.type in ("atom_expr", "power"):
        last = statement.children[-1]
        return bool(last.type == "trailer" and last.children[0].value == "(")
    if statement.type != "expr_stmt" or statement.children[1].type == "annassign":
        return False
    target, sign = statement.children[:2]
    if sign.type == "operator" and sign.value != "=":
        return True
    if target.type in ("atom_expr", "power"):
        return True
    return target.type == "name" and _has_a_value(target)


def _has_a_value(name: Any) -> bool:
    """Whether the function gives a name a value before this place."""
    function = parso.tree.search_ancestor(name, "funcdef")
    if function is None:
        return False
    return any(
        other.value == name.value and other.start_pos < name.start_pos and other.is_definition()
        for other in _names(function)
    )


def _names(node: Any) -> Iterator[Any]:
    return (leaf for leaf in ast_nodes(node) if leaf.type == "name")


def _prefix(node: Any) -> str:
    """The white space before a node."""
    return str(node.get_first_leaf().prefix)


def _arguments(node: Any) -> list[Any]:
    """The arguments of a call, where `node` is its list of several."""
    if node.type != "arglist" or node.parent.type not in ("trailer",):
        return []
    return [child for child in node.children if child.type != "operator"]


def _named(argument: Any) -> bool:
    return bool(argument.type == "argument")


class SwapArguments(_Own):
    """Two neighbouring positional arguments change places."""

    def _pairs(self, node: Any) -> list[tuple[Any, Any]]:
        arguments = _arguments(node)
        if arguments:
            called = node.parent.get_previous_leaf()
            if called is not None and called.type == "name" and called.value in _SYMMETRIC:
                return []
        return [
            (one, other)
            for one, other in itertools.pairwise(arguments)
            if not _named(one)
            and not _named(other)
            and one.get_code(include_prefix=False) != other.get_code(include_prefix=False)
        ]

    def mutation_positions(self, node: Any) -> Iterator[Place]:
        for one, other in self._pairs(node):
            yield one.start_pos, other.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        one, other = self._pairs(node)[index]
        i, j = node.children.index(one), node.children.index(other)
        first, second = one.get_first_leaf(), other.get_first_leaf()
        first.prefix, second.prefix = second.prefix, first.prefix
        node.children[i], node.children[j] = other, one
        return node


class DropKeyword(_Own):
    """A call without one of its named arguments."""

    def _places(self, node: Any) -> list[Any]:
        children = node.children if hasattr(node, "children") else []
        if node.type == "arglist" and node.parent.type == "trailer":
            return [c for c in children if c.type == "argument" and c.children[0].type == "name"]
        if node.type == "trailer" and len(children) == 3 and children[1].type == "argument":
            return [children[1]] if children[1].children[0].type == "name" else []
        return []

    def mutation_positions(self, node: Any) -> Iterator[Place]:
        for place in self._places(node):
            if place.children[1].type == "operator" and place.children[1].value == "=":
                yield place.start_pos, place.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        place = [p for p in self._places(node) if p.children[1].type == "operator"][index]
        i = node.children.index(place)
        if node.type == "trailer":
            del node.children[i]
        elif i + 1 < len(node.children):
            del node.children[i : i + 2]  # and the comma after it
        else:
            del node.children[i - 1 : i + 1]
        return node


class DropBound(_Own):
    """A slice without one of its bounds."""

    def _places(self, node: Any) -> list[Any]:
        if node.type != "subscript":
            return []
        return [child for child in node.children if child.type not in ("operator", "sliceop")]

    def mutation_positions(self, node: Any) -> Iterator[Place]:
        for place in self._places(node):
            yield place.start_pos, place.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        node.children.remove(self._places(node)[index])
        return node


class DropTranspose(_Own):
    """A matrix in place of its transpose."""

    def mutation_positions(self, node: Any) -> Iterator[Place]:
        if node.type == "trailer" and node.get_code() == ".T":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        return None


_OWN = (DropStatement, SwapArguments, DropKeyword, DropBound, DropTranspose)


def operators() -> dict[str, Operator]:
    """All operators that make systematic defects, by name."""
    provided = OperatorProvider()
    taken = {name: provided[name]() for name in _EXCHANGES}
    return {**taken, **{operator.__name__: operator() for operator in _OWN}}
