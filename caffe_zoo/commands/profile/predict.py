"""dongfeng profile predict: what a table says of networks, and which of their parts take the time."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from caffe_zoo.commands.missing_parts import check_parts
from caffe_zoo.commands.networks import by_shape
from caffe_zoo.commands.options import add_target, size, taken_of
from prototxt_gen.errors import UnsupportedError

if TYPE_CHECKING:
    from prototxt_gen import Backbone, Decoder
    from search import LatencyTable

EXAMPLE = "dongfeng profile predict latency.json df1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The table, the networks, the size of their input."""
    parser.add_argument("table", type=Path, metavar="TABLE", help="a latency table")
    parser.add_argument("network", nargs="+", metavar="NETWORK", help="a network of the zoo, or an architecture's code")
    parser.add_argument("--input-size", type=size, metavar="HxW", help="size of the input; default: the network's own")
    add_target(parser, "leave out networks that this toolchain does not take")
    parser.add_argument("--plain", action="store_true", help="the sum of the parts without the table's correction")


def run(args: argparse.Namespace) -> int:
    """Prints each network's prediction, then its parts with their times and shares."""
    from prototxt_gen import parts
    from prototxt_gen.tables import aligned
    from search import LatencyTable

    table = LatencyTable.load(args.table)
    table = table.plain() if args.plain else table
    asked = by_shape(args.network, args.input_size)
    taken = iter(taken_of(args, [(str(one), one, shape) for shape, networks in asked for one in networks]))
    for shape, networks in asked:
        for network in [one for one in networks if next(taken)]:
            cut = parts(network, shape)
            if table.estimates is None:
                size = f"{shape[2]}x{shape[3]}"
                usual = "" if args.input_size else ", the network's usual size (--input-size gives another)"
                check_parts(
                    cut, f"{network} at {size}{usual}", f"--network {network} --input-size {size}", table, args.table
                )
            try:
                total = table.predict(network, shape)
            except UnsupportedError as fault:
                hint = "" if args.input_size else "; --input-size gives another size than the network's own"
                raise UnsupportedError(f"{args.table}: {fault}{hint}") from None
            rows = [("every network", table.base_nanoseconds / 1e6)]
            rows += [
                (part.label + " (estimated)" * table.is_estimated(part), table.part_nanoseconds(part) / 1e6)
                for part in cut
            ]
            if table.curve is not None:
                rows.append(("by how large the sum is", total - sum(ms for _, ms in rows)))
            print(f"{network}: {total:.3f} ms{_energy(table, network, shape)}")
            lines = [
                (f"  {label}", f"{ms:.3f}", f"{ms / (total or 1):.1%}")
                for label, ms in rows
                if ms or label != "every network"
            ]
            print("\n".join(aligned(lines, right=(1, 2))))
    return 0


def _energy(table: LatencyTable, network: Backbone | Decoder, shape: Sequence[int] | None) -> str:
    """What the table says of a network's energy, if anything."""
    try:
        return f", {table.predict_energy(network, shape):.4g} mJ"
    except UnsupportedError:
        return ""
