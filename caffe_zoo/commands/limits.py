"""Limits of latency on the command line: their options, and the latency of a network that a share is taken of."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from caffe_zoo.commands.networks import resolve_architecture
from prototxt_gen.errors import ArchitectureError, UnsupportedError
from prototxt_gen.generator.networks import generate

if TYPE_CHECKING:
    from converters.engines import Engine
    from search.latency.limits import Interval, Known, Limit
    from search.latency.table import LatencyTable
    from search.spaces import BackboneSpace


def add_limits(parser: argparse.ArgumentParser) -> None:
    """--latency, --latency-min and --latency-max; `asked_interval` reads them."""
    parser.add_argument(
        "--latency",
        type=_interval,
        metavar="LIMIT",
        help="the most that a network may take: 2ms, 1500us, 0.002s, 2 (ms), or a share of a network's latency, "
        "'80%% of resnet18', by its name in the zoo or its code; or an interval: 1ms..2ms",
    )
    parser.add_argument("--latency-min", type=_limit, metavar="LIMIT", help="leave out networks that are faster")
    parser.add_argument("--latency-max", type=_limit, metavar="LIMIT", help="leave out networks that are slower")


def asked_interval(args: argparse.Namespace) -> Interval:
    """The limits of the options of `add_limits`. ArchitectureError where one end is given twice."""
    from search.latency.limits import Interval

    found: Interval = args.latency or Interval()
    for name, index in (("--latency-min", 0), ("--latency-max", 1)):
        other = (args.latency_min, args.latency_max)[index]
        if other is not None and found[index] is not None:
            raise ArchitectureError(f"--latency {found[index]} and {name} {other}: expected one of them")
        if other is not None:
            found = Interval(other, found.most) if index == 0 else Interval(found.least, other)
    return found


def latency_by(table: LatencyTable, space: BackboneSpace, engine: Engine | None = None) -> Callable[[str], Known]:
    """A function from a network's name or code to its latency at the space's input, with its own classes.

    The table predicts it where it has all parts; else the engine, if there is one, measures the whole network.
    The function raises ArchitectureError for what is no network, and UnsupportedError, which says what to do, where
    there is neither.
    """
    from search.latency.limits import Known
    from search.latency.measuring import measure

    def latency_of(name: str) -> Known:
        architecture = resolve_architecture(name)
        try:
            return Known(table.predict(architecture, space.input_shape), "predicted by the table")
        except UnsupportedError as fault:
            if engine is None:
                size = "x".join(map(str, space.input_shape[1:]))
                raise UnsupportedError(
                    f"the latency of {name} at {size} is not known: the table lacks some of its parts; give the limit "
                    f"in milliseconds, or measure the parts into the table"
                ) from fault
        (entry,) = measure(engine, [generate(architecture, input_shape=space.input_shape, merged=True)])
        return Known(entry.ms, "measured")

    return latency_of


def _limit(text: str) -> Limit:
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
