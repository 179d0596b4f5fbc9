"""Values that are a blob's numbers in another order: reshaped, transposed, sliced, repeated; written out when needed.

Operators that move numbers add no layers. They change the value's layout (layouts.py), so that what one node does and
another undoes costs nothing, and what is left is written at once by the cheapest layers (rearranging.py). Operators
on single numbers go below a layout by `through` and `common`, constants follow by `below`, a matrix along one axis by
`mapped`, a Gemm's weights by `flattened_order`.

Which Transpose has a place in Caffe, and which is refused:
1. One that another undoes, or that only layers below take, costs nothing. So does one of axes with one position.
2. What operators on numbers, reductions, matrices, Concat or a Reshape take in another order is written exactly, in
   either dialect: they do not ask which axis has channels. The batch stays on axis 0, so that it may be of any size;
   UnsupportedError where an item would move, or a layer would have too many factors.
3. Maps keep items on axis 0 and channels on axis 1 where it matters: windows go over the axes behind the channels, and
   outputs are read as maps. A Transpose that leaves the whole channels of a map of 4 or 5 axes elsewhere, and ends in a
   Conv with windows, in a pooling or in an output, is refused (`as_map`). The forks' dialect has Permute for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from converters.onnx.moving import layouts
from converters.onnx.moving.layouts import Atom, Layout
from converters.onnx.moving.rearranging import along, write
from converters.onnx.values import Constant, Tensor
from prototxt_gen.errors import UnsupportedError, need
from prototxt_gen.layers import Shape
from prototxt_gen.layers.layer_types import count

if TYPE_CHECKING:
    from converters.onnx.network import Network

_MOST_NUMBERS = 1 << 26

Wrap = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class View:
    """How a value lies in a blob of shape `blob`.

    `history` says by which nodes, `stem` names the layers that write it.
    """

    blob: Shape
    layout: Layout
    history: tuple[str, ...] = field(default=(), compare=False)
    stem: str = field(default="", compare=False)


def view_of(value: Tensor) -> View:
    """The value's view; that of a whole blob where it has none."""
    if value.view is None:
        return View(value.shape, layouts.whole(value.shape))
    found: View = value.view
    return found


def base(value: Tensor) -> Tensor:
    """The blob that holds the value's numbers."""
    return replace(value, shape=view_of(value).blob, view=None)


def viewed(value: Tensor, layout: Layout, net: Network, step: str = "") -> Tensor:
    """The blob of `value` seen by another layout, which `step` brought about."""
    old = view_of(value)
    if layout == layouts.whole(old.blob):
        return base(value)
    history = (*old.history, step) if step else old.history
    return replace(value, shape=layout.shape, view=View(old.blob, layout, history, net.stem))


# ---------------------------------------------------------------------------------------------------- changing views


def reshaped(net: Network, value: Tensor, shape: Sequence[int], step: str) -> Tensor:
    """The value in another shape of as many numbers."""
    found = layouts.reshaped(view_of(value).layout, shape)
    if found is None:
        value = written(net, value)
        found = layouts.reshaped(view_of(value).layout, shape)
    assert found is not None, "a whole blob takes every shape"
    return viewed(value, found, net, step)


def transposed(net: Network, value: Tensor, order: Sequence[int], step: str) -> Tensor:
    """The value with its axes in another order."""
    return viewed(value, layouts.transposed(view_of(value).layout, order), net, step)


def picked(net: Network, value: Tensor, axis: int, indices: Sequence[int], step: str) -> Tensor:
    """The positions `indices` of an axis, in that order."""
    view = view_of(value)
    if view.blob[:1] not in ((), (1,), value.shape[:1]) and layouts.is_reshaped(view.layout, count(view.blob)):
        # Parts of what mixes several items are parts of no axis of their blob.
        value = written(net, value)
        view = view_of(value)
    found = layouts.picked(view.layout, axis, indices)
    if found is not None:
        return viewed(value, found, net, step)
    mapped_below = mapped(net, value, axis, lambda blob, place: along(net, blob, place, indices))
    if mapped_below is not None:
        return replace(mapped_below, whole=value.whole)
    order = _blob_order(view) if axis == 0 or axis_order(value) else list(range(len(value.shape)))
    plain = written(net, transposed(net, value, order, ""))
    back = [order.index(place) for place in range(len(order))]
    found = layouts.picked(layouts.whole(plain.shape), back[axis], indices)
    made = along(net, plain, back[axis], indices) if found is None else viewed(plain, found, net, step)
    return transposed(net, replace(made, whole=value.whole), back, "")


