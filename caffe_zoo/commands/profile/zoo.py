"""dongfeng profile zoo: the networks of the zoo timed on this machine, beside what is published of them."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffe_zoo.commands.options import add_engine, add_target, count, engine_of, size, taken_of
from prototxt_gen.errors import CaffeError, UnsupportedError
from prototxt_gen.files import write_bytes

if TYPE_CHECKING:
    from caffe_zoo.speeds import Memory, Timed

EXAMPLE = """dongfeng profile zoo --engine onnxruntime --threads 1 -o zoo.md
  dongfeng profile zoo --networks df1 resnet18 df1seg --sizes 384x640"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to time, at which sizes, relative to what; the engine; the file."""
    from caffe_zoo.cards import CARDS

    parser.add_argument("--networks", nargs="+", metavar="NAME", help=f"default: all; any of {', '.join(CARDS)}")
    parser.add_argument(
        "--sizes",
        nargs="+",
        type=size,
        metavar="HxW",
        help="sizes of the segmentation networks (default: 384x640 1024x1024 1024x2048, as in the release)",
    )
    add_target(parser, "time only networks that this toolchain takes")
    parser.add_argument(
        "--relative-to",
        metavar="NAME",
        help="network that the others are compared with (default: resnet18, and df1seg for segmentation)",
    )
    parser.add_argument(
        "--rounds", type=count, default=12, metavar="N", help="how often each runs among the others (default: 12)"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="also write everything as .json, or the tables as .md, after each size; a .json that exists is gone on "
        "from: what has a time there is not timed again",
    )
    add_engine(parser)


def run(args: argparse.Namespace) -> int:
    """Times, prints the tables, names what has no time."""
    from caffe_zoo.cards import card
    from caffe_zoo.speed_tables import faults, read_times, tables
    from caffe_zoo.speeds import SCENE_SIZES, cases, memory, time_cases
    from search.latency.targets import target_words
    from search.progress import progress_bar

    output: Path | None = args.output
    if output is not None and output.suffix not in (".json", ".md"):
        raise CaffeError(f"-o {output}: expected a name that ends in .json or .md")
    if args.relative_to is not None:
        card(args.relative_to)
    names = args.networks or ()
    chosen = cases(names, args.sizes or SCENE_SIZES)
    taken = taken_of(args, [(case.title, case.card.architecture, (1, 3, *case.size)) for case in chosen])
    chosen = [case for case, is_taken in zip(chosen, taken, strict=True) if is_taken]
    engine = engine_of(args)
    is_kept = output is not None and output.suffix == ".json"
    known = read_times(output, engine.target) if output is not None and is_kept and output.exists() else []
    held = memory(names)
    today = date.today().isoformat()

    def save(done: list[Timed]) -> None:
        # What was timed before stays in the file, whether or not it is asked for now.
        titles = {one.case.title for one in done}
        every = done + [one for one in known if one.case.title not in titles]
        if output is not None:
            text = _file(output.suffix, engine.target, today, every, held, args.relative_to or "")
            write_bytes(output, text.encode())

    try:
        with progress_bar(len(chosen) * args.rounds, "timing networks", "run", shown=True) as bar:
            timed = time_cases(engine, chosen, bar.update, save, args.rounds, known)
    except KeyboardInterrupt:
        if not is_kept:
            raise
        print(f"{output}: stopped; the same command goes on from the last size that is in it", file=sys.stderr)
        return 130
    print(target_words(engine.target))
    for table in tables(engine.target, timed, held, args.relative_to or ""):
        print(f"\n{table.text()}")
    missing = faults(timed)
    if missing:
        print("\nwithout a time:", *missing, sep="\n  ")
    if output is not None:
        print(f"\nwrote {output}")
    if len(missing) == len(timed):
        raise UnsupportedError(f"engine {args.engine}: none of the networks ran")
    return 0


def _file(
    suffix: str, target: dict[str, Any], today: str, timed: list[Timed], held: list[Memory], relative_to: str
) -> str:
    from caffe_zoo.speed_tables import document, faults, page, tables

    if suffix == ".json":
        return json.dumps(document(target, today, timed, held), indent=1) + "\n"
    return page(target, today, tables(target, timed, held, relative_to), faults(timed))
