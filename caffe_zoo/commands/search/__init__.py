"""dongfeng search: networks for this machine and for your own images: found, trained and reported."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffe_zoo.commands.limits import add_limits, asked_interval, latency_by
from caffe_zoo.commands.missing_parts import check_space
from caffe_zoo.commands.one_shot import add_one_shot
from caffe_zoo.commands.options import add_engine, add_space, add_target, count, cut_to, engine_of
from caffe_zoo.commands.search.methods import COSTS, METHODS, PONAS_TRIALS, TRIALS
from caffe_zoo.commands.search.studies import (
    add_choosing,
    add_storage,
    known_results,
    stopped_by_term,
)
from caffe_zoo.commands.tiered import add_tiered
from caffe_zoo.commands.training import add_keep, add_training, schedule_of
from caffe_zoo.parsing import add_command, alternative
from prototxt_gen.errors import ArchitectureError

if TYPE_CHECKING:
    from search import LatencyTable

EXAMPLE = "dongfeng search --data glyphs --out runs/glyphs"

#: Every sub-command and its line in `dongfeng search --help`; its code is `caffe_zoo/commands/search/<name>.py`.
SUBCOMMANDS = {"worker": "train for a search that another process has begun, on this machine or another"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The images, the space, the limits, and how networks are trained."""
    parser.add_argument(
        "--data",
        default="digits",
        metavar="DATA",
        help="`digits` (default), `glyphs`, or a folder of images: "
        "a sub-folder for each class, or train/ and val/ with these in them; or of scenes to segment, laid out as "
        "Cityscapes is: leftImg8bit/ and gtFine/",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where all results go; after an interruption the same command goes on from there",
    )
    parser.add_argument(
        "--method",
        choices=[*METHODS],
        default="pruning",
        help="pruning (default): candidates are trained one after another, and those pruned that can be of no use any "
        "more; ponas: one supernet is trained, a table of accuracies made with it, and the networks trained on that "
        "the table chooses (see docs/ponas.md); tiered: a supernet searches inner widths, kernels and depths while it "
        "is trained, for a goal of latency (see docs/tiered.md)",
    )
    parser.add_argument(
        "--trials",
        type=count,
        metavar="N",
        help=f"networks to train, over all runs together (default: {TRIALS}, {PONAS_TRIALS} with --method "
        "ponas; with --hours or --patience any number; with --method tiered, --goals says it)",
    )
    add_space(parser, "the networks to choose from, where every dataset has a space of its own without this")
    add_target(
        parser,
        "cut the space to what this toolchain takes, before anything is measured, and write each network in its words, "
        "too, checked",
    )
    parser.add_argument(
        "--table",
        type=Path,
        metavar="FILE",
        help="latencies of this table, another device's say (see `dongfeng profile`), instead of measuring here; no "
        "engine runs then",
    )
    add_limits(parser)
    for name, (kind, what, example) in COSTS.items():
        for end, than in (("min", "less" if name in ("memory", "energy") else "fewer"), ("max", "more")):
            parser.add_argument(
                f"--{name}-{end}",
                type=kind,
                metavar="N",
                help=f"leave out networks that need {than} {what}, such as {example}",
            )
    add_engine(
        parser,
        "what runs the blocks whose latency is measured",
        "CPU threads to measure and train with "
        "(default: 1 for digits and glyphs, the engine's and PyTorch's choice for a folder)",
    )
    parser.add_argument(
        "--device",
        default="cpu",
        help="where PyTorch trains: cpu (default) or cuda; latency is measured on the --engine-device",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="start of the random numbers that draw and train networks (default: 0)"
    )
    add_choosing(parser)
    add_training(parser)
    add_one_shot(parser)
    add_tiered(parser)
    add_keep(parser)
    add_storage(parser)
    subparsers = alternative(parser)
    for name, line in SUBCOMMANDS.items():
        add_command(subparsers, name, line, __name__)


