"""dongfeng profile convert: latency tables in Once-for-All's form, in and out."""

from __future__ import annotations

import argparse
from pathlib import Path

from prototxt_gen.errors import CaffeError

EXAMPLE = """dongfeng profile convert mobile_trim.yaml pixel1.json --device-name "Pixel 1"
  dongfeng profile convert pixel1.json mobile_trim.yaml"""

_YAML = (".yaml", ".yml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two files, and what a table of the other form was measured on."""
    parser.add_argument("input", type=Path, metavar="IN", help="a latency table (.json) or one of Once-for-All (.yaml)")
    parser.add_argument("output", type=Path, metavar="OUT", help="the other one of the two")
    parser.add_argument(
        "--device-name",
        metavar="NAME",
        help="what a table of Once-for-All was measured on, which the file does not say; default: unknown",
    )


def run(args: argparse.Namespace) -> int:
    """Converts, and prints what the other form has and what it has not."""
    from search.latency import LatencyTable
    from search.latency.once_for_all import first_reasons, from_once_for_all, to_once_for_all

    kinds = ["yaml" if path.suffix in _YAML else path.suffix[1:] for path in (args.input, args.output)]
    if kinds == ["yaml", "json"]:
        converted = from_once_for_all(args.input, args.device_name or "unknown")
        converted.table.save(args.output)
        taken, left, named = len(converted.taken), converted.left, "entries"
        print(f"{args.output}: {len(converted.table.entries)} parts, from {taken} of {taken + len(left)} entries")
    elif kinds == ["json", "yaml"]:
        if args.device_name is not None:
            raise CaffeError(f"--device-name: expected with a .yaml file; {args.input} says its device itself")
        table = LatencyTable.load(args.input)
        written = to_once_for_all(table, args.output)
        taken, left, named = len(table.entries) - len(written.left), written.left, "parts"
        print(f"{args.output}: {len(written.keys)} entries, from {taken} of {len(table.entries)} parts")
    else:
        raise CaffeError(f"{args.input} to {args.output}: expected one name that ends in .json and one in .yaml")
    if left:
        print(f"left out {named}: {first_reasons(left)}")
    return 0
