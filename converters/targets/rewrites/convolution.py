"""Convolution and its kin in other words: groups and dilation written out, axes exchanged, sizes spelled otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np

from converters.targets.forms import Form, Place, layers_rewritten
from converters.targets.rewrites.building import Building, alone, by, shares_blobs
from converters.targets.rewrites.deconvolution import weights_of
from prototxt_gen.layers.convolution import windows
from prototxt_gen.layers.windows import Windows, spatial_options
from prototxt_gen.stock import MOST_FACTORS

# Groups that are cut apart into convolutions of their own; more of them are slower than zeros.
_MOST_PARTS = 8
_DEFAULTS = {"stride": 1, "pad": 0}


@layers_rewritten("sizes spelled by height and width", "Convolution", "Deconvolution", "DepthwiseConvolution")
def respelled(place: Place) -> Iterator[Form]:
    """Kernel, stride and pad in the fewest words, or each as *_h and *_w: they mean the same."""
    row = place.row
    if not _is_plain(place) or shares_blobs(place):
        return
    window = windows(row.layer, row.bottom_shapes[0])
    sizes = {"kernel_size": window.kernel, "stride": window.stride, "pad": window.pad, "dilation": window.dilation}
    apart = {
        f"{field.removesuffix('_size')}_{axis}": size
        for field, pair in sizes.items()
        for axis, size in zip("hw", pair, strict=True)
        if field != "dilation" and set(pair) != {_DEFAULTS.get(field)}
    }
    for stated in (spatial_options(**sizes), {**apart, **spatial_options(dilation=window.dilation)}):
        options = {**_rest(place), **stated}
        form = alone(place, row.type, "kernel, stride and pad in other words", _blobs(place), convolution_param=options)
        if form.layers[0].convolution_param != row.layer.convolution_param:
            yield form


@layers_rewritten("dilation written out", "Convolution", "Deconvolution", "DepthwiseConvolution")
def undilated(place: Place) -> Iterator[Form]:
    """A dilated kernel as a larger one with zeros between its numbers."""
    row = place.row
    if not _is_plain(place):
        return
    window = windows(row.layer, row.bottom_shapes[0])
    if set(window.dilation) == {1}:
        return
    made = Building(place)
    made.add(row.type, [made.bottom], "dense", _spread(place, window), convolution_param=_options(
        place, Windows(1, window.extents(), window.stride, window.pad, (1, 1))
    ))  # fmt: skip
    yield made.form(f"dilation as a kernel of {by(window.extents())} with zeros between, {made.costs()}")


@layers_rewritten("a kernel at least as long as its stride", "Convolution", "DepthwiseConvolution")
def grown(place: Place) -> Iterator[Form]:
    """A kernel shorter than its stride with zeros around it, and as much more padding: 1x1 at stride 2 as 3x3."""
    row = place.row
    if not _is_plain(place):
        return
    window = windows(row.layer, row.bottom_shapes[0])
    if set(window.dilation) != {1}:
        return
    more = tuple(max(0, -((k - s) // 2)) for k, s in zip(window.kernel, window.stride, strict=True))
    if not any(more):
        return
    kernel = tuple(size + 2 * rows for size, rows in zip(window.kernel, more, strict=True))
    pad = tuple(size + rows for size, rows in zip(window.pad, more, strict=True))
    blobs = _blobs(place)
    if blobs is not None:
        blobs = [np.pad(blobs[0], ((0, 0), (0, 0), *((rows, rows) for rows in more))), *blobs[1:]]
    made = Building(place)
    options = _options(place, Windows(1, kernel, window.stride, pad, (1, 1)))
    made.add(row.type, [made.bottom], "grown", blobs, convolution_param=options)
    yield made.form(f"a kernel of {by(window.kernel)} as one of {by(kernel)} with zeros around, {made.costs()}")


@layers_rewritten("groups as convolutions of their own", "Convolution", "Deconvolution")
def cut_apart(place: Place) -> Iterator[Form]:
    """A few groups as a Slice, a convolution for each part, and a Concat."""
    row, options = place.row, place.row.layer.convolution_param
    group = options.group
    if not _is_plain(place) or shares_blobs(place) or not 1 < group <= _MOST_PARTS:
        return
    blobs = _blobs(place)
    made = Building(place)
    parts = made.add_slice(made.bottom, 1, [row.bottom_shapes[0][1] // group] * group, "part")
    each = options.num_output // group
    tops = []
    for index, part in enumerate(parts):
        own = None if blobs is None else [
            np.split(blobs[0], group)[index],
            *(np.split(bias, group)[index] for bias in blobs[1:]),
        ]  # fmt: skip
        stated = {**_options(place, windows(row.layer, row.bottom_shapes[0])), "num_output": each}
        del stated["group"]
        tops.append(made.add(row.type, [part], f"group{index + 1}", own, convolution_param=stated))
    made.add("Concat", tops, "joined")
    yield made.form(f"{group} groups as convolutions of their own, joined again")


@layers_rewritten("groups written out", "Convolution", "Deconvolution", "DepthwiseConvolution")
def ungrouped(place: Place) -> Iterator[Form]:
    """Groups as one Convolution whose other weights are 0."""
    row = place.row
    if not _is_plain(place):
        return
    channels, outputs = row.bottom_shapes[0][1], row.layer.convolution_param.num_output
    group = channels if row.type == "DepthwiseConvolution" else row.layer.convolution_param.group
    window = windows(row.layer, row.bottom_shapes[0])
    if group == 1 or channels * outputs * prod(window.kernel) > MOST_FACTORS:
        return
    blobs = _blobs(place)
    if blobs is not None:
        blobs = [_dense(blobs[0], group), *blobs[1:]]
    stated = _options(place, window)
    stated.pop("group", None)
    made = Building(place)
    kind = "Convolution" if row.type == "DepthwiseConvolution" else row.type
    made.add(kind, [made.bottom], "dense", blobs, convolution_param=stated)
    yield made.form(f"{group} groups as one, with zeros for the others, {made.costs()}")


@layers_rewritten("channels moved to axis 1", "Convolution")
def turned(place: Place) -> Iterator[Form]:
    """A Convolution of 1x1 along another axis, between two Permutes."""
    row = place.row
    if len(row.bottoms) != 1 or len(row.bottom_shapes[0]) != 4:
        return
    window = windows(row.layer, row.bottom_shapes[0])
    trivial = (set(window.kernel), set(window.stride), set(window.pad)) == ({1}, {1}, {0})
    if window.axis not in (2, 3) or not trivial or row.layer.convolution_param.group != 1:
        return
    blobs = _blobs(place)
    if blobs is not None:
        blobs = [blobs[0].reshape(*blobs[0].shape[:2], 1, 1), *blobs[1:]]
    made = Building(place)
    order = [0, 2, 1, 3] if window.axis == 2 else [0, 3, 2, 1]
    stated: dict[str, Any] = {"num_output": row.layer.convolution_param.num_output, "kernel_size": [1]}
    stated |= {} if row.layer.convolution_param.bias_term else {"bias_term": False}
    blob = made.add("Permute", [made.bottom], "turned", permute_param={"order": order})
    blob = made.add("Convolution", [blob], f"axis{window.axis}", blobs, convolution_param=stated)
    made.add("Permute", [blob], "back", permute_param={"order": order})
    yield made.form(f"a Convolution along axis {window.axis} as one along axis 1 between two Permutes")


@layers_rewritten("a kernel in steps of its stride", "Convolution")
def by_space_to_depth(place: Place) -> Iterator[Form]:
    """A long kernel at a stride as a Convolution that lays each step's numbers into channels, and one of few rows."""
    row, options = place.row, place.row.layer.convolution_param
    if not _is_plain(place) or shares_blobs(place):
        return
    window = windows(row.layer, row.bottom_shapes[0])
    if options.group != 1 or set(window.dilation) != {1} or prod(window.stride) == 1:
        return
    if all(k <= s for k, s in zip(window.kernel, window.stride, strict=True)):
        return
    channels, sizes, wanted = row.bottom_shapes[0][1], row.bottom_shapes[0][2:], row.top_shapes[0][2:]
    axes = [_steps(*axis) for axis in zip(sizes, window.kernel, window.stride, window.pad, wanted, strict=True)]
    if any(axis is None for axis in axes):
        return
    kernels, pads, fronts = zip(*(axis for axis in axes if axis is not None), strict=True)
    places = prod(window.stride)
    made = Building(place)
    laid: dict[str, Any] = {"num_output": channels * places, "bias_term": False}
    laid |= {"group": channels} if channels > 1 else {}
    laid |= spatial_options(kernel_size=window.stride, stride=window.stride, pad=pads)
    ones = np.tile(np.eye(places).reshape(places, 1, *window.stride), (channels, 1, 1, 1))
    blob = made.add("Convolution", [made.bottom], "laid", [ones], convolution_param=laid)
    blobs = place.blobs
    if blobs is not None:
        (high, wide), (rows, columns) = window.stride, kernels
        room = [
            (front, size * step - front - kernel)
            for front, size, step, kernel in zip(fronts, kernels, window.stride, window.kernel, strict=True)
        ]
        weights = np.pad(blobs[0], ((0, 0), (0, 0), *room))
        weights = weights.reshape(-1, channels, rows, high, columns, wide).transpose(0, 1, 3, 5, 2, 4)
        blobs = [weights.reshape(-1, channels * places, rows, columns), *blobs[1:]]
    stated: dict[str, Any] = {"num_output": options.num_output, **spatial_options(kernel_size=kernels)}
    stated |= {} if options.bias_term else {"bias_term": False}
    made.add("Convolution", [blob], "steps", blobs, convolution_param=stated)
    what = f"a kernel of {by(window.kernel)} at stride {by(window.stride)} as one of {by(kernels)}"
    yield made.form(f"{what} over what a Convolution of {by(window.stride)} lays into channels, {made.costs()}")


