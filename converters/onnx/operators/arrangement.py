"""Operators that move numbers: Concat, Split, Slice, Gather, Reshape, Transpose, Tile, DepthToSpace and others.

All but Concat and Split add no layers: they change how their input is seen (converters/onnx/moving/views.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from converters.onnx.moving import views
from converters.onnx.network import Network
from converters.onnx.operators.blocks import affine, expanded, filled, float_array
from converters.onnx.operators.readers import OPERATORS, Call
from converters.onnx.values import Constant, Tensor
from prototxt_gen.errors import UnsupportedError, need
from prototxt_gen.layers import Shape
from prototxt_gen.layers.layer_types import count


def _step(call: Call, detail: object) -> str:
    """What a node does to a value, for the value's history."""
    origin = ", ".join(part for part in (call.node.origin.module, call.node.origin.source) if part)
    return f"{call.operator} {detail} {call.node.name!r}{f' ({origin})' if origin else ''}"


def _axis(axis: int, axes: int) -> int:
    """An axis counted from the front."""
    need(-axes <= axis < axes, f"axis: found {axis}, expected an axis of {axes}")
    return axis % axes


# ---------------------------------------------------------------------------------------------------- another shape


def _reshaped(call: Call, net: Network, shape: Sequence[int]) -> Tensor:
    value = call.tensor(0)
    made = tuple(shape)
    need(min(made, default=1) > 0, f"shape: found {made}, expected no empty axis")
    need(
        count(made) == count(value.shape), f"shape: found {made} for the {count(value.shape)} numbers of {value.shape}"
    )
    return views.reshaped(net, value, made, _step(call, made))


