"""Inputs of other sizes than the network states: refused by name where BVLC Caffe 1.0 refuses to reshape."""

from __future__ import annotations

import copy

import pytest
import torch

from converters.pytorch.module import to_torch
from prototxt_gen import NetworkError

ELTWISE = 'layer { name: "e" type: "Eltwise" bottom: "x" bottom: "z" top: "e" }'
SLICE = 'layer { name: "s" type: "Slice" bottom: "x" top: "a" top: "b" }'
CUT = 'layer { name: "s" type: "Slice" bottom: "x" top: "a" top: "b" slice_param { slice_point: 4 } }'
DENSE = 'layer { name: "f" type: "InnerProduct" bottom: "x" top: "f" inner_product_param { num_output: 2 } }'
SCALE = 'layer { name: "c" type: "Scale" bottom: "x" bottom: "z" top: "c" scale_param { axis: 0 } }'
CROP = 'layer { name: "c" type: "Crop" bottom: "x" bottom: "z" top: "c" crop_param { axis: 1 } }'
BATCH = 'layer { name: "n" type: "BatchNorm" bottom: "x" top: "n" }'
LOSS = 'layer { name: "l" type: "SoftmaxWithLoss" bottom: "x" bottom: "z" top: "l" }'


@pytest.mark.parametrize(
    ("layers", "stated", "given", "fault"),
    [
        (ELTWISE, [(2, 3), (2, 3)], [(2, 3), (1, 3)], r"layer 'e' \(Eltwise\): bottom\[1\]: found shape \(1, 3\)"),
        (ELTWISE, [(2, 3), (2, 3)], [(4, 3), (2, 3)], r"layer 'e' \(Eltwise\)"),
        (ELTWISE, [(2, 3), (2, 3)], [(4, 3), (4, 3)], None),
        (SLICE, [(1, 6)], [(1, 7)], r"layer 's' \(Slice\): top: found 2, expected a divisor of 7"),
        (SLICE, [(1, 6)], [(3, 8)], None),
        (CUT, [(1, 6)], [(1, 3)], r"layer 's' \(Slice\): slice_param.slice_point"),
        (
            DENSE,
            [(1, 6)],
            [(1, 7)],
            r"layer 'f' \(InnerProduct\): .*found shape \(1, 7\).*fits its .*\[\(2, 6\), \(2,\)\]",
        ),
        (DENSE, [(1, 6)], [(5, 2, 3)], None),
        (SCALE, [(2, 3), (2,)], [(2, 3), (1,)], r"layer 'c' \(Scale\): bottom\[1\]: found shape \(1,\)"),
        (CROP, [(1, 4), (1, 3)], [(1, 4), (1, 5)], r"layer 'c' \(Crop\)"),
        (BATCH, [(2, 3, 4)], [(2, 1, 4)], r"layer 'n' \(BatchNorm\).*\(2, 1, 4\)"),
        (LOSS, [(2, 3), (2,)], [(2, 3), (1,)], r"layer 'l' \(SoftmaxWithLoss\)"),
    ],
)
def test_sizes_that_caffe_refuses(layers, stated, given, fault, net_of):
    module = to_torch(net_of(layers, **dict(zip("xz", stated, strict=False))))
    arrays = [torch.zeros(shape) for shape in given]
    for one in (module, copy.deepcopy(module)):
        if fault is None:
            one(*arrays)
        else:
            with pytest.raises(NetworkError, match=fault):
                one(*arrays)
        one(*(torch.zeros(shape) for shape in stated))


def test_what_no_output_needs_is_not_checked(net_of):
    module = to_torch(net_of(DENSE + LOSS, x=(2, 3), z=(2,)), outputs=["f"])
    assert module(torch.zeros(7, 3)).shape == (7, 2)


@pytest.mark.parametrize(("rows", "found"), [([0, 3], 3), ([-1, 0], -1), ([-0.5, 1], -0.5)])
def test_rows_beyond_the_batch(rows, found, net_of):
    net = net_of('layer { name: "b" type: "BatchReindex" bottom: "x" bottom: "z" top: "y" }', x=(3, 2), z=(2,))
    with pytest.raises(NetworkError, match=rf"layer 'b' \(BatchReindex\): bottom\[1\]: found index {found}, .* 0 to 2"):
        to_torch(net)(torch.zeros(3, 2), torch.tensor(rows, dtype=torch.float32))
    assert to_torch(net)(torch.arange(6.0).reshape(3, 2), torch.tensor([0.9, 1.9])).tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize("stated", ["shape { }", "", "shape { } axis: 1 num_axes: 1"])
def test_a_reshape_to_fewer_axes(stated, net_of):
    net = net_of(f'layer {{ name: "r" type: "Reshape" bottom: "x" top: "r" reshape_param {{ {stated} }} }}', x=(1, 1))
    assert to_torch(net)(torch.full((1, 1), 3.0)).tolist() == ([3] if "axis" in stated else 3)
