"""Conditions on a layer, as files of targets write them: `kernel_h <= 7 and pool == "AVE"`.

They look like Python and are no Python: names of facts (see facts.py), numbers, texts in quotes, True and False, lists;
`+ - * / // %` of numbers, comparisons, `in` a list, `and`, `or`, `not`; an item of a list by its number, `order[0]`;
`min`, `max`, `abs`, `len`, `sum`, `count(list, item)`, `round_up(number, to)`, `power_of_two(number)`. Nothing else is
read, so a file from anywhere can do no harm.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from prototxt_gen.errors import FormatError

_MOST_CHARACTERS = 500
# How deep a condition may be nested: more than anyone writes, and less than Python's own stack.
_DEEPEST = 40


def _number(value: Any) -> int | float:
    """TypeError for what is no number: Python would repeat texts and lists, and fill texts in."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise TypeError(f"found {value!r}, expected a number")


def _of_numbers(compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda one, other: compute(_number(one), _number(other))


_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: _of_numbers(operator.add),
    ast.Sub: _of_numbers(operator.sub),
    ast.Mult: _of_numbers(operator.mul),
    ast.Div: _of_numbers(operator.truediv),
    ast.FloorDiv: _of_numbers(operator.floordiv),
    ast.Mod: _of_numbers(operator.mod),
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "len": len,
    "sum": lambda many: sum(_number(one) for one in many),
    "count": lambda many, one: [*many].count(one),
    "round_up": lambda number, to: -(-_number(number) // _number(to)) * to,
    "power_of_two": lambda number: number in [2**power for power in range(32)],
}


class _UnknownError(Exception):
    """A fact that is not known of this layer."""


@dataclass(frozen=True)
class Expression:
    """A condition on a layer, or a value made of its facts. FormatError where the text is none."""

    text: str

    def __post_init__(self) -> None:
        _check(self._tree, self.text, _DEEPEST)

    @cached_property
    def names(self) -> frozenset[str]:
        """The facts that it asks for."""
        called = {id(node.func) for node in ast.walk(self._tree) if isinstance(node, ast.Call)}
        return frozenset(
            node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name) and id(node) not in called
        )

    def holds(self, facts: Mapping[str, Any]) -> bool | None:
        """Whether it holds of a layer with these facts; None where that depends on one that is not there.

        FormatError where it compares what cannot be compared, as a text with a number.
        """
        value = self.value(facts)
        return None if value is None else bool(value)

    def value(self, facts: Mapping[str, Any]) -> Any:
        """What it comes to; None where that depends on a fact that is not there. FormatError as for `holds`."""
        try:
            return _value(self._tree, facts)
        except _UnknownError:
            return None
        except (TypeError, ValueError, ArithmeticError) as fault:
            raise FormatError(f"condition {self.text!r}: {fault}") from fault

    @cached_property
    def _tree(self) -> ast.expr:
        if len(self.text) > _MOST_CHARACTERS:
            raise FormatError(f"condition: found {len(self.text)} characters, expected at most {_MOST_CHARACTERS}")
        try:
            return ast.parse(self.text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
            raise FormatError(f"condition: found {self.text!r}, expected one such as kernel_h <= 7") from fault


def _check(node: ast.expr, text: str, deepest: int) -> None:
    """FormatError for anything but the words of a condition."""
    if not deepest:
        raise FormatError(f"condition {text!r}: is nested too deeply")
    inner: list[ast.expr]
    match node:
        case ast.Name() | ast.Constant(value=bool() | int() | float() | str()):
            inner = []
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            inner = [left, right]
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
            inner = [operand]
        case ast.BoolOp(values=values):
            inner = values
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARISONS for op in ops):
            inner = [left, *others]
        case ast.List(elts=items) | ast.Tuple(elts=items):
            inner = items
        case ast.Subscript(value=many, slice=place) if _index(place) is not None:
            inner = [many]
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            inner = arguments
        case _:
            raise FormatError(
                f"condition {text!r}: found {ast.unparse(node)!r}, expected facts, numbers, texts, comparisons, "
                f"arithmetic, and, or, not, {', '.join(_FUNCTIONS)}"
            )
    for one in inner:
        _check(one, text, deepest - 1)


def _index(node: ast.expr) -> int | None:
    """The number in the brackets behind a list; None for anything else."""
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))):
            return -number
    return None


def _value(node: ast.expr, facts: Mapping[str, Any]) -> Any:
    match node:
        case ast.Name(id=name):
            if name not in facts:
                raise _UnknownError(name)
            return facts[name]
        case ast.Constant(value=value):
            return value
        case ast.BinOp(left=left, op=op, right=right):
            return _ARITHMETIC[type(op)](_value(left, facts), _value(right, facts))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(_value(operand, facts))
        case ast.UnaryOp(operand=operand):
            return not _value(operand, facts)
        case ast.BoolOp(op=op, values=values):
            return _joined(values, facts, isinstance(op, ast.Or))
        case ast.Compare(left=left, ops=ops, comparators=others):
            values_ = [_value(one, facts) for one in (left, *others)]
            return all(
                _COMPARISONS[type(op)](one, other) for op, one, other in zip(ops, values_, values_[1:], strict=False)
            )
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_value(one, facts) for one in items]
        case ast.Subscript(value=many, slice=place):
            return _item(_value(many, facts), _index(place))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _FUNCTIONS[name](*(_value(one, facts) for one in arguments))
    raise AssertionError(ast.dump(node))  # _check lets nothing else through


def _item(many: Any, place: int | None) -> Any:
    if not isinstance(many, list | tuple):
        raise TypeError(f"found {many!r}, expected a list")
    try:
        return many[place or 0]
    except IndexError:
        raise _UnknownError(place) from None


def _joined(values: list[ast.expr], facts: Mapping[str, Any], decided_by: bool) -> bool:
    """`and` and `or`: one side may decide although another is not known."""
    missing: _UnknownError | None = None
    for one in values:
        try:
            if bool(_value(one, facts)) is decided_by:
                return decided_by
        except _UnknownError as unknown:
            missing = unknown
    if missing is not None:
        raise missing
    return not decided_by
