"""A layout of a blob written out in layers of Caffe, exactly, by the cheapest form there is.

1. A part of an axis: Slice. The same numbers in another shape: Flatten or Reshape, which copy open sizes with 0.
2. Channels in another order, every n-th position, space to depth, patches: one Convolution of fixed ones and zeros.
3. Depth to space: one Deconvolution. Any order along one other axis: a Convolution or an InnerProduct along that axis.
4. Groups of axes that change places: Permute in the forks' dialect, else a Deconvolution or a Convolution for each two.
5. Numbers that are repeated: Tile, last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from converters.onnx.moving.layouts import Layout, Placed, Placement, placed, positions
from converters.onnx.values import Tensor
from prototxt_gen.errors import need
from prototxt_gen.layers import Shape
from prototxt_gen.layers.layer_types import INT_MAX, count
from prototxt_gen.layers.windows import spatial_options
from prototxt_gen.stock import along_axis

if TYPE_CHECKING:
    from converters.onnx.network import Network

MOST_FACTORS = 1 << 24
"""Weights of one layer that only moves numbers: 64 MB."""

MOST_CHANNELS = 1 << 16
"""Channels of such a layer."""

Step = Callable[[Tensor, str], Tensor]
Steps = list[tuple[str, Step]]
"""Layers to come, each with the suffix that it gets where it is not the last one."""


def write(net: Network, blob: Tensor, layout: Layout) -> Tensor:
    """The value in a blob of its own. UnsupportedError where no form is exact and small enough."""
    return _run(blob, _steps(net, blob.shape, layout))


def along(net: Network, blob: Tensor, axis: int, picked: Sequence[int]) -> Tensor:
    """The positions `picked` of an axis, in this order."""
    return _run(blob, [_linear_step(net, blob.shape, axis, picked)])


def _run(blob: Tensor, steps: Steps) -> Tensor:
    for number, (suffix, step) in enumerate(steps, 1):
        blob = step(blob, "" if number == len(steps) else suffix)
    return blob


def _steps(net: Network, blob: Shape, layout: Layout) -> Steps:
    """The layers that make a value of this layout from a blob of this shape."""
    once = Layout(tuple(tuple(atom for atom in axis if atom.stride) for axis in layout.axes), layout.offset)
    placement = placed(once, blob)
    steps = _reshape_steps(net, blob, placement.blob)
    steps += _part_steps(net, placement)
    placement = _without_cuts(placement)
    made, arranging = _arranging_steps(net, placement, layout.shape)
    steps += arranging
    return steps + _repeating_steps(net, made, layout)


# ---------------------------------------------------------------------------------------------------- another shape


def _reshape_steps(net: Network, old: Shape, new: Shape) -> Steps:
    if old == new:
        return []
    flat = _flattened(old, new)
    if flat is not None:
        first, last = flat
        options: dict[str, Any] = {} if first == 1 else {"axis": first}
        if last < len(old) - 1:
            options["end_axis"] = last
        stated: dict[str, Any] = {"flatten_param": options} if options else {}
        return [("flatten", _plain_step(net, "Flatten", **stated))]
    reshape = _reshape_options(old, new)
    return [("reshape", _plain_step(net, "Reshape", reshape_param=reshape))]


def _flattened(old: Shape, new: Shape) -> tuple[int, int] | None:
    """The first and the last axis that a Flatten joins to make the new shape."""
    joins = len(old) - len(new)
    # Axis 0 is joined only where it must be: the batch stays open.
    for first in range(1 if new[:1] == old[:1] else 0, len(new) if joins > 0 else 0):
        last = first + joins
        if new == (*old[:first], count(old[first : last + 1]), *old[last + 1 :]):
            return first, last
    return None


def _reshape_options(old: Shape, new: Shape) -> dict[str, Any]:
    """The options of a Reshape that states the sizes that change and no others."""
    front = 0
    while front < min(len(old), len(new)) and old[front] == new[front]:
        front += 1
    back = 0
    while back < min(len(old), len(new)) - front and old[-1 - back] == new[-1 - back]:
        back += 1
    changed, made = old[front : len(old) - back], list(new[front : len(new) - back])
    if front and made and changed:
        made = _inferred(changed, made)
    if back == 0 and front:
        return {"shape": {"dim": [*[0] * front, *made]}}
    options: dict[str, Any] = {"shape": {"dim": made}, "num_axes": len(changed)}
    return options if front == 0 else {**options, "axis": front}


def _inferred(old: Shape, new: list[int]) -> list[int]:
    """The sizes with -1 for the last one that is several axes of the old shape: these may be open ones."""
    place, groups = 0, []
    for size in new:
        begin, product = place, 1
        while place < len(old) and product < size:
            product *= old[place]
            place += 1
        groups.append(place - begin if product == size else 0)
    for index in reversed(range(len(new))):
        if groups[index] > 1:
            return [*new[:index], -1, *new[index + 1 :]]
    return new


# ---------------------------------------------------------------------------------------------------- parts


def _cuts(placement: Placement) -> Iterator[tuple[int, int, int]]:
    """Axis, first position and number of positions, where the positions used are a part of an axis without gaps."""
    for axis, size in enumerate(placement.blob):
        run = 1
        for atom in sorted(_on(placement, axis), key=lambda atom: atom.step):
            run = run * atom.size if atom.step == run else 0
        if 0 < run < size:
            yield axis, placement.starts[axis], run


def _part_steps(net: Network, placement: Placement) -> Steps:
    def step(axis: int, start: int, size: int) -> Step:
        return lambda value, suffix: part(net, value, axis, start, size, suffix)

    return [("slice", step(axis, start, size)) for axis, start, size in _cuts(placement)]


def part(net: Network, value: Tensor, axis: int, start: int, size: int, suffix: str = "") -> Tensor:
    """`size` positions of an axis from `start` on. The Slice's other tops are left unread."""
    end, points = value.shape[axis], [place for place in (start, start + size) if 0 < place < value.shape[axis]]
    need(0 <= start < start + size <= end, f"a part {start} to {start + size} of {end} positions")
    options: dict[str, Any] = {"slice_point": points} if axis == 1 else {"axis": axis, "slice_point": points}
    tops = net.tops("Slice", [value], len(points) + 1, suffix=suffix, slice_param=options)
    return tops[1 if start else 0]


