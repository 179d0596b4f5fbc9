"""The order in which a value reads the numbers of a blob: axes made of strided atoms, as pure arithmetic.

Number i of an axis is found by writing i in the mixed radix of the axis's atoms, the last one fastest; every digit
moves by its atom's stride in the blob. Reshaping splits and joins atoms, transposing reorders axes, slicing changes
sizes, strides and the offset. A stride of 0 repeats a number, a negative one runs backwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.layers import Shape
from prototxt_gen.layers.layer_types import count

_MOST_INDICES = 1 << 24


class Atom(NamedTuple):
    """`size` numbers of the blob, each `stride` numbers behind the one before."""

    size: int
    stride: int


Axis = tuple[Atom, ...]


@dataclass(frozen=True)
class Layout:
    """Where in a blob the numbers of a value are: `offset` is that of the first one. Atoms of size 1 are left out."""

    axes: tuple[Axis, ...]
    offset: int = 0

    @property
    def shape(self) -> Shape:
        """The value's shape."""
        return tuple(count([atom.size for atom in axis]) for axis in self.axes)

    @property
    def atoms(self) -> Axis:
        """All atoms in the value's order, those that continue each other joined."""
        return joined([atom for axis in self.axes for atom in axis])

    def places(self) -> NDArray[np.int64]:
        """For every number of the value its place in the flat blob, in the value's shape."""
        found = np.array(self.offset, np.int64)
        for axis in self.axes:
            for size, stride in axis:
                found = np.add.outer(found, np.arange(size) * stride)
        return found.reshape(self.shape)


def joined(atoms: Sequence[Atom]) -> Axis:
    """The same order in the fewest atoms."""
    made: list[Atom] = []
    for atom in atoms:
        if atom.size == 1:
            continue
        if made and made[-1].stride == atom.size * atom.stride:
            atom = Atom(made.pop().size * atom.size, atom.stride)
        made.append(atom)
    return tuple(made)


def whole(shape: Sequence[int]) -> Layout:
    """The blob itself."""
    axes, stride = [], count(shape)
    for size in shape:
        stride //= max(size, 1)
        axes.append(joined([Atom(size, stride)]))
    return Layout(tuple(axes))


def is_rearranged(layout: Layout, numbers: int) -> bool:
    """Whether the value has each of the blob's numbers once."""
    if count(layout.shape) != numbers:
        return False
    expected = 1
    for size, stride in sorted(layout.atoms, key=lambda atom: abs(atom.stride)):
        if abs(stride) != expected:
            return False
        expected *= size
    return True


def is_reshaped(layout: Layout, numbers: int) -> bool:
    """Whether the value has all the blob's numbers in the blob's own order."""
    return layout.offset == 0 and layout.atoms == joined([Atom(numbers, 1)])


