"""Layers that differ in names alone are alike; any other difference tells them apart."""

from __future__ import annotations

import pytest

from prototxt_gen.layers.likeness import likeness
from prototxt_gen.proto import BlobProto, LayerParameter, NetParameter, merge_text
from prototxt_gen.trace import trace

_CONVOLUTION = 'name: "a" type: "Convolution" bottom: "x" top: "y" convolution_param { num_output: 2 kernel_size: 3 }'


def _layer(text: str) -> LayerParameter:
    return merge_text(text, LayerParameter())


@pytest.mark.parametrize(
    ("old", "new", "alike"),
    [
        ('name: "a"', 'name: "b"', True),
        ('bottom: "x" top: "y"', 'bottom: "u" top: "v"', True),
        ('bottom: "x" top: "y"', 'bottom: "x" top: "x"', False),  # in place
        ('bottom: "x"', 'bottom: "x" bottom: "x"', False),
        ('top: "y"', 'top: "y" top: "z"', False),
        ("kernel_size: 3", "kernel_size: 5", False),
        ('"Convolution"', '"Deconvolution"', False),
        ("convolution_param", 'param { name: "w" } convolution_param', False),
    ],
)
def test_what_makes_layers_alike(old: str, new: str, alike: bool) -> None:
    assert (likeness(_layer(_CONVOLUTION)) == likeness(_layer(_CONVOLUTION.replace(old, new)))) is alike


def test_a_layer_with_blobs_is_like_no_other() -> None:
    layer = _layer(_CONVOLUTION)
    layer.blobs.append(BlobProto(data=[1.0]))
    assert likeness(layer) is None


def test_layers_that_are_alike_on_other_shapes_make_other_tops() -> None:
    net = NetParameter()
    for size in (8, 12):
        net.layer.add(name=f"in{size}", type="Input", top=[f"x{size}"]).input_param.shape.add(dim=(1, 3, size, size))
        layer = net.layer.add()
        layer.CopyFrom(_layer(_CONVOLUTION))
        layer.name, layer.bottom[:], layer.top[:] = f"a{size}", [f"x{size}"], [f"y{size}"]
    assert [row.top_shapes for row in trace(net)[1::2]] == [((1, 2, 6, 6),), ((1, 2, 10, 10),)]