def _steps(size: int, kernel: int, stride: int, pad: int, outputs: int) -> tuple[int, int, int] | None:
    """Rows of the second kernel, padding of the first layer, zeros before the old kernel; None where there is none."""
    for more in range(0, 3 * stride, stride):
        rows = (size + 2 * (pad + more) - stride) // stride + 1
        second = rows - outputs + 1
        if second * stride >= more + kernel:
            # Zeros that a kernel needs behind it may not push it on by more than a step.
            return (second, pad + more, more) if second <= -(-kernel // stride) + 2 else None
    return None


def _spread(place: Place, window: Windows) -> Sequence[np.ndarray] | None:
    """The weights with zeros between them, as the dilation has them."""
    blobs = _blobs(place)
    if blobs is None:
        return None
    spread = np.zeros((*blobs[0].shape[:2], *window.extents()), np.float32)
    spread[:, :, :: window.dilation[0], :: window.dilation[1]] = blobs[0]
    return [spread, *blobs[1:]]


def _dense(weights: np.ndarray, group: int) -> np.ndarray:
    """Weights of one group, with zeros where the groups do not meet: each part of axis 0 has its part of axis 1."""
    outer, inner = weights.shape[:2]
    each = outer // group
    dense = np.zeros((outer, inner * group, *weights.shape[2:]), np.float32)
    for index in range(group):
        rows = slice(index * each, (index + 1) * each)
        dense[rows, index * inner : (index + 1) * inner] = weights[rows]
    return dense


def _is_plain(place: Place) -> bool:
    """Whether the layer is over a map of two axes, has one bottom, and a dilation that is one."""
    row = place.row
    if len(row.bottoms) != 1 or len(row.bottom_shapes[0]) != 4:
        return False
    window = windows(row.layer, row.bottom_shapes[0])
    return window.axis == 1 and 0 not in window.dilation


def _blobs(place: Place) -> Sequence[np.ndarray] | None:
    return weights_of(place) if place.row.type == "Deconvolution" else place.blobs


def _options(place: Place, window: Windows) -> dict[str, Any]:
    """convolution_param with these windows, the rest as the layer has it."""
    sizes = spatial_options(kernel_size=window.kernel, stride=window.stride, pad=window.pad, dilation=window.dilation)
    return {**_rest(place), **sizes}


def _rest(place: Place) -> dict[str, Any]:
    options = place.row.layer.convolution_param
    made: dict[str, Any] = {"num_output": options.num_output}
    if options.HasField("group"):
        made["group"] = options.group
    return made if options.bias_term else {**made, "bias_term": False}
