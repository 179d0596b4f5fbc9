"""Interp, InterpHalfPixel and Upsample, held against to_torch at fixed and at open sizes."""

from __future__ import annotations

import numpy as np
import pytest

from converters.onnx.layers.resizing import scales
from tests.converters.onnx.checking import check, check_layer, net_of, operators

NUMBERS = np.random.default_rng(0)
SIZES = [
    "height: 9 width: 13",
    "height: 1 width: 4",
    "zoom_factor: 8",
    "shrink_factor: 2",
    "shrink_factor: 3 zoom_factor: 2",
    "zoom_factor: 2 pad_beg: -1",
    "height: 10 width: 5 pad_beg: -1 pad_end: -2",
]


def numbers(*shape):
    return NUMBERS.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("dynamic", [None, "batch", "sizes"])
@pytest.mark.parametrize("options", SIZES)
def test_interp(options, dynamic):
    net = net_of(
        f'layer {{ name: "l" type: "Interp" bottom: "x" top: "y" interp_param {{ {options} }} }}', x=(2, 3, 7, 9)
    )
    others = {None: [], "batch": [(5, 3, 7, 9)], "sizes": [(1, 3, 6, 17), (3, 3, 12, 5)]}[dynamic]
    made = check(
        net, {}, {"x": numbers(2, 3, 7, 9)}, dynamic=dynamic, others=[{"x": numbers(*shape)} for shape in others]
    )
    if dynamic != "sizes":
        assert operators(made) == ["Slice", "Resize"] if "pad" in options else ["Resize"]


@pytest.mark.parametrize("dynamic", [None, "batch"])
@pytest.mark.parametrize("like", [(1, 2, 9, 13), (2, 3, 4), (2, 3)])
@pytest.mark.parametrize("shape", [(2, 3, 7, 9), (2, 3, 7), (2, 3)])
def test_a_second_bottom_gives_the_size(shape, like, dynamic):
    text = 'type: "Interp" interp_param { }'
    check_layer(text, options={"dynamic": dynamic}, x=numbers(*shape), z=numbers(*like))


@pytest.mark.parametrize("like", [(2, 5, 7, 9), (1, 4, 8), (1, 2)])
def test_a_second_bottom_at_open_sizes(like):
    net = net_of('layer { name: "l" type: "Interp" bottom: "x" bottom: "z" top: "y" }', x=(2, 3, 7, 9), z=like)
    shapes = [((h, w), (h, w) if like[2:] == (7, 9) else like[2:]) for h, w in ((7, 9), (9, 16), (31, 5))]
    given = [{"x": numbers(2, 3, *x), "z": numbers(*like[:2], *z)} for x, z in shapes]
    check(net, {}, given[0], dynamic="sizes", others=given[1:])


@pytest.mark.parametrize("dynamic", [None, "batch", "sizes"])
@pytest.mark.parametrize("options", ["height: 9 width: 13", "zoom_factor: 2", "zoom_factor: 7 shrink_factor: 3"])
def test_interp_half_pixel(options, dynamic):
    text = f'type: "InterpHalfPixel" bottom: "x" top: "y" interp_param {{ {options} }}'
    net = net_of(f'layer {{ name: "l" {text} }}', x=(2, 3, 6, 3))
    others = {None: [], "batch": [(5, 3, 6, 3)], "sizes": [(1, 3, 9, 12), (3, 3, 3, 6)]}[dynamic]
    if dynamic == "sizes" and "shrink" in options:
        return  # a size that shrink_factor does not divide is refused
    check(net, {}, {"x": numbers(2, 3, 6, 3)}, dynamic=dynamic, others=[{"x": numbers(*shape)} for shape in others])


def test_factors_give_exactly_the_size():
    for size in range(1, 400, 3):
        for want in range(1, 400, 7):
            factor = scales((1, 1, size, 1), (1, 1, want, 1))[2]
            assert int(np.float32(size) * factor) == int(size * float(factor)) == want


@pytest.mark.parametrize("dynamic", [None, "batch", "sizes"])
def test_upsample(dynamic):
    net = net_of(
        'layer { name: "l" type: "Upsample" bottom: "x" top: "y" upsample_param { scale: 3 } }', x=(2, 3, 4, 5)
    )
    others = {None: [], "batch": [(5, 3, 4, 5)], "sizes": [(1, 3, 6, 17)]}[dynamic]
    made = check(
        net, {}, {"x": numbers(2, 3, 4, 5)}, dynamic=dynamic, others=[{"x": numbers(*shape)} for shape in others]
    )
    assert operators(made) == ["Resize"]
