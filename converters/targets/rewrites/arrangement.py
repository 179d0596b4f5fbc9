"""Reshape, Slice, Concat, Tile and Crop by other layers, mostly by convolutions with weights 0 and 1."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

import numpy as np

from converters.targets.forms import Form, Place, layers_rewritten
from converters.targets.rewrites.building import Building, alone, copied
from converters.weights import Weights
from prototxt_gen.layers.arrangement import concat_axis, crop_offsets, slice_axis, slice_sizes
from prototxt_gen.layers.layer_types import axis_of
from prototxt_gen.proto import LayerParameter
from prototxt_gen.stock import MOST_FACTORS, along_axes, repeated


@layers_rewritten("a Reshape as a Flatten", "Reshape")
def reshape_as_flatten(place: Place) -> Iterator[Form]:
    """A Reshape that joins all axes behind the batch as a Flatten."""
    bottom, top = place.row.bottom_shapes[0], place.row.top_shapes[0]
    if len(top) == 2 and top[0] == bottom[0] and len(bottom) > 1:
        yield alone(place, "Flatten", "a Reshape as a Flatten")


@layers_rewritten("slice points stated", "Slice")
def slice_points_stated(place: Place) -> Iterator[Form]:
    """Equal parts of a Slice with the points between them."""
    row = place.row
    made = copied(row.layer)
    if made.slice_param.slice_point or len(row.tops) == 1:
        return
    made.slice_param.slice_point[:] = list(accumulate(slice_sizes(row.layer, row.bottom_shapes[0])))[:-1]
    yield Form((made,), "the points between equal parts stated")


@layers_rewritten("parts by Convolutions", "Slice")
def slice_by_convolutions(place: Place) -> Iterator[Form]:
    """Parts of the channels as Convolutions of 1x1 with weights 0 and 1."""
    row = place.row
    shape = row.bottom_shapes[0]
    if len(shape) != 4 or slice_axis(row.layer, shape) != 1 or shape[1] ** 2 > MOST_FACTORS:
        return
    layers: list[LayerParameter] = []
    blobs: Weights = {}
    begin = 0
    for index, (top, size) in enumerate(zip(row.tops, slice_sizes(row.layer, shape), strict=True), 1):
        made = Building(place)
        options = {"num_output": size, "bias_term": False, "kernel_size": [1]}
        weights = np.eye(shape[1])[begin : begin + size, :, None, None]
        made.add("Convolution", [made.bottom], f"part{index}", [weights], convolution_param=options)
        layer, own = made.apart(top)
        layers.append(layer)
        blobs |= own
        begin += size
    yield Form(tuple(layers), "parts of the channels as Convolutions of 1x1 with weights 0 and 1", blobs)


@layers_rewritten("parts by a Convolution each", "Concat")
def concat_by_sums(place: Place) -> Iterator[Form]:
    """Joined channels as the sum of Convolutions of 1x1 that put each bottom to its place."""
    row = place.row
    total = row.top_shapes[0]
    if len(total) != 4 or concat_axis(row.layer, row.bottom_shapes[0]) != 1 or total[1] ** 2 > MOST_FACTORS:
        return
    made = Building(place)
    terms, begin = [], 0
    for index, (bottom, shape) in enumerate(zip(row.bottoms, row.bottom_shapes, strict=True), 1):
        options = {"num_output": total[1], "bias_term": False, "kernel_size": [1]}
        weights = np.eye(total[1])[:, begin : begin + shape[1], None, None]
        terms.append(made.add("Convolution", [bottom], f"part{index}", [weights], convolution_param=options))
        begin += shape[1]
    if len(terms) > 1:
        made.add("Eltwise", terms, "joined")
    yield made.form(f"joined channels as the sum of {len(terms)} Convolutions")


@layers_rewritten("a Tile as a linear map", "Tile")
def tile_by_maps(place: Place) -> Iterator[Form]:
    """A Tile of an axis of size 1 as an enlargement of it by a Deconvolution, or of channels by a Convolution."""
    row, shape = place.row, place.row.bottom_shapes[0]
    axis, tiles = axis_of(row.layer, "tile_param", shape), row.layer.tile_param.tiles
    if len(shape) != 4 or axis == 0 or tiles == 1:
        return
    made = Building(place)
    if axis == 1:
        if (shape[1] * tiles) ** 2 > MOST_FACTORS:
            return
        options = {"num_output": shape[1] * tiles, "bias_term": False, "kernel_size": [1]}
        weights = np.tile(np.eye(shape[1]), (tiles, 1))[:, :, None, None]
        made.add("Convolution", [made.bottom], "tiles", [weights], convolution_param=options)
    elif shape[axis] == 1:
        options = {"num_output": shape[1], "group": shape[1], "bias_term": False}
        sizes = (tiles, 1) if axis == 2 else (1, tiles)
        options |= {f"kernel_{side}": size for side, size in zip("hw", sizes, strict=True)}
        options |= {f"stride_{side}": size for side, size in zip("hw", sizes, strict=True)}
        made.add("Deconvolution", [made.bottom], "tiles", [np.ones((shape[1], 1, *sizes))], convolution_param=options)
    else:
        steps = along_axes(shape, {axis: np.tile(repeated(shape[axis], 1), (tiles, 1))})
        made.steps(steps, made.bottom)
    yield made.form(f"an axis repeated by weights 0 and 1, {made.costs()}")


@layers_rewritten("a Crop as a linear map", "Crop")
def crop_by_maps(place: Place) -> Iterator[Form]:
    """A Crop of the map as a depthwise Convolution that takes one number of each window."""
    row, shape, top = place.row, place.row.bottom_shapes[0], place.row.top_shapes[0]
    if len(shape) != 4 or shape[:2] != top[:2]:
        return
    offsets = crop_offsets(row.layer, shape)
    cuts = {axis: np.eye(top[axis], shape[axis], offsets.get(axis, 0)) for axis in (2, 3)}
    steps = along_axes(shape, cuts)
    if not steps:
        return
    made = Building(place)
    made.steps(steps, made.bottom)
    yield made.form(f"a Crop as {', '.join(step.kind for step in steps)} with weights 0 and 1, {made.costs()}")
