"""dongfeng profile check: a table's predictions against random whole networks, measured for it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from caffe_zoo.commands.missing_parts import check_space
from caffe_zoo.commands.options import add_batch, add_engine, add_space, add_target, count, cut_to, engine_of, percent
from prototxt_gen.errors import UnsupportedError

# How a table that was made elsewhere is checked, by how it was made.
_INSTEAD = {
    "fitted": "`dongfeng profile fit` leaves networks out in turn, and prints how far off their predictions are",
    "imported": "`dongfeng profile export --check N` takes whole networks along, and `import` compares them",
}

EXAMPLE = "dongfeng profile check latency.json --space CODE --networks 60 --plot scatter.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The table, the networks, the limit, and where the results go."""
    parser.add_argument("table", type=Path, metavar="TABLE", help="a latency table, measured on this machine")
    add_space(parser, "the networks to draw from", required=True)
    add_target(parser, "draw only networks that this toolchain takes: the space is cut to it")
    parser.add_argument("--networks", type=count, default=60, metavar="N", help="how many (default: 60)")
    parser.add_argument(
        "--rounds", type=count, default=24, metavar="N", help="how often each runs among the others (default: 24)"
    )
    parser.add_argument(
        "--limit",
        type=percent,
        default=0.10,
        metavar="PERCENT",
        help="status 1 where a prediction is further off than this (default: 10%%)",
    )
    parser.add_argument("--plain", action="store_true", help="the sums of the parts without the table's correction")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw predictions against measurements")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, and each network's")
    parser.add_argument("--seed", type=int, default=0, help="start of the random numbers that draw them (default: 0)")
    add_batch(parser, "1")
    add_engine(parser)


def run(args: argparse.Namespace) -> int:
    """Measures, prints how far the predictions are off; the status is 1 where one is beyond the limit."""
    from prototxt_gen.files import write_bytes
    from search import LatencyTable, parse_space
    from search.latency.checking import check, unseen_networks
    from search.latency.targets import target_words
    from search.report.scatter import draw_scatter

    table, space = LatencyTable.load(args.table), parse_space(args.space)
    cut = cut_to(args, space)
    space = space if cut is None else cut.space
    method = table.origin.get("method", "measured")
    if method != "measured":
        instead = _INSTEAD.get(method, "its networks are to be timed where it comes from")
        raise UnsupportedError(
            f"{args.table}: found a table of {target_words(table.target)}, {method}; expected one that "
            f"`dongfeng profile measure` made here, as check times networks on this machine: {instead}"
        )
    check_space(space, table, args.table)
    table = table.plain() if args.plain else table
    engine = engine_of(args, args.batch or 1)
    table.check_target(engine, str(args.table))
    networks = unseen_networks(table, space, args.networks, args.seed)
    found = check(table, engine, networks, space.input_shape, rounds=args.rounds, progress=True)
    if args.json is not None:
        write_bytes(args.json, (json.dumps(found.document(), indent=1) + "\n").encode())
    measured = [entry.ms for entry in found.measured]
    if args.plot is not None:
        draw_scatter(measured, found.predicted, args.plot, target=table.target, labels=found.networks)
    figures = found.agreement
    bias = f"{abs(figures.bias):.2%} too {'slow' if figures.bias > 0 else 'fast'}"
    print(f"{figures.count} networks never used for the table, measured whole, {args.rounds} rounds")
    print(f"mean absolute error  {figures.mean_error:.2%} (predictions are {bias} in the mean)")
    print(f"worst                {figures.worst:+.2%}: {found.worst_network}")
    print(f"within 5 %           {figures.within_5:.0%}")
    print(f"within 10 %          {figures.within_10:.0%}")
    print(f"Kendall's tau        {figures.tau:.3f}")
    for path in (args.json, args.plot):
        if path is not None:
            print(f"wrote {path}")
    return 1 if abs(found.agreement.worst) > args.limit else 0
