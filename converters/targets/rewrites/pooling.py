"""Pooling in other words: chains of smaller windows, depthwise convolutions, the whole map, sizes rounded down.

Means of means are means where all are of equally many numbers; maxima of maxima always are, where the windows of the
first layer that a window of the second covers are together the window that is asked for. Both are worked out here for
every window of the map, so that paddings and last windows count as Caffe has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np

from converters.targets.forms import Form, Place, layers_rewritten
from converters.targets.rewrites.building import Building, alone, by, copied, factor_chains
from prototxt_gen.errors import NetworkError
from prototxt_gen.layers import Shape
from prototxt_gen.layers.pooling import pooled_sizes, windows
from prototxt_gen.layers.windows import Windows, spatial_options
from prototxt_gen.stock import along_axes


@layers_rewritten("sizes that round down", "Pooling")
def rounded_up(place: Place) -> Iterator[Form]:
    """Without round_mode FLOOR: where both rules give one size it says nothing, else the last windows are cut off.

    The other windows are the same under both rules (Caffe: pooling_layer.cpp, Reshape).
    """
    row, old = place.row, place.row.layer
    if not old.pooling_param.HasField("round_mode") or len(row.tops) > 1:
        return
    plain = copied(old)
    plain.pooling_param.ClearField("round_mode")
    made = Building(place)
    pooled = made.add("Pooling", [made.bottom], "pool", pooling_param=plain.pooling_param)
    sizes, wanted = made.shape(pooled), row.top_shapes[0]
    if sizes == wanted:
        yield made.form("round_mode left out, which makes no difference here")
        return
    window, shape = windows(old, row.bottom_shapes[0]), row.bottom_shapes[0]
    axes = zip(shape[2:], window.kernel, window.stride, window.pad, sizes[2:], strict=True)
    if any(begin >= end for axis in axes for begin, end in _spans(*axis)):
        return  # a window without numbers, whose mean is no number: 0 times that is none either
    cuts = {axis: np.eye(wanted[axis], sizes[axis]) for axis in (2, 3)}
    made.steps(along_axes(sizes, cuts), pooled)
    yield made.form("round_mode left out, and the windows that only rounding up has cut off by a Convolution")


@layers_rewritten("windows as large as the map", "Pooling")
def global_or_not(place: Place) -> Iterator[Form]:
    """global_pooling as a window of the map's size, and such a window as global_pooling."""
    row, options = place.row, place.row.layer.pooling_param
    map_size = row.bottom_shapes[0][2:]
    if len(row.tops) > 1:
        return
    if options.global_pooling:
        made = _pooling_options(_method(place), windows(row.layer, row.bottom_shapes[0]))
        yield alone(place, "Pooling", f"global pooling as a window of {by(map_size)}", pooling_param=made)
        return
    window = windows(row.layer, row.bottom_shapes[0])
    if row.top_shapes[0][2:] == (1, 1) and not any(window.pad) and _covers(window.kernel, map_size):
        made = {"pool": _method(place), "global_pooling": True}
        yield alone(
            place, "Pooling", f"a window of {by(map_size)}, the whole map, as global pooling", pooling_param=made
        )


@layers_rewritten("a chain of windows side by side", "Pooling")
def side_by_side(place: Place) -> Iterator[Form]:
    """Windows side by side that fill the map, as a chain: 32 = 8 * 4 or 4 * 4 * 2, 8x16 = 4x4, then 2x4."""
    row = place.row
    window = windows(row.layer, row.bottom_shapes[0])
    sizes, outputs = row.bottom_shapes[0][2:], row.top_shapes[0][2:]
    fills = all(k * n == size for k, n, size in zip(window.kernel, outputs, sizes, strict=True))
    steps = all(n == 1 or k == s for k, n, s in zip(window.kernel, outputs, window.stride, strict=True))
    if _method(place) == "STOCHASTIC" or len(row.tops) > 1 or any(window.pad) or not fills or not steps:
        return
    kept: list[Form] = []
    for stages in factor_chains(window.kernel):
        made = Building(place)
        blob = made.bottom
        for index, kernel in enumerate(stages, 1):
            options = _pooling_options(_method(place), Windows(1, kernel, kernel, (0, 0), (1, 1)))
            blob = made.add("Pooling", [blob], f"stage{index}", pooling_param=options)
        what = f"windows of {by(window.kernel)} as a chain of {', '.join(map(by, stages))}"
        refused = made.refused()
        if not refused:
            yield made.form(what)
            return
        if refused == [len(stages) - 1]:
            kept.append(made.form(what))
    yield from kept[:2]


