"""Tables from logs: what other programs printed of a network's layers becomes the times of its parts."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from converters.programs import Layers, Program, Times, read_times
from prototxt_gen.architectures import Backbone, Decoder
from prototxt_gen.errors import FormatError
from prototxt_gen.files import read_bytes
from prototxt_gen.generator.networks import generate
from prototxt_gen.generator.parts import Part, parts
from prototxt_gen.layers import Shape, is_input
from prototxt_gen.trace import LayerSummary, trace
from search.latency.estimating import Estimator, Timed
from search.latency.measuring import Entry

if TYPE_CHECKING:
    from search.latency.table import LatencyTable

Table = TypeVar("Table", bound="LatencyTable")

# More lines of one kind than this help nobody.
_LISTED = 12


class Log(NamedTuple):
    """A log as measurements. `times` are the milliseconds of each place in the network, by the key of the part there.

    `labels` are the parts' by key; `target` is as in LatencyTable, `origin` one record of the log. `estimated` are
    times of parts that are not in it.
    """

    target: dict[str, Any]
    times: dict[str, list[float]]
    labels: dict[str, str]
    origin: dict[str, Any]
    estimated: dict[str, float]


def read_log(
    path: str | os.PathLike[str],
    architecture: Backbone | Decoder | str,
    input_shape: Sequence[int] | None = None,
    *,
    device: str | None = None,
    precision: str | None = None,
    share: bool = False,
    estimate: Iterable[Part] = (),
) -> Log:
    """The times of a network's parts in what a program (`converters.programs`) printed of its layers.

    1. Each row is given to the part whose layers it names. Fused rows name several layers, cut-off ones the beginning
       of a layer; Splits and copies belong to the layer that they copy, input layers to the part that takes them.
    2. A row whose layers are in several parts is a fault. With `share` it is shared out among these parts by their
       layers' multiply-adds, evenly where they have none, and the record counts such rows.
    3. What the log's total is more than the sum of its rows is the cost of taking each row's time: every row gets as
       much of it. So the parts sum to the log's total.

    `device` and `precision` say what the log does not; without them they are as the log says. FormatError lists rows
    that belong to no part and parts without rows, layers with other shapes where the log has these, and times that
    cannot be: the log is of another network, of another size, or cut off.
    """
    program, times = read_times(path)
    source = os.fspath(path)
    if not times.layers:
        raise FormatError(f"{source}: expected times of layers, found those of the whole network alone")
    cut = parts(architecture, input_shape)
    plan = _Plan(architecture, input_shape, cut, program, times)
    _check_network(source, plan.rows, times)
    rest = (times.ms[0] - sum(row.ms for row in times.layers)) / len(times.layers)
    found, told = [0.0] * len(cut), [0.0] * len(cut)
    named: set[str] = set()
    lost: list[str] = []
    across: list[str] = []
    for row in times.layers:
        names = program.layers_of(row.layers, plan.layers)
        homes = plan.homes(names)
        if not homes and (names or row.ms > 0):
            lost.append(row.layers)
        if len(homes) > 1 and not share:
            across.append(f"{row.layers!r} ({', '.join(cut[home].label for home in sorted(homes))})")
        named.update(name for one in names for name in one if plan.home[name] in homes)
        for home, portion in plan.portions(homes, names).items():
            found[home] += portion * (row.ms + rest)
            told[home] += portion * row.ms
            plan.note(home, names, portion * (row.ms + rest))
    faults = [
        _listed("rows of no layer of the network", [repr(row) for row in lost]),
        _listed("rows of several parts, which are shared out only by choice", across),
        _listed("layers without a row", plan.missing(named)),
        # A share of the rest alone, which every row gets, is no measurement.
        _listed("parts without a time", [part.label for part, time in zip(cut, told, strict=True) if time <= 0]),
    ]
    if any(faults):
        size = "x".join(map(str, plan.input_shape))
        raise FormatError(
            f"{source}: not a whole log of {architecture} for an input of {size}: {'; '.join(filter(None, faults))}"
        )
    times_of: dict[str, list[float]] = {}
    for part, ms in zip(cut, found, strict=True):
        times_of.setdefault(part.key, []).append(round(ms, 6))
    record = {
        "file": Path(path).name,
        "sha256": hashlib.sha256(read_bytes(path)).hexdigest(),
        "network": str(architecture),
        "input_shape": list(plan.input_shape),
        "ms": times.ms[0],
        "rows": len(times.layers),
        "rest_ms": round(rest * len(times.layers), 6),
        "shared_rows": plan.shared,
    }
    labels = {part.key: part.label for part in cut}
    estimator = Estimator([Timed(part, groups) for part, groups in zip(cut, plan.groups, strict=True)])
    estimated = {}
    for part in estimate:
        guess = None if part.key in times_of else estimator.estimate(part)
        if guess is not None:
            estimated[part.key], labels[part.key] = round(guess, 6), part.label
    target = _target(program, times, device, precision, plan.input_shape[0])
    return Log(target, times_of, labels, record, estimated)


class _Plan:
    """Where the layers of a network, as a program names them, are among its parts."""

    def __init__(
        self,
        architecture: Backbone | Decoder | str,
        input_shape: Sequence[int] | None,
        cut: Sequence[Part],
        program: Program,
        times: Times,
    ) -> None:
        self.rows = trace(generate(architecture, input_shape=input_shape, merged=True))
        self.input_shape: Shape = self.rows[0].top_shapes[0]
        # Programs that join layers take networks with batch norm, too, and fold it themselves.
        net = generate(architecture, input_shape=input_shape, merged=program.every_layer)
        inputs = [layer.name for layer in net.layer if is_input(layer.type)]
        theirs = times.details.get("inputs", ["data", "input"])
        self.layers = Layers(net, dict.fromkeys(theirs, inputs[0]))
        self.home: dict[str, int] = {}
        for merged in {True, program.every_layer}:
            for place, part in enumerate(parts(architecture, input_shape, merged=merged)):
                self.home.update(dict.fromkeys(part.layers.values(), place))
                if "data" in part.bottoms.values():
                    self.home.setdefault(inputs[0], place)
        self._own = [{whole: own for own, whole in part.layers.items()} for part in cut]
        #: For each part the milliseconds of its layers that ran as one, by their names in the part's own network.
        self.groups: list[dict[frozenset[str], float]] = [{} for _ in cut]
        self.shared = 0
        self._work = {row.name: row.multiply_adds for row in self.rows}
        # A layer with weights does work wherever it runs; others vanish in rows of their neighbours.
        self._needed = [
            row.name
            for row in self.rows
            if row.name in self.home and not is_input(row.type) and (program.every_layer or row.blob_shapes)
        ]

    def homes(self, names: Sequence[set[str]]) -> set[int]:
        """The parts of a row's layers; none where a name is no layer's.

        A name that is cut off is a layer in one of the parts of the other names, where it may be that.
        """
        each = [{self.home[name] for name in one} for one in names]
        certain = set().union(*(homes for homes in each if len(homes) == 1))
        if not all(each):
            return set()
        return certain.union(*(homes for homes in each if not homes & certain))

    def portions(self, homes: set[int], names: Sequence[set[str]]) -> dict[int, float]:
        """How much of a row's time each of its parts gets."""
        if len(homes) > 1:
            self.shared += 1
        work = dict.fromkeys(sorted(homes), 0)
        for name in set().union(*names):
            if self.home[name] in work:
                work[self.home[name]] += self._work.get(name, 0)
        total = sum(work.values())
        return {home: part / total if total else 1 / len(work) for home, part in work.items()}

    def note(self, home: int, names: Sequence[set[str]], ms: float) -> None:
        """Adds a row's time to the group of a part's layers that it names."""
        own = self._own[home]
        group = frozenset(own[name] for one in names for name in one if name in own)
        if group:
            self.groups[home][group] = self.groups[home].get(group, 0.0) + ms

    def missing(self, named: set[str]) -> list[str]:
        """The layers that should have been in some row."""
        return [name for name in self._needed if name not in named]