def run(args: argparse.Namespace) -> int:
    """Searches, reports and prints; returns the exit status."""
    # torch and optuna take seconds to import; `--help` should not wait for them.
    import optuna
    import torch

    from search import (
        LatencyTable,
        boundary_table,
        counts_line,
        publish,
        write_report,
    )
    from search.latency.overview import Overview
    from search.latency.targets import target_words
    from search.report.boundary import checked_words
    from search.strategies.ending import Ending
    from search.strategies.space_candidates import SpaceCandidates
    from search.study.folder import LATENCY_TABLE, STUDY
    from search.study.storage import known_sources
    from search.training.loading import NAMED
    from search.training.processes import is_first

    known = known_results(args.known)
    asked = asked_interval(args)
    given = {name: [getattr(args, f"{name.replace('-', '_')}_{end}") for end in ("min", "max")] for name in COSTS}
    limits = {
        name: (least or 0, math.inf if most is None else most)
        for name, (least, most) in given.items()
        if (least, most) != (None, None)
    }
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    named = NAMED.get(args.data)
    method = METHODS[args.method]
    method.check(args, asked)
    space, data = method.begin(args)
    # Of the processes of a torchrun one alone talks and reports.
    first = is_first()
    cut = cut_to(args, space, first)
    space = space if cut is None else cut.space
    schedule = schedule_of(args, named.schedule if named else None)
    # The networks for digits and glyphs are so small that a second thread costs more than it brings.
    args.threads = args.threads or (1 if named else None)
    if args.threads:
        torch.set_num_threads(args.threads)
    engine = table = None
    if args.table is None:
        engine = engine_of(args)
        target, origin = engine.target, "measured here"
    else:
        table = LatencyTable.load(args.table)
        check_space(space, table, args.table)
        target, origin = table.target, f"as {args.table} has it"
    if first:
        print(f"{data.identity}: {len(data.train):,} images to train on, {len(data.held_out):,} held out")
        print(f"{space}: {space.count():,} architectures")
        print(f"latency of {target_words(target)}, {origin}", flush=True)

    def interval_of(table: LatencyTable) -> tuple[float, float]:
        for remark in table.remarks() if first else ():
            print(f"{args.table or args.out / LATENCY_TABLE}: {remark}", file=sys.stderr)
        interval, shares = asked.resolved(latency_by(table, space, args.table or args.out / LATENCY_TABLE, engine))
        overview = Overview(space, table)
        verdict = overview.verdict(interval)
        if not overview.within(interval).most:
            raise ArchitectureError("; ".join([*shares, verdict]))
        limited = SpaceCandidates(space, table, interval, limits).verdicts() if limits else []
        if first:
            print("\n".join([*shares, verdict, *limited]), flush=True)
        return interval

    try:
        with stopped_by_term():
            how: dict[str, Any] = {
                "table": table,
                "trials": args.trials,
                "limits": limits,
                "device": args.device,
                "keep": args.keep or ("all" if method.every else "boundary"),
                "progress": first,
                "seeds": args.seeds,
                "confirm": args.confirm,
                "known": known,
                "hours": args.hours,
                "patience": args.patience,
                "storage": args.storage,
                "study": args.study,
                "grace": args.grace,
                "ending": Ending(risk=args.end_early) if args.end_early else None,
                "target": cut,
            }
            search = method.search(args, space, data, engine, schedule, interval_of, how)
            if not first:
                return 0
            sources = known_sources(args.storage or args.out / STUDY, args.study)
            found = write_report(
                search,
                args.out,
                engine,
                data,
                schedule,
                sources=sources,
                every=method.every,
                target=None if cut is None else cut.target,
            )
            paths, no_picture = publish(args.out, args.storage, args.study)
    except KeyboardInterrupt:
        print(f"{args.out}: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    print(f"\n{boundary_table(found)}\n\n{counts_line(search.counts())}")
    if no_picture:
        print(no_picture, file=sys.stderr)
    written = [path.name for path in paths] + ["boundary.json", "latency.json", "networks/"]
    print(f"{args.out}: {', '.join(written)}")
    if cut is not None:
        print(checked_words(found, cut.target.name))
    return 0
