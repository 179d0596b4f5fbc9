"""How values flow through a network: what each layer reads, what each top holds at the end, which layers that needs.

Caffe's blobs are memory: an in-place layer writes over its bottom, and the tops of Reshape, Flatten and Split (also
those that Caffe inserts itself), of a Concat of one bottom and of a Slice into one top use their bottom's memory. So
an in-place layer on one of them changes what later layers read from the others, each in its own shape.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import prod
from typing import NamedTuple

from prototxt_gen.errors import NetworkError, UnsupportedError
from prototxt_gen.layers import LAYERS
from prototxt_gen.layers.arrangement import permutation
from prototxt_gen.layers.losses import loss_weights
from prototxt_gen.trace import AUTOMATIC, LayerSummary

# Layers whose top has the diff of the one bottom that they pass on (reshape, concat, slice_layer.cpp: Reshape).
_SHARE_DIFFS = ("Reshape", "Concat", "Slice")


class Value(NamedTuple):
    """What one layer writes as one of its tops: the layer's row, the top's index."""

    row: int
    top: int


class Read(NamedTuple):
    """A value as a reader sees it: in the shape of `like` if it was written through a blob of another shape.

    `spoiled_by` is the layer that wrote over a part of this memory, so that it is no longer one layer's output.
    """

    value: Value
    like: Value | None = None
    spoiled_by: str | None = None


class Held(NamedTuple):
    """The pieces of memory, by number, that a layer's bottoms lie in, and those of its tops."""

    bottoms: tuple[int, ...]
    tops: tuple[int, ...]


class Loss(NamedTuple):
    """A top that Caffe's solver minimises, its weight, and the value that it has as a loss."""

    top: str
    weight: float
    read: Read


@dataclass
class Flow:
    """What each row reads, what each top holds at the end, the tops that no layer takes, and the losses.

    `held` are the pieces of memory of each row, which are numbered as they are made.
    """

    reads: list[list[Read]] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    final: dict[str, Read] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)


@dataclass(slots=True)
class _Memory:
    """The latest value in a piece of memory, the value whose shape it has, and how often it was written."""

    piece: int
    value: Value
    shape: Value
    version: int = 0
    spoiled_by: str | None = None


@dataclass(slots=True)
class _Blob:
    """What a top's name stands for: its memory, a value of its shape, and its content when the memory had `version`.

    `has_blobs_diff`: its diff is that of a Parameter's blob, in which Caffe loses the weight of a loss.
    """

    memory: _Memory
    shape: Value
    read: Read
    version: int
    has_blobs_diff: bool = False

    def look(self) -> Read:
        memory = self.memory
        if memory.version != self.version:
            like = None if memory.shape == self.shape else self.shape
            self.read = Read(memory.value, like, memory.spoiled_by)
            self.version = memory.version
        return self.read


def flow_of(rows: Sequence[LayerSummary]) -> Flow:
    """The flow through the layers of a network, in the order in which Caffe runs them."""
    flow = Flow()
    blobs: dict[str, _Blob] = {}
    unread: dict[str, None] = {}
    taken = _taken(rows)
    makers: dict[str, tuple[int, int]] = {}
    pieces = count()
    for index, row in enumerate(rows):
        kind = LAYERS[row.type]
        reads = [blobs[bottom].look() for bottom in row.bottoms]
        flow.reads.append(reads)
        taken_from = tuple(blobs[bottom].memory.piece for bottom in row.bottoms)
        for bottom in row.bottoms:
            unread.pop(bottom, None)
        is_same = passes_on(row)
        for place, top in enumerate(top_names(row)):
            value = Value(index, place)
            if place < len(row.bottoms) and row.bottoms[place] == top:
                if not is_same:
                    _write(blobs, row, place, value, pieces)
            elif is_same or kind.is_view:
                source = blobs[row.bottoms[0]]
                shape, read = (source.shape, reads[0]) if is_same else (value, Read(value))
                shared = row.type in _SHARE_DIFFS and taken[makers[row.bottoms[0]]] == 1
                blobs[top] = _Blob(source.memory, shape, read, source.version, source.has_blobs_diff and shared)
            else:
                blobs[top] = _Blob(_Memory(next(pieces), value, value), value, Read(value), 0, row.type == "Parameter")
            if not kind.is_input:
                unread[top] = None
        flow.held.append(Held(taken_from, tuple(blobs[top].memory.piece for top in top_names(row))))
        makers.update({top: (index, place) for place, top in enumerate(top_names(row))})
        for name, weight in _minimised(row, index, taken):
            # Caffe keeps a loss weight in the top's diff, and where the top is taken in that of a Split.
            if weight and (makers[name] in taken or not blobs[name].has_blobs_diff):
                flow.losses.append(Loss(name, weight, blobs[name].look()))
    flow.final = {name: blob.look() for name, blob in blobs.items()}
    flow.unread = sorted(unread)  # Caffe keeps them in a sorted set, too
    return flow


def top_names(row: LayerSummary) -> list[str]:
    """The names of a layer's tops; the top of a loss that names none is called like the layer."""
    return [row.name] if row.tops == (AUTOMATIC,) else list(row.tops)


