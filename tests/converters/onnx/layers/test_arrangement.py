"""Layers that move numbers, held against to_torch at fixed and at open sizes."""

from __future__ import annotations

import numpy as np
import pytest

from converters.onnx.exporting import to_graph
from tests.converters.onnx.checking import check, check_layer, close, net_of, operators, run_runtime, run_torch

NUMBERS = np.random.default_rng(0)


def numbers(*shape):
    return NUMBERS.normal(size=shape).astype(np.float32)


X = numbers(2, 6, 4, 5)

ONE_BOTTOM = [  # the layer, the bottom, its nodes
    ('type: "Flatten"', X, "Flatten"),
    ('type: "Flatten" flatten_param { axis: 0 }', X, "Reshape"),
    ('type: "Flatten" flatten_param { axis: 2 }', X, "Reshape"),
    ('type: "Flatten" flatten_param { axis: 1 end_axis: 2 }', X, "Reshape"),
    ('type: "Flatten" flatten_param { axis: 3 end_axis: 2 }', X, "Unsqueeze"),
    ('type: "Flatten" flatten_param { axis: -1 }', X, "Reshape"),
    ('type: "Reshape" reshape_param { shape { dim: 0 dim: -1 dim: 2 } }', X, "Reshape"),
    ('type: "Reshape" reshape_param { shape { dim: 0 dim: 3 dim: 2 dim: 20 } }', X, "Reshape"),
    ('type: "Reshape" reshape_param { shape { dim: 0 dim: 0 dim: 5 dim: 4 } }', X, "Reshape"),
    ('type: "Reshape" reshape_param { shape { dim: 3 dim: -1 } axis: 1 num_axes: 1 }', X, "Reshape"),
    ('type: "Reshape" reshape_param { shape { dim: -1 } axis: 1 num_axes: 2 }', X, "Reshape"),
    ('type: "Reshape" reshape_param { shape { dim: 1 } axis: 1 num_axes: 0 }', X, "Reshape"),
    ('type: "Reshape" reshape_param { shape { dim: 1 dim: 1 } axis: -1 num_axes: 0 }', X, "Reshape"),
    ('type: "Reshape" reshape_param { shape { dim: 0 dim: 2 dim: 3 } axis: -5 num_axes: 2 }', X, "Reshape"),
    ('type: "Reshape" reshape_param { shape { } }', numbers(1, 1, 1), "Squeeze"),
    ('type: "Permute" permute_param { order: 0 order: 2 order: 3 order: 1 }', X, "Transpose"),
    ('type: "Permute" permute_param { order: 3 order: 1 }', X, "Transpose"),
    ('type: "Permute"', X, "Identity"),
    ('type: "Tile" tile_param { axis: 1 tiles: 3 }', X, "Tile"),
    ('type: "Tile" tile_param { axis: -1 tiles: 2 }', X, "Tile"),
    ('type: "ShuffleChannel" shuffle_channel_param { group: 3 }', X, "Reshape Transpose Reshape"),
    ('type: "ShuffleChannel" shuffle_channel_param { group: 2 }', numbers(2, 6), "Unsqueeze Reshape Transpose Reshape"),
    ('top: "a" top: "b" top: "c" type: "Slice"', X, "Split"),
    ('top: "a" top: "b" type: "Slice" slice_param { axis: -1 slice_point: 2 }', X, "Split"),
    ('top: "a" top: "b" top: "c" type: "Slice" slice_param { slice_dim: 1 slice_point: 1 slice_point: 5 }', X, "Split"),
    ('type: "Slice"', X, "Identity"),
    ('type: "Concat"', X, "Identity"),
    ('top: "a" top: "b" type: "Split"', X, "Identity Identity"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "x", "expected"), ONE_BOTTOM)
def test_one_bottom(text, x, expected):
    assert operators(check_layer(text, x=x)) == expected.split()


@pytest.mark.parametrize("points", ["", "slice_point: 1 slice_point: 4"])
def test_parts_of_a_parameter(points):
    net = net_of(
        f"""layer {{ name: "p" type: "Parameter" top: "p" parameter_param {{ shape {{ dim: 2 dim: 6 }} }} }}
        layer {{ name: "l" type: "Slice" bottom: "p" top: "a" top: "b" top: "c" slice_param {{ axis: 1 {points} }} }}
        layer {{ name: "e" type: "Concat" bottom: "x" bottom: "c" top: "y" }}""",
        x=(2, 3),
    )
    assert "Split" not in operators(check(net, {"p": [numbers(2, 6)]}, outputs=["a", "b", "c", "y"]))


@pytest.mark.parametrize("axis", [-4, -1, 1, 2])
def test_concat(axis):
    shapes = [[2, 3, 4, 5] for _ in range(3)]
    for shape, size in zip(shapes, (1, 3, 2), strict=True):
        shape[axis] = size
    arrays = dict(zip("abc", (numbers(*shape) for shape in shapes), strict=True))
    assert operators(check_layer(f'type: "Concat" concat_param {{ axis: {axis} }}', **arrays)) == ["Concat"]


