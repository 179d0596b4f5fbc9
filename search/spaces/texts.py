"""The prototxts of a space's networks, joined from the texts of their blocks, many thousands a second.

A block's text depends on little: its place, its width, the one before. So each is generated once, as part of a whole
network by `generate_text`'s own means, and kept; and what a network shares with the one before it is not joined anew.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from prototxt_gen.architectures import BLOCK_KINDS, Decoder
from prototxt_gen.architectures.backbones import check_length
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.arguments import Form
from prototxt_gen.generator.forms import beginning, ending
from prototxt_gen.generator.networks import body
from search.spaces.backbones import BackboneSpace, Column
from search.spaces.decoders import DecoderSpace
from search.spaces.ponas import PonasSpace
from search.spaces.space import Space
from search.spaces.tiered import TieredSpace
from search.spaces.vectors import Vectors

# So many texts of blocks, of about 2 kB, are kept, and as many codes of stages.
_KEPT = 50_000


class Network(NamedTuple):
    """A network of a space: its code and its prototxt."""

    code: str
    text: bytes


class _End(NamedTuple):
    """What a stage hands on: its last width, its depth, and the width before the last one where that matters.

    In a space of Tiered Pruning: the network's last stage, its depth, and what it ends in.
    """

    width: int = 0
    depth: int = 0
    former: int = 0


_BEGIN = _End()


class _Stage(NamedTuple):
    """A stage as it was in the last network: what it was made from, its code, its text, where it ends."""

    key: tuple[_End, list[int]]
    code: str
    text: bytes
    end: _End


class Texts:
    """Makes the prototxts of a space's networks, given as vectors; quickest in the order of places.

    `form` is "deploy" or "train_val", `merged` as in `generate`; the input is the space's. ArchitectureError for
    another form, and for a network whose code is too long to name a file.
    """

    def __init__(self, space: Space, form: Form = "deploy", merged: bool = False) -> None:
        if form == "release":
            raise ArchitectureError("form is 'release', expected deploy or train_val: it is for released networks")
        if not isinstance(space, BackboneSpace | DecoderSpace | PonasSpace | TieredSpace):
            raise ArchitectureError(
                f"space: found {type(space).__name__}, expected a BackboneSpace, DecoderSpace, PonasSpace or "
                "TieredSpace"
            )
        self._space, self._form, self._merged = space, form, merged
        # By stage, the columns of its blocks; and the columns of channels, the shallowest map's first.
        slices: dict[int, list[int]] = {}
        self._channels: list[int] = []
        for index, column in enumerate(space.columns if not isinstance(space, PonasSpace | TieredSpace) else ()):
            if isinstance(column, Column):
                slices.setdefault(column.stage, []).append(index)
            else:
                self._channels.append(index)
        self._slices = [(columns[0], columns[-1] + 1) for columns in slices.values()]
        #: By stage the layers, where those are given, each with its part of the stage's columns.
        self._layers: list[list[tuple[int, slice]]] = []
        if isinstance(space, PonasSpace | TieredSpace):
            stages = space.stages if isinstance(space, PonasSpace) else space.spans
            self._slices = [(space.slices[first][0], space.slices[end - 1][1]) for first, end in stages]
            for (first, end), (begin, _) in zip(stages, self._slices, strict=True):
                parts = [slice(start - begin, stop - begin) for start, stop in space.slices[first:end]]
                self._layers.append(list(zip(range(first, end), parts, strict=True)))
        #: The stage whose map each channel takes, where the backbone is chosen, too.
        self._taken = [-1] * len(self._channels)
        if isinstance(space, DecoderSpace) and slices:
            ends = [end for _, end in self._slices]
            self._taken = [ends.index(column) for column in self._channels]
        # No stage has such values.
        self._last = [_Stage((_BEGIN, [-1]), "", b"", _BEGIN)] * len(self._slices)
        trunk = space.backbone if isinstance(space, DecoderSpace) else space
        # The top of an inverted block is named by what it ends in, which depends on the width before it.
        self._tells = isinstance(trunk, BackboneSpace) and any(BLOCK_KINDS[kind].add_at_most for kind in trunk.kinds)
        self._blocks: dict[Hashable, bytes] = {}
        self._codes: dict[Hashable, str] = {}
        self._start, self._end, self._prefix = b"", b"", ""
        self._learn(space.vector_at(0).tolist())

    def of(self, vector: Vectors) -> Network:
        """The network of a vector (length,) of the space."""
        values: list[int] = vector.tolist()
        try:
            return self._joined(values)
        except KeyError:
            # Some piece is met for the first time.
            if len(self._blocks) > _KEPT:
                self._blocks.clear()
            if len(self._codes) > _KEPT:
                self._codes.clear()
            self._learn(values)
            return self._joined(values)

    def _joined(self, values: list[int]) -> Network:
        codes, texts = [self._prefix], [b"", self._start]
        before = _BEGIN
        for stage, (first, end) in enumerate(self._slices):
            last, key = self._last[stage], (before, values[first:end])
            if last.key != key:
                last = self._last[stage] = self._stage(stage, key, before, values[first:end])
            codes.append(last.code)
            texts.append(last.text)
            before = last.end
        codes.append(self._codes[self._tail_key(values)])
        ends = [stage.end for stage in self._last]
        texts += [self._blocks[key] for key in self._rest_keys(values, ends)]
        texts.append(self._end)
        code = "".join(codes)
        check_length(code)
        texts[0] = f'name: "{code}"\n'.encode()
        return Network(code, b"".join(texts))

    def _stage(self, stage: int, key: tuple[_End, list[int]], before: _End, values: list[int]) -> _Stage:
        keys, end = self._block_keys(stage, before, values)
        text = b"".join([self._blocks[block] for block in keys])
        return _Stage(key, self._codes[stage, tuple(values)], text, end)

    def _block_keys(self, stage: int, before: _End, values: Sequence[int]) -> tuple[list[Hashable], _End]:
        """What the texts of a stage's blocks depend on, and how it ends; `before` is the end of the stage before.

        The first block takes a top that is named by the depth of the stage before.
        """
        if isinstance(self._space, TieredSpace):
            return self._layer_keys(self._space, stage, before, values)
        if self._layers:
            # What a layer takes from the one before is the same whatever candidates they are.
            return [(layer, *values[part]) for layer, part in self._layers[stage]], _BEGIN
        keys: list[Hashable] = []
        width, depth, former = before
        for value in values:
            if value:
                keys.append((stage, len(keys), width, value, depth, former))
                width, depth, former = value, 0, width if self._tells else 0
        return keys, _End(width, len(keys), former)

    def _layer_keys(
        self, space: TieredSpace, stage: int, before: _End, values: Sequence[int]
    ) -> tuple[list[Hashable], _End]:
        """`_block_keys` where layers may be left out, and another kind of block begins a stage of the network.

        Blocks are named by the network's stage, which `_End.width` counts, and their place there. What a block takes is
        named like this, too, and by what that one ends in.
        """
        keys: list[Hashable] = []
        here, kind = before, ""
        for number, part in self._layers[stage]:
            pick = space.pick_at(number, values[part])
            if pick is None:
                continue
            layer = space.layers[number]
            candidate = layer.candidates[pick.candidate]
            taken, begins = here, candidate.kind != kind
            kind = candidate.kind
            # A sum, the convolution of a block that adds nothing, or a convolution alone.
            ends_in = 2 * layer.adds + (not layer.widths)
            here = _End(taken.width + begins, 1 if begins else taken.depth + 1, ends_in)
            keys.append((number, *values[part], taken, here))
        return keys, here

    def _tail_key(self, values: list[int]) -> Hashable:
        """What a code's end depends on."""
        return ("tail", *[values[column] for column in self._channels])

    def _rest_keys(self, values: list[int], ends: Sequence[_End]) -> list[Hashable]:
        """What the texts behind the blocks depend on, in their order: the head, or the decoder's."""
        last = ends[-1] if ends else _BEGIN
        if not self._channels:
            return [("head", last)]
        channels = [values[column] for column in self._channels]
        keys: list[Hashable] = [("pyramid", last)]
        for level, channel in enumerate(channels):
            # The deepest controller takes the pyramid's top.
            taken = ends[self._taken[level]] if ends and level + 1 < len(channels) else _BEGIN
            keys.append(("controller", level, taken, channel))
        fusions = range(len(channels) - 2, -1, -1)
        keys += [("fusion", level, channels[level + 1], channels[level]) for level in fusions]
        return [*keys, ("score", channels[0])]

    def _learn(self, values: list[int]) -> None:
        """Keeps the texts and the codes of all pieces of a network, as they are generated."""
        space, form = self._space, self._form
        spec = space.decode(np.array(values, dtype=np.uint8))
        shape, merged = space.input_shape, self._merged
        pieces, coarse = body(spec, form, shape, merged)
        trunk = spec.backbone.trunk if isinstance(spec, Decoder) else spec.trunk
        words = trunk.split("_")
        keys: list[Hashable] = []
        before, ends = _BEGIN, []
        for stage, (first, end) in enumerate(self._slices):
            found, after = self._block_keys(stage, before, values[first:end])
            # Where kinds are chosen, a stage of the space is any number of the network's stages.
            own = slice(before.width, after.width) if isinstance(space, TieredSpace) else slice(stage, stage + 1)
            self._codes[stage, tuple(values[first:end])] = "".join(f"_{word}" for word in words[1:][own])
            before = after
            keys += found
            ends.append(before)
        self._prefix = words[0] if self._slices else trunk
        self._codes[self._tail_key(values)] = str(spec)[len(trunk) :]
        keys += self._rest_keys(values, ends)
        # Before the first key: the stem, and of a given backbone all blocks; behind the last one, the upsampling.
        up = int(isinstance(spec, Decoder) and spec.upsampling > 1)
        first = len(pieces) - up - len(keys)
        texts = [piece.text.encode() for piece in pieces]
        self._blocks.update(zip(keys, texts[first : len(pieces) - up], strict=True))
        source = [piece.text.encode() for piece in beginning(spec, form, shape, merged)[1:]]
        self._start = b"".join([*source, *texts[:first]])
        behind = [piece.text.encode() for piece in ending(spec, form, pieces[-1].top, coarse)]
        self._end = b"".join([*texts[len(pieces) - up :], *behind])
