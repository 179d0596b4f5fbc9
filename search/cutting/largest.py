"""The largest space of backbones, or of decoders, whose networks have none of some parts.

What is left of a space must be a space: for each stage some widths and a range of depths, for each map some channels.
Where a part depends on one choice, that choice goes. Where it depends on several, as a block does on its width and on
that before it, one of them has to go: of all the ways to choose, that is taken which leaves the most networks; of equal
ones the one that comes first.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from itertools import count, pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import ArchitectureError
from search.cutting.judging import Judged
from search.cutting.removals import Removal
from search.spaces import BackboneSpace, DecoderSpace
from search.spaces.backbones import Block, Column, Head
from search.spaces.decoders import Channels, Controller, Fusion, PyramidOn, Score
from search.spaces.ways import NONE, Integers, Ways

# So many spaces are looked at before the best of them is gone on from alone.
_MOST = 300


class Option(NamedTuple):
    """Something that a space leaves open: of a stage a width index or a depth, of a decoder's level a channel index."""

    kind: Literal["width", "depth", "channel"]
    place: int
    value: int


class Largest(NamedTuple):
    """What is left of a space, the options that went, and whether no larger one is left in any way."""

    space: BackboneSpace | DecoderSpace
    removed: tuple[Option, ...]
    is_largest: bool


class _Node(NamedTuple):
    """A space without some options: how many networks it has, the first refused piece that some have, if any."""

    removed: frozenset[Option]
    number: int
    fault: Any


def largest_without(space: BackboneSpace | DecoderSpace, judged: Judged) -> Largest | None:
    """The largest space of this kind within a space that has no refused part; None where there is none."""
    search = _Search(space, judged)
    ordered = count()
    first = search.node(frozenset())
    heap = [] if first is None else [(-first.number, next(ordered), first)]
    looked_at, met = 0, {frozenset[Option]()}
    while heap:
        _, _, node = heapq.heappop(heap)
        if node.fault is None:
            return Largest(search.space_of(node.removed), search.told(node.removed), looked_at <= _MOST)
        looked_at += 1
        if looked_at > _MOST:
            heap.clear()
        for more in search.ways_out(node):
            if more not in met and (made := search.node(more)) is not None:
                met.add(more)
                heapq.heappush(heap, (-made.number, next(ordered), made))
    return None


class _Gap(NamedTuple):
    """Depths of a stage on both sides of some that are gone: a range has but one of them."""

    below: tuple[Option, ...]
    above: tuple[Option, ...]


class _Column(NamedTuple):
    """What a column's edges need: by its value an option; where a stage begins there, a depth. Which are refused.

    `begins` (states,) says where no block of the stage stands before; `refused` is (states, values).
    """

    step: Integers
    options: tuple[Option | None, ...]
    depth: Option | None
    begins: NDArray[np.bool_]
    refused: NDArray[np.bool_]

    def without(self, removed: frozenset[Option]) -> Integers:
        """The step without the edges that need an option which is gone."""
        gone = np.array([option in removed for option in self.options])
        mask = np.broadcast_to(gone, self.step.shape)
        if self.depth in removed:
            mask = mask | (self.begins[:, None] & (np.arange(len(self.options)) > 0))
        return np.where(mask, NONE, self.step)


