"""dongfeng profile compare: two latency tables side by side."""

from __future__ import annotations

import argparse
from pathlib import Path

from caffe_zoo.commands.options import count

EXAMPLE = "dongfeng profile compare desktop.json jetson.json --plot compare.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two tables, how much of them to print, the picture."""
    parser.add_argument("first", type=Path, metavar="A", help="a latency table")
    parser.add_argument("second", type=Path, metavar="B", help="another one; ratios are B / A")
    parser.add_argument(
        "--top",
        type=count,
        default=10,
        metavar="N",
        help="how many parts to print, those furthest from the median ratio (default: 10)",
    )
    parser.add_argument("--all", action="store_true", help="print every common part")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw the times of the common parts")


def run(args: argparse.Namespace) -> int:
    """Compares, prints, draws."""
    from search.latency import LatencyTable
    from search.latency.comparing import compare_tables
    from search.report.comparison import comparison_text, draw_comparison

    names = (str(args.first), str(args.second))
    comparison = compare_tables(LatencyTable.load(args.first), LatencyTable.load(args.second), names)
    if args.plot is not None:
        draw_comparison(comparison, args.plot, names)
    print(comparison_text(comparison, names, None if args.all else args.top))
    if args.plot is not None:
        print(f"wrote {args.plot}")
    return 0
