"""dongfeng profile import: a latency table from what the script of an export wrote on the device."""  # noqa: N999

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from caffe_zoo.commands.options import percent
from prototxt_gen.errors import CaffeError

EXAMPLE = "dongfeng profile import blocks/ results/ -o jetson.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The export, its results, the table."""
    parser.add_argument("export", type=Path, metavar="FOLDER", help="what `dongfeng profile export` wrote")
    parser.add_argument(
        "results",
        type=Path,
        nargs="*",
        metavar="RESULTS",
        help="the folders that its script wrote; default: results/ in that folder",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the table to write")
    parser.add_argument(
        "--device-name", metavar="NAME", help="the device, where the script could not know its name, as through adb"
    )
    parser.add_argument(
        "--drift",
        type=percent,
        default=0.1,
        metavar="PERCENT",
        help="leave out rounds in which the reference's time is further off than this (default: 10%%)",
    )
    parser.add_argument(
        "--correct",
        action="store_true",
        help="keep a correction of sums in the table, which the whole networks of the export tell",
    )
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw the whole networks: predictions, measurements")
    parser.add_argument(
        "--partial", action="store_true", help="leave out networks without a time instead of refusing the results"
    )
    parser.add_argument("--pattern", metavar="REGEX", help="instead of the export's own")
    parser.add_argument("--unit", metavar="UNIT", help="instead of the export's own: s, ms, us or ns")


def run(args: argparse.Namespace) -> int:
    """Writes the table and says how good it is."""
    from prototxt_gen.tables import aligned
    from search.latency.far import import_times, read_export
    from search.latency.targets import target_words
    from search.report.scatter import draw_scatter

    if args.plot is not None and not any(network.kind == "network" for network in read_export(args.export).networks):
        raise CaffeError("--plot: this export has no whole networks: --check adds some")
    imported = import_times(
        args.export,
        args.results,
        device=args.device_name,
        drift=args.drift,
        partial=args.partial,
        corrected=args.correct,
        pattern=args.pattern,
        unit=args.unit,
    )
    table = imported.table
    for text in (*imported.left_out, *imported.missing):
        print(f"left out: {text}", file=sys.stderr)
    table.save(args.output)
    if found := imported.agreement:
        rows = [
            (f"{predicted:.4g}", f"{measured:.4g}", f"{predicted / measured - 1:+.1%}", code)
            for code, predicted, measured in imported.checks
        ]
        print("\n".join(aligned([("ms predicted", "ms measured", "error", "network"), *rows], right=range(3))))
        tau = "" if math.isnan(found.tau) else f", Kendall's tau {found.tau:.3f}"
        print(
            f"of {found.count} whole networks: mean error {found.mean_error:.1%}, worst {found.worst:+.1%}, "
            f"{found.within_10:.0%} within 10 %{tau}"
        )
        if args.plot is not None:
            codes, predicted, measured = zip(*imported.checks, strict=True)
            draw_scatter(measured, predicted, args.plot, target=table.target, labels=codes)
            print(f"wrote {args.plot}")
    if table.correction:
        print(table.correction.words())
    widths = sorted((entry.quartiles[1] - entry.quartiles[0]) / entry.ms for entry in table.entries.values())
    rounds = table.origin["rounds"]
    times = f"{rounds} round{'s' * (rounds > 1)}"
    print(f"{args.output}: {len(table.entries)} parts in {times}: {target_words(table.target)}")
    print(
        f"  from one round to another a part's times are {widths[len(widths) // 2]:.1%} apart, in the median of parts"
    )
    print(f"  a call costs {table.call_ms:.4g} ms")
    return 0
