"""Accuracy and ArgMax, held against to_torch, with many equal scores."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.converters.onnx.checking import check, check_layer, net_of, operators

NUMBERS = np.random.default_rng(0)


def whole(most, *shape):
    return NUMBERS.integers(0, most, shape).astype(np.float32)


@pytest.mark.parametrize("top_k", [1, 2, 4])
@pytest.mark.parametrize("ignore", ["", "ignore_label: 3", "ignore_label: -1"])
@pytest.mark.parametrize(
    ("shape", "axis", "places"),
    [
        ((20, 5), 1, (20,)),
        ((2, 5, 3, 4), 1, (2, 3, 4)),
        ((2, 5, 3, 4), 1, (2, 12)),
        ((2, 3, 4, 5), -1, (2, 3, 4)),
        ((5,), 0, (1,)),
    ],
)
def test_accuracy(shape, axis, places, ignore, top_k):
    tops = 'top: "a"' if ignore and top_k == 2 else 'top: "a" top: "c"'
    text = f'{tops} type: "Accuracy" accuracy_param {{ top_k: {top_k} axis: {axis} {ignore} }}'
    check_layer(text, x=whole(4, *shape), t=whole(5, *places))


def test_no_label_counts():
    text = 'top: "a" top: "c" type: "Accuracy" accuracy_param { ignore_label: 2 }'
    check_layer(text, x=whole(4, 6, 5), t=np.full(6, 2, np.float32))


ARGMAXES = [*itertools.product([(2, 3, 4, 5), (3, 7)], ["", "axis: -1", "axis: 1"], [1, 3]), ((4,), "", 1)]


@pytest.mark.parametrize(("shape", "axis", "top_k"), [*ARGMAXES, ((4,), "axis: 0", 3), ((2, 3, 4), "", 12)])
@pytest.mark.parametrize("values", ["true", "false"])
def test_argmax(values, shape, axis, top_k):
    text = f'type: "ArgMax" argmax_param {{ out_max_val: {values} top_k: {top_k} {axis} }}'
    made = check_layer(text, x=whole(4, *shape))
    if axis and top_k == 1:
        assert operators(made) == (["ReduceMax"] if values == "true" else ["ArgMax", "Cast"])


@pytest.mark.parametrize("options", ["axis: 1", "axis: 1 top_k: 2", "axis: 1 top_k: 2 out_max_val: true"])
def test_argmax_at_open_sizes(options):
    net = net_of(
        f'layer {{ name: "l" type: "ArgMax" bottom: "x" top: "y" argmax_param {{ {options} }} }}', x=(1, 5, 3, 4)
    )
    check(net, {}, {"x": whole(3, 1, 5, 3, 4)}, dynamic="sizes", others=[{"x": whole(3, 2, 5, 7, 6)}])
