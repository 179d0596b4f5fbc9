"""dongfeng profile energy: adds to a latency table what networks, or parts, were measured to take."""

from __future__ import annotations

import argparse
from pathlib import Path

from caffe_zoo.commands.options import add_space, add_target, cut_to
from caffe_zoo.commands.profile.fit import add_fitting, errors_line, read_measured, read_numbers
from prototxt_gen.errors import CaffeError, FormatError
from prototxt_gen.files import read_bytes

EXAMPLE = "dongfeng profile energy energies.csv --table jetson.json -o jetson.json"

#: The word for what a run takes that does nothing, in a list of parts.
CALL = "call"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The energies, the table that they are added to."""
    parser.add_argument(
        "energies",
        nargs="+",
        type=Path,
        metavar="CSV",
        help="`architecture,mj` and a line for each network: its code or its name in the zoo, and millijoules a run; "
        "or `part,mj` and a line for each part: its key in the table; `call` for a run that does nothing",
    )
    parser.add_argument("--table", type=Path, required=True, metavar="FILE", help="the latency table of that device")
    add_space(parser, "of whole networks: hold all parts of this space, those that no network had, too")
    add_target(parser, "cut that space to what this toolchain takes")
    add_fitting(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the table with energies")


def run(args: argparse.Namespace) -> int:
    """Writes the table, says how far its energies can be trusted: status 1 where their error is above the limit."""
    from search import LatencyTable, parse_space
    from search.latency.fitting import fit_remarks

    table = LatencyTable.load(args.table)
    kinds = {_is_of_parts(path) for path in args.energies}
    if kinds == {True, False}:
        raise FormatError(f"{', '.join(map(str, args.energies))}: found networks and parts, expected one of both")
    if kinds == {True}:
        if args.space or args.input_size:
            raise FormatError("--space, --input-size: found with energies of parts, expected with those of networks")
        stated = _of_parts(args.energies)
        call = stated.pop(CALL, 0.0)
        table.state_energy(stated, call)
        table.save(args.output)
        lacking = len([key for key in table.entries if key not in stated])
        print(f"{args.output}: energies of {len(stated)} parts" + (f"; {lacking} have none" if lacking else ""))
        return 0
    measured = read_measured(args.energies, "mj")
    space = parse_space(args.space) if args.space else None
    if space is None and args.target is not None:
        raise CaffeError("--target is for --space: networks that have been measured are taken as they are")
    cut = None if space is None else cut_to(args, space)
    space = space if cut is None else cut.space
    shape = (1, 3, *args.input_size) if args.input_size else None
    energy = table.fit_energy(measured.networks, measured.numbers, space=space, input_shape=shape)
    table.save(args.output)
    checked, different = energy.origin["cross_validation"], energy.origin["different_networks"]
    print(
        f"{args.output}: energies of {len(energy.parts)} parts from {len(measured.numbers)} measurements of "
        f"{different} networks" + (f", {len(measured.open)} lines without one left out" if measured.open else "")
    )
    print(errors_line(checked))
    for remark in fit_remarks(energy.origin, args.limit, "mj"):
        print(remark)
    return int(checked["mean_error"] > args.limit)


def _is_of_parts(path: Path) -> bool:
    """By the names of the columns."""
    names = read_bytes(path).split(b"\n", 1)[0].decode("utf-8-sig", "replace")
    return "part" in [name.strip() for name in names.split(",")]


def _of_parts(paths: list[Path]) -> dict[str, float]:
    found: dict[str, float] = {}
    for path in paths:
        for key, mj in read_numbers(path, "part", "mj", str):
            if key in found:
                raise FormatError(f"{path}: part {key}: found twice, expected one line")
            if mj is not None:
                found[key] = mj
    return found