def mapped(net: Network, value: Tensor, axis: int, layer: Callable[[Tensor, int], Tensor]) -> Tensor | None:
    """A linear map along an axis, by a layer below the view; None where the blob has no such axis.

    `layer` takes the blob and the axis that it is there, and returns a blob with any number of positions on it.
    """
    view = view_of(value)
    below = _blob_axis(view, axis)
    if below is None:
        return None
    made = layer(base(value), below)
    stride, before, size = count(view.blob[below + 1 :]), view.blob[below], made.shape[below]

    def moved(atom: Atom) -> Atom:
        return atom if atom.stride <= stride else Atom(atom.size, atom.stride // before * size)

    axes = [tuple(map(moved, own)) for own in view.layout.axes]
    axes[axis] = layouts.joined([Atom(size, stride)])
    result = viewed(made, Layout(tuple(axes)), net)
    return replace(result, view=result.view and replace(result.view, history=view.history))


def _blob_order(view: View) -> list[int]:
    """The view's axes in an order like the blob's: the batch first, then those that go further in the blob."""
    reach = [max((abs(atom.stride) for atom in atoms), default=0) for atoms in view.layout.axes]
    order = sorted(range(len(reach)), key=lambda axis: -reach[axis])
    single = [axis for axis in order if not view.layout.axes[axis]]
    batch = single[:1] if view.blob[:1] == (1,) else []
    return batch + [axis for axis in order if axis not in batch]


def _blob_axis(view: View, axis: int) -> int | None:
    """The blob's axis that an axis of the view is, where the view has each number of the blob once."""
    if view.layout.offset or not layouts.is_rearranged(view.layout, count(view.blob)):
        return None
    wanted = layouts.whole(view.blob).axes
    found = [place for place, atoms in enumerate(wanted) if atoms and atoms == view.layout.axes[axis]]
    return found[0] if found else None


def turned(net: Network, made: Tensor, order: Sequence[int], steps: Sequence[str]) -> Tensor:
    """A blob with its axes in another order, which `steps` brought about."""
    value = viewed(made, layouts.transposed(layouts.whole(made.shape), order), net)
    return value if value.view is None else replace(value, view=replace(value.view, history=tuple(steps)))


def expanded(net: Network, value: Tensor, shape: Sequence[int], step: str) -> Tensor:
    """Axes of size 1 repeated up to `shape`; axes that the value lacks in front are added."""
    if len(shape) > len(value.shape):
        value = reshaped(net, value, (1,) * (len(shape) - len(value.shape)) + value.shape, "")
    return viewed(value, layouts.expanded(view_of(value).layout, shape), net, step)


def repeated(net: Network, value: Tensor, axis: int, times: int, step: str) -> Tensor:
    """An axis of the value `times` times over."""
    return viewed(value, layouts.repeated(view_of(value).layout, axis, times), net, step)


def stacked(net: Network, values: Sequence[Tensor], axis: int, step: str) -> Tensor | None:
    """The values one after another on an axis, where they are views of one blob in a regular grid."""
    if len({(value.blob, view_of(value).blob) for value in values}) != 1:
        return None
    found = layouts.stacked([view_of(value).layout for value in values], axis)
    return None if found is None else viewed(values[0], found, net, step)


# ---------------------------------------------------------------------------------------------------- below views


def through(net: Network, value: Tensor) -> tuple[Tensor, Wrap]:
    """A blob with the value's numbers in any order, and what brings a result of its shape into the value's order.

    For operators that change each number alone: `blob, wrap = through(net, x); return wrap(net.layer("ReLU", [blob]))`.
    """
    [blob], wrap = common(net, [value])
    return blob, wrap


def common(net: Network, values: Sequence[Tensor]) -> tuple[list[Tensor], Wrap]:
    """Blobs with the values' numbers in one order for all, and what brings a result of their shape into the values'.

    The values have one shape. Where their views differ they are written out.
    """
    view = view_of(values[0])
    alike = all(view_of(value) == view for value in values)
    if alike and layouts.is_rearranged(view.layout, count(view.blob)):
        return [base(value) for value in values], lambda made: _wrapped(net, made, view)
    return [net.plain(value) for value in values], lambda made: made


def _wrapped(net: Network, made: Tensor, view: View) -> Tensor:
    need(made.shape == view.blob, f"a result of shape {made.shape} for a blob of shape {view.blob}")
    same = view.layout == layouts.whole(view.blob)
    return made if same else replace(made, shape=view.layout.shape, view=replace(view, stem=net.stem))


def below(value: Tensor, constant: Constant) -> Constant:
    """A constant that broadcasts to the value, as one that broadcasts to its blob: for what `through` gives.

    Axes of the blob along which the constant does not change have size 1. The value's view has each number once.
    """
    view = view_of(value)
    order = axis_order(value)
    if order is not None:
        return constant.reshape((1,) * (len(order) - constant.ndim) + constant.shape).transpose(np.argsort(order))
    if constant.size == 1:
        return constant.reshape((1,) * len(view.blob))
    numbers = count(view.blob)
    need(
        numbers <= _MOST_NUMBERS, f"a constant for {numbers} numbers in another order, expected at most {_MOST_NUMBERS}"
    )
    spread = np.broadcast_to(constant, value.shape)
    made = np.empty(count(view.blob), spread.dtype)
    made[view.layout.places().reshape(-1)] = spread.reshape(-1)
    made = made.reshape(view.blob)
    for axis in range(made.ndim):
        first = made.take([0], axis)
        if np.array_equal(np.broadcast_to(first, made.shape), made, equal_nan=made.dtype.kind == "f"):
            made = first
    return made


def flattened_order(value: Tensor) -> NDArray[np.int64] | None:
    """For a value (N, F): the place in an item of its blob, flattened, of each of the F features.

    None where an item of the value is not from one item of the blob, or the item has other numbers too. A Gemm of the
    value with weights W (outputs, F) is an InnerProduct of the blob, axis 1, with `made[:, order] = W`.
    """
    view = view_of(value)
    if len(value.shape) != 2 or not view.blob or view.blob[0] != value.shape[0]:
        return None
    size = value.shape[1]
    items, features = view.layout.axes
    if size != count(view.blob[1:]) or items != layouts.joined([Atom(value.shape[0], size)]):
        return None
    if not layouts.is_rearranged(Layout((features,), view.layout.offset), size):
        return None
    return Layout((features,), view.layout.offset).places()


def axis_order(value: Tensor) -> tuple[int, ...] | None:
    """For each axis of the value the whole axis of the blob that it is; None where it is more than a transposition.

    Axes of size 1 are taken in the order that is left. Axis 0, the batch, stays.
    """
    view = view_of(value)
    if len(view.blob) != len(value.shape) or view.layout.offset:
        return None
    wanted = layouts.whole(view.blob).axes
    free = [axis for axis, atoms in enumerate(wanted) if not atoms]
    order = []
    for atoms in view.layout.axes:
        if atoms and atoms not in wanted:
            return None
        if not atoms and not free:
            return None
        order.append(wanted.index(atoms) if atoms else free.pop(0))
    return tuple(order) if order[:1] in ([], [0]) and sorted(order) == list(range(len(order))) else None


def unrepeated(net: Network, value: Tensor) -> Tensor:
    """The value with size 1 on the axes along which all its numbers repeat: for operators that broadcast."""
    view = view_of(value)
    axes = tuple(() if all(atom.stride == 0 for atom in axis) else axis for axis in view.layout.axes)
    return value if axes == view.layout.axes else viewed(value, Layout(axes, view.layout.offset), net)


# ---------------------------------------------------------------------------------------------------- written out


def written(net: Network, value: Tensor) -> Tensor:
    """The value in a blob of its own shape. UnsupportedError, with all that was done to it, where Caffe cannot do that.

    A view that is needed twice is written once. Its layers are named after the node that made it.
    """
    if value.view is None:
        return value
    view = view_of(value)
    key = (value.blob, view)
    if key not in net.views:
        stem, net.stem = net.stem, view.stem or net.stem
        try:
            net.views[key] = write(net, base(value), view.layout)
        except UnsupportedError as fault:
            raise UnsupportedError(f"{history(value)}: {fault}") from fault
        finally:
            net.stem = stem
    return replace(net.views[key], whole=value.whole)


def as_map(net: Network, value: Tensor) -> Tensor:
    """As `written`, for what a layer's windows go over, or what the network shows: a map has its channels on axis 1.

    UnsupportedError, with all that was done to it, for a map whose channels a Transpose left elsewhere.
    """
    order = axis_order(value) if len(value.shape) in (4, 5) else None
    moved = order is not None and order[:2] != (0, 1) and net.options.dialect == "bvlc"
    if moved and not layouts.is_reshaped(view_of(value).layout, count(value.shape)):
        raise UnsupportedError(
            f"{history(value)}: maps have their items on axis 0 and their channels on axis 1, and stock Caffe has no "
            "Permute"
        )
    return written(net, value)


def history(value: Tensor) -> str:
    """The value's blob, its shape and what was done to it, as text."""
    view = view_of(value)
    return " -> ".join([f"{value.blob!r} {view.blob}", *view.history])
