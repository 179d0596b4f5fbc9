"""Latency tables: blocks measured on a target, networks predicted as the sum of their blocks.

What is measured is what a device runs: batch 1, batch norm merged. A part is keyed by its kind, its channels (in,
width, out), its stride, whether its shortcut has a projection, and its input's resolution; stem and head are parts
too. Equal keys have equal networks.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.architectures import BLOCK_KINDS, Backbone, Block, Stage
from prototxt_gen.errors import FormatError, UnsupportedError
from prototxt_gen.files import read_bytes, write_bytes
from prototxt_gen.generator.networks import generate_block, generate_head, generate_stem
from prototxt_gen.proto import NetParameter
from search.engines import Engine
from search.progress import progress_bar
from search.spaces import BackboneSpace
from search.spaces.vectors import Vectors

FORMAT = "dongfeng latency table 1"

# In every round each network runs until it has so many samples or has used so many milliseconds, so that other work
# on a shared machine, which comes and goes in seconds, falls on all networks alike.
ROUNDS = 12
SAMPLES_PER_ROUND = 10
MS_PER_ROUND = 30.0
# A killed measurement loses at most so many blocks.
BLOCKS_PER_SAVE = 48

Size = tuple[int, int]


class Entry(NamedTuple):
    """Milliseconds of one part: the median of its samples, their quartiles, and how many there were."""

    ms: float
    quartiles: tuple[float, float]
    samples: int


class LatencyTable:
    """Measured parts of networks, and the target they were measured on (see Engine.target)."""

    def __init__(self, target: Mapping[str, Any], entries: Mapping[str, Entry] | None = None) -> None:
        self.target = dict(target)
        self.entries = dict(entries or {})

    @classmethod
    def measure(
        cls,
        space: BackboneSpace,
        engine: Engine,
        path: str | os.PathLike[str] | None = None,
        progress: bool = False,
    ) -> LatencyTable:
        """The table of every part of a space. With a `path`, goes on from that file and saves there as it goes.

        FormatError when the file was measured on another target: times of two targets do not mix.
        """
        table = cls.load(path) if path is not None and Path(path).exists() else cls(engine.target)
        missing = {key: build for key, build in space_parts(space).items() if key not in table.entries}
        if missing and table.target != engine.target:
            raise FormatError(
                f"{os.fspath(path or '')}: target: found {json.dumps(table.target)}, this run has "
                f"{json.dumps(engine.target)}; {len(missing)} blocks are not in the file"
            )
        keys = list(missing)
        with progress_bar(len(keys) * ROUNDS, "measuring blocks", "run", progress and bool(keys)) as bar:
            for start in range(0, len(keys), BLOCKS_PER_SAVE):
                group = keys[start : start + BLOCKS_PER_SAVE]
                entries = measure(engine, [missing[key]() for key in group], bar.update)
                table.entries.update(zip(group, entries, strict=True))
                if path is not None:
                    table.save(path)
        return table

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LatencyTable:
        """Reads a table. FileError, or FormatError naming the file, the field, what was found and expected."""
        source = os.fspath(path)

        def expect(holds: bool, field: str, found: Any, expected: str) -> None:
            if not holds:
                raise FormatError(f"{source}: {field}: found {str(found)[:80]}, expected {expected}")

        try:
            document = json.loads(read_bytes(path))
        except (ValueError, RecursionError) as fault:
            raise FormatError(f"{source}: not a latency table: {fault}") from fault
        expect(isinstance(document, dict), "document", document, "an object")
        expect(document.get("format") == FORMAT, "format", document.get("format"), repr(FORMAT))
        target, listed = document.get("target"), document.get("entries")
        expect(isinstance(target, dict), "target", target, "an object")
        expect(isinstance(listed, dict), "entries", listed, "an object")
        entries = {}
        for key, entry in listed.items():
            expect(isinstance(entry, dict), f"entries.{key}", entry, "an object")
            ms, quartiles, samples = (entry.get(field) for field in Entry._fields)
            expect(_is_time(ms), f"entries.{key}.ms", ms, "milliseconds, at least 0")
            paired = isinstance(quartiles, list) and len(quartiles) == 2 and all(map(_is_time, quartiles))
            expect(paired, f"entries.{key}.quartiles", quartiles, "two numbers of milliseconds")
            counted = isinstance(samples, int) and samples >= 1
            expect(counted, f"entries.{key}.samples", samples, "a whole number, at least 1")
            entries[key] = Entry(float(ms), (float(quartiles[0]), float(quartiles[1])), samples)
        return cls(target, entries)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the table as JSON, in one step."""
        document = {
            "format": FORMAT,
            "target": self.target,
            "entries": {key: entry._asdict() for key, entry in sorted(self.entries.items())},
        }
        write_bytes(path, (json.dumps(document, indent=1) + "\n").encode())

    def predict(self, architecture: Backbone, input_shape: Sequence[int] = (1, 3, 224, 224)) -> float:
        """Milliseconds of a network: the sum of its parts. UnsupportedError lists all that are not in the table."""
        keys = [key for key, _ in parts(architecture, input_shape)]
        return self._sum(keys, f"{architecture} at {tuple(input_shape)}") / 1e6

    def predictor(self, space: BackboneSpace) -> Callable[[Vectors], NDArray[np.float64]]:
        """A function from many architectures of a space, as vectors (n, length), to their predictions (n,) in ms.

        Equal to `predict` of each. UnsupportedError lists the parts of the space that are not in the table.
        """
        self._sum(space_parts(space), str(space))
        sizes, choices = _sizes(space), len(space.widths) + 1
        stem = self._nanoseconds(_stem(space.at(0), space.input_shape)[0])
        # By stage, whether it is the first block there, the width before and the width; 0 where no block is.
        blocks = np.zeros((len(space.depths), 2, choices, choices), dtype=np.int64)
        for stage, first, before, width, block in _space_blocks(space):
            key, _ = _block(block, sizes[stage + (not first)])
            blocks[stage, int(first), before, width] = self._nanoseconds(key)
        heads = np.array(
            [0, *(self._nanoseconds(_head(space.kinds[-1], w, space.classes, sizes[-1])[0]) for w in space.widths)]
        )

        def predict(vectors: Vectors) -> NDArray[np.float64]:
            total = np.full(len(vectors), stem, dtype=np.int64)
            before = np.zeros(len(vectors), dtype=np.uint8)
            column = 0
            for stage, (_, most) in enumerate(space.depths):
                entered = np.zeros(len(vectors), dtype=bool)
                for width in vectors.T[column : column + most]:
                    present = width > 0
                    total += blocks[stage, (present & ~entered).astype(np.uint8), before, width]
                    before = np.where(present, width, before)
                    entered |= present
                column += most
            return (total + heads[before]) / 1e6

        return predict

    def _sum(self, keys: Iterable[str], subject: str) -> int:
        listed = list(keys)
        unknown = sorted({key for key in listed if key not in self.entries})
        if unknown:
            raise UnsupportedError(f"{subject}: not in the latency table: {', '.join(unknown)}")
        return sum(map(self._nanoseconds, listed))

    def _nanoseconds(self, key: str) -> int:
        # Whole numbers, so that networks of the same blocks in another order tie exactly.
        return round(self.entries[key].ms * 1e6)


