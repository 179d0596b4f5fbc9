"""Deconvolution as a Convolution that computes all positions between those of the map, and what puts them in place.

With stride s an output row i lies on row (i + pad) // s of the map and has one of s phases; each phase is a convolution
of the map with every s-th row of the kernel. So a Convolution with s times as many channels an axis computes all of
them, and a Deconvolution with kernel and stride s and weights 0 and 1 puts them side by side (a pixel shuffle); that
one is a chain of smaller ones: 8 = 2 * 2 * 2. What sticks out at the borders is cut off by its padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np

from converters.targets.forms import Form, Place, layers_rewritten
from converters.targets.rewrites.building import Building, by, factor_chains, shares_blobs
from prototxt_gen.layers import Shape
from prototxt_gen.layers.convolution import windows
from prototxt_gen.layers.fillers import fixed_values
from prototxt_gen.layers.windows import Windows, spatial_options
from prototxt_gen.proto import FillerParameter

# A quotient of weights is exact to this share of the largest weight.
_TOLERANCE = 1e-6
# Phases whose kernel would be longer than the layer's own by more than this are not worth their zeros.
_MOST_ZEROS = 2


@layers_rewritten("all phases by a Convolution", "Deconvolution")
def as_phases(place: Place) -> Iterator[Form]:
    """A Convolution of all phases and a pixel shuffle, itself a chain where that is smaller."""
    if not _is_plain(place):
        return
    window, blobs = windows(place.row.layer, place.row.bottom_shapes[0]), weights_of(place)
    chains: list[tuple[Shape, ...]] = [(window.stride,), *factor_chains(window.stride)]
    is_shuffle = all(k <= s for k, s in zip(window.extents(), window.stride, strict=True))
    kept: list[tuple[int, int, int, Building, str]] = []
    for plan, chain, grouped in product(_plans(place, window), chains, (True, False)):
        if is_shuffle and len(chain) == 1 and prod(window.stride) > 1 and _only_moves(place):
            continue
        made = _built(place, window, plan, chain, blobs, grouped)
        refused = made.refused()
        # The groups of the Convolution may be written out, too.
        if refused in ([], [0]):
            kept.append((len(refused), made.multiply_adds, len(kept), made, _said(window, plan, chain, made)))
    for _, _, _, made, what in sorted(kept, key=lambda one: one[:3])[:2]:
        yield made.form(what)


@layers_rewritten("enlarged, then smoothed", "Deconvolution")
def as_upsample(place: Place) -> Iterator[Form]:
    """A depthwise Deconvolution whose kernel is a box, as long as the stride, times another: Upsample and Convolution.

    Bilinear kernels of an even length are such: 4 at stride 2 is a box of 2 times 3 rows, 16 at stride 8 8 times 9.
    """
    row = place.row
    if not _is_plain(place) or shares_blobs(place):
        return
    window, channels = windows(row.layer, row.bottom_shapes[0]), row.bottom_shapes[0][1]
    options, blobs = row.layer.convolution_param, weights_of(place)
    scale = window.stride[0]
    if blobs is None or options.group != channels or options.num_output != channels or set(window.dilation) != {1}:
        return
    if set(window.stride) != {scale} or scale == 1:
        return
    rest = _divided(blobs[0].astype(np.float64), scale)
    if rest is None:
        return
    pads = [kernel - 1 - pad for kernel, pad in zip(rest.shape[2:], window.pad, strict=True)]
    if min(pads) < 0:
        return
    made = Building(place)
    blob = made.add("Upsample", [made.bottom], "enlarged", upsample_param={"scale": scale})
    smooths = rest.shape[2:] != (1, 1) or bool(np.abs(rest - 1).max() > _TOLERANCE) or options.bias_term
    if smooths:
        stated = {"num_output": channels, "group": channels, "bias_term": options.bias_term}
        stated |= spatial_options(kernel_size=rest.shape[2:], pad=pads)
        made.add("Convolution", [blob], "smooth", [rest[:, :, ::-1, ::-1], *blobs[1:]], convolution_param=stated)
    kernel = f", then a depthwise Convolution of {by(rest.shape[2:])}" if smooths else ""
    yield made.form(f"each number {by(window.stride)} times by Upsample{kernel}, {made.costs()}")


@layers_rewritten("each number many times", "Deconvolution")
def as_boxes(place: Place) -> Iterator[Form]:
    """A depthwise Deconvolution of ones at a stride like the kernel, or over a map of 1x1, as a chain of such."""
    row = place.row
    if not _is_plain(place) or shares_blobs(place):
        return
    window, shape = windows(row.layer, row.bottom_shapes[0]), row.bottom_shapes[0]
    options, blobs = row.layer.convolution_param, weights_of(place)
    alike = all(k == s or size == 1 for k, s, size in zip(window.kernel, window.stride, shape[2:], strict=True))
    if not alike or options.group != shape[1] or options.num_output != shape[1] or blobs is None or options.bias_term:
        return
    if any(window.pad) or set(window.dilation) != {1} or not (blobs[0] == 1).all():
        return
    kept: list[Form] = []
    for chain in factor_chains(window.kernel):
        made = Building(place)
        blob = made.bottom
        for index, size in enumerate(chain, 1):
            blob = box(made, blob, size, f"times{index}")
        what = f"each number {by(window.kernel)} times in steps of {', '.join(map(by, chain))}, {made.costs()}"
        if not made.refused():
            kept.append(made.form(what))
    yield from kept[:2]


def box(made: Building, blob: str, sizes: Shape, what: str) -> str:
    """The depthwise Deconvolution that has each number so many times along both axes."""
    channels = made.shape(blob)[1]
    options: dict[str, Any] = {
        "num_output": channels,
        "bias_term": False,
        **({"group": channels} if channels > 1 else {}),
    }
    options |= spatial_options(kernel_size=sizes, stride=sizes)
    return made.add("Deconvolution", [blob], what, [np.ones((channels, 1, *sizes))], convolution_param=options)


@layers_rewritten("bilinear in steps", "Deconvolution")
def in_bilinear_steps(place: Place) -> Iterator[Form]:
    """Nearly the same: a bilinear enlargement by an even factor as several by smaller ones, 8 as 2, 2 and 2.

    What is linear between two pixels stays so but near the pixels themselves, where the steps round the corner off.
    """
    row = place.row
    if not _is_plain(place):
        return
    window, options, blobs = windows(row.layer, row.bottom_shapes[0]), row.layer.convolution_param, weights_of(place)
    factor = window.stride[0]
    sizes = set(window.kernel), set(window.stride), set(window.pad), set(window.dilation)
    if factor % 2 or sizes != ({2 * factor}, {factor}, {factor // 2}, {1}) or blobs is None or len(blobs) > 1:
        return
    wanted = fixed_values(FillerParameter(type="bilinear"), blobs[0].shape)
    if options.group != options.num_output or wanted is None or not np.allclose(blobs[0], wanted, rtol=0, atol=1e-6):
        return
    for chain in factor_chains((factor, factor)):
        if any(high != wide or high % 2 for high, wide in chain):
            continue
        made = Building(place)
        blob = made.bottom
        for index, (size, _) in enumerate(chain, 1):
            blob = bilinear(made, blob, size, f"times{index}")
        if not made.refused():
            steps = ", ".join(str(size) for size, _ in chain)
            yield made.form(f"bilinear enlargement by {factor} in steps of {steps}: corners rounded off", exact=False)
            return


def bilinear(made: Building, blob: str, factor: int, what: str) -> str:
    """The depthwise Deconvolution that enlarges by an even factor, as Caffe's bilinear filler has it."""
    channels = made.shape(blob)[1]
    stated: dict[str, Any] = {"num_output": channels, "group": channels, "bias_term": False}
    stated |= {"kernel_size": [2 * factor], "stride": [factor], "pad": [factor // 2]}
    weights = fixed_values(FillerParameter(type="bilinear"), (channels, 1, 2 * factor, 2 * factor))
    assert weights is not None
    return made.add("Deconvolution", [blob], what, [weights], convolution_param=stated)


@layers_rewritten("phases moved by Reshape and Permute", "Deconvolution")
def by_permuting(place: Place) -> Iterator[Form]:
    """The Convolution of all phases, its channels moved to their places by a Permute on six axes.

    Few accelerators have six axes, so this is for targets that have no Deconvolution at all.
    """
    if not _is_plain(place) or place.has("Deconvolution"):
        return
    row = place.row
    window, outputs = windows(row.layer, row.bottom_shapes[0]), row.layer.convolution_param.num_output
    if prod(window.stride) == 1:
        return
    for plan in _plans(place, window):
        if any(axis.front or axis.end for axis in plan):
            continue
        made = Building(place)
        blob = _phases(made, window, plan, (window.stride,), weights_of(place))
        _, _, height, width = made.shape(blob)
        high, wide = window.stride
        blob = made.add(
            "Reshape", [blob], "apart", reshape_param={"shape": {"dim": [0, outputs, high, wide, height, width]}}
        )
        blob = made.add("Permute", [blob], "moved", permute_param={"order": [0, 1, 4, 2, 5, 3]})
        made.add("Reshape", [blob], "joined", reshape_param={"shape": {"dim": [0, 0, height * high, width * wide]}})
        yield made.form(f"a Convolution of all {high * wide} phases, moved by Reshape and Permute, {made.costs()}")
        return


@dataclass(frozen=True)
class _Axis:
    """How a Convolution computes the phases along one axis.

    `taps[u, r]`: which row of the kernel its own row u has for phase r, -1 for none. Of the rows that it makes, times
    the stride, `front` are cut off before and `end` behind.
    """

    taps: np.ndarray
    pad: int
    front: int
    end: int


def _plans(place: Place, window: Windows) -> list[tuple[_Axis, _Axis]]:
    """The ways to lay the phases: with fewest taps, and without a cut at the front."""
    row = place.row
    numbers = zip(
        row.bottom_shapes[0][2:], window.extents(), window.stride, window.pad, window.dilation, row.top_shapes[0][2:],
        strict=True,
    )  # fmt: skip
    ways = []
    for size, extent, stride, pad, dilation, made in numbers:
        one = [_axis(size, extent, stride, pad, dilation, made, front) for front in dict.fromkeys((pad % stride, 0))]
        ways.append([axis for axis in one if axis is not None])
    return [(one, other) for one, other in product(*ways)]


def _axis(size: int, extent: int, stride: int, pad: int, dilation: int, made: int, front: int) -> _Axis | None:
    """The phases of one axis with `front` rows cut off before; None where a Convolution would need far more rows."""
    rows = -(-(made + front) // stride)
    # An output on row m of the map takes rows m + low to m + high of it.
    low, high = -((front - pad + extent - 1) // stride), (stride - 1 + pad - front) // stride
    around = max(-low, rows + high - size, 0)
    kernel = size + 2 * around + 1 - rows
    if kernel > high - low + 1 + _MOST_ZEROS:
        return None
    taps = stride * (around - np.arange(kernel)[:, None]) + np.arange(stride) + pad - front
    taps = np.where((taps >= 0) & (taps < extent) & (taps % dilation == 0), taps // dilation, -1)
    return _Axis(taps, around, front, stride * rows - front - made)


def _built(
    place: Place,
    window: Windows,
    plan: tuple[_Axis, _Axis],
    chain: Sequence[Shape],
    blobs: Sequence[np.ndarray] | None,
    grouped: bool,
) -> Building:
    """The Convolution and the Deconvolutions that put its channels in their places."""
    made = Building(place)
    blob = _phases(made, window, plan, chain, blobs)
    if prod(window.stride) == 1:
        return made
    left = [[axis.front, axis.end] for axis in plan]
    for index, strides in enumerate(chain):
        unit = [prod(later[axis] for later in chain[index + 1 :]) for axis in (0, 1)]
        # What is cut off at both ends alike goes as early as whole rows of this layer are.
        both = [min(cut) // size for cut, size in zip(left, unit, strict=True)]
        cuts = [(cut, cut) for cut in both]
        if index == len(chain) - 1:
            cuts = [(front, end) for front, end in left]
        left = [
            [one - cut * size for one, cut in zip(pair, cutting, strict=True)]
            for pair, cutting, size in zip(left, cuts, unit, strict=True)
        ]
        what = f"shuffle{index + 1}" if len(chain) > 1 else "shuffle"
        blob = shuffle(made, blob, strides, what, grouped, cuts)
    return made


def _phases(
    made: Building,
    window: Windows,
    plan: tuple[_Axis, _Axis],
    chain: Sequence[Shape],
    blobs: Sequence[np.ndarray] | None,
) -> str:
    """The Convolution whose channels are the phases of each output, those of the first shuffle last."""
    old = made.place.row.layer.convolution_param
    phases = prod(window.stride)
    kernel = tuple(len(axis.taps) for axis in plan)
    options: dict[str, Any] = {"num_output": old.num_output * phases}
    options |= {"group": old.group} if old.group > 1 else {}
    options |= {} if old.bias_term else {"bias_term": False}
    options |= spatial_options(kernel_size=kernel, pad=[axis.pad for axis in plan])
    new = None
    if blobs is not None:
        known = blobs

        def new() -> list[np.ndarray]:
            biases = [np.repeat(bias, phases) for bias in known[1:]]
            return [_phase_weights(known[0], old.group, plan, chain), *biases]

    return made.add("Convolution", [made.bottom], "phases", new, convolution_param=options)


def _phase_weights(weights: np.ndarray, group: int, plan: tuple[_Axis, _Axis], chain: Sequence[Shape]) -> np.ndarray:
    """(outputs * phases, channels / group, rows, columns) of a Deconvolution's (channels, outputs / group, ...)."""
    channels, each = weights.shape[:2]
    padded = np.pad(weights, ((0, 0), (0, 0), (0, 1), (0, 1)))
    taps = padded[:, :, plan[0].taps[:, :, None, None], plan[1].taps[None, None]]
    rows, high, columns, wide = taps.shape[2:]
    taps = taps.reshape(group, channels // group, each, rows, high, columns, wide)
    taps = taps.transpose(0, 2, 4, 6, 1, 3, 5)  # group, output, phases of both axes, channel, row, column
    taps = taps.reshape(group * each, high * wide, channels // group, rows, columns)[:, phase_order(chain)]
    return taps.reshape(-1, channels // group, rows, columns)


def phase_order(chain: Sequence[Shape]) -> np.ndarray:
    """The phases, counted row by row, in the order in which a chain of shuffles takes them: those of its first last."""
    count = len(chain)
    stages = [*(size for size, _ in chain), *(size for _, size in chain)]
    order = [axis for stage in reversed(range(count)) for axis in (stage, count + stage)]
    return np.arange(prod(stages)).reshape(stages).transpose(order).ravel()


def shuffle(
    made: Building,
    blob: str,
    strides: Shape,
    what: str,
    grouped: bool = True,
    cuts: Sequence[tuple[int, int]] = ((0, 0), (0, 0)),
) -> str:
    """The Deconvolution that puts channels side by side, and cuts off rows (front, end) of each axis.

    It has a group for each output, or one with zeros.
    """
    outputs = made.shape(blob)[1] // prod(strides)
    # Padding cuts both ends alike; where one end loses less, the kernel is longer there, by zeros.
    pads = [max(cut) for cut in cuts]
    begins = [max(0, end - front) for front, end in cuts]
    kernel = [stride + abs(front - end) for stride, (front, end) in zip(strides, cuts, strict=True)]
    options: dict[str, Any] = {"num_output": outputs, "bias_term": False}
    options |= {"group": outputs} if grouped and outputs > 1 else {}
    options |= spatial_options(kernel_size=kernel, stride=strides, pad=pads)

    def ones() -> list[np.ndarray]:
        each = np.zeros((*strides, *kernel), np.float32)
        for row, column in product(*map(range, strides)):
            each[row, column, begins[0] + row, begins[1] + column] = 1
        each = each.reshape(-1, *kernel)
        if grouped:
            return [np.tile(each, (outputs, 1, 1))[:, None]]
        dense = np.zeros((outputs, prod(strides), outputs, *kernel), np.float32)
        dense[range(outputs), :, range(outputs)] = each
        return [dense.reshape(-1, outputs, *kernel)]

    return made.add("Deconvolution", [blob], what, ones, convolution_param=options)


def weights_of(place: Place) -> Sequence[np.ndarray] | None:
    """The weights of a Deconvolution; those of a fixed filler where there are none, since files may leave them out."""
    row = place.row
    filler = row.layer.convolution_param.weight_filler
    if place.blobs is None and filler.type == "bilinear" and len(row.blob_shapes) == 1:
        values = fixed_values(filler, row.blob_shapes[0])
        return None if values is None else [values]
    return place.blobs


def _divided(weights: np.ndarray, scale: int) -> np.ndarray | None:
    """The kernels that are these where each row and column counts `scale` times; None where they are not such."""
    rest = weights
    for axis in (2, 3):
        rest = np.moveaxis(rest, axis, 0)
        length = len(rest) - scale + 1
        if length < 1:
            return None
        quotient = np.zeros((length, *rest.shape[1:]))
        for index in range(length):
            quotient[index] = rest[index] - quotient[max(0, index - scale + 1) : index].sum(0)
        again = sum(np.pad(quotient, ((step, scale - 1 - step), *[(0, 0)] * 3)) for step in range(scale))
        if np.abs(again - rest).max() > _TOLERANCE * np.abs(weights).max():
            return None
        rest = np.moveaxis(quotient, 0, axis)
    return rest


def _is_plain(place: Place) -> bool:
    """Whether the layer is over a map of two axes, and has one bottom and blobs of its own."""
    row = place.row
    window = windows(row.layer, row.bottom_shapes[0])
    return len(row.bottoms) == 1 and len(row.bottom_shapes[0]) == 4 and window.axis == 1 and 0 not in window.dilation


def _only_moves(place: Place) -> bool:
    """Whether the layer has the channels of a pixel shuffle, so that its phases would be one again."""
    row = place.row
    window = windows(row.layer, row.bottom_shapes[0])
    return row.bottom_shapes[0][1] == row.layer.convolution_param.num_output * prod(window.stride)


def _said(window: Windows, plan: Sequence[_Axis], chain: Sequence[Shape], made: Building) -> str:
    kernel = by([len(axis.taps) for axis in plan])
    if prod(window.stride) == 1:
        return f"a Deconvolution at stride 1 as a Convolution of {kernel}"
    shuffles = " and then ".join(map(by, chain))
    return (
        f"a Deconvolution of {by(window.kernel)} at stride {by(window.stride)} as a Convolution of {kernel} for all "
        f"{prod(window.stride)} phases, moved by Deconvolutions of {shuffles}: {made.costs()}"
    )