def passes_on(row: LayerSummary) -> bool:
    """Whether the tops are the bottom itself, in the same shape (Caffe: split, concat, slice_layer.cpp).

    A Permute that moves no axis is also such a layer (SSD's permute_layer.cpp).
    """
    if row.type == "Permute":
        return permutation(row.layer, row.bottom_shapes[0]) == tuple(range(len(row.bottom_shapes[0])))
    return row.type == "Split" or (row.type in ("Concat", "Slice") and len(row.bottoms) == len(row.tops) == 1)


def _write(blobs: dict[str, _Blob], row: LayerSummary, place: int, value: Value, pieces: Iterator[int]) -> None:
    """A layer in place writes over the memory of its bottom, which other blobs may share (Caffe: blob.cpp, Reshape)."""
    blob = blobs[row.tops[place]]
    before, after = row.bottom_shapes[place], row.top_shapes[place]
    memory = blob.memory
    if prod(before) == prod(after):
        shape = blob.shape if before == after else value
        memory.value, memory.shape, memory.version = value, shape, memory.version + 1
        blob.shape, blob.read, blob.version = shape, Read(value), memory.version
        return
    if prod(after) < prod(before):
        memory.spoiled_by, memory.version = row.name, memory.version + 1
        piece = memory.piece
    else:  # a larger top gets new memory, and the old stays as it was
        piece = next(pieces)
    blobs[row.tops[place]] = _Blob(_Memory(piece, value, value), value, Read(value), 0)


def _taken(rows: Sequence[LayerSummary]) -> Counter[tuple[int, int]]:
    """The tops that bottoms take, by row and index."""
    makers: dict[str, tuple[int, int]] = {}
    taken = Counter[tuple[int, int]]()
    for index, row in enumerate(rows):
        taken.update(makers[bottom] for bottom in row.bottoms)
        makers.update({top: (index, place) for place, top in enumerate(top_names(row))})
    return taken


def _minimised(row: LayerSummary, index: int, taken: Collection[tuple[int, int]]) -> Iterator[tuple[str, float]]:
    """The tops that Caffe's solver minimises, by name, with their weights (insert_splits.cpp, net.cpp).

    If other layers take the top, Caffe moves its weight to the first top of a Split, and the layer loses all other
    weights that it states. A loss layer that states no weight counts only if no layer takes its top: otherwise its
    gradient comes from those layers alone.
    """
    stated = loss_weights(row.layer, len(row.tops))
    if not any(stated):
        return
    read = [(index, place) in taken for place in range(len(row.tops))]
    moved = bool(row.layer.loss_weight) and any(weight and has for weight, has in zip(stated, read, strict=True))
    for name, weight, has in zip(top_names(row), stated, read, strict=True):
        if weight and has == moved:
            yield name, weight


def output_names(flow: Flow, outputs: Sequence[str] | None) -> list[str]:
    """The tops asked for, each once; by default those that no layer takes, and the losses.

    NetworkError for names that no layer makes, and for a network without an output.
    """
    if outputs is None:
        found = sorted({*flow.unread, *(loss.top for loss in flow.losses)})
        if not found:
            raise NetworkError("found no output: every top is taken by a layer, or no layer has one")
        return found
    if isinstance(outputs, str) or not outputs:
        raise NetworkError(f"outputs: found {outputs!r}, expected a list of top names")
    unknown = []
    for name in outputs:
        if name not in flow.final:
            near = difflib.get_close_matches(name, flow.final, 3, 0.5)
            unknown.append(f"{name!r}" + (f" (near: {', '.join(near)})" if near else ""))
    if unknown:
        raise NetworkError(f"outputs: found {', '.join(unknown)}, expected tops of the network")
    return list(dict.fromkeys(outputs))


def live_rows(rows: Sequence[LayerSummary], flow: Flow, names: Iterable[str]) -> tuple[list[int], set[Value]]:
    """The rows that outputs need, in order (also those that only pass on their bottom), and all values needed.

    UnsupportedError lists reads of memory that an in-place layer has partly overwritten.
    """
    makers: dict[str, int] = {}
    sources = []
    for index, row in enumerate(rows):
        sources.append([makers[bottom] for bottom in row.bottoms])
        makers.update(dict.fromkeys(top_names(row), index))
    live: set[int] = set()
    needed: set[Value] = set()
    faults = []

    def need(row: LayerSummary | None, name: str, source: int, read: Read) -> None:
        live.add(source)
        needed.add(read.value)
        if read.like is not None:
            needed.add(read.like)
        if read.spoiled_by is not None:
            reader = f"layer {row.name!r} ({row.type}): bottom" if row is not None else "output"
            faults.append(f"{reader} {name!r} shares memory that layer {read.spoiled_by!r} partly overwrites")

    for name in names:
        need(None, name, makers[name], flow.final[name])
    for index in reversed(range(len(rows))):
        row = rows[index]
        if index in live or any(Value(index, place) in needed for place in range(len(row.tops))):
            live.add(index)
            for bottom, source, read in zip(row.bottoms, sources[index], flow.reads[index], strict=True):
                need(row, bottom, source, read)
    if faults:
        raise UnsupportedError("; ".join(reversed(faults)))
    return sorted(live), needed


def dead_rows(rows: Sequence[LayerSummary], live: Collection[int]) -> list[int]:
    """The rows with blobs that no output needs."""
    return [index for index, row in enumerate(rows) if row.blob_shapes and index not in live]
