"""Layers that move numbers: Concat, Slice, Reshape, Permute, Crop, Tile and others.

What only passes its bottom on (Split, a Concat of one bottom, a Slice into one top) makes no node, and what has no top
(Silence, HDF5Output) is never needed: they have no entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from converters.onnx.layers.emitters import BOOL, EMITTERS, INT64, Layer, constant_of, on_four_axes
from prototxt_gen.layers.arrangement import (
    concat_axis,
    crop_offsets,
    flattened_axes,
    permutation,
    reshaped_axes,
    slice_axis,
    slice_sizes,
)
from prototxt_gen.layers.layer_types import axis_of, count

_LAST = np.iinfo(np.int64).max


@EMITTERS.register("Concat")
def concat(layer: Layer) -> None:
    """Caffe: concat_layer.cpp."""
    layer.node("Concat", layer.bottoms, layer.tops[0], axis=concat_axis(layer.parameter, layer.row.bottom_shapes[0]))


@EMITTERS.register("Slice")
def slice_(layer: Layer) -> None:
    """Cuts at `slice_point`, or into equal parts. Caffe: slice_layer.cpp."""
    bottom = layer.row.bottom_shapes[0]
    axis = slice_axis(layer.parameter, bottom)
    points = list(layer.parameter.slice_param.slice_point)
    known = constant_of(layer, layer.bottoms[0]) is not None  # onnxslim computes a Split of constants wrong
    if known or (points and axis in layer.open_axes):
        axes = layer.constant([axis], "axes")
        starts = [0, *accumulate(slice_sizes(layer.parameter, bottom))][:-1]
        for top, start, end in zip(layer.tops, starts, [*starts[1:], _LAST], strict=True):  # the last is what remains
            edges = [layer.constant([start], "start"), layer.constant([end], "end")]
            layer.node("Slice", [layer.bottoms[0], *edges, axes], top)
        return
    sizes = [layer.constant(list(slice_sizes(layer.parameter, bottom)), "sizes")] if points else []
    layer.nodes("Split", [layer.bottoms[0], *sizes], layer.tops, axis=axis)


@EMITTERS.register("Flatten")
def flatten(layer: Layer) -> None:
    """Joins the axes from `axis` to `end_axis`; a new one of size 1 if that is before. Caffe: flatten_layer.cpp."""
    bottom = layer.row.bottom_shapes[0]
    start, end = flattened_axes(layer.parameter, bottom)
    if start > end:
        layer.node("Unsqueeze", [layer.bottoms[0], layer.constant([start], "axes")], layer.tops[0])
    elif start == 1 and end == len(bottom) - 1:
        layer.node("Flatten", layer.bottoms, layer.tops[0], axis=1)
    else:
        _reshape(layer, [0] * start + [-1], bottom[end + 1 :])


@EMITTERS.register("Reshape")
def reshape(layer: Layer) -> None:
    """`shape` replaces the axes [axis, axis + num_axes); 0 keeps one, -1 is what remains. Caffe: reshape_layer.cpp."""
    bottom = layer.row.bottom_shapes[0]
    start, end = reshaped_axes(layer.parameter, bottom)
    dims = list(layer.parameter.reshape_param.shape.dim)
    # A 0 means the same axis in both: Caffe counts those of `shape` from `axis` on.
    if start + len(dims) == end:
        _reshape(layer, [0] * start + dims + [0] * (len(bottom) - end), ())
    else:
        _reshape(layer, [0] * start + dims, bottom[end:])


def _reshape(layer: Layer, front: Sequence[int], back: Sequence[int]) -> None:
    """A Reshape to `front`, where 0 keeps an axis and -1 is what remains, and sizes as they are, `back`."""
    made = [*front, *back]
    if count(layer.row.bottom_shapes[0]) == 0:  # sizes of 0 are not for keeping then, and nothing remains
        made = list(layer.row.top_shapes[0])
    if not made:  # OpenVINO 2023.3 takes no Reshape to a shape without axes
        layer.node("Squeeze", layer.bottoms, layer.tops[0])
        return
    allowed = 1 if 0 in layer.row.top_shapes[0] else None
    layer.node(
        "Reshape",
        [layer.bottoms[0], layer.constant(np.array(made, np.int64), "shape")],
        layer.tops[0],
        allowzero=allowed,
    )


@EMITTERS.register("Permute")
def permute(layer: Layer) -> None:
    """Caffe (SSD fork): permute_layer.cpp."""
    order = permutation(layer.parameter, layer.row.bottom_shapes[0])
    layer.node("Transpose", layer.bottoms, layer.tops[0], perm=list(order))


@EMITTERS.register("Tile")
def tile(layer: Layer) -> None:
    """Caffe: tile_layer.cpp."""
    bottom = layer.row.bottom_shapes[0]
    repeats = [1] * len(bottom)
    repeats[axis_of(layer.parameter, "tile_param", bottom)] = layer.parameter.tile_param.tiles
    layer.node("Tile", [layer.bottoms[0], layer.constant(repeats, "repeats")], layer.tops[0])


@EMITTERS.register("Crop")
def crop(layer: Layer) -> None:
    """The first bottom cut, from `axis` on, to the size of the second. Caffe: crop_layer.cpp."""
    offsets = crop_offsets(layer.parameter, layer.row.bottom_shapes[0])
    axes, starts = list(offsets), list(offsets.values())
    begin = layer.constant(starts, "starts")
    if layer.open_axes & set(axes):
        end = layer.node("Shape", [layer.bottoms[1]], start=axes[0], end=axes[-1] + 1)
        if any(starts):
            end = layer.node("Add", [end, begin])
    else:
        end = layer.constant([offset + layer.row.top_shapes[0][axis] for axis, offset in offsets.items()], "ends")
    layer.node("Slice", [layer.bottoms[0], begin, end, layer.constant(axes, "axes")], layer.tops[0])


@EMITTERS.register("ShuffleChannel")
def shuffle_channel(layer: Layer) -> None:
    """Takes one channel of each of `group` groups in turn; the top has four axes.

    Source: shuffle_channel_layer.cpp of the release's fork.
    """
    # One Gather would say it, but OpenVINO (2023.3, 2026.4) moves a Gather of channels wrongly behind a convolution.
    group, sizes = layer.parameter.shuffle_channel_param.group, layer.row.top_shapes[0]
    value = on_four_axes(layer, layer.bottoms[0])
    groups = [0, group, sizes[1] // group]
    if layer.open_axes & {2, 3}:
        groups, order, last = [*groups, -1], [0, 2, 1, 3], layer.node("Shape", [value])
    else:
        groups, order, last = [*groups, *sizes[2:]], [0, 2, 1, 3, 4], layer.constant([0, *sizes[1:]], "shape")
    apart = layer.node("Reshape", [value, layer.constant(groups, "groups")])
    layer.node("Reshape", [layer.node("Transpose", [apart], perm=order), last], layer.tops[0])


@EMITTERS.register("BatchReindex")
def batch_reindex(layer: Layer) -> None:
    """The items of the first bottom whose indices the second lists. Caffe: batch_reindex_layer.cpp."""
    rows = layer.node("Cast", [layer.bottoms[1]], to=INT64)
    layer.node("Gather", [layer.bottoms[0], rows], layer.tops[0], axis=0)


@EMITTERS.register("Filter")
def filter_(layer: Layer) -> None:
    """The items of every bottom but the last for which the last is not 0. Caffe: filter_layer.cpp."""
    *bottoms, selector = layer.bottoms
    if len(layer.row.bottom_shapes[-1]) > 1:
        selector = layer.node("Reshape", [selector, layer.constant([-1], "shape")])
    kept = layer.node("Cast", [selector], to=BOOL)
    for bottom, top in zip(bottoms, layer.tops, strict=True):
        layer.node("Compress", [bottom, kept], top, axis=0)