class _Search:
    """A space's columns, with the options that each needs, and the pieces that are refused."""

    def __init__(self, space: BackboneSpace | DecoderSpace, judged: Judged) -> None:
        self._space, self._judged = space, judged
        self._trunk = _trunk_of(space)
        #: Of a decoder's levels, the stage whose map each takes.
        self._stages: dict[int, int] = {}
        refused: dict[Hashable, NDArray[np.bool_]] = {}
        self._columns: list[_Column] = []
        stage, left = -1, Counter(column.stage for column in space.columns if isinstance(column, Column))
        for column, step in zip(space.columns, space.steps, strict=True):
            if column not in refused:
                refused[column] = mask = np.zeros(step.shape, dtype=bool)
                for state, value in zip(*(found.tolist() for found in np.nonzero(step != NONE)), strict=True):
                    mask[state, value] = judged.is_refused(space.pieces(column, state, value))
            depth, begins = None, np.zeros(len(step), dtype=bool)
            options: list[Option | None]
            if isinstance(column, Channels):
                self._stages[column.level] = stage
                options = [Option("channel", column.level, value) for value in range(step.shape[1])]
            else:
                assert self._trunk is not None  # a column of blocks is that of a space of backbones
                stage, trunk = column.stage, self._trunk
                options = [None, *(Option("width", stage, value) for value in range(1, step.shape[1]))]
                depth = Option("depth", stage, left[stage])
                left[stage] -= 1
                begins = np.array([not trunk.state_of(state % trunk.inner_states)[1] for state in range(len(step))])
            self._columns.append(_Column(step, tuple(options), depth, begins, refused[column]))
        found = [option for column in self._columns for option in (*column.options, column.depth)]
        self._every = tuple(dict.fromkeys(option for option in found if option is not None))

    def node(self, removed: frozenset[Option]) -> _Node | None:
        """The space without these options, and without those that no network without a fault can have then.

        None where no such network is left.
        """
        steps = [column.without(removed) for column in self._columns]
        clean = Ways([np.where(column.refused, NONE, step) for column, step in zip(self._columns, steps, strict=True)])
        try:
            dead = set(self._every) - self._alive(clean) - removed
        except ArchitectureError:
            return None
        if dead:
            return self.node(removed | dead)
        ways = Ways(steps)
        return _Node(removed, ways.count(), self._gap(removed) or self._fault(ways))

    def _alive(self, ways: Ways) -> set[Option | None]:
        """The options that some way takes."""
        found: set[Option | None] = set()
        for edges, column in zip(ways.edges, self._columns, strict=True):
            found |= {column.options[value] for value in np.unique(edges.choices).tolist()}
            if (column.begins[edges.sources] & (edges.choices > 0)).any():
                found.add(column.depth)
        return found

    def _gap(self, removed: frozenset[Option]) -> _Gap | None:
        for stage in range(len(self._trunk.depths) if self._trunk else 0):
            left = [one for one in self._every if one[:2] == ("depth", stage) and one not in removed]
            depths = sorted(one.value for one in left)
            for depth, following in pairwise(depths):
                if following > depth + 1:
                    below = tuple(one for one in left if one.value <= depth)
                    return _Gap(below, tuple(one for one in left if one.value > depth))
        return None

    def _fault(self, ways: Ways) -> Any:
        """The first refused piece that some network has; None where none has one."""
        for number, (edges, column) in enumerate(zip(ways.edges, self._columns, strict=True)):
            met = np.flatnonzero(column.refused[edges.sources, edges.choices])
            if len(met):
                state, value = int(edges.sources[met[0]]), int(edges.choices[met[0]])
                pieces = self._space.pieces(self._space.columns[number], state, value)
                return next(piece for piece in pieces if self._judged.is_refused((piece,)))
        return None

    def ways_out(self, node: _Node) -> Iterator[frozenset[Option]]:
        """What may be removed so that no network has the refused piece any more."""
        for options in self._ends(node.fault):
            if not set(options) <= node.removed:
                yield node.removed | set(options)

    def _ends(self, piece: Any) -> list[tuple[Option, ...]]:
        """The sets of options of which one must go, so that a piece does."""
        if isinstance(piece, _Gap):
            return [piece.above, piece.below]
        if isinstance(piece, Block):
            found: list[tuple[Option, ...]] = [(Option("width", piece.stage, piece.width),)]
            if piece.within:
                found.append((Option("width", piece.stage, piece.before),))
                found.append(self._deeper(piece.stage))
            elif piece.before:
                found.append((Option("width", piece.stage - 1, piece.before),))
            return found
        if isinstance(piece, Head):
            assert self._trunk is not None
            return [(Option("width", len(self._trunk.depths) - 1, piece.width),)]
        if isinstance(piece, PyramidOn):
            return [(Option("width", self._stages[max(self._stages)], piece.width),)]
        if isinstance(piece, Controller):
            found = [(Option("channel", piece.level, piece.channel),)]
            found += [(Option("width", self._stages[piece.level], piece.width),)] if piece.width else []
            return found
        if isinstance(piece, Fusion):
            deeper, own = (
                Option("channel", piece.level + 1, piece.deeper),
                Option("channel", piece.level, piece.channel),
            )
            return [(deeper,), (own,)]
        assert isinstance(piece, Score)
        return [(Option("channel", 0, piece.channel),)]

    def _deeper(self, stage: int) -> tuple[Option, ...]:
        """All depths with a second block."""
        assert self._trunk is not None
        return tuple(Option("depth", stage, depth) for depth in range(2, self._trunk.depths[stage][1] + 1))

    def told(self, removed: frozenset[Option]) -> tuple[Option, ...]:
        """What went of the space: depths, widths, channels."""
        return tuple(sorted((option for option in removed if self._was_there(option)), key=_order))

    def _was_there(self, option: Option) -> bool:
        if option.kind == "channel":
            return True
        assert self._trunk is not None
        if option.kind == "depth":
            return option.value >= self._trunk.depths[option.place][0]
        return self._trunk.widths[option.value - 1] in self._trunk.widths_of(option.place)

    def space_of(self, removed: frozenset[Option]) -> BackboneSpace | DecoderSpace:
        """The space without these options."""
        space = self._space
        if isinstance(space, BackboneSpace):
            return _trunk_without(space, removed)
        trunk = space.backbone
        channels = [
            tuple(
                one for index, one in enumerate(space.choices(level)) if Option("channel", level, index) not in removed
            )
            for level in reversed(range(len(space.channels)))
        ]
        if isinstance(trunk, BackboneSpace):
            trunk = _trunk_without(trunk, removed)
        return replace(space, backbone=trunk, channels=tuple(channels))