def _check_network(source: str, rows: Sequence[LayerSummary], times: Times) -> None:
    """That layers of the network in the log which have our names are our layers."""
    network: Mapping[str, Any] = times.details.get("network", {})
    renamed = times.details.get("inputs", [])
    faults = []
    for row in rows:
        name = renamed[0] if is_input(row.type) and renamed else row.name
        if name not in network:
            continue
        kind, shapes, work = network[name]
        ours = [list(shape) for shape in row.top_shapes]
        if is_input(row.type):
            kind, work = row.type, row.multiply_adds
        if (kind, shapes, work) != (row.type, ours, row.multiply_adds):
            expected = _described(row.type, ours, row.multiply_adds)
            faults.append(f"{name}: found {_described(kind, shapes, work)}, expected {expected}")
    if faults:
        raise FormatError(f"{source}: {_listed('layers of another network', faults, 3)}")


def _described(kind: str, shapes: Sequence[Sequence[int]], work: int) -> str:
    sizes = " ".join("x".join(map(str, shape)) for shape in shapes)
    return f"{kind} {sizes}" + (f" of {work:,} multiply-adds" if work else "")


def _target(program: Program, times: Times, device: str | None, precision: str | None, batch: int) -> dict[str, Any]:
    """What the times depend on, as far as it is known."""
    return {
        "engine": program.name,
        "device": device or times.details.get("device", "not named in the log"),
        "precision": precision or times.details.get("precision", "not named in the log"),
        "batch": batch,
        "versions": dict(times.versions),
    }