def measure(engine: Engine, nets: Sequence[NetParameter], advance: Callable[[], object] = lambda: None) -> list[Entry]:
    """Times networks, whole ones or parts, in interleaved rounds; `advance` is called once a network and round."""
    runs = [engine.prepare(net) for net in nets]
    samples: list[list[float]] = [[] for _ in runs]
    for run in runs:
        run()
    for _ in range(ROUNDS):
        for run, times in zip(runs, samples, strict=True):
            # The first run finds the caches full of another network.
            run()
            used, taken = 0.0, 0
            while taken < SAMPLES_PER_ROUND and used < MS_PER_ROUND:
                times.append(run())
                used, taken = used + times[-1], taken + 1
            advance()
    return [_entry(times) for times in samples]


def parts(architecture: Backbone, input_shape: Sequence[int]) -> list[tuple[str, Callable[[], NetParameter]]]:
    """The parts of a network in order: their keys, and functions that generate their mini-networks."""
    size = _halved((input_shape[2], input_shape[3]), len(architecture.stem))
    found = [_stem(architecture, input_shape)]
    for block in architecture.blocks():
        found.append(_block(block, size))
        size = _halved(size) if block.stride == 2 else size
    return [
        *found,
        _head(architecture.stages[-1].block, architecture.stages[-1].widths[-1], architecture.classes, size),
    ]