def _without_cuts(placement: Placement) -> Placement:
    blob, starts = list(placement.blob), list(placement.starts)
    for axis, _, size in _cuts(placement):
        blob[axis], starts[axis] = size, 0
    return Placement(tuple(blob), placement.atoms, tuple(starts))


# ---------------------------------------------------------------------------------------------------- another order


def _arranging_steps(net: Network, placement: Placement, shape: Shape) -> tuple[Shape, Steps]:
    """The layers that bring the atoms into their order, and the shape that they make; `shape` is that of the value."""
    if _is_complete(placement) and _is_in_order(placement):
        return placement.blob, []
    channels, fork = range(1, len(placement.blob) - 1), net.options.dialect == "fork"
    if _is_in_order(placement):
        if fork and (group := _shuffled_groups(placement)):
            return placement.blob, [
                ("shuffle", _plain_step(net, "ShuffleChannel", shuffle_channel_param={"group": group}))
            ]
        made = next(filter(None, (_by_windows(net, placement, channel) for channel in channels)), None)
        return made or _axis_by_axis(net, placement)
    for form in (_by_windows, _by_deconvolution):
        made = next(filter(None, (form(net, placement, channel) for channel in channels)), None)
        # A Permute says shorter what would need a Reshape too.
        if made and (not fork or made[0] == shape):
            return made
    return _by_transposing(net, placement)


def _on(placement: Placement, axis: int) -> list[Placed]:
    return [atom for atom in placement.atoms if atom.axis == axis]


def _used(placement: Placement, axis: int) -> NDArray[Any]:
    return positions(_on(placement, axis), placement.starts[axis])


def _is_in_order(placement: Placement) -> bool:
    axes = [atom.axis for atom in placement.atoms]
    return axes == sorted(axes)


def _is_whole(placement: Placement, axis: int) -> bool:
    """Whether all positions of an axis are used, in their order."""
    run = 1
    for atom in reversed(_on(placement, axis)):
        if atom.backwards or atom.step != run:
            return False
        run *= atom.size
    return run == placement.blob[axis]


def _is_complete(placement: Placement) -> bool:
    return all(_is_whole(placement, axis) for axis in range(len(placement.blob)))