@pytest.mark.parametrize(
    "options", ["", "offset: 1", "axis: 1", "axis: 1 offset: 0 offset: 1 offset: 2", "axis: -1 offset: 2", "axis: 0"]
)
def test_crop(options):
    made = check_layer(f'type: "Crop" crop_param {{ {options} }}', x=X, z=numbers(2, 6, 3, 3))
    assert operators(made) == ["Slice"]


@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 3, 2, 5)])
def test_batch_reindex(shape):
    rows = np.array([3, 0, 0, 2, 1, 3], np.float32)
    check_layer('type: "BatchReindex"', x=numbers(*shape), r=rows)


@pytest.mark.parametrize("selector", [(4,), (4, 1, 1, 1)])
def test_filter(selector):
    kept = np.array([1, 0, -0.5, 2], np.float32).reshape(selector)
    text = 'layer { name: "l" type: "Filter" bottom: "x" bottom: "z" bottom: "s" top: "a" top: "b" }'
    net = net_of(text, x=(4, 3, 2), z=(4,), s=selector)
    check(net, {}, {"x": numbers(4, 3, 2), "z": numbers(4), "s": kept}, dynamic="batch")


def test_layers_behind_a_filter_take_what_it_leaves():
    net = net_of(
        """layer { name: "f" type: "Filter" bottom: "x" bottom: "s" top: "f" }
        layer { name: "i" type: "Interp" bottom: "f" top: "i" interp_param { height: 7 width: 3 } }
        layer { name: "r" type: "Reshape" bottom: "f" top: "r" reshape_param { shape { dim: 0 dim: -1 } } }
        layer { name: "l" type: "Flatten" bottom: "i" top: "l" flatten_param { axis: 0 } }""",
        x=(4, 3, 2, 5),
        s=(4,),
    )
    inputs = {"x": numbers(4, 3, 2, 5), "s": np.array([1, 0, 1, 1], np.float32)}
    exported = to_graph(net, {}, outputs=["i", "r", "l"])
    assert list(exported.graph.outputs.values()) == [(None,) * 4, (None,) * 2, (None,)]
    found, expected = run_runtime(exported, inputs), run_torch(net, {}, inputs, ["i", "r", "l"])
    for name, numbers_of in expected.items():
        close(found[name], numbers_of, 1e-5, name)


def test_layers_without_tops_make_nothing():
    net = net_of(
        """layer { name: "r" type: "ReLU" bottom: "x" top: "y" }
        layer { name: "s" type: "Silence" bottom: "x" }
        layer { name: "h" type: "HDF5Output" bottom: "x" bottom: "y" hdf5_output_param { file_name: "f" } }""",
        x=(2, 3),
    )
    assert operators(check(net, {}, outputs=["y"])) == ["Relu"]


OPEN = [
    ('type: "Flatten"', "sizes"),
    ('type: "Flatten" flatten_param { axis: 0 }', "sizes"),
    ('type: "Flatten" flatten_param { axis: 1 end_axis: 2 }', "batch"),
    ('type: "Reshape" reshape_param { shape { dim: 0 dim: 3 dim: 2 dim: -1 } }', "sizes"),
    ('type: "Reshape" reshape_param { shape { dim: 3 dim: -1 } axis: 1 num_axes: 1 }', "batch"),
    ('type: "Permute" permute_param { order: 0 order: 2 order: 3 order: 1 }', "sizes"),
    ('type: "Tile" tile_param { axis: 2 tiles: 3 }', "sizes"),
    ('type: "ShuffleChannel" shuffle_channel_param { group: 3 }', "sizes"),
    ('top: "a" top: "b" type: "Slice" slice_param { axis: 2 slice_point: 3 }', "sizes"),
    ('top: "a" top: "b" type: "Slice" slice_param { axis: 1 slice_point: 5 }', "sizes"),
]


@pytest.mark.parametrize(("text", "dynamic"), OPEN)
def test_open_sizes(text, dynamic):
    text = text if "top:" in text else f'top: "y" {text}'
    net = net_of(f'layer {{ name: "l" bottom: "x" {text} }}', x=(2, 6, 4, 5))
    shapes = [(3, 6, 4, 5)] if dynamic == "batch" else [(1, 6, 7, 5), (4, 6, 9, 12)]
    check(net, {}, {"x": X}, dynamic=dynamic, others=[{"x": numbers(*shape)} for shape in shapes])


def test_crop_at_open_sizes():
    text = """layer { name: "p" type: "Pooling" bottom: "x" top: "p" pooling_param { kernel_size: 3 } }
        layer { name: "l" type: "Crop" bottom: "x" bottom: "p" top: "y" crop_param { offset: 1 } }"""
    net = net_of(text, x=(2, 6, 4, 5))
    check(net, {}, {"x": X}, dynamic="sizes", others=[{"x": numbers(3, 6, 9, 7)}, {"x": numbers(1, 6, 5, 12)}])
