"""Layers that only move, copy or drop numbers: Concat, Slice, Reshape, Permute, Crop, Filter and others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from converters.pytorch.layers.builders import BUILDERS, Apply
from prototxt_gen.errors import NetworkError
from prototxt_gen.layers.arrangement import (
    concat_axis,
    crop_offsets,
    flattened_axes,
    permutation,
    reshaped_axes,
    slice_axis,
)
from prototxt_gen.layers.layer_types import axis_of

if TYPE_CHECKING:
    from converters.pytorch.layers.builders import Row


@BUILDERS.register("Concat")
def concat(row: Row) -> nn.Module:
    """Caffe: concat_layer.cpp."""
    return Apply(_concat, axis=concat_axis(row.layer, row.bottom_shapes[0]))


def _concat(*bottoms: Tensor, axis: int) -> Tensor:
    return torch.cat(bottoms, axis)


@BUILDERS.register("Slice")
def slice_(row: Row) -> nn.Module:
    """Cuts at `slice_point`, or into equal parts. Caffe: slice_layer.cpp."""
    axis = slice_axis(row.layer, row.bottom_shapes[0])
    points = list(row.layer.slice_param.slice_point)
    if points or len(row.tops) == 1:
        return Apply(_slice_at, axis=axis, points=points)
    return Apply(_slice_equally, axis=axis, parts=len(row.tops))


def _slice_at(x: Tensor, axis: int, points: list[int]) -> tuple[Tensor, ...] | Tensor:
    if not points:
        return x
    ends = [*points, x.shape[axis]]
    return tuple(x.narrow(axis, start, end - start) for start, end in zip([0, *points], ends, strict=True))


def _slice_equally(x: Tensor, axis: int, parts: int) -> tuple[Tensor, ...]:
    return x.split(x.shape[axis] // parts, axis)


@BUILDERS.register("Flatten")
def flatten(row: Row) -> nn.Module:
    """Joins the axes from `axis` to `end_axis`; a new one of size 1 if that is before. Caffe: flatten_layer.cpp."""
    start, end = flattened_axes(row.layer, row.bottom_shapes[0])
    return Apply(_flatten, start=start, end=end)


def _flatten(x: Tensor, start: int, end: int) -> Tensor:
    return x.flatten(start, end) if start <= end else x.unsqueeze(start)


@BUILDERS.register("Reshape")
def reshape(row: Row) -> nn.Module:
    """`shape` replaces the axes [axis, axis + num_axes); 0 keeps one, -1 is what remains. Caffe: reshape_layer.cpp."""
    start, end = reshaped_axes(row.layer, row.bottom_shapes[0])
    return Apply(_reshape, dims=list(row.layer.reshape_param.shape.dim), start=start, end=end)


def _reshape(x: Tensor, dims: list[int], start: int, end: int) -> Tensor:
    middle = [x.shape[start + index] if dim == 0 else dim for index, dim in enumerate(dims)]
    return x.reshape((*x.shape[:start], *middle, *x.shape[end:]))


@BUILDERS.register("Permute")
def permute(row: Row) -> nn.Module:
    """Axes in `order`, then those that it leaves out in their old order. Caffe (SSD fork): permute_layer.cpp."""
    return Apply(_permute, order=list(permutation(row.layer, row.bottom_shapes[0])))


def _permute(x: Tensor, order: list[int]) -> Tensor:
    # Contiguous, as every blob of Caffe is: later layers expect this memory layout.
    return x.permute(order).contiguous()


@BUILDERS.register("Tile")
def tile(row: Row) -> nn.Module:
    """Caffe: tile_layer.cpp."""
    axis = axis_of(row.layer, "tile_param", row.bottom_shapes[0])
    return Apply(_tile, axis=axis, tiles=row.layer.tile_param.tiles)


def _tile(x: Tensor, axis: int, tiles: int) -> Tensor:
    return x.repeat([tiles if index == axis else 1 for index in range(x.dim())])


@BUILDERS.register("Crop")
def crop(row: Row) -> nn.Module:
    """The first bottom cut, from `axis` on, to the size of the second. Caffe: crop_layer.cpp."""
    return Apply(_crop, offsets=crop_offsets(row.layer, row.bottom_shapes[0]))


def _crop(x: Tensor, size: Tensor, offsets: dict[int, int]) -> Tensor:
    for axis, offset in offsets.items():
        x = x.narrow(axis, offset, size.shape[axis])
    return x


@BUILDERS.register("ShuffleChannel")
def shuffle_channel(row: Row) -> nn.Module:
    """Takes one channel of each of `group` groups in turn; the top has four axes.

    Source: shuffle_channel_layer.cpp of the release's fork.
    """
    return Apply(_shuffle_channel, groups=row.layer.shuffle_channel_param.group)


def _shuffle_channel(x: Tensor, groups: int) -> Tensor:
    y = x.unflatten(1, (groups, x.shape[1] // groups)).transpose(1, 2).flatten(1, 2)
    return y.reshape(*y.shape, *(1,) * (4 - y.dim()))


@BUILDERS.register("BatchReindex")
def batch_reindex(row: Row) -> nn.Module:
    """The items of the first bottom whose indices the second lists. Caffe: batch_reindex_layer.cpp."""
    return Apply(_batch_reindex, layer=row.name)


def _batch_reindex(x: Tensor, rows: Tensor, layer: str) -> Tensor:
    if not torch.compiler.is_compiling() and rows.numel():
        least, most = rows.min().item(), rows.max().item()
        if least < 0 or most >= x.shape[0]:
            found = least if least < 0 else most
            raise NetworkError(
                f"layer {layer!r} (BatchReindex): bottom[1]: found index {found:g}, expected 0 to {x.shape[0] - 1}"
            )
    return x.index_select(0, rows.long())


@BUILDERS.register("Filter")
def filter_(row: Row) -> nn.Module:
    """The items of every bottom but the last for which the last is not 0. Caffe: filter_layer.cpp."""
    return Apply(_filter)


def _filter(*bottoms: Tensor) -> tuple[Tensor, ...] | Tensor:
    rows = bottoms[-1].flatten().nonzero().flatten()
    kept = tuple(bottom.index_select(0, rows) for bottom in bottoms[:-1])
    return kept if len(kept) > 1 else kept[0]
