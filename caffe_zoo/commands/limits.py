"""Limits of latency on the command line: their options, and the latency of a network that a share is taken of."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from caffe_zoo.commands.missing_parts import check_parts
from caffe_zoo.commands.networks import resolve_architecture
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.parts import parts

if TYPE_CHECKING:
    from converters.engines import Engine
    from search.latency.limits import Interval, Known, Limit
    from search.latency.table import LatencyTable
    from search.spaces import Space


def add_limits(parser: argparse.ArgumentParser) -> None:
    """--latency, --latency-min and --latency-max; `asked_interval` reads them."""
    parser.add_argument(
        "--latency",
        type=_interval,
        metavar="LIMIT",
        help="the most that a network may take: 2ms, 1500us, 0.002s, 2 (ms), or a share of a network's latency, "
        "'80%% of resnet18', by its name in the zoo or its code; or an interval: 1ms..2ms",
    )
    parser.add_argument("--latency-min", type=latency_limit, metavar="LIMIT", help="leave out networks that are faster")
    parser.add_argument("--latency-max", type=latency_limit, metavar="LIMIT", help="leave out networks that are slower")


def asked_interval(args: argparse.Namespace) -> Interval:
    """The limits of the options of `add_limits`. ArchitectureError for an end given twice, and ends turned round."""
    from search.latency.limits import Interval, Known

    found: Interval = args.latency or Interval()
    for name, index in (("--latency-min", 0), ("--latency-max", 1)):
        other = (args.latency_min, args.latency_max)[index]
        if other is not None and found[index] is not None:
            raise ArchitectureError(f"--latency {found[index]} and {name} {other}: expected one of them")
        if other is not None:
            found = Interval(other, found.most) if index == 0 else Interval(found.least, other)
    if not any(limit and limit.network for limit in found):
        found.resolved(lambda name: Known(0.0, name))  # an interval that is none is told before any work
    return found


def latency_by(table: LatencyTable, space: Space, path: Path, engine: Engine | None = None) -> Callable[[str], Known]:
    """A function from a network's name or code to its latency at the space's input, with its own classes.

    The table predicts it, which lies at `path`. Parts that it lacks are measured on the engine, if there is one, and
    saved there: the same command has the same limits then when it goes on later. The function raises ArchitectureError
    for what is no network, and UnsupportedError, which says what to do, where parts are missing and there is no engine.
    """
    from search.latency import LatencyTable
    from search.latency.limits import Known

    def latency_of(name: str) -> Known:
        architecture = resolve_architecture(name)
        found = parts(architecture, space.input_shape)
        missing = {part.key for part in found if part.key not in table.entries}
        if missing and table.estimates is not None:
            source = f"predicted by the table, which estimates {len(missing)} of its parts"
            return Known(table.predict(architecture, space.input_shape), source)
        if missing and (engine is None or engine.target != table.target):
            size = "x".join(map(str, space.input_shape[2:]))
            check_parts(found, f"{name} at {size}", f"--network {name} --input-size {size}", table, path)
        if missing and engine is not None:
            # As well as the others, and without touching them: a search that has begun with them goes on.
            asked = table.origin.get("asked", {})
            how = {option: asked[option] for option in ("spread", "budget") if option in asked}
            learnt = LatencyTable.measure([architecture], engine, progress=True, input_shape=space.input_shape, **how)
            learnt.predict(architecture, space.input_shape)  # tells why a part failed
            table.entries |= {key: learnt.entries[key] for key in missing}
            table.save(path)
        return Known(table.predict(architecture, space.input_shape), "predicted by the table")

    return latency_of


def latency_limit(text: str) -> Limit:
    """The type of an option that is one limit of latency."""
    from search.latency.limits import parse_limit

    try:
        return parse_limit(text)
    except ArchitectureError as fault:
        raise argparse.ArgumentTypeError(str(fault)) from fault


def _interval(text: str) -> Interval:
    from search.latency.limits import parse_interval

    try:
        return parse_interval(text)
    except ArchitectureError as fault:
        raise argparse.ArgumentTypeError(str(fault)) from fault
