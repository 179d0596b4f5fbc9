"""Latency between measured inner widths: how far predictions of networks are off, with such widths and without.

Run: python benchmarks/inner_widths.py --table knots.json [--space CODE] [--knots 9] [--whole whole.json]. The table of
some widths of each block is measured by onnxruntime on one thread, or read where it exists, corrected by whole networks
of these widths, and interpolated. Then other networks, of all widths of the space and of the measured ones alone, are
measured whole, in turns. With --whole, all parts are measured, too, and the interpolated ones are held against them.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from converters import make_engine
from prototxt_gen.files import write_bytes
from search import LatencyTable, TieredSpace, parse_space
from search.latency.agreement import agreement
from search.latency.checking import check, telling_networks, unseen_networks
from search.latency.predicting import space_parts

SPACE = "g16_if24k3-5x1-2_i48k3-5x1-3_i64k3-5x1-2_h128_t8.6_c34_i3x32x32"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default=SPACE, help="the code of a TieredSpace")
    parser.add_argument("--knots", type=int, default=9, help="inner widths measured of each block")
    parser.add_argument("--table", type=Path, required=True, help="the table of these; goes on from it")
    parser.add_argument("--whole", type=Path, help="a table of all widths; goes on from it")
    parser.add_argument("--networks", type=int, default=30, help="so many of each kind")
    parser.add_argument("--correct", type=int, default=20, help="networks of measured widths that correct the table")
    parser.add_argument("--rounds", type=int, default=24, help="how often each network runs among the others")
    parser.add_argument("--minutes", type=float, default=3.5, help="for each table")
    parser.add_argument("--json", type=Path, help="write each network's figures")
    return parser.parse_args()


def row(subject: str, predicted: ArrayLike, measured: ArrayLike) -> None:
    found = agreement(predicted, measured)
    off = np.abs(np.asarray(predicted, np.float64) / np.asarray(measured, np.float64) - 1)
    print(
        f"{subject:<44} {found.count:>3}  median {np.median(off):.2%}  mean {found.mean_error:.2%}  worst "
        f"{found.worst:+.2%}  bias {found.bias:+.2%}  tau {found.tau:.3f}",
        flush=True,
    )


def main() -> None:
    args = arguments()
    space = parse_space(args.space)
    assert isinstance(space, TieredSpace)
    knots, engine = replace(space, knots=args.knots), make_engine("onnxruntime", 1)
    table = LatencyTable.measure(knots, engine, args.table, progress=True, budget=60 * args.minutes)
    if table.correction is None:
        table.correct(engine, telling_networks(table, knots, args.correct), space.input_shape, progress=True)
        table.save(args.table)
    told = table.interpolated(space)
    assert table.correction is not None
    print(table.correction.words())
    print(f"{len(space_parts(knots))} of {len(space_parts(space))} parts measured")
    print("\n".join(told.remarks()))
    between, measured = unseen_networks(table, space, args.networks), unseen_networks(table, knots, args.networks)
    found = check(told, engine, [*between, *measured], space.input_shape, rounds=args.rounds, progress=True)
    times = [entry.ms for entry in found.measured]
    row("random networks of all widths", found.predicted[: len(between)], times[: len(between)])
    row("random networks of measured widths", found.predicted[len(between) :], times[len(between) :])
    if args.json is not None:
        write_bytes(args.json, (json.dumps(found.document(), indent=1) + "\n").encode())
    if args.whole is not None:
        whole = LatencyTable.measure(space, engine, args.whole, progress=True, budget=60 * args.minutes)
        if whole.correction is None:
            whole.correct(engine, table.correction.networks, space.input_shape, progress=True)
            whole.save(args.whole)
        predicted = [whole.predict(network, space.input_shape) for network in found.networks]
        row("as the first, all widths measured", predicted[: len(between)], times[: len(between)])
        plain, again = told.plain(), whole.plain()
        ratios: dict[bool, list[float]] = {True: [], False: []}
        for part in space_parts(space).values():
            if again.part_nanoseconds(part) > 0:
                ratio = plain.part_nanoseconds(part) / again.part_nanoseconds(part)
                ratios[told.is_estimated(part)].append(ratio)
        # Another measurement has another level: what is the same for all parts is no error of theirs.
        level = float(np.median(ratios[False]))
        row("parts of measured widths, measured again", np.array(ratios[False]) / level, np.ones(len(ratios[False])))
        row("parts of interpolated widths", np.array(ratios[True]) / level, np.ones(len(ratios[True])))


if __name__ == "__main__":
    main()
