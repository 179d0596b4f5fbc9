"""Open sizes: what they are called, the sizes at which a network is tried, and whether it is the same at them all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from converters.onnx.emission import Emission, Traced, emit, ones
from converters.onnx.graph import Sizes
from prototxt_gen.errors import NetworkError, UnsupportedError
from prototxt_gen.layers import Shape

Dynamic: TypeAlias = Literal["batch", "sizes"]
"""Which sizes of the inputs stay open: the batch, or batch, height and width."""

AXES: Mapping[Dynamic | None, frozenset[int]] = {
    None: frozenset(),
    "batch": frozenset({0}),
    "sizes": frozenset({0, 2, 3}),
}
_NAMES = {0: "batch", 2: "height", 3: "width"}

# Of height and width, beside those stated: every kind of remainder, square and not, and steps that a network which
# halves its maps some times takes as well.
_STEPS = (
    (1, 0), (0, 1), (2, 3), (5, 7), (17, 30), (31, 15), (47, 63), (33, 33),
    (32, 0), (0, 32), (64, 32), (32, 96), (64, 192), (128, 64),
)  # fmt: skip
_BATCHES = (1, 2, 3)


def open_sizes(shapes: Mapping[str, Shape], dynamic: Dynamic | None) -> dict[str, Sizes]:
    """The sizes of every input, those that stay open by name.

    The batch is axis 0 of the first input and of all others that have the same size there; height and width are axes 2
    and 3 of the first input with four axes and of all others of four axes with these sizes. UnsupportedError where no
    input has what is to stay open.
    """
    made: dict[str, Sizes] = {top: tuple(shape) for top, shape in shapes.items()}
    if dynamic is None:
        return made
    first = next((shape for shape in shapes.values() if shape), None)
    image = next((shape for shape in shapes.values() if len(shape) == 4), None)
    if first is None or (dynamic == "sizes" and image is None):
        found = ", ".join(f"{top} {shape}" for top, shape in shapes.items()) or "none"
        raise UnsupportedError(
            f"dynamic={dynamic!r}: found the inputs {found}, expected one with "
            + ("a batch" if dynamic == "batch" else "four axes: batch, channels, height, width")
        )
    for top, shape in shapes.items():
        opened: list[int | str | None] = list(shape)
        if shape and shape[0] == first[0]:
            opened[0] = _NAMES[0]
        if dynamic == "sizes" and image is not None and len(shape) == 4 and shape[2:] == image[2:]:
            opened[2:] = [_NAMES[2], _NAMES[3]]
        made[top] = tuple(opened)
    return made


def check_sizes(
    traced: Traced, trial: Emission, names: Sequence[str], shapes: Mapping[str, Shape], sizes: Mapping[str, Sizes]
) -> tuple[list[Sizes], dict[int, str]]:
    """The sizes of the outputs, and by row what depends on a size that is to stay open.

    `trial` is the network as nodes at the sizes of `shapes`. Sizes of maps at which the network itself has a fault are
    passed over; UnsupportedError where one remains at every other size, or at another batch.
    """
    axes = AXES["sizes" if any("height" in size for size in sizes.values()) else "batch"]
    faults: dict[int, str] = {}
    seen: list[tuple[dict[str, int], Traced]] = [(_stated(shapes, sizes), traced)]
    refused: NetworkError | None = None
    for values in _examples(seen[0][0]):
        given = {
            top: tuple(values[size] if isinstance(size, str) else shapes[top][axis] for axis, size in enumerate(opened))
            for top, opened in sizes.items()
        }
        try:
            other = Traced.of(traced.net, given)
        except NetworkError as fault:
            refused = fault
            if all(values[key] == seen[0][0][key] for key in values if key != "batch"):
                raise UnsupportedError(f"at {_text(values)}: {fault}; export with fixed sizes") from fault
            continue
        seen.append((values, other))
        for row, text in _differences(traced, trial, other, names, axes).items():
            faults.setdefault(row, f"{text} at {_text(seen[0][0])} and at {_text(values)}")
    if "height" in seen[0][0]:
        for key in ("height", "width"):
            if len({values[key] for values, _ in seen}) < 2:
                raise UnsupportedError(f"found no other {key} that it takes ({refused}); export with fixed sizes")
    made = [
        tuple(_size(axis, place, seen) for axis in range(len(shape)))
        for place, shape in enumerate(traced.output_shapes())
    ]
    return made, faults


def _stated(shapes: Mapping[str, Shape], sizes: Mapping[str, Sizes]) -> dict[str, int]:
    """The open sizes by name as the network states them."""
    return {
        size: shapes[top][axis]
        for top, opened in sizes.items()
        for axis, size in enumerate(opened)
        if isinstance(size, str)
    }


def _examples(stated: Mapping[str, int]) -> Iterator[dict[str, int]]:
    for batch in _BATCHES:
        if batch != stated["batch"]:
            yield {**stated, "batch": batch}
    if "height" in stated:
        for place, (down, right) in enumerate(_STEPS):
            yield {
                "batch": _BATCHES[place % len(_BATCHES)],
                "height": stated["height"] + down,
                "width": stated["width"] + right,
            }


def _text(values: Mapping[str, int]) -> str:
    return " ".join(f"{key} {size}" for key, size in values.items())


def _size(axis: int, place: int, seen: Sequence[tuple[Mapping[str, int], Traced]]) -> int | str | None:
    """A size of an output: the number that it always is, the name of the input's size that it always is, or open."""
    found = [traced.output_shapes()[place][axis] for _, traced in seen]
    if len(set(found)) == 1:
        return found[0]
    names = (
        name for name in seen[0][0] if all(size == values[name] for size, (values, _) in zip(found, seen, strict=True))
    )
    return next(names, None)


def _differences(
    traced: Traced, trial: Emission, other: Traced, names: Sequence[str], axes: frozenset[int]
) -> dict[int, str]:
    """By row what is not the same at another size."""
    found = {
        index: f"its blobs are {list(row.blob_shapes)} and {list(again.blob_shapes)}"
        for index, (row, again) in enumerate(zip(traced.rows, other.rows, strict=True))
        if row.blob_shapes != again.blob_shapes
    }
    for index, (reads, again) in enumerate(zip(traced.flow.reads, other.flow.reads, strict=True)):
        if reads != again:
            found.setdefault(index, "it reads the memory of other layers")
    if found:
        return found
    second = emit(other, names, axes, ones(other.rows))
    found |= second.faults
    for index, nodes in trial.nodes.items():
        mine, yours = trial.constants[index], second.constants[index]
        if nodes != second.nodes[index] or mine.keys() != yours.keys():
            found.setdefault(index, "its nodes are not the same")
        elif not all(_equal(mine[key], yours[key]) for key in mine):
            found.setdefault(index, "its constants are not the same")
    return found


def _equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if not (any(one.strides) or any(other.strides)):  # ones in place of blobs take no memory, and need no time
        return not one.size or bool(one.flat[0] == other.flat[0])
    return bool(np.array_equal(one, other))
