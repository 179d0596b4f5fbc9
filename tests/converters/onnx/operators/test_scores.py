from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.converters.onnx.operators.checking import check, node, normal, refused, types


@pytest.mark.parametrize(
    ("operator", "keepdims", "last"), list(itertools.product(("ArgMax", "ArgMin"), (0, 1), (0, 1)))
)
def test_of_equal_numbers_the_right_one_counts(operator, keepdims, last):
    for shape in ((2, 5), (2, 5, 3), (2, 5, 3, 4), (6,)):
        for axis in range(-len(shape), len(shape)):
            nodes = node(operator, "x", axis=axis, keepdims=keepdims, select_last_index=last)
            check(nodes, {"x": np.round(normal(*shape))})


def test_caffes_own_choice_is_one_layer():
    nodes = node("ArgMax", "x", axis=1, select_last_index=1)
    assert types(check(nodes, {"x": normal(2, 5, 3, 4)})) == ["ArgMax"]


def test_the_best_in_order_are_refused():
    refused(node("TopK", "x k", "values places"), {"x": normal(2, 5)}, {"k": np.int64([2])}, match="TopK")
