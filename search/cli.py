"""The arguments of `dongfeng search`, and what it does with them."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from prototxt_gen.errors import ArchitectureError, CaffeError

DIGITS_SPACE = "s8-16_b1-3_b1-3_b1-3_w8-16-32-64-128_c10_i3x32x32"
FOLDER_SPACE = "s16-32_b1-3_b1-4_b1-3_w32-64-128-256-512_c{classes}_i3x128x128"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument(
        "--data",
        default="digits",
        metavar="DATA",
        help="`digits` (default), or a folder of images: one sub-folder a class, or train/ and val/ with them",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where everything goes; the same command goes on there after it was stopped",
    )
    parser.add_argument(
        "--trials", type=_count, default=32, metavar="N", help="networks to train, all runs together (default: 32)"
    )
    parser.add_argument(
        "--space",
        metavar="CODE",
        help="stem, stages of basic (b) or bottleneck (n) blocks with fewest and most of them, widths, classes, input; "
        f"default for digits: {DIGITS_SPACE}",
    )
    parser.add_argument("--latency-min", type=_time, default=0.0, metavar="MS", help="fastest networks wanted")
    parser.add_argument("--latency-max", type=_time, default=math.inf, metavar="MS", help="slowest networks wanted")
    parser.add_argument("--epochs", type=_count, metavar="N", help="passes over the images, a network (default: 8)")
    parser.add_argument(
        "--threads",
        type=_count,
        metavar="N",
        help="CPU threads to measure and train with (default: 1 for digits, PyTorch's choice for a folder)",
    )
    parser.add_argument("--device", default="cpu", help="where to train: cpu (default) or cuda; latency is of the CPU")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws and trains otherwise (default: 0)")


def run(args: argparse.Namespace) -> int:
    """Searches, reports and prints; returns the exit status."""
    # torch and optuna take seconds to import; `--help` should not wait for them.
    import optuna

    from converters.engines import ENGINES
    from search.data import load_data
    from search.report import boundary_table, counts_line, draw_boundary, write_report
    from search.spaces import parse_space
    from search.study import run_search
    from search.training import Schedule

    if args.latency_min > args.latency_max:
        raise ArchitectureError(f"--latency-min {args.latency_min} is above --latency-max {args.latency_max}")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if args.space is None and args.data != "digits":
        data = load_data(args.data, parse_space(FOLDER_SPACE.format(classes=2)).input_shape)
        space = parse_space(FOLDER_SPACE.format(classes=len(data.classes)))
    else:
        space = parse_space(args.space or DIGITS_SPACE)
        data = load_data(args.data, space.input_shape)
    schedule = Schedule(seed=args.seed) if args.epochs is None else Schedule(epochs=args.epochs, seed=args.seed)
    # The networks for digits are so small that a second thread costs more than it brings.
    engine = ENGINES["torch"](args.threads or int(args.data == "digits"))
    print(f"{data.identity}: {len(data.train.labels):,} images to train on, {len(data.held_out.labels):,} held out")
    print(f"{space}: {space.count():,} architectures")
    threads = engine.target["threads"]
    print(f"latency of {engine.target['device']}, {threads} thread{'s' if threads > 1 else ''}", flush=True)
    try:
        search = run_search(
            space,
            data,
            args.out,
            engine,
            trials=args.trials,
            interval=(args.latency_min, args.latency_max),
            schedule=schedule,
            device=args.device,
            progress=True,
        )
        found = write_report(search, args.out, engine, data, schedule)
    except KeyboardInterrupt:
        print(f"{args.out}: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    print(f"\n{boundary_table(found)}\n\n{counts_line(search.counts())}")
    written = "study.db, latency.json, boundary.json, networks/"
    try:
        draw_boundary(search, args.out / "boundary.png")
        written = f"boundary.png, {written}"
    except CaffeError as fault:
        # The picture is the only part that is nice to have.
        print(fault, file=sys.stderr)
    print(f"{args.out}: {written}")
    return 0


def _count(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number


def _time(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not number >= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of milliseconds")
    return number