def _listed(subject: str, found: Sequence[str], most: int = _LISTED) -> str:
    if not found:
        return ""
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return f"{subject}: {', '.join(found[:most])}{more}"


def table_with(kind: type[Table], before: Table | None, log: Log) -> Table:
    """A table of this class with one more log than the one before it.

    A part's time is the mean over all places, of all logs, where it stands, so that the parts of a network that was in
    one log sum to its total. `samples` counts the places. FormatError for a table of another target or of
    measurements, and for a log that is in it.
    """
    origin = {} if before is None else before.origin
    if before is not None and origin.get("method") != "log":
        raise FormatError(
            f"the table: origin: found {origin.get('method')!r}, expected 'log': logs are added to a table of logs "
            f"alone, give another name for the new one"
        )
    if before is not None and before.target != log.target:
        raise FormatError(
            f"{log.origin['file']}: target: found {json.dumps(log.target)}, the table has {json.dumps(before.target)}"
        )
    if log.origin["sha256"] in {record.get("sha256") for record in origin.get("logs", [])}:
        raise FormatError(f"{log.origin['file']}: is in the table already")
    entries = {} if before is None else dict(before.entries)
    times = {key: list(listed) for key, listed in origin.get("times", {}).items()}
    for key, added in log.times.items():
        listed = times.setdefault(key, [])
        listed += added
        low, high = np.percentile(listed, (25, 75))
        mean = round(float(np.mean(listed)), 6)
        entries[key] = Entry(mean, (round(float(low), 6), round(float(high), 6)), len(listed), log.labels[key])
    guessed = {**origin.get("estimated", {}), **log.estimated}
    guessed = {key: ms for key, ms in guessed.items() if key not in times}
    for key, ms in log.estimated.items():
        if key in guessed:
            entries[key] = Entry(ms, (ms, ms), 1, f"{log.labels[key]} (estimated)")
    today = datetime.now(timezone.utc).date().isoformat()
    records = [*origin.get("logs", []), log.origin]
    found = {"method": "log", "date": today, "logs": records, "times": times}
    made = kind(log.target, entries, origin=found | ({"estimated": guessed} if guessed else {}))
    if before is not None:
        made.energy = before.energy
    return made
