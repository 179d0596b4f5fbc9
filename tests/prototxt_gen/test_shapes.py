"""Shape rules: against arrays and weights that BVLC Caffe 1.0 wrote, and against its definitions."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prototxt_gen.binary import from_binary
from prototxt_gen.errors import CaffeError, NetworkError, UnsupportedError
from prototxt_gen.layers import LAYERS, LayerShape, layer_type
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.proto import LayerParameter, NetParameter
from prototxt_gen.summary import summarize
from prototxt_gen.text import parse_text, read_prototxt
from prototxt_gen.trace import trace

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference"
CASES = sorted(
    f"{folder}/{path.stem}" for folder in ("conformance", "legacy") for path in (REFERENCE / folder).glob("*.prototxt")
)


@pytest.mark.parametrize("case", CASES or [pytest.param("", marks=pytest.mark.skip("no ../shared/reference"))])
def test_tops_and_blobs_of_caffe(reference: Path, case: str) -> None:
    layers = trace(select_phase(read_prototxt(reference / f"{case}.prototxt"), "TEST"))
    tops = {top: shape for layer in layers for top, shape in zip(layer.tops, layer.top_shapes, strict=True)}
    with np.load(reference / f"{case}.npz") as truth:
        for key in truth.files:
            assert tops[key.partition("__")[2]] == truth[key].shape, key
    weights = reference / f"{case}.caffemodel"
    if weights.exists():
        blobs = {layer.name: layer.blob_shapes for layer in layers}
        stored_layers = [layer for layer in upgrade(from_binary(weights.read_bytes())).layer if layer.blobs]
        assert {layer.name for layer in stored_layers} == {name for name, shapes in blobs.items() if shapes}
        for layer in stored_layers:
            for blob, shape in zip(layer.blobs, blobs[layer.name], strict=True):
                stored = tuple(blob.shape.dim) or (blob.num, blob.channels, blob.height, blob.width)
                assert stored[-len(shape) :] == shape
                assert set(stored[: -len(shape)]) <= {1}


def apply(layer: str, *bottoms: tuple[int, ...]) -> LayerShape:
    message = parse_text(layer, LayerParameter())
    message.bottom.extend(f"b{index}" for index in range(len(bottoms)))
    if not message.top and "Loss" not in message.type:
        message.top.append("t")
    return LAYERS[message.type].shape(message, bottoms)


# (layer, bottoms, tops)
TOPS = [
    # Convolutions in any number of axes, with each way to write a size.
    ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 }', [(2, 3, 9)], [(2, 4, 7)]),
    ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 1 }', [(2, 3)], [(2, 4)]),
    (
        'type: "Convolution" convolution_param { num_output: 4 kernel_size: [3, 2, 1] stride: [1, 2, 3] pad: 1 }',
        [(2, 3, 5, 6, 7)],
        [(2, 4, 5, 4, 3)],
    ),
    (
        'type: "Convolution" convolution_param { num_output: 4 kernel_h: 1 kernel_w: 5 stride_h: 2 '
        'stride_w: 1 pad_w: 2 }',
        [(1, 3, 9, 9)],
        [(1, 4, 5, 9)],
    ),
    ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 axis: 2 }', [(2, 3, 6, 9)], [(2, 3, 4, 7)]),
    ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 axis: -3 }', [(2, 3, 6, 9)], [(2, 4, 4, 7)]),
    (
        'type: "Convolution" top: "p" top: "q" convolution_param { num_output: 4 kernel_size: 3 dilation: 2 }',
        [(1, 3, 9, 9), (1, 3, 9, 9)],
        [(1, 4, 5, 5), (1, 4, 5, 5)],
    ),
    # C++ rounds -1 / 2 to 0.
    ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 stride: 2 }',
     [(1, 1, 2, 2)], [(1, 4, 1, 1)]),
    (
        'type: "Deconvolution" convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 dilation: 2 }',
        [(1, 6, 5, 7)],
        [(1, 4, 11, 15)],
    ),
    ('type: "Im2col" convolution_param { kernel_size: 3 stride: 2 }', [(2, 3, 9, 7)], [(2, 27, 4, 3)]),
    # Pooling rounds up, and drops a last window that begins in the padding.
    ('type: "Pooling" pooling_param { kernel_size: 3 stride: 2 }', [(1, 2, 112, 112)], [(1, 2, 56, 56)]),
    ('type: "Pooling" pooling_param { kernel_size: 3 stride: 2 round_mode: FLOOR }',
     [(1, 2, 112, 112)], [(1, 2, 55, 55)]),
    ('type: "Pooling" pooling_param { kernel_size: 2 stride: 2 pad: 1 }', [(1, 2, 5, 4)], [(1, 2, 3, 3)]),
    ('type: "Pooling" pooling_param { kernel_size: 2 stride: 3 pad: 1 }', [(1, 2, 3, 6)], [(1, 2, 2, 3)]),
    ('type: "Pooling" pooling_param { kernel_size: 1 stride: 3 }', [(1, 2, 5, 6)], [(1, 2, 3, 3)]),
    ('type: "Pooling" pooling_param { pool: AVE global_pooling: true }', [(1, 2, 5, 6)], [(1, 2, 1, 1)]),
    ('type: "Pooling" top: "t" top: "mask" pooling_param { kernel_h: 2 kernel_w: 3 }',
     [(1, 2, 5, 6)], [(1, 2, 4, 4)] * 2),
    ('type: "SPP" spp_param { pyramid_height: 1 }', [(2, 3, 7, 5)], [(2, 3, 1, 1)]),
    ('type: "SPP" spp_param { pyramid_height: 3 }', [(2, 3, 9, 16)], [(2, 63)]),
    # Interp: each size rule, and pads that crop.
    ('type: "Interp" interp_param { height: 5 width: 4 zoom_factor: 2 }', [(1, 2, 3, 3)], [(1, 2, 5, 5)]),
    ('type: "Interp" interp_param { height: 5 width: 4 zoom_factor: 2 shrink_factor: 2 }',
     [(1, 2, 3, 3)], [(1, 2, 5, 4)]),
    ('type: "Interp" interp_param { zoom_factor: 3 shrink_factor: 2 }', [(1, 2, 6, 7)], [(1, 2, 7, 10)]),
    ('type: "Interp" interp_param { zoom_factor: 2 pad_beg: -1 pad_end: -2 }', [(1, 2, 6, 7)], [(1, 2, 5, 7)]),
    ('type: "Crop" crop_param { axis: -2 offset: 1 offset: 2 }', [(1, 2, 6, 7), (9, 9, 5, 5)], [(1, 2, 5, 5)]),
    ('type: "Crop" crop_param { axis: 1 offset: 1 }', [(1, 5, 6, 7), (9, 2, 5, 5)], [(1, 2, 5, 5)]),
    # Axes from the end, and their older names.
    ('type: "Concat" concat_param { axis: -1 }', [(2, 3), (2, 4)], [(2, 7)]),
    ('type: "Concat" concat_param { concat_dim: 0 }', [(2, 3), (1, 3)], [(3, 3)]),
    ('type: "Slice" top: "a" top: "b" slice_param { slice_dim: 0 slice_point: 1 }', [(4, 3)], [(1, 3), (3, 3)]),
    ('type: "Slice" top: "a" top: "b" slice_param { axis: -1 }', [(4, 6)], [(4, 3), (4, 3)]),
    ('type: "Flatten" flatten_param { axis: -3 end_axis: -2 }', [(2, 3, 4, 5)], [(2, 12, 5)]),
    ('type: "Reshape" reshape_param { shape { dim: 0 dim: -1 } }', [(2, 3, 4)], [(2, 12)]),
    ('type: "Reshape" reshape_param { shape { dim: 2 dim: -1 } axis: 1 num_axes: 1 }', [(2, 6, 4)], [(2, 2, 3, 4)]),
    ('type: "Reshape" reshape_param { shape { dim: 1 } axis: -1 num_axes: 0 }', [(2, 6)], [(2, 6, 1)]),
    ('type: "Reshape" reshape_param { shape { } }', [(1, 1)], [()]),
    ('type: "Tile" tile_param { axis: -1 tiles: 3 }', [(2, 4)], [(2, 12)]),
    ('type: "Reduction" reduction_param { axis: -1 }', [(2, 3, 4)], [(2, 3)]),
    ('type: "Reduction"', [(2, 3, 4)], [()]),
    ('type: "ArgMax" argmax_param { top_k: 3 out_max_val: true }', [(2, 3, 4, 5)], [(2, 2, 3, 1)]),
    ('type: "ArgMax" argmax_param { axis: -1 top_k: 2 out_max_val: true }', [(2, 3, 4)], [(2, 3, 2)]),
    ('type: "ArgMax"', [(2, 5)], [(2, 1, 1)]),
    ('type: "Permute" permute_param { order: 0 order: 2 order: 3 }', [(2, 3, 4, 5)], [(2, 4, 5, 3)]),
    ('type: "MVN"', [(2, 3)], [(2, 3, 1, 1)]),
    ('type: "BatchReindex"', [(2, 3, 4), (7,)], [(7, 3, 4)]),
    ('type: "Filter" top: "a" top: "b"', [(4, 3), (4,), (4, 1, 1)], [(4, 3), (4,)]),
    ('type: "Silence"', [(4, 3), (4,)], None),
    # Losses name their top or not, and may have a second.
    ('type: "SoftmaxWithLoss"', [(2, 3, 4), (2, 4)], [()]),
    ('type: "SoftmaxWithLoss" top: "l" top: "p" loss_weight: [1, 0] softmax_param { axis: -1 }',
     [(2, 3, 4), (2, 1, 3)], [(), (2, 3, 4)]),
    ('type: "InfogainLoss" top: "l" top: "p" loss_weight: [1, 0]', [(2, 3), (2,), (1, 1, 3, 3)], [(), (2, 3)]),
    ('type: "ContrastiveLoss"', [(2, 3), (2, 3, 1, 1), (2,)], [()]),
    ('type: "Accuracy" top: "a" top: "each" accuracy_param { axis: -1 }', [(2, 4, 3), (2, 4)], [(), (3,)]),
    # Recurrence with states and a static input.
    ('type: "LSTM" recurrent_param { num_output: 5 }', [(7, 2, 3), (7, 2)], [(7, 2, 5)]),
    (
        'type: "LSTM" top: "h" top: "hT" top: "cT" recurrent_param { num_output: 5 expose_hidden: true }',
        [(7, 2, 3), (7, 2), (2, 9), (1, 2, 5), (1, 2, 5)],
        [(7, 2, 5), (1, 2, 5), (1, 2, 5)],
    ),
    # Sources.
    ('type: "Parameter" parameter_param { shape { dim: 3 dim: 4 } }', [], [(3, 4)]),
    ('type: "DummyData" top: "a" top: "b" dummy_data_param { num: 2 channels: 3 channels: 1 height: 4 width: 5 }', [],
     [(2, 3, 4, 5), (2, 1, 4, 5)]),
    ('type: "Data" top: "d" top: "l" data_param { batch_size: 8 } transform_param { crop_size: 227 }', [],
     [(8, 3, 227, 227), (8,)]),
    ('type: "ImageData" top: "d" top: "l" image_data_param { new_height: 6 new_width: 7 is_color: false }', [],
     [(1, 1, 6, 7), (1,)]),
    ('type: "ImageData" top: "d" top: "l" transform_param { crop_h: 6 crop_w: 7 }', [], [(1, 3, 6, 7), (1,)]),
    ('type: "MemoryData" top: "d" top: "l" memory_data_param { batch_size: 2 channels: 3 height: 4 width: 5 }', [],
     [(2, 3, 4, 5), (2,)]),
    ('type: "WindowData" top: "d" top: "l" window_data_param { batch_size: 2 } transform_param { crop_size: 9 }',
     [], [(2, 3, 9, 9), (2,)]),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "bottoms", "tops"), TOPS, ids=[f"{i}-{case[0]}" for i, case in enumerate(TOPS)])
def test_tops(layer: str, bottoms: list[tuple[int, ...]], tops: list[tuple[int, ...]] | None) -> None:
    if tops is None:
        message = parse_text(layer, LayerParameter())
        assert LAYERS[message.type].shape(message, bottoms).tops == ()
    else:
        assert list(apply(layer, *bottoms).tops) == tops


BLOBS = [
    ('type: "Convolution" convolution_param { num_output: 4 kernel_size: [3, 2] group: 2 }', [(1, 6, 9, 9)],
     [(4, 3, 3, 2), (4,)]),
    ('type: "Deconvolution" convolution_param { num_output: 4 kernel_size: 3 group: 2 }', [(1, 6, 9, 9)],
     [(6, 2, 3, 3), (4,)]),
    ('type: "InnerProduct" inner_product_param { num_output: 4 axis: -1 }', [(2, 3, 5)], [(4, 5), (4,)]),
    ('type: "InnerProduct" inner_product_param { num_output: 4 transpose: true bias_term: false }', [(2, 3, 5)],
     [(15, 4)]),
    ('type: "Scale" scale_param { axis: -2 num_axes: -1 bias_term: true }', [(2, 3, 5)], [(3, 5), (3, 5)]),
    ('type: "Scale" scale_param { axis: 0 bias_term: true }', [(2, 3, 5), (2, 3)], [(2, 3)]),
    ('type: "Scale" scale_param { num_axes: 0 }', [(2, 3, 5)], [()]),
    ('type: "Scale" scale_param { axis: 2 }', [(2, 3, 5), ()], []),
    ('type: "Bias" bias_param { num_axes: 2 }', [(2, 3, 5)], [(3, 5)]),
    ('type: "PReLU"', [(2, 3, 5)], [(3,)]),
    ('type: "PReLU" prelu_param { channel_shared: true }', [(2, 3, 5)], [()]),
    ('type: "Normalize" norm_param { channel_shared: false }', [(2, 3, 5, 5)], [(3,)]),
    ('type: "Normalize"', [(2, 3, 5, 5)], [()]),
    ('type: "Embed" embed_param { num_output: 4 input_dim: 10 }', [(7, 2)], [(10, 4), (4,)]),
    ('type: "LSTM" recurrent_param { num_output: 5 }', [(7, 2, 3), (7, 2)], [(20, 3), (20,), (20, 5)]),
    ('type: "LSTM" recurrent_param { num_output: 5 }', [(7, 2, 3), (7, 2), (2, 9)],
     [(20, 3), (20,), (20, 9), (20, 5)]),
    ('type: "RNN" recurrent_param { num_output: 5 }', [(7, 2, 3), (7, 2)], [(5, 3), (5,), (5, 5), (5, 5), (5,)]),
    ('type: "RNN" recurrent_param { num_output: 5 }', [(7, 2, 3, 4), (7, 2), (2, 9)],
     [(5, 12), (5,), (5, 9), (5, 5), (5, 5), (5,)]),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "bottoms", "blobs"), BLOBS, ids=[f"{i}-{case[0]}" for i, case in enumerate(BLOBS)])
def test_blobs(layer: str, bottoms: list[tuple[int, ...]], blobs: list[tuple[int, ...]]) -> None:
    assert list(apply(layer, *bottoms).blobs) == blobs


@pytest.mark.parametrize(
    ("layer", "bottoms", "expected"),
    [
        ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 group: 2 }', [(5, 6, 9, 9)],
         5 * 4 * 3 * 9 * 49),
        ('type: "Deconvolution" convolution_param { num_output: 4 kernel_size: 3 }', [(5, 6, 9, 9)],
         5 * 4 * 6 * 9 * 81),
        ('type: "InnerProduct" inner_product_param { num_output: 4 axis: 2 }', [(2, 3, 5)], 2 * 3 * 5 * 4),
        ('type: "LSTM" recurrent_param { num_output: 5 }', [(7, 2, 3), (7, 2), (2, 9)],
         7 * 2 * 20 * (3 + 5) + 2 * 20 * 9),
        ('type: "Scale"', [(2, 3, 5)], 0),
    ],
)  # fmt: skip
def test_multiply_adds(layer: str, bottoms: list[tuple[int, ...]], expected: int) -> None:
    assert apply(layer, *bottoms).multiply_adds == expected


# (layer, bottoms, what the message says)
FAULTS = [
    ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 }', [(1, 3, 2, 2)], "kernel_size"),
    ('type: "Convolution" convolution_param { num_output: 4 }', [(1, 3, 9, 9)], "kernel_size: found 0 sizes"),
    ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 0 }', [(1, 3, 9, 9)], "kernel_size: found 0"),
    ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 stride: 0 }', [(1, 3, 9, 9)], "stride"),
    ('type: "Convolution" convolution_param { num_output: 4 kernel_size: [3, 3, 3] }', [(1, 3, 9, 9)], "kernel_size"),
    ('type: "Convolution" convolution_param { num_output: 4 kernel_h: 3 }', [(1, 3, 9, 9)], "kernel_size: found 0"),
    ('type: "Convolution" convolution_param { num_output: 4 kernel_h: 3 kernel_w: 3 }', [(1, 3, 9)], "kernel_h"),
    ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 group: 2 }', [(1, 3, 9, 9)], "group"),
    ('type: "Convolution" convolution_param { num_output: 3 kernel_size: 3 group: 2 }', [(1, 4, 9, 9)], "num_output"),
    ('type: "Convolution" convolution_param { kernel_size: 3 }', [(1, 4, 9, 9)], "num_output"),
    ('type: "Convolution" top: "a" top: "b" convolution_param { num_output: 3 kernel_size: 3 }',
     [(1, 4, 9, 9), (1, 4, 8, 9)], r"bottom\[1\]"),
    ('type: "Convolution" convolution_param { num_output: 3 kernel_size: 3 axis: 4 }', [(1, 4, 9, 9)], "axis"),
    ('type: "Pooling" pooling_param { kernel_size: 2 pad: 2 }', [(1, 2, 5, 5)], "pad"),
    ('type: "Pooling" pooling_param { kernel_size: 2 stride: 0 }', [(1, 2, 5, 5)], "stride"),
    ('type: "Pooling" pooling_param { kernel_size: 2 kernel_h: 2 kernel_w: 2 }', [(1, 2, 5, 5)], "kernel_size"),
    ('type: "Pooling" pooling_param { }', [(1, 2, 5, 5)], "kernel_size"),
    ('type: "Pooling" pooling_param { kernel_size: 2 global_pooling: true }', [(1, 2, 5, 5)], "global_pooling"),
    ('type: "Pooling" pooling_param { kernel_size: 2 pad: 1 pool: STOCHASTIC }', [(1, 2, 5, 5)], "STOCHASTIC"),
    ('type: "Pooling" top: "a" top: "b" pooling_param { kernel_size: 2 pool: AVE }', [(1, 2, 5, 5)], "mask"),
    ('type: "Pooling" pooling_param { kernel_size: 2 }', [(1, 2, 5)], "4 axes"),
    ('type: "SPP" spp_param { pyramid_height: 4000000000 }', [(1, 2, 5, 5)], "pyramid_height"),
    ('type: "Interp" interp_param { height: 5 }', [(1, 2, 5, 5)], "no size"),
    ('type: "Interp" interp_param { zoom_factor: 2 }', [(1, 2, 5, 5), (1, 2, 9, 9)], "second bottom"),
    ('type: "Interp" interp_param { height: 5 width: 5 pad_beg: 1 }', [(1, 2, 5, 5)], "pad_beg"),
    ('type: "Interp" interp_param { zoom_factor: 0 }', [(1, 2, 5, 5)], "zoom_factor"),
    ('type: "Crop" crop_param { offset: 3 }', [(1, 2, 5, 5), (1, 2, 3, 3)], "offset"),
    ('type: "Crop" crop_param { axis: 1 offset: 1 offset: 1 }', [(1, 2, 5, 5), (1, 2, 3, 3)], "offset"),
    ('type: "Concat"', [(1, 2, 5), (1, 2, 4)], r"bottom\[1\]: found shape \(1, 2, 4\)"),
    ('type: "Concat" concat_param { axis: 1 concat_dim: 1 }', [(1, 2, 5)], "concat_dim"),
    ('type: "Concat" concat_param { concat_dim: 3 }', [(1, 2, 5)], "concat_dim"),
    ('type: "Slice" top: "a" top: "b" top: "c"', [(2, 4)], "divisor"),
    ('type: "Slice" top: "a" top: "b" top: "c" slice_param { slice_point: 2 slice_point: 2 }', [(2, 4)], "slice_point"),
    ('type: "Slice" top: "a" top: "b" slice_param { slice_point: 5 }', [(2, 4)], "slice_point"),
    ('type: "Eltwise"', [(2, 4)], "bottom: found 1, expected 2 or more"),
    ('type: "Eltwise"', [(2, 4), (4, 2)], r"bottom\[1\]"),
    ('type: "Eltwise" eltwise_param { coeff: 1 }', [(2, 4), (2, 4)], "coeff"),
    ('type: "Eltwise" eltwise_param { operation: PROD coeff: 1 coeff: 1 }', [(2, 4), (2, 4)], "PROD"),
    ('type: "Reshape" reshape_param { shape { dim: -1 dim: -1 } }', [(2, 4)], "-1 at most once"),
    ('type: "Reshape" reshape_param { shape { dim: 3 dim: -1 } }', [(2, 4)], "divisor"),
    ('type: "Reshape" reshape_param { shape { dim: 3 } }', [(2, 4)], "numbers"),
    ('type: "Reshape" reshape_param { shape { dim: 2 dim: 4 dim: 0 } }', [(2, 4)], "axis to copy"),
    ('type: "Tile"', [(2, 4)], "tiles"),
    ('type: "LRN" lrn_param { local_size: 4 }', [(1, 2, 3, 3)], "odd"),
    ('type: "Exp" exp_param { base: 0 }', [(1, 2)], "base"),
    ('type: "Scale" scale_param { num_axes: 3 }', [(1, 2, 3)], "num_axes"),
    ('type: "Scale"', [(1, 2, 3), (3,)], r"bottom\[1\]"),
    ('type: "BatchNorm"', [(3,)], "2 axes"),
    ('type: "InnerProduct" inner_product_param { num_output: 2 axis: 2 }', [(3, 4)], "axis"),
    ('type: "SoftmaxWithLoss" top: "l"', [(2, 3), (3,)], r"bottom\[1\]"),
    ('type: "SoftmaxWithLoss" top: "l"', [(2, 3, 4), (2, 3)], "expected 8"),
    ('type: "SoftmaxWithLoss" top: "l" top: "p"', [(2, 3), (2,)], "loss_weight: found 0, expected 2"),
    ('type: "Accuracy" accuracy_param { top_k: 4 }', [(2, 3), (2,)], "top_k"),
    ('type: "EuclideanLoss"', [(2, 3), (2, 4)], r"bottom\[1\]"),
    ('type: "EuclideanLoss"', [(2, 3, 1, 1, 1), (2, 3, 1, 1, 1)], "4 axes"),
    ('type: "HingeLoss"', [(2, 3, 1, 1, 1), (2,)], "4 axes"),
    ('type: "MultinomialLogisticLoss"', [(2, 3, 1, 1, 1), (2,)], "4 axes"),
    ('type: "ContrastiveLoss"', [(2, 3), (2, 3), (1,)], r"bottom\[2\].*at least 2"),
    ('type: "SigmoidCrossEntropyLoss" bottom: "x" bottom: "t" top: "x"', [(2, 3), (2, 3)], "in place"),
    ('type: "InfogainLoss"', [(2, 3), (2,)], "source"),
    ('type: "LSTM" recurrent_param { num_output: 5 }', [(7, 2), (7, 2)], "3 axes"),
    ('type: "LSTM" recurrent_param { num_output: 5 }', [(7, 2, 3), (7, 3)], r"bottom\[1\]"),
    ('type: "RNN" recurrent_param { num_output: 5 expose_hidden: true }', [(7, 2, 3), (7, 2)], "bottom"),
    ('type: "Permute" permute_param { order: 1 order: 1 }', [(7, 2)], "order"),
    ('type: "ShuffleChannel" shuffle_channel_param { group: 4 }', [(7, 6, 2, 2)], "group"),
    ('type: "Data" data_param { batch_size: 2 }', [], "give this input's shape"),
    ('type: "ImageData" top: "a" top: "b"', [], "give this input's shape"),
    ('type: "HDF5Data" hdf5_data_param { batch_size: 2 }', [], "give this input's shape"),
    ('type: "Input" top: "a" top: "b" top: "c" input_param { shape { dim: 1 } shape { dim: 2 } }', [], "1 or 3"),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "bottoms", "message"), FAULTS, ids=[f"{i}-{x[0]}" for i, x in enumerate(FAULTS)])
def test_what_caffe_refuses(layer: str, bottoms: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        apply(layer, *bottoms)


X = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 6 } } }'


def network(text: str) -> NetParameter:
    return parse_text(X + text, NetParameter())


def test_all_unknown_types_are_named_at_once() -> None:
    net = network('layer { name: "p" type: "Nope" } layer { name: "q" type: "Neither" }')
    with pytest.raises(UnsupportedError, match=r"'p' \(Nope\), 'q' \(Neither\)"):
        trace(net)


def test_all_faults_are_told_at_once_and_none_twice() -> None:
    net = network("""
        layer { name: "t" type: "Tile" bottom: "x" top: "t" }
        layer { name: "after" type: "ReLU" bottom: "t" top: "t" }
        layer { name: "s" type: "Softmax" bottom: "x" top: "s" softmax_param { axis: 2 } }
        layer { name: "u" type: "ReLU" bottom: "unknown" top: "u" }""")
    with pytest.raises(NetworkError) as told:
        summarize(net)
    for part in (
        "'t' (Tile): tile_param.tiles",
        "'s' (Softmax): softmax_param.axis",
        "'u' (ReLU): bottom: found 'unknown'",
    ):
        assert part in str(told.value)
    assert "after" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('layer { name: "p" type: "Power" bottom: "x" top: "y" } '
         'layer { name: "q" type: "Power" bottom: "x" top: "y" }',
         "another top is called already"),
        ('layer { name: "p" type: "Power" bottom: "x" top: "y" } layer { name: "q" type: "ReLU" bottom: "x" top: "x" }',
         "in place"),
        ('layer { name: "p" type: "ReLU" bottom: "x" top: "y" loss_weight: 1 loss_weight: 2 }', "loss_weight"),
        ('layer { name: "p" type: "ReLU" bottom: "x" top: "y" propagate_down: true propagate_down: true }',
         "propagate_down"),
        ('layer { name: "p" type: "ReLU" bottom: "x" top: "y" param { lr_mult: 1 } }', "param: found 1"),
        ('layer { name: "p" type: "Tile" bottom: "x" top: "y" tile_param { tiles: 2000000000 } }',
     "at most 2147483647"),
        ('layer { name: "p" type: "Split" bottom: "x" top: "y" top: "y" }', "another top"),
        ('layer { name: "p" type: "Reshape" bottom: "x" top: "x" reshape_param { shape { dim: -1 } } }', "in place"),
        ('layer { name: "i" type: "Input" top: "i" input_param { shape { dim: -2 } } }', "negative"),
        ('layer { name: "i" type: "Input" top: "i" input_param { shape { dim: 0 dim: 9999999999 } } }', "at most"),
    ],
)  # fmt: skip
def test_what_a_network_refuses(text: str, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        trace(network(text))


def shared(second: str) -> NetParameter:
    return network(f"""
        layer {{ name: "a" type: "InnerProduct" bottom: "x" top: "a" param {{ name: "w" }}
                 inner_product_param {{ num_output: 6 }} }}
        layer {{ name: "b" type: "InnerProduct" bottom: "a" top: "b" {second} }}""")


def test_shared_parameters_count_once() -> None:
    summary = summarize(shared('param { name: "w" } inner_product_param { num_output: 6 }'))
    assert [layer.parameters for layer in summary.layers] == [0, 42, 6]
    assert summary.parameters == 48


def test_shared_parameters_have_one_shape_unless_permissive() -> None:
    with pytest.raises(NetworkError, match=r"param\[0\]: found shape \(3, 6\), expected \(6, 6\)"):
        trace(shared('param { name: "w" } inner_product_param { num_output: 3 }'))
    trace(shared('param { name: "w" share_mode: PERMISSIVE } inner_product_param { num_output: 6 transpose: true }'))


def test_a_loss_without_a_top_counts_but_is_no_output() -> None:
    summary = summarize(network('layer { name: "l" type: "EuclideanLoss" bottom: "x" bottom: "x" }'))
    assert summary.layers[-1].tops == ("(automatic)",)
    assert summary.top_shapes == ((2, 6), (2, 6), (2, 6), ())
    assert summary.memory == 4 * (3 * 12 + 1)
    assert summary.outputs == {}


def test_inputs_and_outputs() -> None:
    summary = summarize(network('layer { name: "p" type: "ReLU" bottom: "x" top: "x" }'), input_shapes={"x": (3, 5)})
    assert summary.inputs == {"x": (3, 5)}
    assert summary.outputs == {"x": (3, 5)}
    with pytest.raises(NetworkError, match="input_shapes: found y"):
        trace(network(""), {"y": (1,)})


def test_labels_follow_the_batch_of_their_images() -> None:
    net = parse_text('layer { name: "d" type: "HDF5Data" top: "d" top: "e" }', NetParameter())
    assert summarize(net, input_shapes={"d": (1, 2), "e": (3,)}).inputs == {"d": (1, 2), "e": (3,)}
    net.layer[0].type = "ImageData"
    assert summarize(net, input_shapes={"d": (5, 3, 8, 8)}).inputs == {"d": (5, 3, 8, 8), "e": (5,)}


def test_a_rule_of_the_users_own() -> None:
    @layer_type("Halve")
    def halve(layer: object, bottoms: object) -> LayerShape:
        return LayerShape(((bottoms[0][0], bottoms[0][1] // 2),))

    try:
        assert trace(network('layer { name: "h" type: "Halve" bottom: "x" top: "h" }'))[-1].top_shapes == ((2, 3),)
        with pytest.raises(KeyError):
            layer_type("Halve")(halve)
    finally:
        LAYERS.remove("Halve")


def test_the_summary_prints_as_a_table() -> None:
    lines = str(summarize(shared("inner_product_param { num_output: 1000 }"))).splitlines()
    assert lines[0].split("  ")[0] == "layer"
    assert lines[4].split() == ["b", "InnerProduct", "2x1000", "7,000", "12,000", "8,000"]
    assert lines[-1].split() == ["total", "7,042", "12,072", "8,096"]


SIZES = st.sampled_from([0, 1, 2, 3, 4, 5, 6, 8, -1, -2, 2**31 - 1, 2**32 - 1, 2**62])


@st.composite
def layers(draw: st.DrawFn) -> Any:
    """A layer of any type whose own messages hold any numbers."""
    layer = LayerParameter(name="l", type=draw(st.sampled_from(list(LAYERS))))
    layer.bottom.extend(["x", "y", "x", "y"][: draw(st.integers(0, 4))])
    layer.top.extend(["t", "u", "x"][: draw(st.integers(0, 3))])
    own = layer.type.lower()
    messages = [f.name for f in layer.DESCRIPTOR.fields if f.name.endswith("_param")]
    likely = [name for name in messages if name.replace("_", "")[:4] == own[:4]] or ["convolution_param", "loss_param"]
    for name in draw(st.sets(st.sampled_from(likely), max_size=2)):
        message = getattr(layer, name)
        message.SetInParent()
        for field in draw(st.sets(st.sampled_from(list(message.DESCRIPTOR.fields)), max_size=5)):
            value = getattr(message, field.name)
            if field.name == "shape":
                (value.add() if hasattr(value, "add") else value).dim.extend(draw(st.lists(SIZES, max_size=4)))
            elif field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_UINT32):
                with suppress(ValueError):
                    numbers = draw(st.lists(SIZES, max_size=3))
                    if hasattr(value, "extend"):
                        value.extend(numbers)
                    elif numbers:
                        setattr(message, field.name, numbers[0])
            elif field.cpp_type == field.CPPTYPE_BOOL:
                setattr(message, field.name, draw(st.booleans()))
    return layer


@settings(deadline=None, max_examples=300)
@given(layers(), st.lists(SIZES, max_size=5), st.lists(SIZES, max_size=5))
def test_any_layer_ends_in_shapes_or_in_an_error_of_ours(layer: Any, x: list[int], y: list[int]) -> None:
    net = NetParameter()
    for name, shape in (("x", x), ("y", y)):
        net.layer.add(name=name, type="Input", top=[name]).input_param.shape.add(dim=shape)
    net.layer.append(layer)
    try:
        summary = summarize(net)
    except CaffeError:
        return
    assert all(0 <= size < 2**31 for shape in summary.top_shapes for size in shape)


def test_many_layers_take_time_in_proportion() -> None:
    chain = "".join(f'layer {{ name: "r{i}" type: "ReLU" bottom: "x" top: "x" }}' for i in range(2000))
    assert len(summarize(network(chain)).layers) == 2001
    fan = "".join(f'layer {{ name: "r{i}" type: "ReLU" bottom: "x" top: "y{i}" }}' for i in range(2000))
    assert len(summarize(network(fan)).layers) == 2002
