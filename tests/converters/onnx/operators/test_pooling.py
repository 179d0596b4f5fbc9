"""MaxPool, AveragePool, LpPool and pooling of whole maps against onnxruntime."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.converters.onnx.operators.checking import check, expected, model, node, normal, refused, seeds, types

POOL, CUT, SCALED = ["Pooling"], ["Pooling", "Slice", "Silence"], ["Pooling", "Scale"]


@pytest.mark.parametrize(
    ("operator", "size", "attributes", "layers", "floor"),
    [
        ("MaxPool", (8, 8), {"kernel_shape": [2, 2], "strides": [2, 2]}, POOL, False),
        ("MaxPool", (7, 7), {"kernel_shape": [2, 2], "strides": [2, 2]}, POOL, True),
        ("MaxPool", (7, 7), {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}, POOL, False),
        # ResNet's.
        ("MaxPool", (8, 8), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}, POOL, True),
        # Windows that overhang see what is there: padding behind is Caffe's rounding up.
        ("MaxPool", (8, 8), {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}, POOL, False),
        ("MaxPool", (8, 8), {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER"}, ["Pooling", "Crop"], False),
        # YOLO's SPP.
        ("MaxPool", (6, 6), {"kernel_shape": [5, 5], "pads": [2] * 4}, POOL, False),
        ("MaxPool", (9,), {"kernel_shape": [3], "strides": [2]}, ["Reshape", "Pooling", "Reshape"], False),
        ("MaxPool", (7, 7), {"kernel_shape": [2, 2], "dilations": [2, 2]},
         ["Convolution", "InnerProduct", "Pooling"], False),
        ("AveragePool", (7, 7), {"kernel_shape": [2, 2], "strides": [2, 2]}, POOL, True),
        ("AveragePool", (7, 7), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}, SCALED, False),
        ("AveragePool", (7, 7), {"kernel_shape": [3, 3], "pads": [1] * 4, "count_include_pad": 1}, POOL, False),
        ("AveragePool", (6, 6), {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, POOL, False),
        ("LpPool", (6, 6), {"kernel_shape": [2, 2], "p": 2}, ["Power", "Convolution", "Power"], False),
        ("GlobalAveragePool", (5, 6), {}, POOL, False),
        ("GlobalMaxPool", (5,), {}, ["Reshape", "Pooling", "Reshape"], False),
        ("GlobalLpPool", (5, 3), {"p": 3}, ["AbsVal", "Power", "Pooling", "Power"], False),
    ],
)  # fmt: skip
def test_pooling(operator, size, attributes, layers, floor):
    net = check(node(operator, "x", **attributes), {"x": normal(2, 3, *size)})
    assert types(net) == layers
    pools = [layer.pooling_param for layer in net.layer if layer.type == "Pooling"]
    assert [pool.HasField("round_mode") for pool in pools] == [floor] * len(pools)


@pytest.mark.parametrize(
    ("size", "layers"), [((8, 8), POOL), ((7, 7), [*CUT[:-1], "Silence", "Slice", "Silence"]), ((8, 7), CUT)]
)
def test_an_older_caffe_rounds_up_and_cuts(size, layers):
    proto = node("MaxPool", "x", kernel_shape=[2, 2], strides=[2, 2])
    assert types(check(proto, {"x": normal(1, 2, *size)}, round_mode=False)) == layers


def test_places_of_maxima_are_refused():
    inputs = {"x": normal(1, 2, 4, 4)}
    refused(node("MaxPool", "x", "y i", kernel_shape=[2, 2]), inputs, match="its second output")


def test_automatic_padding_of_which_runtimes_make_different_things_is_refused():
    inputs = {"x": normal(1, 2, 5, 5)}
    proto = node("MaxPool", "x", kernel_shape=[2, 2], dilations=[2, 2], auto_pad="SAME_UPPER")
    refused(proto, inputs, match="auto_pad with dilations")
    # TensorFlow's ResNets.
    check(node("MaxPool", "x", kernel_shape=[1, 1], strides=[2, 2], auto_pad="SAME_UPPER"), inputs)
    proto = node("AveragePool", "x", kernel_shape=[1, 1], strides=[3, 3], auto_pad="SAME_UPPER")
    refused(proto, {"x": normal(1, 2, 6, 6)}, match="strides longer than the windows")


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool", "LpPool"])
@pytest.mark.parametrize("seed", seeds(3))
def test_any_windows(operator, seed):
    draw, done = random.Random(seed), 0
    while done < 12:
        axes, opset = draw.choice([1, 2, 2, 2, 3]), draw.choice([11, 17, 19, 22])
        size, kernel = ([draw.randint(1, most) for _ in range(axes)] for most in (9, 4))
        stride = [draw.randint(1, 4) for _ in range(axes)]
        attributes = {"kernel_shape": kernel, "strides": stride}
        padding = draw.choice(["pads", "pads", "SAME_UPPER", "SAME_LOWER", "VALID", ""])
        if padding == "pads":
            begin, end = ([draw.randint(0, window - 1) for window in kernel] for _ in range(2))
            attributes["pads"] = [*begin, *draw.choice([begin, end])]
        # Elsewhere onnxruntime pads by less than nothing.
        elif padding and (
            padding == "VALID" or all(window >= step for window, step in zip(kernel, stride, strict=True))
        ):
            attributes["auto_pad"] = padding
        if "SAME" not in padding and (operator == "MaxPool" or opset >= 19) and draw.random() < 0.3:
            attributes["dilations"] = [draw.randint(1, 3) for _ in range(axes)]
        if (operator != "LpPool" or opset >= 19) and draw.random() < 0.5:
            attributes["ceil_mode"] = 1
        if operator == "AveragePool":
            attributes["count_include_pad"] = draw.randint(0, 1)
        if operator == "LpPool":
            attributes["p"] = draw.randint(1, 3)
        reach = [
            (window - 1) * step + 1
            for window, step in zip(kernel, attributes.get("dilations", [1] * axes), strict=True)
        ]
        if any(extent > room for extent, room in zip(reach, size, strict=True)):
            continue  # a window may have no number of the map
        proto, arrays = node(operator, "x", **attributes), {"x": normal(draw.randint(1, 2), draw.randint(1, 3), *size)}
        try:
            wanted = expected(model(proto, arrays, opset=opset), arrays)
        except Exception:  # onnxruntime's own: padding as large as the kernel  # noqa: S112
            continue
        if np.size(wanted):
            check(proto, arrays, opset=opset, by=wanted, round_mode=draw.random() < 0.7)
            done += 1


def test_a_mean_of_zeros_alone_behind_the_map():
    nodes = [
        node("Pad", "x pads", "b"),
        node("AveragePool", "b", "y", kernel_shape=[1, 1], strides=[2, 2]),
    ]
    check(nodes, {"x": normal(1, 2, 8, 8)}, {"pads": np.array([0, 0, 0, 0, 0, 0, 1, 1])})
