"""Convolution, Deconvolution, DepthwiseConvolution and Im2col in ONNX against to_torch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from prototxt_gen.errors import UnsupportedError
from prototxt_gen.trace import trace
from tests.converters.onnx.checking import check, check_layer, net_of, operators, run_reference

NUMBERS = np.random.default_rng(0)


def normal(*shape):
    return NUMBERS.normal(size=shape).astype(np.float32)


KINDS = {"Convolution": "Conv", "DepthwiseConvolution": "Conv", "Deconvolution": "ConvTranspose"}
COMBINED = list(
    itertools.product(
        ("kernel_size: 3", "kernel_h: 2 kernel_w: 3"),
        ("", "stride: 2", "stride_h: 3 stride_w: 1"),
        ("", "pad: 1", "pad_h: 0 pad_w: 2"),
        ("", "dilation: 2", "dilation: 1 dilation: 2"),
        (1, 2, 4),
    )
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_combination_over_two_axes(kind):
    """Many layers beside one another in one network: each combination of options is one."""
    fillers = 'weight_filler { type: "gaussian" std: 1 } bias_filler { type: "gaussian" std: 1 }'
    text = ""
    for place, (*options, group) in enumerate(COMBINED):
        stated = f"{' '.join(options)} group: {group} bias_term: {('false', 'true')[place % 2]} num_output: 8 {fillers}"
        text += f'layer {{ name: "{place}" type: "{kind}" bottom: "x" top: "{place}" '
        text += f"convolution_param {{ {stated} }} }}\n"
    found = check(net_of(text, x=(2, 4, 7, 9)))
    assert operators(found) == [KINDS[kind]] * len(COMBINED)


# Text of the options, and the bottom.
ODD = [
    ("kernel_size: 3 stride: 2", (2, 4, 9)),
    ("kernel_size: 2 pad: 1", (2, 4, 3, 4, 5)),
    ("kernel_size: 2 stride: 2 dilation: 2 group: 2", (1, 4, 5, 6, 5)),
    ("kernel_size: 3 axis: 2", (2, 3, 4, 5, 6)),
    ("kernel_size: 3 axis: 2 group: 2", (2, 3, 4, 5)),
    ("kernel_size: 3 axis: 0", (4, 5, 6)),
    ("kernel_size: 3 axis: -2", (2, 4, 6)),
    ("kernel_size: 1 axis: 1", (2, 4, 6, 5)),
    ("axis: 1", (2, 4)),
    ("axis: 2 group: 2", (2, 3, 4)),
    ("axis: 0", (4,)),
    ("kernel_size: 3 dilation: 0", (2, 4, 5, 6)),
    ("kernel_size: 3 dilation: 0 dilation: 2", (2, 4, 5, 6)),
    ("kernel_size: 3 dilation: 0 stride: 2 pad: 1", (2, 4, 5, 6)),
    ("kernel_h: 3 kernel_w: 2", (1, 4, 4, 4)),
    ("kernel_size: 1 pad: 2", (1, 4, 5, 6)),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options, shape", ODD)
def test_odd_ones(kind, options, shape):
    layer = f'type: "{kind}" top: "y" convolution_param {{ num_output: 6 {options} }}'
    row = trace(net_of(f'layer {{ name: "l" bottom: "x" {layer} }}', x=shape))[-1]
    check_layer(layer, [normal(*blob) for blob in row.blob_shapes], x=normal(*shape))


@pytest.mark.parametrize(
    "options, shape", [("kernel_size: 5 stride: 4", (1, 4, 3, 4)), ("kernel_size: 4 stride: 3", (1, 4, 2, 7))]
)
def test_a_window_that_overhangs_the_map_by_less_than_a_stride(options, shape):
    layer = f'type: "Convolution" top: "y" convolution_param {{ num_output: 3 {options} }}'
    row = trace(net_of(f'layer {{ name: "l" bottom: "x" {layer} }}', x=shape))[-1]
    check_layer(layer, [normal(*blob) for blob in row.blob_shapes], x=normal(*shape))


def test_padding_that_cuts_a_deconvolution():
    check_layer(
        'type: "Deconvolution" convolution_param { num_output: 2 kernel_size: 2 pad: 3 stride: 2 }',
        [normal(4, 2, 2, 2), normal(2)], x=normal(1, 4, 6, 7),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution"])
def test_four_spatial_axes_which_onnxruntime_lacks(kind):
    layer = f'type: "{kind}" top: "y" convolution_param {{ num_output: 2 kernel_size: 2 }}'
    shape = (1, 2, 2, 3, 2, 2)
    row = trace(net_of(f'layer {{ name: "l" bottom: "x" {layer} }}', x=shape))[-1]
    check_layer(layer, [normal(*blob) for blob in row.blob_shapes], x=normal(*shape), run=run_reference)


def test_bottoms_share_the_weights_and_each_has_a_node():
    found = check_layer(
        'type: "Convolution" top: "a" top: "b" convolution_param { num_output: 2 kernel_size: 2 }',
        [normal(2, 3, 2, 2), normal(2)], x=normal(1, 3, 4, 4), z=normal(1, 3, 4, 4),
    )  # fmt: skip
    assert [node.name for node in found.graph.nodes] == ["l", "l_2"]
    assert list(found.graph.constants) == ["l.weight", "l.bias"]


@pytest.mark.parametrize(
    "options, shape",
    [
        ("kernel_size: 3", (2, 3, 5, 6)),
        ("kernel_size: 2 stride: 2 pad: 1 dilation: 2", (2, 3, 5, 6)),
        ("kernel_h: 1 kernel_w: 3 pad_h: 1", (1, 2, 5, 6)),
        ("kernel_size: 2", (2, 3, 6)),
        ("kernel_size: 2", (1, 2, 3, 3, 3)),
        ("kernel_size: 2 axis: 2", (2, 3, 2, 4, 5)),
        ("kernel_size: 2 axis: 0", (2, 4, 5)),
        ("kernel_size: 3 stride: 3", (1, 2, 2, 4)),
        ("kernel_size: 2 dilation: 0", (1, 2, 3, 4)),
    ],
)
def test_im2col(options, shape):
    check_layer(f'type: "Im2col" convolution_param {{ {options} }}', x=normal(*shape))


@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution"])
@pytest.mark.parametrize(
    "options, dynamic, shapes",
    [
        ("kernel_size: 3 stride: 2 pad: 1", "sizes", [(3, 6, 7, 5), (1, 6, 9, 8), (2, 6, 4, 6)]),
        ("kernel_size: 2 stride: 3 dilation: 2 group: 3", "sizes", [(3, 6, 7, 5), (1, 6, 9, 8), (2, 6, 4, 6)]),
        ("kernel_size: 2 axis: 2", "batch", [(2, 3, 4, 5), (1, 3, 4, 5), (5, 3, 4, 5)]),
        ("kernel_size: 2 axis: 1", "batch", [(2, 3, 4, 5), (1, 3, 4, 5), (5, 3, 4, 5)]),
        ("kernel_size: 2 axis: 3", "sizes", []),
    ],
)
def test_open_sizes(kind, options, dynamic, shapes):
    text = f'layer {{ name: "l" type: "{kind}" bottom: "x" top: "y" convolution_param {{ num_output: 6 {options} }} }}'
    if "axis: 3" in options:
        with pytest.raises(UnsupportedError, match=r"layer 'l' \(\w+\): its blobs are .* fixed sizes"):
            check(net_of(text, x=(2, 3, 4, 5)), dynamic=dynamic)
        return
    net = net_of(text, x=shapes[0])
    check(net, others=[{"x": normal(*shape)} for shape in shapes[1:]], dynamic=dynamic)
