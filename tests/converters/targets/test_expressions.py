"""Conditions: what they come to, what is none, and that no text does harm."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.targets.expressions import Expression
from prototxt_gen.errors import CaffeError, FormatError

FACTS = {"kernel_h": 5, "kernel_w": 3, "pool": "AVE", "order": [0, 2, 3, 1], "coeff": [], "bias": True, "slope": 0.5}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("kernel_h <= 7", True),
        ("kernel_h < kernel_w", False),
        ("1 <= kernel_w <= 3 < kernel_h", True),
        ('pool == "AVE" and kernel_h in [3, 5, 7]', True),
        ('pool not in ["MAX", "AVE"]', False),
        ("not bias or kernel_h == 5", True),
        ("coeff == []", True),
        ("len(order) == 4 and order[0] == 0", True),
        ("order[-1]", 1),
        ("kernel_h * kernel_w - 1", 14),
        ("kernel_h // 2 + kernel_h % 2", 3),
        ("kernel_h / 2", 2.5),
        ("-slope", -0.5),
        ("min(kernel_h, kernel_w) + max(order) + abs(-2) + sum(order)", 14),
        ("count(order, 2)", 1),
        ("round_up(kernel_h, 4)", 8),
        ("[power_of_two(1), power_of_two(6), power_of_two(64), power_of_two(0)]", [True, False, True, False]),
        ("True and not False", True),
    ],
)
def test_what_conditions_come_to(text, value):
    assert Expression(text).value(FACTS) == value


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("width <= 7", None),
        ("kernel_h <= 7 or width <= 7", True),
        ("width <= 7 or kernel_h <= 7", True),
        ("width <= 7 and kernel_h > 7", False),
        ("width <= 7 and kernel_h <= 7", None),
        ("not width <= 7", None),
        ("order[4] == 1", None),
        ("len(order) < 5 or order[4] == 1", True),
    ],
)
def test_one_side_may_decide_where_a_fact_is_not_known(text, holds):
    assert Expression(text).holds(FACTS) is holds


def test_the_facts_that_a_condition_asks_for():
    assert Expression("max(a, b[0]) <= len(c) and d").names == {"a", "b", "c", "d"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kernel_h <=",
        "kernel_h = 7",
        "kernel_h.real",
        "__import__('os').system('ls')",
        "open('x')",
        "(lambda: 1)()",
        "[one for one in order]",
        "order[kernel_h]",
        "order[0:2]",
        "2 ** 9",
        "1 << 9",
        "f'{kernel_h}'",
        "kernel_h if bias else 3",
        "{1: 2}",
        "b'a'",
        "max(*order)",
        "max(order, key=len)",
        "a\x00b",
        "not " * 60 + "bias",
        "[" * 60 + "]" * 60,
        "1 + " * 120 + "1",
        "1" * 501,
        "...",
        "None",
        "x := 3",
    ],
)
def test_what_is_no_condition(text):
    with pytest.raises(FormatError, match="condition"):
        Expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "pool < 3",
        "1 % 0 == 0",
        "kernel_h / 0",
        '"a" * 1000000000',
        "order * 1000000000",
        '"%999999999d" % kernel_h',
        "kernel_h + bias",
        "len(kernel_h)",
        "kernel_h[0]",
        "pool[0]",
        "1 in 2",
        "-pool",
        "min()",
        "count(3, 3)",
        "round_up(3, 0)",
    ],
)
def test_what_cannot_be_computed_is_told_with_the_condition(text):
    with pytest.raises(FormatError, match="condition"):
        Expression(text).value(FACTS)


_WORDS = (
    r'kernel_h order pool nothing 3 0 1e999 "AVE" and or not in ( ) [ ] , <= == + - * / // % . ** lambda min len count'
)


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(_WORDS.split()), max_size=14).map(" ".join)))
def test_any_text_is_a_condition_or_an_error_that_says_so(text):
    try:
        Expression(text).value(FACTS)
    except CaffeError as fault:
        assert str(fault)


def test_nothing_but_values_is_left_of_a_condition():
    """What the reader lets through has no node that could call, look up or assign anything."""
    allowed = (
        ast.Name,
        ast.Constant,
        ast.Compare,
        ast.BoolOp,
        ast.BinOp,
        ast.UnaryOp,
        ast.List,
        ast.Subscript,
        ast.Call,
    )
    text = "not (a[0] in [1, -b] or max(c, 2) % 3 == 1)"
    assert all(isinstance(node, allowed) for node in ast.walk(Expression(text)._tree) if isinstance(node, ast.expr))
