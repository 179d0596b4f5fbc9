"""dongfeng profile measure: a table of the parts of a space, or of some networks, timed on this machine."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from caffe_zoo.commands.networks import by_shape
from caffe_zoo.commands.options import (
    add_batch,
    add_engine,
    add_knots,
    add_space,
    add_target,
    count,
    cut_to,
    engine_of,
    percent,
    size,
    taken_of,
    with_knots,
)
from prototxt_gen.architectures import Backbone, Decoder
from prototxt_gen.errors import CaffeError, UnsupportedError

EXAMPLE = "dongfeng profile measure --space s32-64_b1-3_b1-3_b1-4_w64-128-256-512_c1000_i3x224x224 -o latency.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is measured, how well, for how long, and the table."""
    subject = parser.add_mutually_exclusive_group(required=True)
    add_space(subject, "the networks whose parts are timed")
    subject.add_argument(
        "--network",
        action="append",
        metavar="NETWORK",
        help="a network of the zoo or an architecture's code, whose parts are timed (may be repeated)",
    )
    parser.add_argument("--input-size", type=size, metavar="HxW", help="of --network; default: the network's own")
    add_target(parser, "measure only what this toolchain takes: the space is cut to it, networks are left out")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="the table; goes on from it when it exists"
    )
    parser.add_argument(
        "--spread",
        type=percent,
        default=0.01,
        metavar="PERCENT",
        help="when a part is measured well enough: the standard error of its median, over it (default: 1%%)",
    )
    parser.add_argument(
        "--budget", type=_minutes, default=5.0, metavar="MINUTES", help="stop after so long all the same (default: 5)"
    )
    parser.add_argument(
        "--correct",
        type=count,
        metavar="N",
        help="then measure N whole networks (of --network: all, at most N) and keep a correction of sums for the rest",
    )
    add_knots(parser, "the table has the others interpolated, marked as that, and says how far off they may be")
    parser.add_argument(
        "--seed", type=int, default=0, help="start of the random numbers that draw networks to run (default: 0)"
    )
    add_batch(parser, "1")
    add_engine(parser)


def run(args: argparse.Namespace) -> int:
    """Measures, says what was written and what went wrong; the status is 1 where something did."""
    from search import LatencyTable, TieredSpace, parse_space
    from search.latency.checking import telling_networks

    if args.space is not None and args.input_size is not None:
        raise CaffeError("--input-size is for --network: a space states its own size")
    whole = None if args.space is None else parse_space(args.space)
    cut = None if whole is None else cut_to(args, whole)
    whole = whole if cut is None else cut.space
    space = whole if args.knots is None else with_knots(whole, args.knots)
    subjects = _networks(args) if space is None else [(space.input_shape, space)]
    if args.correct is not None and len(subjects) > 1:
        raise CaffeError(f"--correct is for networks of one size of input, found {len(subjects)}: give --input-size")
    engine = engine_of(args, args.batch or 1)
    try:
        for shape, subject in subjects:
            table = LatencyTable.measure(
                subject,
                engine,
                args.output,
                progress=True,
                input_shape=shape,
                spread=args.spread,
                budget=args.budget * 60,
                seed=args.seed,
            )
        if args.correct is not None:
            ((shape, subject),) = subjects
            chosen = telling_networks(table, subject, args.correct, shape, args.seed)
            correction = table.correct(engine, chosen, shape, progress=True)
            table.save(args.output)
    except KeyboardInterrupt:
        print(f"{args.output}: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    spread = table.origin.get("spread") if table.entries else None
    print(f"{args.output}: {len(table.entries)} parts" + ("" if spread is None else f", spread at most {spread:.2%}"))
    if args.correct is not None:
        print(correction.words())
    untold = None
    if args.knots is not None:
        assert isinstance(whole, TieredSpace)
        try:
            table = table.interpolated(whole)
        except UnsupportedError as fault:
            # Time may have been too short for all; what was measured is in the file.
            untold = str(fault)
        else:
            table.save(args.output)
            print(f"{args.output}: {len(table.entries)} parts with the interpolated ones")
    for remark in [*table.remarks(), *([untold] if untold else [])]:
        print(f"{args.output}: {remark}", file=sys.stderr)
    return 1 if untold or table.faults() else 0


def _networks(args: argparse.Namespace) -> list[tuple[tuple[int, ...], list[Backbone | Decoder]]]:
    """The networks that are asked for, and that the target takes, by the shapes of their inputs."""
    found = by_shape(args.network, args.input_size)
    taken = iter(taken_of(args, [(str(one), one, shape) for shape, networks in found for one in networks]))
    left = [(shape, [one for one in networks if next(taken)]) for shape, networks in found]
    return [(shape, networks) for shape, networks in left if networks]


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes above 0")
    return value