@layers_rewritten("two poolings in a row", "Pooling")
def in_two(place: Place) -> Iterator[Form]:
    """Any maximum, and means whose windows divide, as two poolings: 13 at stride 1 as 7 and 7."""
    row, method = place.row, _method(place)
    shape = row.bottom_shapes[0]
    if method == "STOCHASTIC" or len(row.tops) > 1:
        return
    window, floor = windows(row.layer, shape), _rounds_down(place)
    kept: list[Form] = []
    for first, second in _pairs(window):
        if not _same(shape[2:], row.top_shapes[0][2:], window, first, second, floor, method):
            continue
        made = Building(place)
        blob = made.add("Pooling", [made.bottom], "first", pooling_param=_pooling_options(method, first))
        made.add("Pooling", [blob], "second", pooling_param=_pooling_options(method, second, floor))
        what = f"windows of {by(window.kernel)} as windows of {by(first.kernel)}, then of {by(second.kernel)}"
        refused = made.refused()
        if not refused:
            yield made.form(what)
            return
        if refused == [1] and len(kept) < 2:
            kept.append(made.form(what))
    yield from kept


@layers_rewritten("means as a depthwise convolution", "Pooling")
def as_convolution(place: Place) -> Iterator[Form]:
    """AVE as a depthwise Convolution with equal weights; where windows at the border count less, a Scale behind it."""
    row = place.row
    shape = row.bottom_shapes[0]
    if _method(place) != "AVE" or (row.layer.pooling_param.global_pooling and prod(shape[2:]) == 1):
        return
    window, outputs = windows(row.layer, shape), row.top_shapes[0][2:]
    axes = list(zip(shape[2:], window.kernel, window.stride, window.pad, outputs, strict=True))
    if any((made - 1) * stride - pad >= size for size, _, stride, pad, made in axes):
        return
    if all((made - 1) * stride + kernel <= size + 2 * pad for size, kernel, stride, pad, made in axes) and all(
        (size + 2 * pad - kernel) // stride + 1 == made for size, kernel, stride, pad, made in axes
    ):
        made = Building(place)
        options = {"num_output": shape[1], "group": shape[1], "bias_term": False}
        options |= spatial_options(kernel_size=window.kernel, stride=window.stride, pad=window.pad)
        weights = np.full((shape[1], 1, *window.kernel), 1 / prod(window.kernel))
        made.add("Convolution", [made.bottom], "mean", [weights], convolution_param=options)
        yield made.form(f"means as a depthwise Convolution of {by(window.kernel)} with equal weights, {made.costs()}")
    made = Building(place)
    steps = along_axes(shape, {2 + place_: means(*axis) for place_, axis in enumerate(axes)})
    if steps:
        made.steps(steps, made.bottom)
        yield made.form(f"means as {', '.join(step.kind for step in steps)} with fixed weights, {made.costs()}")


@layers_rewritten("means of the map as a Reduction", "Pooling")
def as_reduction(place: Place) -> Iterator[Form]:
    """A mean of the whole map as a Reduction, and a Reshape that gives it back its axes."""
    row = place.row
    window = windows(row.layer, row.bottom_shapes[0])
    if _method(place) == "AVE" and not any(window.pad) and _is_whole(row.bottom_shapes[0], row.top_shapes[0], window):
        made = Building(place)
        mean = made.add("Reduction", [made.bottom], "mean", reduction_param={"operation": "MEAN", "axis": 2})
        made.add("Reshape", [mean], "axes", reshape_param={"shape": {"dim": [0, 0, 1, 1]}})
        yield made.form("the mean of the map as a Reduction and a Reshape")


def means(size: int, kernel: int, stride: int, pad: int, outputs: int) -> np.ndarray:
    """(outputs, size): what AVE takes of each position along one axis (Caffe: pooling_layer.cpp, Forward_cpu).

    A window's divisor is its length within the padded map; those of two axes are multiplied.
    """
    starts = np.arange(outputs) * stride - pad
    ends = np.minimum(starts + kernel, size + pad)
    places = np.arange(size)
    inside = (places >= starts[:, None]) & (places < ends[:, None])
    return inside / (ends - starts)[:, None]