@OPERATORS.register("Reshape")
def reshape(call: Call, net: Network) -> Tensor:
    """0 copies the size of the axis at that place, unless `allowzero`; -1 is what is left."""
    old, sizes = call.tensor(0).shape, call.numbers(1, "shape")
    need(sizes is not None, "shape: found none")
    assert sizes is not None
    if not call.attribute("allowzero", 0):
        need(all(size or place < len(old) for place, size in enumerate(sizes)), f"shape: found {sizes} for {old}")
        sizes = [size or old[place] for place, size in enumerate(sizes)]
    if -1 in sizes:
        rest = count([size for size in sizes if size != -1])
        need(sizes.count(-1) == 1 and rest > 0, f"shape: found {sizes}")
        sizes = [count(old) // rest if size == -1 else size for size in sizes]
    return _reshaped(call, net, sizes)


@OPERATORS.register("Flatten")
def flatten(call: Call, net: Network) -> Tensor:
    """Two axes: those before `axis`, and the others."""
    old, axis = call.tensor(0).shape, int(call.attribute("axis", 1))
    axis = axis if axis == len(old) else _axis(axis, len(old))
    return _reshaped(call, net, (count(old[:axis]), count(old[axis:])))


@OPERATORS.register("Squeeze")
def squeeze(call: Call, net: Network) -> Tensor:
    """Without some axes of size 1, or without any."""
    old, axes = call.tensor(0).shape, call.numbers(1, "axes")
    dropped = {axis for axis, size in enumerate(old) if size == 1}
    if axes is not None:
        named = {_axis(axis, len(old)) for axis in axes}
        need(named <= dropped, f"axes: found {axes} of shape {old}, expected axes of size 1")
        dropped = named
    return _reshaped(call, net, [size for axis, size in enumerate(old) if axis not in dropped])


@OPERATORS.register("Unsqueeze")
def unsqueeze(call: Call, net: Network) -> Tensor:
    """With more axes of size 1, at the places `axes` of the result."""
    old, axes = list(call.tensor(0).shape), call.numbers(1, "axes")
    need(axes is not None, "axes: found none")
    assert axes is not None
    for axis in sorted(_axis(axis, len(old) + len(axes)) for axis in axes):
        old.insert(axis, 1)
    return _reshaped(call, net, old)


@OPERATORS.register("Expand")
def expand(call: Call, net: Network) -> Tensor:
    """Repeated along axes of size 1, as far as the shape says."""
    value, shape = call.tensor(0), call.numbers(1)
    assert shape is not None
    try:
        made: Shape = np.broadcast_shapes(value.shape, tuple(shape))
    except ValueError as fault:
        raise UnsupportedError(f"shape: found {shape} for a value of {value.shape}") from fault
    need(count(made) > 0, f"shape: found {shape}, expected no empty axis")
    return views.expanded(net, value, made, _step(call, made))


@OPERATORS.register("Tile")
def tile(call: Call, net: Network) -> Tensor:
    """Repeated along every axis."""
    need(call.opset >= 6, f"Tile of opset {call.opset}, expected 6 or newer")
    value, times = call.tensor(0), call.numbers(1)
    assert times is not None
    fits = len(times) == len(value.shape) and min(times, default=1) > 0
    need(fits, f"repeats: found {times} for a value of shape {value.shape}")
    for axis, number in enumerate(times):
        if number > 1:
            value = views.repeated(net, value, axis, number, _step(call, times))
    return value


# ---------------------------------------------------------------------------------------------------- another order


@OPERATORS.register("Transpose")
def transpose(call: Call, net: Network) -> Tensor:
    """The axes in another order."""
    value = call.tensor(0)
    axes = len(value.shape)
    order = tuple(_axis(axis, axes) for axis in call.attribute("perm", range(axes)[::-1]))
    need(sorted(order) == list(range(axes)), f"perm: found {order} for a value of shape {value.shape}")
    return views.transposed(net, value, order, _step(call, order))


@OPERATORS.register("DepthToSpace")
def depth_to_space(call: Call, net: Network) -> Tensor:
    """Channels to blocks of pixels: by mode DCR the block's place comes first among the channels, by CRD last."""
    size, mode = int(call.attribute("blocksize")), call.attribute("mode", "DCR")
    number, channels, height, width = _map_sizes(call)
    need(mode in ("DCR", "CRD"), f"mode: found {mode!r}")
    need(size > 0 and channels % size**2 == 0, f"blocksize: found {size} for {channels} channels")
    kept = channels // size**2
    split = (number, size, size, kept, height, width) if mode == "DCR" else (number, kept, size, size, height, width)
    order = (0, 3, 4, 1, 5, 2) if mode == "DCR" else (0, 1, 4, 2, 5, 3)
    return _moved(call, net, split, order, (number, kept, height * size, width * size))


@OPERATORS.register("SpaceToDepth")
def space_to_depth(call: Call, net: Network) -> Tensor:
    """Blocks of pixels to channels: the place in the block comes before the old channel."""
    size = int(call.attribute("blocksize"))
    number, channels, height, width = _map_sizes(call)
    need(size > 0 and height % size == 0 and width % size == 0, f"blocksize: found {size} for {height}x{width}")
    high, wide = height // size, width // size
    split = (number, channels, high, size, wide, size)
    return _moved(call, net, split, (0, 3, 5, 1, 2, 4), (number, channels * size**2, high, wide))


def _map_sizes(call: Call) -> Shape:
    shape = call.tensor(0).shape
    need(len(shape) == 4, f"input: found shape {shape}, expected 4 axes")
    return shape


def _moved(call: Call, net: Network, split: Shape, order: Sequence[int], made: Shape) -> Tensor:
    step = _step(call, call.attribute("blocksize"))
    value = views.reshaped(net, call.tensor(0), split, step)
    return views.reshaped(net, views.transposed(net, value, order, ""), made, "")


# ---------------------------------------------------------------------------------------------------- parts


@OPERATORS.register("Slice")
def slice_(call: Call, net: Network) -> Tensor:
    """Every `step`-th position from start to end, on several axes; places from the end are negative."""
    value = call.tensor(0)
    starts, ends = call.numbers(1, "starts"), call.numbers(2, "ends")
    axes, steps = call.numbers(3, "axes"), call.numbers(4)
    need(starts is not None and ends is not None, "starts or ends: found none")
    assert starts is not None and ends is not None
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    need(len(starts) == len(ends) == len(axes) == len(steps), "starts, ends, axes, steps: found different numbers")
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = _axis(axis, len(value.shape))
        need(step != 0, "steps: found 0")
        size = value.shape[axis]
        indices = range(*slice(start, end, step).indices(size))
        need(len(indices) > 0, f"an empty result: {start} to {end} of {size} positions on axis {axis}")
        if indices != range(size):
            value = views.picked(net, value, axis, indices, _step(call, f"{[start, end, step]} on axis {axis}"))
    return value


@OPERATORS.register("Gather")
def gather(call: Call, net: Network) -> Tensor:
    """The positions of an axis that a constant names; or, of a constant table, the rows that a value names: Embed."""
    if isinstance(call.inputs[0], np.ndarray):
        return _embedded(call, net)
    value, indices = call.tensor(0), call.constant(1)
    assert indices is not None
    axis = _axis(int(call.attribute("axis", 0)), len(value.shape))
    size = value.shape[axis]
    need(indices.size > 0, "an empty result: no indices")
    need(bool(((indices >= -size) & (indices < size)).all()), f"indices: found places outside of {size} positions")
    wanted = [int(index) % size for index in indices.reshape(-1)]
    step = _step(call, f"{wanted if len(wanted) < 9 else len(wanted)} on axis {axis}")
    if len(wanted) != size or wanted != list(range(size)):
        value = views.picked(net, value, axis, wanted, step)
    made = (*value.shape[:axis], *indices.shape, *value.shape[axis + 1 :])
    return value if made == value.shape else views.reshaped(net, value, made, "")


@OPERATORS.register("GatherND")
def gather_nd(call: Call, net: Network) -> Tensor:
    """The places on the first axes that the last axis of a constant names."""
    value, indices = call.tensor(0), call.constant(1)
    assert indices is not None
    need(not call.attribute("batch_dims", 0), f"batch_dims: found {call.attribute('batch_dims')}, expected 0")
    axes = indices.shape[-1]
    need(indices.size > 0 and axes <= len(value.shape), f"indices of shape {indices.shape}")
    sizes = np.array(value.shape[:axes])
    need(bool(((indices >= -sizes) & (indices < sizes)).all()), f"indices: found places outside of {value.shape}")
    wanted = np.ravel_multi_index(tuple(np.moveaxis(indices % sizes, -1, 0)), tuple(sizes)).reshape(-1)
    rest = value.shape[axes:]
    step = _step(call, f"{len(wanted)} of {count(value.shape[:axes])} positions")
    flat = value if axes == 1 else views.reshaped(net, value, (count(value.shape[:axes]), *rest), step)
    found = views.picked(net, flat, 0, wanted.tolist(), step)
    made = (*indices.shape[:-1], *rest)
    return found if made == found.shape else views.reshaped(net, found, made, step)


def _embedded(call: Call, net: Network) -> Tensor:
    table = call.constant(0)
    assert table is not None
    axis = int(call.attribute("axis", 0))
    need(table.ndim == 2 and axis in (0, -2), f"a constant of shape {table.shape}, taken from by a computed index")
    options = {"num_output": table.shape[1], "input_dim": table.shape[0], "bias_term": False}
    return net.layer("Embed", [call.tensor(1)], blobs=[table], embed_param=options)


@OPERATORS.register("Split")
def split(call: Call, net: Network) -> list[Tensor]:
    """Parts of an axis: of stated sizes, or equal, the last one smaller where that does not go evenly."""
    value = call.tensor(0)
    axis = _axis(int(call.attribute("axis", 0)), len(value.shape))
    size, number = value.shape[axis], len(call.node.outputs)
    sizes = call.numbers(1, "split")
    if sizes is None:
        number = int(call.attribute("num_outputs", number))
        share = -(-size // number)
        sizes = [min(share, size - share * place) for place in range(number)]
    fits = sum(sizes) == size and min(sizes) > 0 and len(sizes) == len(call.node.outputs)
    need(fits, f"split: found {sizes} of {size} positions for {len(call.node.outputs)} outputs")
    if len(sizes) == 1:
        return [value]
    order = views.axis_order(value)
    if order is not None:
        return _cut(net, value, order, axis, sizes)
    starts = np.cumsum([0, *sizes]).tolist()
    return [
        views.picked(net, value, axis, range(start, start + part), _step(call, f"axis {axis}"))
        for start, part in zip(starts, sizes, strict=False)
    ]


def _cut(net: Network, value: Tensor, order: Sequence[int], axis: int, sizes: Sequence[int]) -> list[Tensor]:
    """One Slice of the blob; its tops are seen as the value is."""
    options: dict[str, Any] = {} if order[axis] == 1 else {"axis": order[axis]}
    options["slice_point"] = np.cumsum(sizes)[:-1].tolist()
    tops = net.tops("Slice", [views.base(value)], len(sizes), slice_param=options)
    return [replace(views.turned(net, top, order, views.view_of(value).history), whole=value.whole) for top in tops]


@OPERATORS.register("Concat")
def concat(call: Call, net: Network) -> Tensor:
    """The values one after another on an axis; constants become Parameter layers."""
    given = [one for one in call.inputs if one is not None and count(one.shape) > 0]
    tensors = [one for one in given if isinstance(one, Tensor)]
    need(bool(tensors), "only constants and values without numbers")
    first = tensors[0]
    axis = _axis(int(call.attribute("axis", 1)), len(first.shape))
    for one in given:
        fits = one.shape[:axis] == first.shape[:axis] and one.shape[axis + 1 :] == first.shape[axis + 1 :]
        need(fits, f"shapes {[tuple(one.shape) for one in given]} on axis {axis}")
    if len(given) == 1:
        return first
    if len(tensors) == len(given):
        stacked = views.stacked(net, tensors, axis, _step(call, f"axis {axis}"))
        if stacked is not None:
            return stacked
    orders = {views.axis_order(one) for one in tensors}
    order = orders.pop() if len(orders) == 1 else None
    if order is None or order == tuple(range(len(order))):
        bottoms = [net.plain(one) if isinstance(one, Tensor) else _beside(net, first, one, axis) for one in given]
        return _joined(net, bottoms, axis)
    back = np.argsort(order)
    below = views.base(first)
    bottoms = [
        views.base(one) if isinstance(one, Tensor) else _beside(net, below, one.transpose(back), order[axis])
        for one in given
    ]
    return views.turned(net, _joined(net, bottoms, order[axis]), order, views.view_of(first).history)


def _beside(net: Network, first: Tensor, constant: Constant, axis: int) -> Tensor:
    """A constant in a blob that is joined to others like `first`; of as many items where the batch is open."""
    if not net.open_batch or axis == 0 or constant.shape[0] != 1:
        return net.constant(constant)
    row = first if first.shape[axis] == 1 else views.picked(net, first, axis, range(1), "")
    number = np.unique(float_array(constant))
    filling = filled(net, net.plain(row), float(number[0]) if number.size == 1 else 0, "like")
    wide = net.plain(expanded(net, filling, constant.shape, "constant"))
    return wide if number.size == 1 else affine(net, wide, shift=constant, suffix="constant")


def _joined(net: Network, bottoms: Sequence[Tensor], axis: int) -> Tensor:
    stated: dict[str, Any] = {} if axis == 1 else {"concat_param": {"axis": axis}}
    made = net.layer("Concat", bottoms, **stated)
    return replace(made, whole=all(bottom.whole for bottom in bottoms))
