"""Scale with two bottoms, as in squeeze-and-excitation: factors from another layer, in the form that a target reads.

The factors have the sizes of some axes of the map, from one on. Forms of the same product:

1. Axes of size 1 more or less: for one item, factors (1, channels) from axis 0 on are (channels) from axis 1 on. A
   Reshape stands before the Scale.
2. The factors as large as the map, by a Tile along each axis that they lack, and an Eltwise PROD.
3. The same by a depthwise Deconvolution of ones, whose window is the map, where there is no Tile.
4. Where they already are so large, the Eltwise alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from converters.targets.forms import Form, Place, layers_rewritten
from converters.targets.rewrites.building import Building
from prototxt_gen.layers import Shape
from prototxt_gen.layers.arithmetic import broadcast_axis


@layers_rewritten("factors of another shape", "Scale")
def reshaped(place: Place) -> Iterator[Form]:
    """The same Scale on factors with more axes of size 1, or fewer."""
    row = place.row
    if not _is_gate(place):
        return
    whole, stated, begin = _factors(place)
    for first in range(len(whole)):
        for last in range(first + 1, len(whole) + 1):
            wanted = whole[first:last]
            covers = {axis for axis in range(first, last) if whole[axis] > 1}
            factors = {begin + axis for axis, size in enumerate(stated) if size > 1}
            if covers != factors or (wanted == stated and first == begin and not _is_negative(place)):
                continue
            made = Building(place)
            second = row.bottoms[1]
            if wanted != stated:
                second = made.add("Reshape", [second], "factors", reshape_param=_shaped(wanted, begin == first == 0))
            made.add("Scale", [row.bottoms[0], second], "scale", scale_param={"axis": first})
            yield made.form(f"Scale by factors of shape {'x'.join(map(str, wanted))} from axis {first} on")


@layers_rewritten("factors as large as the map", "Scale")
def tiled(place: Place) -> Iterator[Form]:
    """Tiles along the axes that the factors lack, and an Eltwise PROD."""
    row = place.row
    if not _is_gate(place):
        return
    whole, stated, begin = _factors(place)
    made = Building(place)
    second = row.bottoms[1]
    wanted = tuple(size if begin <= axis < begin + len(stated) else 1 for axis, size in enumerate(whole))
    if wanted != stated:
        second = made.add("Reshape", [second], "factors", reshape_param=_shaped(wanted, begin == 0))
    for axis in range(len(whole)):
        if wanted[axis] < whole[axis]:
            tile = {"axis": axis, "tiles": whole[axis]}
            second = made.add("Tile", [second], f"axis{axis}", tile_param=tile)
    made.add("Eltwise", [row.bottoms[0], second], "product", eltwise_param={"operation": "PROD"})
    yield made.form("Scale by another layer's factors as Tile and Eltwise PROD")


@layers_rewritten("factors enlarged", "Scale")
def enlarged(place: Place) -> Iterator[Form]:
    """One factor a channel as a map of its own, by a depthwise Deconvolution of ones; an Eltwise PROD."""
    row = place.row
    if not _is_gate(place) or len(row.bottom_shapes[0]) != 4:
        return
    whole, stated, begin = _factors(place)
    if begin != 0 or stated not in (whole[:2], (*whole[:2], 1, 1)) or whole[2:] == (1, 1):
        return
    made = Building(place)
    second, (channels, height, width) = row.bottoms[1], whole[1:]
    if len(stated) == 2:
        second = made.add("Reshape", [second], "factors", reshape_param=_shaped((*stated, 1, 1), True))
    options = {"num_output": channels, "group": channels, "bias_term": False, "kernel_h": height, "kernel_w": width}
    ones = np.ones((channels, 1, height, width), np.float32)
    second = made.add("Deconvolution", [second], "enlarged", [ones], convolution_param=options)
    made.add("Eltwise", [row.bottoms[0], second], "product", eltwise_param={"operation": "PROD"})
    yield made.form("Scale by another layer's factors as a Deconvolution of ones and Eltwise PROD")


def _is_gate(place: Place) -> bool:
    """Whether the layer multiplies by what another layer made, and adds nothing."""
    return len(place.row.bottoms) == 2 and not place.row.layer.scale_param.bias_term


def _factors(place: Place) -> tuple[Shape, Shape, int]:
    """The shapes of the map and of the factors, and the map's axis from which on the factors' axes are."""
    whole, stated = place.row.bottom_shapes
    return whole, stated, broadcast_axis(place.row.layer, "scale_param", place.row.bottom_shapes)


def _shaped(sizes: Sequence[int], has_batch: bool) -> dict[str, Any]:
    """The options of a Reshape; the batch is the bottom's own where it has one, so that any fits."""
    return {"shape": {"dim": [0, *sizes[1:]] if has_batch else list(sizes)}}


def _is_negative(place: Place) -> bool:
    return place.row.layer.scale_param.axis < 0
