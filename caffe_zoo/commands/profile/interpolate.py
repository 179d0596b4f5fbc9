"""dongfeng profile interpolate: a table with the blocks between measured inner widths, told by their neighbours."""

from __future__ import annotations

import argparse
from pathlib import Path

from caffe_zoo.commands.options import add_space, add_target, cut_to
from prototxt_gen.errors import CaffeError

EXAMPLE = "dongfeng profile interpolate jetson-9.json --space CODE -o jetson.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The table, the space, the table to write."""
    parser.add_argument(
        "table",
        type=Path,
        metavar="TABLE",
        help="a latency table of some inner widths of each block, as of `profile measure` or `export` with --knots",
    )
    add_space(parser, "the space of Tiered Pruning whose other widths are told", required=True)
    add_target(parser, "cut the space to what this toolchain takes")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the table to write")


def run(args: argparse.Namespace) -> int:
    """Writes the table, and says how far off it may be."""
    from search import LatencyTable, TieredSpace, parse_space

    space = parse_space(args.space)
    cut = cut_to(args, space)
    space = space if cut is None else cut.space
    if not isinstance(space, TieredSpace):
        raise CaffeError(f"--space: found {space}, expected a space of Tiered Pruning, which has inner widths")
    known = LatencyTable.load(args.table)
    table = known.interpolated(space)
    table.save(args.output)
    measured = sum(entry.samples > 0 for entry in table.entries.values())
    print(f"{args.output}: {len(table.entries)} parts, {measured} of them measured")
    for remark in table.remarks():
        print(f"{args.output}: {remark}")
    return 0
