"""Pad against onnxruntime."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.converters.onnx.operators.checking import check, expected, model, node, normal, refused, seeds, types


def whole(*numbers):
    return {"p": np.array(numbers, np.int64)}


@pytest.mark.parametrize(
    ("pads", "value", "mode", "layers"),
    [
        ([0, 0, 1, 1, 0, 0, 1, 1], 0, "constant", ["Convolution"]),
        ([0, 0, 0, 0, 0, 0, 1, 1], 0, "constant", ["Convolution"]),
        ([0, 0, 1, 1, 0, 0, 1, 1], 2.5, "constant", ["Convolution", "Bias"]),
        ([0, 1, 0, 0, 0, 2, 0, 0], 0, "constant", ["Convolution"]),
        ([0, 0, -1, 0, 0, 0, -1, 0], 0, "constant", ["Slice", "Silence"]),
        ([0, 0, 1, 0, 0, 0, 1, 0], 0, "edge", ["Slice", "Concat"]),
        ([0, 0, 2, 2, 0, 0, 2, 2], 0, "reflect", ["Slice", "Concat", "Slice", "Concat"]),
        ([0, 0, 0, 0, 0, 0, 0, 2], 0, "wrap", ["Slice", "Concat"]),
        ([0] * 8, 0, "constant", ["Split"]),
    ],
)
def test_borders(pads, value, mode, layers):
    constants = whole(*pads) | {"v": np.array(value, np.float32)}
    net = check(node("Pad", "x p v", mode=mode), {"x": normal(2, 3, 5, 6)}, constants, opset=19)
    assert types(net) == layers


def test_a_wide_border_of_the_maps_own_numbers_is_a_matrix():
    constants = whole(0, 0, 20, 0, 0, 0, 20, 0)
    assert types(check(node("Pad", "x p", mode="reflect"), {"x": normal(1, 2, 24, 3)}, constants)) == ["Convolution"]


# Keras pads before a convolution of stride 2, and before ResNet's first pooling.
BORDER = [0, 0, 0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("before", "after", "layers"),
    [
        ([], node("Conv", "t w", strides=[2, 2]), ["Convolution"]),
        ([], node("AveragePool", "t", kernel_shape=[2, 2]), ["Pooling"]),
        ([node("Relu", "x", "x0")], node("MaxPool", "t", kernel_shape=[3, 3], strides=[2, 2]), ["ReLU", "Pooling"]),
        # A zero is the largest number of a window where the others are below it.
        ([], node("MaxPool", "t", kernel_shape=[3, 3], strides=[2, 2]), ["Convolution", "Pooling"]),
    ],
)
def test_a_border_of_zeros_becomes_padding(before, after, layers):
    constants = whole(*BORDER) | {"w": normal(2, 2, 3, 3)}
    used = {name: constants[name] for name in ("p", "w") if name == "p" or "w" in after.input}
    nodes = [*before, node("Pad", "x0 p" if before else "x p", "t"), after]
    assert types(check(nodes, {"x": normal(1, 2, 6, 6)}, used))[: len(layers)] == layers


def test_caffes_own_mean_comes_back():
    """Its padding counts, what hangs over behind that does not."""
    after = node("AveragePool", "t", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    nodes = [node("Pad", "x p", "t"), after]
    assert types(check(nodes, {"x": normal(1, 2, 6, 7)}, whole(0, 0, 1, 1, 0, 0, 1, 1))) == ["Pooling"]


@pytest.mark.parametrize(
    ("pads", "value", "match"),
    [([1, 0, 0, 0, 0, 0, 0, 0], 0, "the batch is padded"), ([0, 0, 1, 0, 0, 0, 0, 0], -np.inf, "a border of -inf")],
)
def test_refused(pads, value, match):
    constants = whole(*pads) | {"v": np.array(value, np.float32)}
    refused(node("Pad", "x p v"), {"x": normal(1, 2, 5, 5)}, constants, match=match)


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
@pytest.mark.parametrize("seed", seeds(2))
def test_any_border(mode, seed):
    draw, done = random.Random(seed), 0
    while done < 10:
        axes, opset = draw.choice([1, 2, 2, 3]), 19 if mode == "wrap" else draw.choice([9, 11, 13, 18])
        x = {"x": normal(draw.randint(1, 2), draw.randint(3, 4), *(draw.randint(2, 8) for _ in range(axes)))}
        least = draw.choice([0, 0, -1])
        most = [size - 1 if mode in ("reflect", "wrap") else draw.choice([1, 4, 9]) for size in x["x"].shape]
        begin, end = (
            [
                draw.randint(min(least, high), high) if place == 1 or (high and place) else 0
                for place, high in enumerate(most)
            ]
            for _ in range(2)
        )
        value = draw.choice([0, 0, -1.5])
        if opset < 11:
            proto, constants = node("Pad", "x", pads=[*begin, *end], value=float(value), mode=mode), {}
        else:
            proto = node("Pad", "x p v", mode=mode)
            constants = whole(*begin, *end) | {"v": np.array(value, np.float32)}
        if opset >= 18:
            proto = node("Pad", "x p v a", mode=mode)
            constants |= whole(*begin[1:], *end[1:]) | {"a": np.arange(1, len(begin))}
        try:
            tops = expected(model(proto, x, constants, opset=opset), x)
        except Exception:  # onnxruntime's own: nothing is left of an axis  # noqa: S112
            continue
        if np.size(tops):
            check(proto, x, constants, opset=opset, by=tops)
            done += 1
