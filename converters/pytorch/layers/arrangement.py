"""Layers that only move numbers: Concat, Slice, Reshape, Permute, Crop, Filter and their like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from converters.pytorch.layers.table import BUILDERS, Apply, canonical

if TYPE_CHECKING:
    from converters.pytorch.layers.table import Row


@BUILDERS.register("Concat")
def concat(row: Row) -> nn.Module:
    """Caffe: concat_layer.cpp."""
    where = row.layer.concat_param
    axis = where.concat_dim if where.HasField("concat_dim") else where.axis
    return Apply(_concat, axis=canonical(axis, len(row.bottom_shapes[0])))


def _concat(*bottoms: Tensor, axis: int) -> Tensor:
    return torch.cat(bottoms, axis)


@BUILDERS.register("Slice")
def slice_(row: Row) -> nn.Module:
    """Cuts at `slice_point`, or into equal parts. Caffe: slice_layer.cpp."""
    where = row.layer.slice_param
    axis = canonical(where.slice_dim if where.HasField("slice_dim") else where.axis, len(row.bottom_shapes[0]))
    if len(row.tops) == 1:
        return nn.Identity()
    if where.slice_point:
        return Apply(_slice_at, axis=axis, points=list(where.slice_point))
    return Apply(_slice_equally, axis=axis, parts=len(row.tops))


def _slice_at(x: Tensor, axis: int, points: list[int]) -> tuple[Tensor, ...]:
    ends = [*points, x.shape[axis]]
    return tuple(x.narrow(axis, start, end - start) for start, end in zip([0, *points], ends, strict=True))


def _slice_equally(x: Tensor, axis: int, parts: int) -> tuple[Tensor, ...]:
    return x.split(x.shape[axis] // parts, axis)


@BUILDERS.register("Flatten")
def flatten(row: Row) -> nn.Module:
    """The axes from `axis` to `end_axis` as one, of size 1 where `end_axis` lies before. Caffe: flatten_layer.cpp."""
    rank = len(row.bottom_shapes[0])
    where = row.layer.flatten_param
    return Apply(_flatten, start=canonical(where.axis, rank), end=canonical(where.end_axis, rank))


def _flatten(x: Tensor, start: int, end: int) -> Tensor:
    return x.flatten(start, end) if start <= end else x.unsqueeze(start)


@BUILDERS.register("Reshape")
def reshape(row: Row) -> nn.Module:
    """`shape` replaces the axes [axis, axis + num_axes); 0 keeps one, -1 is worked out. Caffe: reshape_layer.cpp."""
    where = row.layer.reshape_param
    rank = len(row.bottom_shapes[0])
    start = where.axis if where.axis >= 0 else rank + where.axis + 1
    end = rank if where.num_axes == -1 else start + where.num_axes
    return Apply(_reshape, dims=list(where.shape.dim), start=start, end=end)


def _reshape(x: Tensor, dims: list[int], start: int, end: int) -> Tensor:
    middle = [x.shape[start + index] if dim == 0 else dim for index, dim in enumerate(dims)]
    return x.reshape(*x.shape[:start], *middle, *x.shape[end:])


@BUILDERS.register("Permute")
def permute(row: Row) -> nn.Module:
    """Axes in `order`, those left out behind in their own order. Caffe (SSD fork): permute_layer.cpp."""
    order = list(row.layer.permute_param.order)
    order += [axis for axis in range(len(row.bottom_shapes[0])) if axis not in order]
    return Apply(_permute, order=order)


def _permute(x: Tensor, order: list[int]) -> Tensor:
    # Contiguous, as every blob of Caffe is: later layers then meet the memory layout that they expect.
    return x.permute(order).contiguous()


@BUILDERS.register("Tile")
def tile(row: Row) -> nn.Module:
    """Caffe: tile_layer.cpp."""
    where = row.layer.tile_param
    return Apply(_tile, axis=canonical(where.axis, len(row.bottom_shapes[0])), tiles=where.tiles)


def _tile(x: Tensor, axis: int, tiles: int) -> Tensor:
    return x.repeat([tiles if index == axis else 1 for index in range(x.dim())])


@BUILDERS.register("Crop")
def crop(row: Row) -> nn.Module:
    """The first bottom cut, from `axis` on, to the size of the second. Caffe: crop_layer.cpp."""
    rank = len(row.bottom_shapes[0])
    axis = canonical(row.layer.crop_param.axis, rank)
    offsets = list(row.layer.crop_param.offset) or [0]
    if len(offsets) == 1:
        offsets *= rank - axis
    return Apply(_crop, axis=axis, offsets=offsets)


def _crop(x: Tensor, size: Tensor, axis: int, offsets: list[int]) -> Tensor:
    for index, offset in enumerate(offsets, start=axis):
        x = x.narrow(index, offset, size.shape[index])
    return x


@BUILDERS.register("ShuffleChannel")
def shuffle_channel(row: Row) -> nn.Module:
    """Channels dealt out to `group` piles in turn, four axes; of the release's fork (shuffle_channel_layer.cpp)."""
    return Apply(_shuffle_channel, groups=row.layer.shuffle_channel_param.group)


def _shuffle_channel(x: Tensor, groups: int) -> Tensor:
    y = x.unflatten(1, (groups, x.shape[1] // groups)).transpose(1, 2).flatten(1, 2)
    return y.reshape(*y.shape, *(1,) * (4 - y.dim()))


@BUILDERS.register("BatchReindex")
def batch_reindex(row: Row) -> nn.Module:
    """The rows of the first bottom that the second names. Caffe: batch_reindex_layer.cpp."""
    return Apply(_batch_reindex)


def _batch_reindex(x: Tensor, rows: Tensor) -> Tensor:
    return x.index_select(0, rows.long())


@BUILDERS.register("Filter")
def filter_(row: Row) -> nn.Module:
    """The rows of every bottom but the last where the last is not 0. Caffe: filter_layer.cpp."""
    return Apply(_filter)


def _filter(*bottoms: Tensor) -> tuple[Tensor, ...] | Tensor:
    rows = bottoms[-1].flatten().nonzero().flatten()
    kept = tuple(bottom.index_select(0, rows) for bottom in bottoms[:-1])
    return kept if len(kept) > 1 else kept[0]
