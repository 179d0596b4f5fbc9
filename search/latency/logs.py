"""Tables from logs: what other programs printed of a network's layers becomes the times of its parts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from converters.programs import Layers, LayerTime, Program, Times, read_times
from prototxt_gen.architectures import Backbone, Decoder
from prototxt_gen.errors import FormatError
from prototxt_gen.generator.networks import generate
from prototxt_gen.generator.parts import Part, parts
from prototxt_gen.layers import Shape, is_input
from prototxt_gen.trace import LayerSummary, trace
from search.latency.measuring import Entry

# More lines of one kind than this help nobody.
_LISTED = 12


class Log(NamedTuple):
    """A log as measurements. `times` are the milliseconds of each place in the network, by the key of the part there.

    `labels` are the parts' by key; `target` is as in LatencyTable, `origin` one record of the log.
    """

    target: dict[str, Any]
    times: dict[str, list[float]]
    labels: dict[str, str]
    origin: dict[str, Any]


def read_log(
    path: str | os.PathLike[str],
    architecture: Backbone | Decoder | str,
    input_shape: Sequence[int] | None = None,
    *,
    device: str | None = None,
    precision: str | None = None,
    share: bool = False,
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
    net = generate(architecture, input_shape)
    cut = parts(architecture, input_shape)
    layers = trace(net)
    _check_network(source, layers, times)
    place = _Places(layers, cut, times)
    found = [0.0] * len(cut)
    seen: set[str] = set()
    faults, spanning = [], []
    rest = (times.ms[0] - sum(row.ms for row in times.layers)) / len(times.layers)
    for row in times.layers:
        names = program.layers_of(row.layers, place.layers)
        homes = place.parts_of(names)
        if not homes:
            faults.append(row)
        elif len(homes) > 1 and not share:
            spanning.append((row, homes))
        seen.update(*names)
        for home, part in _shares(homes, place.work_of(names)).items():
            found[home] += part * (row.ms + rest)
    _check(source, program, times, cut, place, found, seen, faults, spanning)
    batch = layers[0].top_shapes[0][0]
    target = _target(program, times, device, precision, batch)
    record = {
        "log": Path(path).name,
        "network": str(architecture),
        "input_shape": [int(size) for size in layers[0].top_shapes[0]],
        "ms": times.ms[0],
        "rows": len(times.layers),
        "rest_ms": round(rest * len(times.layers), 6),
    }
    collected: dict[str, list[float]] = {}
    for part, ms in zip(cut, found, strict=True):
        collected.setdefault(part.key, []).append(round(ms, 6))
    return Log(target, collected, {part.key: part.label for part in cut}, record)