def space_parts(space: BackboneSpace) -> dict[str, Callable[[], NetParameter]]:
    """The distinct parts of all architectures of a space."""
    sizes = _sizes(space)
    found = [_stem(space.at(0), space.input_shape)]
    found += [_block(block, sizes[stage + (not first)]) for stage, first, _, _, block in _space_blocks(space)]
    found += [_head(space.kinds[-1], width, space.classes, sizes[-1]) for width in space.widths]
    return dict(found)


def _stem(architecture: Backbone, input_shape: Sequence[int]) -> tuple[str, Callable[[], NetParameter]]:
    _, channels, height, width = input_shape
    key = f"stem_{'-'.join(map(str, (channels, *architecture.stem)))}_{height}x{width}"
    return key, partial(generate_stem, architecture, tuple(input_shape), merged=True)


def _block(block: Block, size: Size) -> tuple[str, Callable[[], NetParameter]]:
    channels = f"{block.in_channels}-{block.width}-{block.out_channels}"
    # Bottlenecks of two widths may have the same channels, one with a projection and one without (DF2A's res4.5).
    projection = "_p" if block.needs_projection else ""
    key = f"{block.kind}_{channels}_s{block.stride}{projection}_{size[0]}x{size[1]}"
    return key, partial(generate_block, block, (1, block.in_channels, *size), merged=True)


def _head(kind: str, width: int, classes: int, size: Size) -> tuple[str, Callable[[], NetParameter]]:
    channels = BLOCK_KINDS[kind].out_channels(width)
    # A head depends on the last block alone.
    shortest = Backbone((Stage(kind, (width,)),), classes=classes)
    key = f"head_{channels}-{classes}_{size[0]}x{size[1]}"
    return key, partial(generate_head, shortest, (1, channels, *size))


def _space_blocks(space: BackboneSpace) -> Iterator[tuple[int, bool, int, int, Block]]:
    """Every block of a space: stage, whether it is the first there, indices of the width before and of its own."""
    for stage, (kind, (_, most)) in enumerate(zip(space.kinds, space.depths, strict=True)):
        own = BLOCK_KINDS[kind].out_channels
        for index, width in enumerate(space.widths, start=1):
            if stage == 0:
                yield 0, True, 0, index, Block(0, 0, kind, space.stem[-1], width, own(width), 2, True)
            for before, narrower in enumerate(space.widths[:index], start=1):
                if stage > 0:
                    channels = BLOCK_KINDS[space.kinds[stage - 1]].out_channels(narrower)
                    yield stage, True, before, index, Block(stage, 0, kind, channels, width, own(width), 2, True)
                if most > 1:
                    projects = narrower != width
                    yield (
                        stage,
                        False,
                        before,
                        index,
                        Block(stage, 1, kind, own(narrower), width, own(width), 1, projects),
                    )


def _sizes(space: BackboneSpace) -> list[Size]:
    """Height and width after the stem, then after each stage."""
    size = _halved((space.input_shape[2], space.input_shape[3]), len(space.stem))
    return [_halved(size, stage) for stage in range(len(space.depths) + 1)]


def _halved(size: Size, times: int = 1) -> Size:
    """A size after so many strides of 2, each of which leaves ceil(size / 2)."""
    return -(-size[0] >> times), -(-size[1] >> times)


def _entry(times: list[float]) -> Entry:
    low, median, high = np.percentile(times, (25, 50, 75))
    # Nanoseconds are finer than any clock's truth here.
    return Entry(round(float(median), 6), (round(float(low), 6), round(float(high), 6)), len(times))


def _is_time(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
