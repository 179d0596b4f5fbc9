"""dongfeng profile space: what a space holds for a device before any work, and whether a limit can be met at all."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffe_zoo.commands.limits import add_limits, asked_interval, latency_by
from caffe_zoo.commands.missing_parts import check_space
from caffe_zoo.commands.options import add_space, add_target, cut_to
from prototxt_gen.tables import aligned

if TYPE_CHECKING:
    from search.latency.cells import Between
    from search.latency.overview import Overview, Placed, Row
    from search.latency.table import LatencyTable

EXAMPLE = (
    "dongfeng profile space --space s32-64_b1-3_b1-3_b1-4_w64-128-256-512_c1000_i3x224x224 "
    "--table latency.json --latency 2ms"
)

FORMAT = "dongfeng space 1"

# The longest bar of the histogram, in characters.
_BAR = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The space, the table, the limits, and what is printed."""
    add_space(parser, "the networks to choose from", required=True)
    add_target(parser, "cut the space to what this toolchain takes")
    parser.add_argument(
        "--table",
        type=Path,
        required=True,
        metavar="FILE",
        help="latencies of their parts (`dongfeng profile measure`)",
    )
    add_limits(parser)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the histogram as a picture (PNG)")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def run(args: argparse.Namespace) -> int:
    """Prints what the space holds; returns 0, or 1 when no network lies in the interval."""
    from search import LatencyTable, parse_space
    from search.latency.interpolating import interpolation_remarks
    from search.latency.overview import Overview

    limits = asked_interval(args)
    space, table = parse_space(args.space), LatencyTable.load(args.table)
    cut = cut_to(args, space, shown=not args.json)
    space = space if cut is None else cut.space
    check_space(space, table, args.table)
    for remark in interpolation_remarks(table.origin):
        print(f"{args.table}: {remark}", file=sys.stderr)
    overview = Overview(space, table)
    interval, shares = limits.resolved(latency_by(table, space, args.table))
    rows = overview.histogram()
    found = {"fastest": overview.fastest, "middle": overview.middle, "slowest": overview.slowest}
    asked = limits != (None, None)
    largest = overview.slowest_within(interval) if asked else None
    if largest is not None:
        found["slowest within"] = largest
    networks = overview.within(interval)
    if args.plot is not None:
        from search.report.distribution import draw_distribution

        draw_distribution(rows, overview, interval, args.plot)
    if args.json:
        document = _document(overview, table, found, rows)
        if cut is not None:
            document["cut"] = cut.as_json()
        if asked:
            document["interval"] = {
                "latency_ms": [end if math.isfinite(end) else None for end in interval],
                "shares": shares,
                "networks": _ends(networks),
            }
        print(json.dumps(document, indent=1))
    else:
        print(_text(overview, table, found, rows))
        print("\n".join(["", *shares, overview.verdict(interval)] if asked else []), end="\n" if asked else "")
    return 0 if networks.most > 0 else 1


def _costs(overview: Overview, placed: Placed) -> dict[str, int]:
    """What a network costs besides time, by the figure's name (see search/costs.py)."""
    from search.costs import COSTS

    return {cost.figure: cost.of(placed.architecture, overview.space.input_shape) for cost in COSTS.values()}


def _text(overview: Overview, table: LatencyTable, found: dict[str, Placed], rows: Sequence[Row]) -> str:
    from search.costs import COSTS
    from search.latency.overview import bounds, whole
    from search.latency.targets import target_words

    digits = 3 if overview.fastest.ms >= 0.1 else 6
    costs = [f"{name},{cost.unit}" if cost.unit else name for name, cost in COSTS.items()]
    titles = ("", "ms", *costs, "architecture")
    table_rows = [
        (
            name,
            f"{placed.ms:.{digits}f}",
            *(f"{cost:,}" for cost in _costs(overview, placed).values()),
            placed.architecture,
        )
        for name, placed in found.items()
    ]
    lines = [
        f"{overview.space}: {whole(overview.total)} architectures",
        f"latency predicted by the table: {target_words(table.target)}",
        "",
        *aligned([titles, *table_rows], right=range(1, len(titles) - 1)),
    ]
    least, most = overview.middle_ms
    if least < most:
        lines.append(f"the middle latency lies between {least:.{digits}f} and {most:.{digits}f} ms")
    if overview.fastest.ms == overview.slowest.ms:
        return "\n".join(lines)
    largest = max(row.networks.most for row in rows)
    bars = [
        (
            f"{row.above:.12g}",
            "to",
            f"{row.most:.12g}",
            bounds(row.networks),
            "#" * math.ceil(_BAR * row.networks.most / largest),
        )
        for row in rows
    ]
    return "\n".join([*lines, "", *aligned([("above", "", "ms", "architectures", ""), *bars], right=(0, 2, 3))])


def _document(overview: Overview, table: LatencyTable, found: dict[str, Placed], rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "space": str(overview.space),
        "latency_target": table.target,
        "networks": overview.total,
        "middle_ms": list(overview.middle_ms),
        **{
            name.replace(" ", "_"): {
                "code": str(placed.architecture),
                "latency_ms": placed.ms,
                **_costs(overview, placed),
            }
            for name, placed in found.items()
        },
        "histogram": [{"above_ms": row.above, "most_ms": row.most, "networks": _ends(row.networks)} for row in rows],
    }


def _ends(number: Between) -> list[int]:
    return [number.least, number.most]
