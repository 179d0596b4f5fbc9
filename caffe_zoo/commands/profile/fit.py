"""dongfeng profile fit: the table of a device that times only whole networks."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from caffe_zoo.commands.networks import resolve_architecture
from caffe_zoo.commands.options import add_space, add_target, cut_to, percent, size
from prototxt_gen.errors import CaffeError, FormatError
from prototxt_gen.files import read_bytes

if TYPE_CHECKING:
    from prototxt_gen import Backbone, Decoder

EXAMPLE = (
    "dongfeng profile fit times.csv --space s32-64_b1-3_b1-3_b1-4_w64-128-256-512_c1000_i3x224x224 "
    "--device-name 'NPU 9' -o latency.json"
)

T = TypeVar("T")

COLUMNS = ("architecture", "ms")
# What a column holds, in words.
_WORDS = {"ms": "milliseconds", "mj": "millijoules"}


class Measured(NamedTuple):
    """What a file of measurements says: networks and their numbers; `open` are networks without any."""

    networks: list[Backbone | Decoder]
    numbers: list[float]
    open: list[Backbone | Decoder]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The times, what else the table is to hold, the table."""
    parser.add_argument(
        "times",
        nargs="+",
        type=Path,
        metavar="CSV",
        help="a line for each network timed: its code or its name in the zoo, and milliseconds; the first line is "
        "`architecture,ms`; lines without milliseconds are left out",
    )
    add_space(parser, "hold all parts of this space, those that no network timed has, too")
    add_target(parser, "cut that space to what this toolchain takes")
    parser.add_argument("--device-name", required=True, metavar="NAME", help="what the times were measured on")
    parser.add_argument("--precision", metavar="TYPE", help="the type of the numbers there: float16, int8, ...")
    add_fitting(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the table")


def add_fitting(parser: argparse.ArgumentParser) -> None:
    """Of whole networks: --input-size, theirs, and --limit, how far a fit may be off."""
    parser.add_argument(
        "--input-size", type=size, metavar="HxW", help="size of the images; default: the space's, or the networks' own"
    )
    parser.add_argument(
        "--limit",
        type=percent,
        default=0.05,
        metavar="PERCENT",
        help="the largest mean error in cross-validation that is good enough (default: 5%%)",
    )


def run(args: argparse.Namespace) -> int:
    """Fits, writes the table, says how far it can be trusted: status 1 where its error is above the limit."""
    from search import LatencyTable, parse_space
    from search.latency.fitting import fit_remarks

    space = parse_space(args.space) if args.space else None
    if space is None and args.target is not None:
        raise CaffeError("--target is for --space: networks that have been timed are taken as they are")
    cut = None if space is None else cut_to(args, space)
    space = space if cut is None else cut.space
    times = read_measured(args.times)
    shape = (1, 3, *args.input_size) if args.input_size else None
    target = {"device": args.device_name} | ({"precision": args.precision} if args.precision else {})
    table = LatencyTable.fit(times.networks, times.numbers, space=space, input_shape=shape, target=target)
    table.save(args.output)
    checked = table.origin["cross_validation"]
    untimed, different = len(times.open), table.origin["different_networks"]
    left = f", {untimed} line{'s' * (untimed > 1)} without a time left out" if untimed else ""
    guessed = sum(entry.samples == 0 for entry in table.entries.values())
    print(f"{args.output}: {len(table.entries)} parts from {len(times.numbers)} times of {different} networks{left}")
    if guessed:
        print(f"{guessed} of these parts are in no network timed: the work of their layers tells their times")
    print(errors_line(checked))
    for remark in fit_remarks(table.origin, args.limit):
        print(remark)
    return int(checked["mean_error"] > args.limit)


def errors_line(checked: Mapping[str, Any]) -> str:
    """How far networks were off that a fit had left out, in a line."""
    return (
        f"networks left out in turn: mean error {checked['mean_error']:.2%}, worst {checked['worst']:+.1%}, "
        f"within 5 % {checked['within_5']:.0%}, within 10 % {checked['within_10']:.0%}"
        + ("" if checked["tau"] is None else f", Kendall's tau {checked['tau']:.3f}")
    )


def read_measured(paths: Sequence[Path], unit: str = "ms", some: bool = True) -> Measured:
    """The networks of CSV files, and how many ms, or mj, each takes.

    FormatError lists the lines that are not as expected; and, where `some` are needed, for files without any number.
    """
    found = Measured([], [], [])
    for path in paths:
        for code, number in read_numbers(path, "architecture", unit, resolve_architecture):
            if number is None:
                found.open.append(code)
            else:
                found.networks.append(code)
                found.numbers.append(number)
    if some and found.open and not found.numbers:
        raise FormatError(
            f"{', '.join(map(str, paths))}: found no {_WORDS[unit]} behind any of the {len(found.open)} "
            "networks: measure them on the device and fill these in"
        )
    return found


def read_numbers(path: Path, column: str, unit: str, resolve: Callable[[str], T]) -> list[tuple[T, float | None]]:
    """What a CSV file has in a column, and the number beside it, in ms or mj; None where there is none.

    FormatError lists the lines that are not as expected: `resolve` raises ValueError for a text of the column.
    """
    import csv

    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise FormatError(f"{path}: not a text: {fault}") from fault
    lines = csv.DictReader(text.splitlines())
    faults, found = [], []
    try:
        if not {column, unit} <= set(lines.fieldnames or ()):
            raise FormatError(
                f"{path}: line 1: found {(text.splitlines() or [''])[0][:80]!r}, expected {column},{unit}"
            )
        for row in lines:
            name, number = ((row[key] or "").strip() for key in (column, unit))
            try:
                found.append((resolve(name), _number(number, unit) if number else None))
            except ValueError as fault:
                faults.append(f"line {lines.line_num}: {fault}")
    except csv.Error as fault:  # a field of 128 kB
        raise FormatError(f"{path}: line {lines.line_num + 1}: {fault}") from fault
    if faults:
        raise FormatError(f"{path}: {'; '.join(faults[:5])}" + (f"; {len(faults) - 5} more" * (len(faults) > 5)))
    return found


def _number(text: str, unit: str) -> float:
    """A number above 0 and below 1e9, as in a latency table; ValueError for another text."""
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"found {text[:40]!r}, expected {_WORDS[unit]}") from None
    if not 0 < number < 1e9:
        raise ValueError(f"found {text[:40]} {unit}, expected a number above 0")
    return number
