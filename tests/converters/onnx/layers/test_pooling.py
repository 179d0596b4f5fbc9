"""Pooling and SPP, held against to_torch: every window, divisor and place of Caffe's."""

from __future__ import annotations

import numpy as np
import pytest

from prototxt_gen.errors import UnsupportedError
from tests.converters.onnx.checking import check, check_layer, net_of, operators

NUMBERS = np.random.default_rng(0)
POOLS = [  # height and width, kernel, stride, pad
    ((9, 11), (3, 3), (2, 2), (0, 0)),
    ((8, 12), (3, 3), (2, 2), (0, 0)),
    ((9, 10), (3, 3), (2, 2), (1, 1)),
    ((8, 8), (2, 3), (2, 1), (1, 0)),
    ((8, 7), (3, 2), (3, 3), (2, 1)),  # a last window that begins in the padding; a pad above half a kernel
    ((10, 7), (4, 5), (3, 2), (3, 4)),
    ((8, 8), (2, 2), (3, 3), (1, 1)),
    ((5, 4), (7, 6), (3, 5), (0, 0)),  # a kernel larger than the map
    ((6, 8), (1, 2), (2, 4), (0, 0)),  # windows behind the map
    ((6, 5), (2, 1), (3, 2), (0, 0)),
    ((8, 8), (1, 1), (4, 3), (0, 0)),
    ((1, 1), (2, 2), (1, 1), (1, 1)),
]
METHODS = ("MAX", "AVE", "STOCHASTIC")


def layer(method, kernel, stride, pad, rounding="CEIL", top="y", bottom=""):
    sizes = "kernel_h: {} kernel_w: {} stride_h: {} stride_w: {} pad_h: {} pad_w: {}".format(*kernel, *stride, *pad)
    tops = " ".join(f'top: "{name}"' for name in top)
    return f'{bottom} {tops} type: "Pooling" pooling_param {{ pool: {method} {sizes} round_mode: {rounding} }}'


def numbers(*shape, whole=False):
    if whole:  # many that are equal
        return NUMBERS.integers(-2, 2, shape).astype(np.float32)
    return np.maximum(NUMBERS.normal(size=shape), 0).astype(np.float32)


CASES = [
    (*case, method, rounding)
    for case in POOLS
    for method in METHODS
    for rounding in ("CEIL", "FLOOR")
    # Caffe pads only AVE and MAX; rounding down, a kernel larger than the padded map fits nowhere.
    if not (method == "STOCHASTIC" and any(case[3]))
    and (rounding == "CEIL" or all(n + 2 * p >= k for n, k, p in zip(case[0], case[1], case[3], strict=True)))
]


@pytest.mark.parametrize(("sizes", "kernel", "stride", "pad", "method", "rounding"), CASES)
def test_pooling(sizes, kernel, stride, pad, method, rounding):
    check_layer(layer(method, kernel, stride, pad, rounding), x=numbers(2, 3, *sizes))
    if method == "MAX":
        x = numbers(2, 3, *sizes, whole=True)
        check_layer(layer(method, kernel, stride, pad, rounding, top="ym"), x=x)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (("MAX", (3, 3), (2, 2), (1, 1)), ["MaxPool"]),
        (("MAX", (3, 3), (3, 3), (2, 2)), ["MaxPool"]),
        (("AVE", (3, 3), (2, 2), (0, 0)), ["AveragePool"]),
        (("AVE", (3, 3), (1, 1), (1, 1)), ["AveragePool"]),
        (("AVE", (3, 3), (2, 2), (1, 1)), ["Pad", "AveragePool"]),
    ],
)
def test_one_node_where_onnx_has_one(case, expected):
    assert operators(check_layer(layer(*case), x=numbers(1, 2, 8, 8))) == expected


@pytest.mark.parametrize("method", METHODS)
def test_global_pooling(method):
    text = f'type: "Pooling" pooling_param {{ pool: {method} global_pooling: true }}'
    found = operators(check_layer(text, x=numbers(2, 3, 5, 7)))
    assert method == "STOCHASTIC" or found == [{"MAX": "GlobalMaxPool", "AVE": "GlobalAveragePool"}[method]]
    if method == "MAX":
        check_layer(f'top: "y" top: "m" {text}', x=numbers(2, 3, 5, 7, whole=True))


@pytest.mark.parametrize("rounding", ["CEIL", "FLOOR"])
@pytest.mark.parametrize(
    ("kernel", "stride", "pad"), [(3, 2, 0), (3, 2, 1), (3, 3, 2), (2, 2, 1), (5, 1, 2), (2, 3, 1)]
)
@pytest.mark.parametrize("method", ["MAX", "AVE"])
def test_open_sizes(method, kernel, stride, pad, rounding):
    tops = "ym" if method == "MAX" else "y"
    case = layer(method, (kernel,) * 2, (stride,) * 2, (pad,) * 2, rounding, tops, 'bottom: "x"')
    net = net_of(f'layer {{ name: "l" {case} }}', x=(1, 2, 9, 10))
    sizes = [(2, 9, 13), (1, 12, 11), (3, 15, 17), (1, 14, 32)]
    check(
        net, {}, {"x": numbers(1, 2, 9, 10)}, dynamic="sizes", others=[{"x": numbers(n, 2, h, w)} for n, h, w in sizes]
    )


def test_numbers_drawn_at_random_are_refused():
    with pytest.raises(UnsupportedError, match=r"layer .l. .*at random"):
        check_layer(layer("STOCHASTIC", (2, 2), (2, 2), (0, 0)) + " phase: TRAIN", x=numbers(1, 2, 4, 4))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("height", "width", "levels"), [(16, 12, 3), (9, 7, 2), (13, 20, 3), (5, 6, 1)])
def test_spp(method, height, width, levels):
    if method == "STOCHASTIC" and (height, width) != (16, 12):
        return  # levels that need padding
    check_layer(f'type: "SPP" spp_param {{ pool: {method} pyramid_height: {levels} }}', x=numbers(2, 3, height, width))