def _shuffled_groups(placement: Placement) -> int:
    """The group of the ShuffleChannel that does this, 0 where none does."""
    blob = placement.blob
    moved = [axis for axis in range(len(blob)) if not _is_whole(placement, axis)]
    atoms = _on(placement, 1)
    if len(blob) != 4 or moved != [1] or len(atoms) != 2 or blob[1] > MOST_CHANNELS:
        return 0
    group = atoms[1].size
    order = np.arange(blob[1]).reshape(group, -1).T.reshape(-1) if blob[1] % group == 0 else np.array([])
    return group if np.array_equal(_used(placement, 1), order) else 0


def _groups(outputs: NDArray[Any], channels: int) -> int:
    """The most groups of a convolution whose output i takes input `outputs[i]` alone."""
    number = len(outputs)
    for group in range(min(number, channels), 1, -1):
        if number % group or channels % group:
            continue
        if np.array_equal(outputs // (channels // group), np.arange(number) // (number // group)):
            return group
    return 1


def _kernel_options(
    outputs: int, kernel: Sequence[int], stride: Sequence[int], group: int, axis: int
) -> dict[str, Any]:
    options: dict[str, Any] = {"num_output": outputs, "bias_term": False}
    options |= spatial_options(kernel_size=kernel, stride=stride)
    if group > 1:
        options["group"] = group
    if axis != 1:
        options["axis"] = axis
    return options


def _by_windows(net: Network, placement: Placement, channel: int) -> tuple[Shape, Steps] | None:
    """A Convolution: its windows start at every n-th position, each output channel takes one number of a window."""
    blob, starts = placement.blob, placement.starts
    rest, spatial = list(placement.atoms), range(channel + 1, len(blob))
    outer = {}
    for axis in reversed(spatial):
        found = bool(rest) and rest[-1].axis == axis and not rest[-1].backwards
        outer[axis] = rest.pop() if found else Placed(axis, 1, blob[axis])
    for axis in range(channel):
        if blob[axis] > 1 and (not rest or rest.pop(0) != Placed(axis, blob[axis], 1)):
            return None
    if any(atom.axis < channel for atom in rest):
        return None
    on_channel = all(atom.axis == channel for atom in rest)
    if not (on_channel if _is_in_order(placement) else any(outer[axis].size > 1 for axis in spatial)):
        return None
    kernel = []
    for axis in spatial:
        reach = sum(atom.step * (atom.size - 1) for atom in rest if atom.axis == axis)
        size, step = outer[axis].size, outer[axis].step
        # No smaller: there would be more windows.
        kernel.append(max(starts[axis] + reach + 1, blob[axis] - step * size + 1))
        if kernel[-1] > blob[axis] - step * (size - 1):
            return None
    outputs = count([atom.size for atom in rest])
    if max(outputs, blob[channel]) > MOST_CHANNELS:
        return None
    window = (blob[channel], *kernel)
    strides = dict(zip((channel, *spatial), (count(window[place + 1 :]) for place in range(len(window))), strict=True))
    taken = np.array([sum(starts[axis] * stride for axis, stride in strides.items())])
    for atom in rest:
        run = positions([atom._replace(axis=0)]) * strides[atom.axis]
        taken = np.add.outer(taken, run).reshape(-1)
    sources, inside = np.divmod(taken, count(kernel))
    group = _groups(sources, blob[channel])
    share = blob[channel] // group
    if outputs * share * count(kernel) > MOST_FACTORS:
        return None
    weight = np.zeros((outputs, share, count(kernel)), np.float32)
    weight[np.arange(outputs), sources % share, inside] = 1
    options = _kernel_options(outputs, kernel, [outer[axis].step for axis in spatial], group, channel)
    made = (*blob[:channel], outputs, *(outer[axis].size for axis in spatial))
    return made, [("select", _fixed(net, "Convolution", weight, convolution_param=options))]


def _by_deconvolution(net: Network, placement: Placement, channel: int) -> tuple[Shape, Steps] | None:
    """A Deconvolution whose windows do not meet: each input channel fills one place of a window."""
    blob = placement.blob
    rest, spatial = list(placement.atoms), range(channel + 1, len(blob))
    inner: dict[int, list[Placed]] = {}
    for axis in reversed(spatial):
        inner[axis] = []
        if blob[axis] == 1:
            continue
        while rest and rest[-1].axis == channel:
            inner[axis].insert(0, rest.pop())
        if not rest or rest.pop() != Placed(axis, blob[axis], 1):
            return None
    for axis in range(channel):
        if blob[axis] > 1 and (not rest or rest.pop(0) != Placed(axis, blob[axis], 1)):
            return None
    if any(atom.axis != channel for atom in rest):
        return None
    if blob[channel] > MOST_CHANNELS:
        return None
    taken = positions([*rest, *(atom for axis in spatial for atom in inner[axis])], placement.starts[channel])
    if len(np.unique(taken)) < len(taken):
        return None
    kernel = [count([atom.size for atom in inner[axis]]) for axis in spatial]
    outputs = len(taken) // count(kernel)
    fills = np.full(blob[channel], -1)
    fills[taken] = np.arange(len(taken))
    # Inputs that nothing takes may stand in any group.
    target = np.where(fills < 0, np.arange(blob[channel]) * outputs // blob[channel], fills // count(kernel))
    group = _groups(target, outputs)
    share = outputs // group
    if blob[channel] * share * count(kernel) > MOST_FACTORS:
        return None
    weight = np.zeros((blob[channel], share, count(kernel)), np.float32)
    sources = np.flatnonzero(fills >= 0)
    weight[sources, target[sources] % share, fills[sources] % count(kernel)] = 1
    options = _kernel_options(outputs, kernel, kernel, group, channel)
    made = (
        *blob[:channel],
        outputs,
        *(blob[axis] * size for axis, size in zip(spatial, kernel, strict=True)),
    )
    return made, [("spread", _fixed(net, "Deconvolution", weight, convolution_param=options))]


def _plain_step(net: Network, kind: str, **options: Any) -> Step:
    return lambda value, suffix: net.layer(kind, [value], suffix=suffix, **options)


def _fixed(net: Network, kind: str, weight: NDArray[Any], **options: Any) -> Step:
    return lambda value, suffix: net.layer(kind, [value], blobs=[weight], suffix=suffix, fixed=True, **options)


def _axis_by_axis(net: Network, placement: Placement) -> tuple[Shape, Steps]:
    """Every axis brought into order by itself."""
    steps, shape = [], list(placement.blob)
    for axis in range(len(shape)):
        if not _is_whole(placement, axis):
            made = count([atom.size for atom in _on(placement, axis)])
            _check_factors(made, shape[axis])
            steps.append(_linear_step(net, tuple(shape), axis, _used(placement, axis)))
            shape[axis] = made
    return tuple(shape), steps


def _check_factors(made: int, size: int) -> None:
    fits = made * size <= MOST_FACTORS
    need(
        fits, f"{made} of {size} positions in another order need {made}x{size} factors, expected at most {MOST_FACTORS}"
    )


def _linear_step(net: Network, blob: Shape, axis: int, picked: Sequence[int] | NDArray[Any]) -> tuple[str, Step]:
    """The positions `picked` of one axis by a layer that is linear along it."""
    need(axis > 0, "no layer of Caffe takes the items of a batch in another order")
    _check_factors(len(picked), blob[axis])
    picked = np.asarray(picked)
    group = 1 if axis == len(blob) - 1 else _groups(picked, blob[axis])
    share = blob[axis] // group
    weight = np.zeros((len(picked), share))
    weight[np.arange(len(picked)), picked % share] = 1
    if group == 1:
        layer = along_axis(blob, axis, weight)
        return "select", _fixed(net, layer.kind, weight, **layer.options)
    options = _kernel_options(len(picked), [1], [1], group, axis)
    return "select", _fixed(net, "Convolution", weight, convolution_param=options)


def _by_transposing(net: Network, placement: Placement) -> tuple[Shape, Steps]:
    """Atoms that change axes: every axis is brought down to its positions first, then the axes change places."""
    blob = placement.blob
    parts: list[list[tuple[int, Placed]]] = []
    for axis in range(len(blob)):
        own = [(place, atom) for place, atom in enumerate(placement.atoms) if atom.axis == axis]
        parts.append(sorted(own, key=lambda entry: -entry[1].step))
    ordered = placement._replace(atoms=tuple(atom for own in parts for _, atom in own))
    shape, steps = _axis_by_axis(net, ordered)
    split: list[int] = []
    place_of: dict[int, int] = {}
    for axis, own in enumerate(parts):
        for place, atom in own:
            place_of[place] = len(split)
            split.append(atom.size)
        if not own:
            split.append(shape[axis])
    order = [place_of[place] for place in range(len(placement.atoms))]
    if net.options.dialect == "fork":
        made, transposing = _permute_steps(net, tuple(split), order)
        return made, [*steps, *_reshape_steps(net, shape, tuple(split)), *transposing]
    made, swapping = _swap_steps(net, shape, tuple(split), order)
    return made, [*steps, *swapping]


def _permute_steps(net: Network, split: Shape, order: Sequence[int]) -> tuple[Shape, Steps]:
    """One Permute; axes of one position go where the axis before them goes."""
    full: list[int] = [axis for axis in range(len(split)) if axis not in order and axis < min(order)]
    for axis in order:
        full.append(axis)
        following = axis + 1
        while following < len(split) and following not in order:
            full.append(following)
            following += 1
    made = tuple(split[axis] for axis in full)
    return made, [("permute", _plain_step(net, "Permute", permute_param={"order": full}))]


def _swap_steps(net: Network, shape: Shape, split: Shape, order: Sequence[int]) -> tuple[Shape, Steps]:
    """Neighbouring groups of axes change places, one pair after another, until the axes stand in order."""
    steps: Steps = []
    now = [axis for axis in range(len(split)) if axis in order]

    def size(begin: int, end: int) -> int:
        return count([split[axis] for axis in now[begin:end]])

    while now != list(order):
        first = next(place for place in range(len(now)) if now[place] != order[place])
        turn = now.index(order[first])
        end = turn + 1
        while end < len(now) and now[end] == order[first + end - turn]:
            end += 1
        items = split[0] if now[0] == 0 else 1
        need(first > 0 or items == 1, "no layer of Caffe moves items of a batch to another axis")
        front, back = size(0, first) // items, size(end, len(now))
        shape, swapping = _swap(net, shape, (items, front, size(first, turn), size(turn, end), back))
        steps += swapping
        now = [*now[:first], *now[turn:end], *now[first:turn], *now[end:]]
    return shape, steps


def _swap(net: Network, shape: Shape, sizes: tuple[int, int, int, int, int]) -> tuple[Shape, Steps]:
    """(items, front, left, right, back) to (items, front, right, left, back), where one of the two is small.

    A Deconvolution lays `left` channels side by side at each of `right` places, or a Convolution takes them apart.
    """
    items, front, left, right, back = sizes
    size = min(left, right)
    factors = front * size**2
    need(
        factors <= MOST_FACTORS and max(front * size, right) <= INT_MAX,
        f"axes of {left} and {right} positions, {front} times, change places: found {factors} factors, "
        f"expected at most {MOST_FACTORS}; the forks' dialect has Permute",
    )
    weight = np.broadcast_to(np.eye(size, dtype=np.float32), (front, size, size)).reshape(front * size, 1, size, 1)
    if left <= right:
        kind, outputs = "Deconvolution", front
        flat, made = (items, front * left, right, back), (items, front, right * left, back)
    else:
        kind, outputs = "Convolution", front * right
        flat, made = (items, front, left * right, back), (items, front * right, left, back)
    options = _kernel_options(outputs, [size, 1], [size, 1], front, 1)
    return made, [*_reshape_steps(net, shape, flat), ("swap", _fixed(net, kind, weight, convolution_param=options))]


# ---------------------------------------------------------------------------------------------------- repeating


def _repeating_steps(net: Network, made: Shape, layout: Layout) -> Steps:
    """From the numbers once, in order, to the value's shape with its repeated ones."""
    shape: list[int] = []
    tiles: list[tuple[int, int]] = []
    for axis in layout.axes:
        shape.append(1)
        for place, (size, stride) in enumerate(axis):
            if stride:
                shape[-1] *= size
                continue
            if place:
                shape.append(1)
            tiles.append((len(shape) - 1, size))
    steps = _reshape_steps(net, made, tuple(shape))
    for place, times in tiles:
        options = {"tiles": times} if place == 1 else {"axis": place, "tiles": times}
        steps.append(("tile", _plain_step(net, "Tile", tile_param=options)))
        shape[place] *= times
    return steps + _reshape_steps(net, tuple(shape), layout.shape)
