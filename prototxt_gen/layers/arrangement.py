"""Layers that only move, copy or drop numbers: Concat, Slice, Reshape, Crop, Silence and others.

The functions before the rules say what the options mean for a given bottom: axes, sizes, offsets.
"""

from __future__ import annotations

from collections.abc import Sequence

from prototxt_gen.layers.layer_types import (
    MAX_AXES,
    LayerShape,
    Shape,
    axis_of,
    canonical_axis,
    check_in_place,
    check_numbers,
    count,
    layer_type,
    legacy_shape,
    require,
)
from prototxt_gen.proto import ConcatParameter, LayerParameter, SliceParameter


def concat_axis(layer: LayerParameter, bottom: Shape) -> int:
    """The axis that a Concat joins its bottoms on (Caffe: concat_layer.cpp)."""
    return _axis_or_dim(layer.concat_param, "concat_dim", "concat_param", bottom)


def slice_axis(layer: LayerParameter, bottom: Shape) -> int:
    """The axis that a Slice cuts its bottom on (Caffe: slice_layer.cpp)."""
    return _axis_or_dim(layer.slice_param, "slice_dim", "slice_param", bottom)


def _axis_or_dim(options: ConcatParameter | SliceParameter, old: str, field: str, bottom: Shape) -> int:
    """The axis, which old files call concat_dim or slice_dim and never count from the end."""
    if not options.HasField(old):
        return canonical_axis(options.axis, bottom, f"{field}.axis")
    require(not options.HasField("axis"), f"{field}.axis", f"axis and {old}", "one of the two")
    axis: int = getattr(options, old)
    require(axis < len(bottom), f"{field}.{old}", axis, f"an axis of a blob of shape {bottom}")
    return axis


