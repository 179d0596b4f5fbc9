"""Pad: a border of zeros or of another number, or of the map's own numbers.

A Conv or a pooling that takes a padded map pads by itself where it can; the border then needs no layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from converters.onnx.moving import views
from converters.onnx.moving.rearranging import part
from converters.onnx.network import Network
from converters.onnx.operators.readers import OPERATORS, Call
from converters.onnx.operators.windows import cut, write_steps
from converters.onnx.values import Constant, Tensor
from prototxt_gen.errors import need
from prototxt_gen.layers.layer_types import count
from prototxt_gen.stock import MOST_FACTORS, along_axes

_MOST_PARTS = 16
"""A border of the map's own numbers is a Slice and a Concat up to so many parts."""


@OPERATORS.register("Pad")
def pad(call: Call, net: Network) -> Tensor:
    """The input with a border; a negative one cuts (ONNX: Pad). Of a transposed blob the blob gets the border."""
    top = call.tensor(0)
    borders, value = _borders(call, len(top.shape))
    order = views.axis_order(top)
    if order is None:
        return _bordered(call, net, top, borders, value)
    own = [borders[order.index(axis)] for axis in range(len(order))]
    return views.turned(net, _bordered(call, net, views.base(top), own, value), order, views.view_of(top).history)


def _bordered(call: Call, net: Network, bottom: Tensor, borders: Sequence[tuple[int, int]], value: float) -> Tensor:
    """A blob with a border of these widths, by the node's mode."""
    mode = call.attribute("mode", "constant")
    need(mode in ("constant", "reflect", "edge", "wrap"), f"mode {mode!r}")
    sizes = [size + begin + end for size, (begin, end) in zip(bottom.shape, borders, strict=True)]
    need(min(sizes, default=0) > 0, f"an output of shape {tuple(sizes)}")
    parts = {
        axis: (max(-begin, 0), size + min(begin, 0) + min(end, 0))
        for axis, (size, (begin, end)) in enumerate(zip(bottom.shape, borders, strict=True))
        if min(begin, end) < 0
    }
    need(all(size > 0 for _, size in parts.values()), "a cut of the whole axis")
    added = {axis: (max(begin, 0), max(end, 0)) for axis, (begin, end) in enumerate(borders) if max(begin, end) > 0}
    need(0 not in added, "the batch is padded")
    inner = cut(net, bottom, parts, suffix="cut" if added else "")
    if mode == "constant":
        return _constant(net, inner, added, value)
    for axis, (begin, end) in added.items():
        suffix = "" if axis == max(added) else f"axis{axis}"
        net.budget.take(8 * (inner.shape[axis] + begin + end))
        inner = gathered(net, inner, axis, _indices(inner.shape[axis], begin, end, mode), suffix)
    return inner


def _borders(call: Call, axes: int) -> tuple[list[tuple[int, int]], float]:
    """(begin, end) of every axis, and the number that a constant border has."""
    pads = call.numbers(1, "pads") if call.opset >= 11 else call.numbers(99, "pads")
    need(pads is not None, "no pads")
    assert pads is not None
    given = call.constant(2) if call.opset >= 11 else np.array(call.attribute("value", 0.0))
    value = 0.0 if given is None or not given.size else float(given.reshape(-1)[0])
    stated = call.numbers(3) if call.opset >= 18 else None
    chosen = [axis % axes for axis in stated] if stated is not None else list(range(axes))
    need(len(pads) == 2 * len(chosen), f"pads: found {pads} for {len(chosen)} axes")
    borders = [(0, 0)] * axes
    for place, axis in enumerate(chosen):
        borders[axis] = (pads[place], pads[place + len(chosen)])
    return borders, value


def _constant(net: Network, bottom: Tensor, added: Mapping[int, tuple[int, int]], value: float) -> Tensor:
    """Zeros by matrices along the axes; another number by a Bias behind them."""
    if not added:
        return bottom
    need(bool(np.isfinite(np.float32(value))), f"a border of {value}")
    matrices = {}
    for axis, (begin, end) in added.items():
        size = bottom.shape[axis]
        factors = (size + begin + end) * size
        need(factors <= MOST_FACTORS, f"a matrix of {factors} factors, expected at most {MOST_FACTORS}")
        net.budget.take(factors)
        matrices[axis] = np.pad(np.eye(size), ((begin, end), (0, 0)))
    made = write_steps(net, bottom, along_axes(bottom.shape, matrices), "zeros", last=value == 0)
    if value == 0:
        if min(added) > 1:
            net.padded[made.blob] = bottom, dict(added)
        return made
    first, last = min(added), max(added)
    border = np.zeros(bottom.shape[first : last + 1], np.float32)
    widths = [added.get(axis, (0, 0)) for axis in range(first, last + 1)]
    param = {"axis": first, "num_axes": last + 1 - first}
    net.budget.take(count(made.shape[first : last + 1]))
    return net.layer(
        "Bias", [made], blobs=[np.pad(border, widths, constant_values=value)], fixed=True, bias_param=param
    )


def _indices(size: int, begin: int, end: int, mode: str) -> Constant:
    """For each position of a bordered axis the one that it repeats (ONNX: Pad, mode)."""
    places = np.arange(-begin, size + end)
    if mode == "edge":
        return places.clip(0, size - 1)
    if mode == "wrap":
        return places % size
    need(max(begin, end) < size, f"a border of {max(begin, end)} that reflects {size} positions")
    return size - 1 - np.abs(size - 1 - np.abs(places))


def gathered(net: Network, value: Tensor, axis: int, indices: Constant, suffix: str = "") -> Tensor:
    """The positions `indices` of an axis, by a Slice and a Concat where they are a few runs, else by a matrix."""
    size = value.shape[axis]
    starts = np.flatnonzero(np.diff(indices, prepend=indices[0] - 2) != 1)
    ends = np.append(starts[1:], len(indices))
    runs = [(int(indices[start]), int(end - start)) for start, end in zip(starts, ends, strict=True)]
    if len(runs) > _MOST_PARTS:
        need(len(indices) * size <= MOST_FACTORS, f"a matrix of {len(indices)}x{size}, expected {MOST_FACTORS} factors")
        net.budget.take(len(indices) * size)
        steps = along_axes(value.shape, {axis: np.eye(size)[indices]})
        return write_steps(net, value, steps, suffix or "border", last=not suffix)
    # The whole map and single positions of it would not fit into one Slice: its parts are apart.
    points = sorted({0, size, *(start for start, _ in runs), *(start + length for start, length in runs)})
    parts = {
        start: value if (start, end) == (0, size) else part(net, value, axis, start, end - start, "part")
        for start, end in pairwise(points)
    }
    pieces = [parts[start] for first, length in runs for start in points if first <= start < first + length]
    return net.layer("Concat", pieces, suffix=suffix, concat_param={"axis": axis})