def reshaped(layout: Layout, shape: Sequence[int]) -> Layout | None:
    """The same numbers, row by row, in another shape of as many; None where an axis would need uneven strides."""
    left = list(reversed(layout.atoms))
    axes: list[Axis] = []
    for size in shape:
        taken: list[Atom] = []
        while size > 1:
            atom = left.pop()
            part = gcd(size, atom.size)
            if part == 1 or (part < size and part < atom.size):
                return None
            if part < atom.size:
                left.append(Atom(atom.size // part, atom.stride))
                atom = Atom(part, atom.stride * (atom.size // part))
            taken.append(atom)
            size //= part
        axes.append(joined(taken))
    return Layout(tuple(axes), layout.offset)


def transposed(layout: Layout, order: Sequence[int]) -> Layout:
    """Axis i of the result is axis `order[i]`."""
    return Layout(tuple(layout.axes[axis] for axis in order), layout.offset)


def picked(layout: Layout, axis: int, indices: Sequence[int]) -> Layout | None:
    """The numbers at `indices` of an axis, in that order; None where they do not lie in a regular grid."""
    own = layout.axes[axis]
    if isinstance(indices, range) and len(own) < 2:
        stride = own[0].stride if own else 0
        atoms: Axis | None = joined([Atom(len(indices), stride * indices.step)])
        first = stride * indices.start
    else:
        if len(indices) > _MOST_INDICES:
            return None
        left, offsets = np.array(indices, np.int64), np.zeros(len(indices), np.int64)
        for size, step in reversed(own):
            left, digit = np.divmod(left, size)
            offsets += digit * step
        atoms, first = _grid(offsets), int(offsets[0])
    if atoms is None:
        return None
    return Layout((*layout.axes[:axis], atoms, *layout.axes[axis + 1 :]), layout.offset + first)


def expanded(layout: Layout, shape: Sequence[int]) -> Layout:
    """Axes of size 1 repeated up to `shape`, which has as many axes."""
    axes = tuple(
        axis if size == found else joined([Atom(size, 0)])
        for axis, size, found in zip(layout.axes, shape, layout.shape, strict=True)
    )
    return Layout(axes, layout.offset)


def repeated(layout: Layout, axis: int, times: int) -> Layout:
    """An axis `times` times over."""
    made = joined([Atom(times, 0), *layout.axes[axis]])
    return Layout((*layout.axes[:axis], made, *layout.axes[axis + 1 :]), layout.offset)


def stacked(layouts: Sequence[Layout], axis: int) -> Layout | None:
    """Layouts of one blob one after another on an axis; None where they do not lie in a regular grid."""
    first = layouts[0]
    if any(layout.axes != first.axes for layout in layouts):
        return None
    steps = _grid(np.array([layout.offset for layout in layouts]))
    if steps is None:
        return None
    made = joined([*steps, *first.axes[axis]])
    return Layout((*first.axes[:axis], made, *first.axes[axis + 1 :]), first.offset)


def _grid(offsets: NDArray[np.int64]) -> Axis | None:
    """The atoms of these offsets, counted from the first one."""
    number = len(offsets)
    if number == 1:
        return ()
    changes = np.diff(offsets)
    uneven = np.flatnonzero(changes != changes[0])
    run = int(uneven[0]) + 1 if len(uneven) else number
    for size in (size for size in range(run, 1, -1) if number % size == 0):
        rows = offsets.reshape(-1, size)
        if (rows - rows[:, :1] == np.arange(size) * changes[0]).all():
            outer = _grid(rows[:, 0])
            if outer is not None:
                return joined([*outer, Atom(size, int(changes[0]))])
    return None


class Placed(NamedTuple):
    """An atom on one axis of a blob: every `step`-th of `size` positions, from the last one down if `backwards`."""

    axis: int
    size: int
    step: int
    backwards: bool = False


class Placement(NamedTuple):
    """A layout's atoms on the axes of a blob of shape `blob`; `starts` has the first position used on each axis."""

    blob: Shape
    atoms: tuple[Placed, ...]
    starts: Shape


def placed(layout: Layout, blob: Shape) -> Placement:
    """The layout's atoms, none of stride 0, on the axes of the blob.

    Axes that an atom runs across, as those of a part of a flattened map do, are joined in the result's `blob`.
    """
    while True:
        found = _try_placing(layout, blob)
        if isinstance(found, Placement):
            return found
        blob = (*blob[: found - 1], blob[found - 1] * blob[found], *blob[found + 1 :])


def _try_placing(layout: Layout, blob: Shape) -> Placement | int:
    """The placement, or the axis that must be joined to the one before it."""
    strides = [count(blob[axis + 1 :]) for axis in range(len(blob))]
    low = layout.offset + sum(stride * (size - 1) for size, stride in layout.atoms if stride < 0)
    starts = tuple(low // stride % size for size, stride in zip(blob, strides, strict=True))
    made: list[Placed] = []
    for size, signed in layout.atoms:
        stride, pieces = abs(signed), []
        while size > 1:
            axis = next(axis for axis in range(len(blob)) if strides[axis] <= stride and blob[axis] > 1)
            if stride % strides[axis]:
                return axis + 1
            step = stride // strides[axis]
            room = -(-blob[axis] // step)
            if size <= room:
                pieces.append(Placed(axis, size, step, signed < 0))
                break
            if blob[axis] % step or size % room:
                return axis
            pieces.append(Placed(axis, room, step, signed < 0))
            size, stride = size // room, stride * room
        made.extend(reversed(pieces))
    for axis in reversed(range(len(blob))):
        reach = sum(atom.step * (atom.size - 1) for atom in made if atom.axis == axis)
        if starts[axis] + reach >= blob[axis]:
            return axis
    return Placement(blob, tuple(made), starts)


def positions(atoms: Sequence[Placed], start: int = 0) -> NDArray[Any]:
    """The positions of atoms that lie on one axis, in their order, flat."""
    found = np.array([start], np.int64)
    for atom in atoms:
        run = np.arange(atom.size) * atom.step
        found = np.add.outer(found, run[::-1] if atom.backwards else run).reshape(-1)
    return found