def _order(option: Option) -> tuple[int, int, int]:
    return (("depth", "width", "channel").index(option.kind), option.place, option.value)


def _trunk_without(space: BackboneSpace, removed: frozenset[Option]) -> BackboneSpace:
    widths = [
        tuple(
            width
            for index, width in enumerate(space.widths, 1)
            if width in space.widths_of(stage) and Option("width", stage, index) not in removed
        )
        for stage in range(len(space.depths))
    ]
    depths = []
    for stage, (least, most) in enumerate(space.depths):
        left = [depth for depth in range(least, most + 1) if Option("depth", stage, depth) not in removed]
        depths.append((left[0], left[-1]))
    every = tuple(sorted(set().union(*widths)))
    return replace(space, depths=tuple(depths), widths=every, stage_widths=tuple(widths))


def option_removals(space: BackboneSpace | DecoderSpace, options: Sequence[Option]) -> list[Removal]:
    """Options that went, those of one place together."""
    trunk = _trunk_of(space)
    found: dict[tuple[str, int, str], list[str]] = {}
    for kind, place, value in options:
        if kind == "channel":
            assert isinstance(space, DecoderSpace)
            where, said = ("map", len(space.channels) - place, "channels"), space.choices(place)[value]
        else:
            assert trunk is not None
            where, said = ("stage", place + 1, kind), trunk.widths[value - 1] if kind == "width" else value
        found.setdefault(where, []).append(str(said))
    return [
        Removal(kind, number, f"{what}{'s' * (len(said) > 1 and what != 'channels')} {', '.join(said)}")
        for (kind, number, what), said in found.items()
    ]


def _trunk_of(space: BackboneSpace | DecoderSpace) -> BackboneSpace | None:
    """The space of backbones, where the backbone is chosen."""
    if isinstance(space, BackboneSpace):
        return space
    return space.backbone if isinstance(space.backbone, BackboneSpace) else None