def slice_sizes(layer: LayerParameter, bottom: Shape) -> Shape:
    """The sizes of a Slice's tops on its axis: between the slice points, or equal (Caffe: slice_layer.cpp)."""
    options, tops, axis = layer.slice_param, len(layer.top), slice_axis(layer, bottom)
    size = bottom[axis]
    if not options.slice_point:
        require(size % tops == 0, "top", tops, f"a divisor of {size}, the size of axis {axis}")
        return (size // tops,) * tops
    points = [*options.slice_point, size]
    require(
        len(points) == tops, "slice_param.slice_point", f"{len(points) - 1} points", f"{tops - 1}, one less than tops"
    )
    require(tops <= size, "top", tops, f"at most {size}, the size of axis {axis}")
    parts = tuple(end - begin for begin, end in zip([0, *points[:-1]], points, strict=True))
    rising = all(part > 0 for part in parts)
    require(rising, "slice_param.slice_point", points[:-1], f"rising points from 1 to {size - 1} (no empty part)")
    return parts


def flattened_axes(layer: LayerParameter, bottom: Shape) -> tuple[int, int]:
    """The first and the last axis that a Flatten joins; where it joins none the last is one less than the first.

    (Caffe: flatten_layer.cpp.)
    """
    options = layer.flatten_param
    start = axis_of(layer, "flatten_param", bottom)
    end = canonical_axis(options.end_axis, bottom, "flatten_param.end_axis")
    require(start <= end + 1, "flatten_param.end_axis", options.end_axis, f"an axis of {bottom} from {start} on")
    return start, end


def reshaped_axes(layer: LayerParameter, bottom: Shape) -> tuple[int, int]:
    """The axes [start, end) of the bottom that a Reshape's `shape` replaces (Caffe: reshape_layer.cpp)."""
    options, axes = layer.reshape_param, len(bottom)
    start = options.axis if options.axis >= 0 else axes + options.axis + 1
    require(0 <= start <= axes, "reshape_param.axis", options.axis, f"an axis of {bottom}, or where one more would be")
    require(options.num_axes >= -1, "reshape_param.num_axes", options.num_axes, "-1 or more")
    end = axes if options.num_axes == -1 else start + options.num_axes
    require(
        end <= axes, "reshape_param.num_axes", options.num_axes, f"at most {axes - start} from axis {start} of {bottom}"
    )
    return start, end


def reshaped(layer: LayerParameter, bottom: Shape) -> Shape:
    """The shape that a Reshape gives to a bottom of this shape (Caffe: reshape_layer.cpp).

    0 copies the size of the bottom's axis at that place, -1 infers a size.
    """
    start, end = reshaped_axes(layer, bottom)
    sizes = list(layer.reshape_param.shape.dim)
    require(len(sizes) <= MAX_AXES, "reshape_param.shape", f"{len(sizes)} axes", f"at most {MAX_AXES}")
    require(sizes.count(-1) <= 1, "reshape_param.shape", sizes, "-1 at most once")
    require(min(sizes, default=0) >= -1, "reshape_param.shape", sizes, "sizes, 0 or -1")
    for index, size in enumerate(sizes):
        if size == 0:
            has_axis = start + index < len(bottom)
            require(has_axis, "reshape_param.shape", sizes, f"a 0 only where {bottom} has an axis to copy")
            sizes[index] = bottom[start + index]
    made = [*bottom[:start], *sizes, *bottom[end:]]
    numbers = count(bottom)
    if -1 in made:
        rest = count([size for size in made if size != -1])
        fits = rest > 0 and numbers % rest == 0
        stated = tuple(layer.reshape_param.shape.dim)
        require(fits, "reshape_param.shape", stated, f"a divisor of the {numbers} numbers of {bottom}")
        made[made.index(-1)] = numbers // rest
    found = f"{count(made)} numbers in {tuple(made)}"
    require(count(made) == numbers, "reshape_param.shape", found, f"{numbers} as in {bottom}")
    return tuple(made)


def permutation(layer: LayerParameter, bottom: Shape) -> Shape:
    """For each axis of a Permute's top the bottom's: those named, then the others (SSD fork: permute_layer.cpp)."""
    order = list(layer.permute_param.order)
    fits = len(set(order)) == len(order) and all(axis < len(bottom) for axis in order)
    require(fits, "permute_param.order", order, f"different axes of {bottom}")
    return (*order, *(axis for axis in range(len(bottom)) if axis not in order))


def crop_offsets(layer: LayerParameter, bottom: Shape) -> dict[int, int]:
    """How much a Crop cuts from the beginning of each axis that it crops (Caffe: crop_layer.cpp)."""
    axes = range(axis_of(layer, "crop_param", bottom), len(bottom))
    given = list(layer.crop_param.offset)
    require(len(given) in (0, 1, len(axes)), "crop_param.offset", f"{len(given)} numbers", f"none, 1 or {len(axes)}")
    offsets = given if len(given) == len(axes) else (given or [0]) * len(axes)
    return dict(zip(axes, offsets, strict=True))


@layer_type(
    "Concat", options=("concat_param",), source="concat_layer.cpp", bottoms=(1, None), does="any axis, `concat_dim` too"
)
def concat(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottoms one after another on an axis (Caffe: concat_layer.cpp)."""
    axis = concat_axis(layer, bottoms[0])
    for index, bottom in enumerate(bottoms):
        same = len(bottom) == len(bottoms[0]) and all(
            found == first for i, (found, first) in enumerate(zip(bottom, bottoms[0], strict=True)) if i != axis
        )
        require(same, f"bottom[{index}]", f"shape {bottom}", f"{bottoms[0]} as bottom[0] on all axes but {axis}")
    joined = sum(bottom[axis] for bottom in bottoms)
    return LayerShape(((*bottoms[0][:axis], joined, *bottoms[0][axis + 1 :]),))


@layer_type(
    "Slice",
    options=("slice_param",),
    source="slice_layer.cpp",
    tops=(1, None),
    does="slice_point or equal parts, any axis, `slice_dim` too",
)
def slice_(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom cut on an axis, at the slice points or into equal parts (Caffe: slice_layer.cpp)."""
    in_place = layer.bottom[0] in layer.top
    require(len(layer.top) == 1 or not in_place, "top", f"{layer.bottom[0]!r}, the bottom", "in place one top alone")
    bottom, axis = bottoms[0], slice_axis(layer, bottoms[0])
    check_numbers(bottom)
    parts = slice_sizes(layer, bottom)
    return LayerShape(tuple((*bottom[:axis], part, *bottom[axis + 1 :]) for part in parts))


@layer_type(
    "Flatten",
    options=("flatten_param",),
    source="flatten_layer.cpp",
    in_place=False,
    is_view=True,
    does="axis to end_axis",
)
def flatten(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The axes from `axis` to `end_axis` as one (Caffe: flatten_layer.cpp)."""
    bottom = bottoms[0]
    start, end = flattened_axes(layer, bottom)
    return LayerShape(((*bottom[:start], count(bottom[start : end + 1]), *bottom[end + 1 :]),))


@layer_type(
    "Reshape",
    options=("reshape_param",),
    source="reshape_layer.cpp",
    in_place=False,
    is_view=True,
    does="0 and -1, axis, num_axes",
)
def reshape(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The axes from `axis` on, num_axes of them, as `shape` says (Caffe: reshape_layer.cpp)."""
    check_numbers(bottoms[0])
    return LayerShape((reshaped(layer, bottoms[0]),))


@layer_type("Permute", options=("permute_param",), source="permute_layer.cpp", does="of the SSD fork")
def permute(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's axes in another order (SSD fork: permute_layer.cpp)."""
    return LayerShape((tuple(bottoms[0][axis] for axis in permutation(layer, bottoms[0])),))


@layer_type("Tile", options=("tile_param",), source="tile_layer.cpp", does="any axis")
def tile(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom repeated on an axis (Caffe: tile_layer.cpp)."""
    bottom, options = bottoms[0], layer.tile_param
    axis = axis_of(layer, "tile_param", bottom)
    require(options.tiles > 0, "tile_param.tiles", options.tiles, "1 or more")
    top = (*bottom[:axis], bottom[axis] * options.tiles, *bottom[axis + 1 :])
    check_in_place(layer, bottom, top)
    return LayerShape((top,))


@layer_type(
    "BatchReindex",
    source="batch_reindex_layer.cpp",
    bottoms=2,
    in_place=False,
    labels=(1,),
    does="rows of the first bottom by the indices in the second",
)
def batch_reindex(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """One item of the batch for each index in the second bottom (Caffe: batch_reindex_layer.cpp)."""
    require(len(bottoms[0]) > 0, "bottom[0]", "no axes", "1 axis or more")
    require(len(bottoms[1]) == 1, "bottom[1]", f"shape {bottoms[1]}", "1 axis")
    return LayerShape(((*bottoms[1], *bottoms[0][1:]),))


@layer_type(
    "Filter",
    source="filter_layer.cpp",
    bottoms=(2, None),
    tops=(1, None),
    in_place=False,
    switches=(-1,),
    does="rows of every bottom but the last where the last is not 0",
    differs="shapes behind it are those of a full batch; at run time as many rows as are left",
)
def filter_(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """All bottoms but the last, each as large as it can get (Caffe: filter_layer.cpp).

    How many items stay depends on the numbers in the last bottom; Caffe too sets the layer up as if all stayed.
    """
    *kept, selector = bottoms
    require(len(layer.top) == len(kept), "top", len(layer.top), f"{len(kept)}, one for each bottom but the last")
    fits = len(selector) > 0 and count(selector[1:]) == 1
    require(fits, f"bottom[{len(kept)}]", f"shape {selector}", "one number for each item")
    for index, bottom in enumerate(kept):
        require(bottom[:1] == selector[:1], f"bottom[{index}]", f"shape {bottom}", f"{selector[0]} on axis 0")
    return LayerShape(tuple(kept))


@layer_type("Silence", source="silence_layer.cpp", bottoms=(1, None), tops=0, does="left out: it has no top")
def silence(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """No tops: it takes blobs that no other layer takes (Caffe: silence_layer.cpp)."""
    return LayerShape(())


@layer_type(
    "HDF5Output",
    options=("hdf5_output_param",),
    source="hdf5_output_layer.cpp",
    bottoms=2,
    tops=0,
    does="left out: it has no top",
    differs="no file is written",
)
def hdf5_output(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """No tops: data and labels go to a file (Caffe: hdf5_output_layer.cpp)."""
    return LayerShape(())


@layer_type(
    "ShuffleChannel",
    options=("shuffle_channel_param",),
    source="shuffle_channel_layer.cpp",
    does="of the release's fork: group",
)
def shuffle_channel(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's sizes on 4 axes, ones at the end (ShuffleNet and DF forks: shuffle_channel_layer.cpp)."""
    group = layer.shuffle_channel_param.group
    require(len(bottoms[0]) >= 2, "bottom[0]", f"shape {bottoms[0]}", "2 axes or more")
    channels = bottoms[0][1]
    require(
        group > 0 and channels % group == 0, "shuffle_channel_param.group", group, f"a divisor of {channels} channels"
    )
    return LayerShape((legacy_shape(bottoms[0], "bottom[0]"),))


@layer_type(
    "Split",
    source="split_layer.cpp",
    tops=(1, None),
    in_place=False,
    is_view=True,
    does="the same tensor under several names",
)
def split(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """Every top has the bottom's shape (Caffe: split_layer.cpp)."""
    return LayerShape((bottoms[0],) * len(layer.top))


@layer_type(
    "Crop",
    options=("crop_param",),
    source="crop_layer.cpp",
    bottoms=2,
    does="from any axis on, one offset or one for each axis",
)
def crop(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The first bottom cut to the second one's sizes on the axes from `axis` on (Caffe: crop_layer.cpp)."""
    offsets = crop_offsets(layer, bottoms[0])
    made = list(bottoms[0])
    for axis, offset in offsets.items():
        require(axis < len(bottoms[1]), "bottom[1]", f"shape {bottoms[1]}", f"an axis {axis} to crop to")
        made[axis] = bottoms[1][axis]
        room = bottoms[0][axis] - offset
        require(made[axis] <= room, "crop_param.offset", f"{offset} on axis {axis}", f"room for {made[axis]} of {room}")
    return LayerShape((tuple(made),))
