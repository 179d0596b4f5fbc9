"""dongfeng profile measure: a table of the parts of a space, or of some networks, timed on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from caffe_zoo.commands.options import add_engine, engine_of

EXAMPLE = "dongfeng profile measure --space s32-64_b1-3_b1-3_b1-4_w64-128-256-512_c1000_i3x224x224 -o latency.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The space, the engine, the table."""
    parser.add_argument("--space", required=True, metavar="CODE", help="the networks whose parts are timed")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="the table; goes on from it when it exists"
    )
    add_engine(parser)


def run(args: argparse.Namespace) -> int:
    """Measures and prints what was written."""
    from search import LatencyTable, parse_space

    table = LatencyTable.measure(parse_space(args.space), engine_of(args), args.output, progress=True)
    print(f"{args.output}: {len(table.entries)} parts")
    return 0