def _pairs(window: Windows) -> list[tuple[Windows, Windows]]:
    """Two windows that may be one, those first of which the larger is small."""
    axes = []
    for kernel, stride, pad in zip(window.kernel, window.stride, window.pad, strict=True):
        ways = [((1, 1, 0), (kernel, stride, pad))]
        for first_stride in (one for one in range(1, stride + 1) if stride % one == 0):
            for first in range(first_stride, kernel):
                if (kernel - first) % first_stride:
                    continue
                second = (kernel - first) // first_stride + 1
                for inner in range(min(pad // first_stride, second - 1) + 1):
                    outer = pad - inner * first_stride
                    if outer < first:
                        ways.append(((first, first_stride, outer), (second, stride // first_stride, inner)))
        axes.append(ways)
    same = window.kernel[0] == window.kernel[1] and window.stride[0] == window.stride[1]
    same = same and window.pad[0] == window.pad[1]
    chosen = list(zip(axes[0], axes[1], strict=True)) if same else list(product(*axes))
    made = []
    for (first_h, second_h), (first_w, second_w) in chosen:
        pair = _both(first_h, first_w), _both(second_h, second_w)
        if all(prod(one.kernel) > 1 for one in pair):
            made.append(pair)
    return sorted(made, key=lambda two: (max(prod(one.kernel) for one in two), -prod(two[0].stride), sum(two[0].pad)))[
        :200
    ]


def _both(height: Shape, width: Shape) -> Windows:
    """Windows of (kernel, stride, pad) along each axis."""
    kernel, stride, pad = ((height[index], width[index]) for index in range(3))
    return Windows(1, kernel, stride, pad, (1, 1))


def _same(
    sizes: Shape, wanted: Shape, window: Windows, first: Windows, second: Windows, floor: bool, method: str
) -> bool:
    """Whether one pooling behind the other computes what a window does, for every output."""
    try:
        between = pooled_sizes(sizes, first)
        if pooled_sizes(between, second, floor) != wanted:
            return False
    except NetworkError:
        return False
    for axis in (0, 1):
        one, two, whole = (
            _spans(size, at.kernel[axis], at.stride[axis], at.pad[axis], made)
            for size, at, made in (
                (sizes[axis], first, between[axis]),
                (between[axis], second, wanted[axis]),
                (sizes[axis], window, wanted[axis]),
            )
        )
        if any(begin >= end for spans in (one, two, whole) for begin, end in spans):
            return False
        # The first layer's windows move on without a gap, so those that a window covers are together one span.
        if first.stride[axis] > first.kernel[axis]:
            return False
        if [(one[begin][0], one[end - 1][1]) for begin, end in two] != whole:
            return False
        if method == "AVE":
            parts = [
                means(size, at.kernel[axis], at.stride[axis], at.pad[axis], made)
                for size, at, made in (
                    (between[axis], second, wanted[axis]),
                    (sizes[axis], first, between[axis]),
                    (sizes[axis], window, wanted[axis]),
                )
            ]
            if not np.allclose(parts[0] @ parts[1], parts[2], rtol=0, atol=1e-12):
                return False
    return True


def _spans(size: int, kernel: int, stride: int, pad: int, outputs: int) -> list[tuple[int, int]]:
    """Of each window along an axis the first position in the map, and the one behind its last."""
    starts = [index * stride - pad for index in range(outputs)]
    return [(max(0, start), min(start + kernel, size)) for start in starts]


def _method(place: Place) -> str:
    options = place.row.layer.pooling_param
    return {options.MAX: "MAX", options.AVE: "AVE"}.get(options.pool, "STOCHASTIC")


def _rounds_down(place: Place) -> bool:
    options = place.row.layer.pooling_param
    return bool(options.round_mode == options.FLOOR)


def _is_whole(bottom: Shape, top: Shape, window: Windows) -> bool:
    return top[2:] == (1, 1) and _covers(window.kernel, bottom[2:])


def _covers(kernel: Sequence[int], sizes: Sequence[int]) -> bool:
    return all(window >= size for window, size in zip(kernel, sizes, strict=True))


def _pooling_options(method: str, window: Windows, floor: bool = False) -> dict[str, Any]:
    made: dict[str, Any] = {"pool": method}
    for field, values in spatial_options(kernel_size=window.kernel, stride=window.stride, pad=window.pad).items():
        made[field] = values[0] if isinstance(values, list) else values
    return {**made, "round_mode": "FLOOR"} if floor else made
