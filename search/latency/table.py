"""Latency tables: parts measured on a target, networks predicted as the sum of their parts.

What is measured is what a device runs: batch 1, batch norm merged. An entry's key is that of the part (see
prototxt_gen/generator/parts.py), so that equal keys have equal networks.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.engines import Engine
from prototxt_gen.architectures import Backbone, Decoder
from prototxt_gen.errors import FormatError, UnsupportedError
from prototxt_gen.files import read_bytes, write_bytes
from prototxt_gen.generator.parts import Part, parts
from search.latency import logs
from search.latency.fitting import fit_networks
from search.latency.measuring import ROUNDS, Entry, measure
from search.latency.predicting import predictor, space_parts
from search.progress import progress_bar
from search.spaces import BackboneSpace
from search.spaces.vectors import Vectors

FORMAT = "dongfeng latency table 3"
# The format before is read, so that a study begun with it goes on; its target lacks a word: nothing is added to it.
_FORMAT_2 = "dongfeng latency table 2"
# In the first one the keys did not tell all networks apart.
_FORMAT_1 = "dongfeng latency table 1"

# A killed measurement loses at most this many parts.
PARTS_PER_SAVE = 48


class LatencyTable:
    """Measured parts of networks, and the target they were measured on (see Engine.target).

    `origin` says in plain JSON values where the times come from: how, when, in how many rounds. `call_ms` is what one
    call of the engine costs whatever it runs: it is in the time of each part, and a network pays it once.
    """

    def __init__(
        self,
        target: Mapping[str, Any],
        entries: Mapping[str, Entry] | None = None,
        *,
        call_ms: float = 0.0,
        origin: Mapping[str, Any] | None = None,
    ) -> None:
        self.target = dict(target)
        self.entries = dict(entries or {})
        self.call_ms = call_ms
        self.origin = dict(origin or {})

    @classmethod
    def measure(
        cls,
        space: BackboneSpace,
        engine: Engine,
        path: str | os.PathLike[str] | None = None,
        progress: bool = False,
    ) -> LatencyTable:
        """The table of every part of a space. With a `path`, goes on from that file and saves there as it goes.

        FormatError when the file was measured on another target: times of two targets cannot be mixed.
        """
        table = cls.load(path) if path is not None and Path(path).exists() else cls(engine.target)
        missing = [part for key, part in space_parts(space).items() if key not in table.entries]
        if missing and table.target != engine.target:
            raise FormatError(
                f"{os.fspath(path or '')}: target: found {json.dumps(table.target)}, this run has "
                f"{json.dumps(engine.target)}; {len(missing)} parts are not in the file"
            )
        with progress_bar(len(missing) * ROUNDS, "measuring parts", "run", progress and bool(missing)) as bar:
            for start in range(0, len(missing), PARTS_PER_SAVE):
                group = missing[start : start + PARTS_PER_SAVE]
                measured = measure(engine, [part.net for part in group], bar.update)
                for part, entry in zip(group, measured, strict=True):
                    table.entries[part.key] = entry._replace(label=part.label)
                if path is not None:
                    table.save(path)
        return table

    @classmethod
    def from_log(
        cls,
        path: str | os.PathLike[str],
        architecture: Backbone | Decoder | str,
        input_shape: Sequence[int] | None = None,
        *,
        into: LatencyTable | None = None,
        device: str | None = None,
        precision: str | None = None,
        share: bool = False,
        estimate: Iterable[Part] = (),
    ) -> LatencyTable:
        """The table of a network's parts in what `caffe time`, trtexec or TensorRT 3 printed; `read_log` says how.

        `into` is a table from other logs, which this one is added to: the result is a new table. FormatError, and where
        its target is another.
        """
        log = logs.read_log(
            path, architecture, input_shape, device=device, precision=precision, share=share, estimate=estimate
        )
        return logs.table_with(cls, into, log)

    @classmethod
    def fit(
        cls,
        networks: Sequence[Backbone | Decoder | str],
        times: Sequence[float],
        *,
        space: BackboneSpace | Sequence[Backbone | Decoder | str] | None = None,
        input_shape: Sequence[int] | Sequence[Sequence[int] | None] | None = None,
        target: Mapping[str, Any] | None = None,
    ) -> LatencyTable:
        """The table of a device that times only whole networks, from their times in ms, by regression.

        It holds the parts of these networks, and with a `space`, or other networks in its place, those of all its
        networks, too: what was in no network timed is told by the work of its layers, with wider quartiles and 0
        samples. `input_shape` is one shape for all networks, or one for each; without it,
        it is the space's, or the networks' own. `target` says what was measured on.
        `origin["cross_validation"]` says how far predictions of other networks were off, `origin["outliers"]` which
        times do not fit the others. A network given twice counts twice.

        CaffeError for lengths that differ, times that are no times, and inputs of several sizes that `input_shape` does
        not state; UnsupportedError for fewer than five different networks, and where all times are the same.
        """
        found = fit_networks(networks, times, input_shape, space)
        return cls(target or {"device": "unnamed"}, found.entries, call_ms=found.call_ms, origin=found.origin)

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
        if document.get("format") == _FORMAT_1:
            raise FormatError(
                f"{source}: format: found {_FORMAT_1!r}, expected {FORMAT!r}: the keys of the old one did not tell "
                "all networks apart; delete the file and measure again"
            )
        if document.get("format") == _FORMAT_2:
            document |= {"format": FORMAT, "call_ms": 0.0, "origin": {"format": _FORMAT_2}}
        expect(document.get("format") == FORMAT, "format", document.get("format"), repr(FORMAT))
        target, listed = document.get("target"), document.get("entries")
        expect(isinstance(target, dict), "target", target, "an object")
        expect(isinstance(listed, dict), "entries", listed, "an object")
        entries = {}
        for key, entry in listed.items():
            expect(isinstance(entry, dict), f"entries.{key}", entry, "an object")
            ms, quartiles, samples, label = (entry.get(field) for field in Entry._fields)
            expect(_is_time(ms), f"entries.{key}.ms", ms, "milliseconds, at least 0")
            paired = isinstance(quartiles, list) and len(quartiles) == 2 and all(map(_is_time, quartiles))
            expect(paired, f"entries.{key}.quartiles", quartiles, "two numbers of milliseconds")
            counted = isinstance(samples, int) and samples >= 0
            expect(counted, f"entries.{key}.samples", samples, "a whole number, at least 0")
            expect(isinstance(label, str), f"entries.{key}.label", label, "a text")
            entries[key] = Entry(float(ms), (float(quartiles[0]), float(quartiles[1])), samples, label)
        call_ms, origin = document.get("call_ms"), document.get("origin")
        expect(_is_time(call_ms), "call_ms", call_ms, "milliseconds, at least 0")
        expect(isinstance(origin, dict), "origin", origin, "an object")
        return cls(target, entries, call_ms=float(call_ms), origin=origin)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the table as JSON, in one step."""
        document = {
            "format": FORMAT,
            "target": self.target,
            "origin": self.origin,
            "call_ms": self.call_ms,
            "entries": {key: entry._asdict() for key, entry in sorted(self.entries.items())},
        }
        write_bytes(path, (json.dumps(document, indent=1) + "\n").encode())

    def predict(self, architecture: Backbone | Decoder | str, input_shape: Sequence[int] | None = None) -> float:
        """Milliseconds of a network: the sum of its parts. UnsupportedError lists those that are not in the table.

        `input_shape` is as in `generate`.
        """
        found = parts(architecture, input_shape)
        self._check(found, f"{architecture} at {'its usual size' if input_shape is None else tuple(input_shape)}")
        return (self.base_nanoseconds + sum(map(self.part_nanoseconds, found))) / 1e6

    def predictor(self, space: BackboneSpace) -> Callable[[Vectors], NDArray[np.float64]]:
        """A function from many architectures of a space, as vectors (n, length), to their predictions (n,) in ms.

        Equal to `predict` of each. UnsupportedError lists the parts of the space that are not in the table.
        """
        self._check(space_parts(space).values(), str(space))
        return predictor(space, self.part_nanoseconds, self.base_nanoseconds)

    def _check(self, needed: Iterable[Part], subject: str) -> None:
        unknown = sorted({part.key: part.label for part in needed if part.key not in self.entries}.values())
        if unknown:
            raise UnsupportedError(f"{subject}: not in the latency table: {', '.join(unknown)}")

    @property
    def base_nanoseconds(self) -> int:
        """What every network costs beside its parts."""
        return round(self.call_ms * 1e6)

    def part_nanoseconds(self, part: Part) -> int:
        """What a part adds to the prediction of a network. KeyError when it is not in the table.

        Where the table tells the part apart by what made its inputs, that entry counts (see `Part.joined_key`).
        """
        # Whole numbers, so that networks of the same blocks in another order tie exactly.
        entry = self.entries.get(part.joined_key) or self.entries[part.key]
        return round((entry.ms - self.call_ms) * 1e6)


def _is_time(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
