"""dongfeng profile log: a table from a log that is there already, of `caffe time`, trtexec or TensorRT 3."""

from __future__ import annotations

import argparse
from pathlib import Path

from caffe_zoo.commands.options import size

EXAMPLE = (
    'dongfeng profile log trtexec_profile.json --network df1seg --input-size 1024x2048 --device-name "GTX 1080 Ti" '
    "-o latency.json"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The log, its network, the table, and what the log does not say."""
    parser.add_argument(
        "log",
        type=Path,
        metavar="LOG",
        help="what `caffe time` printed; a file of trtexec --exportProfile, or what trtexec --dumpProfile printed; "
        "a profile of TensorRT 3",
    )
    parser.add_argument(
        "--network", required=True, metavar="NETWORK", help="the network of the log: its name in the zoo or its code"
    )
    parser.add_argument(
        "--input-size", type=size, metavar="HxW", help="size of its input in the log; default: the network's own"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="the table; the log is added when it exists"
    )
    parser.add_argument("--device-name", metavar="NAME", help="the device, where the log does not name it")
    parser.add_argument("--precision", metavar="TYPE", help="the numbers' type, where the log does not say: float16")
    parser.add_argument(
        "--share",
        action="store_true",
        help="share out a row of several parts by their multiply-adds, instead of stopping at it",
    )
    parser.add_argument(
        "--estimate",
        action="append",
        default=[],
        metavar="NETWORK",
        help="estimate this network's other parts from layers of their kind in the log (may be repeated); the table "
        "and what is printed say which these are",
    )


def run(args: argparse.Namespace) -> int:
    """Reads the log, writes the table, prints what is in it."""
    from caffe_zoo.commands.networks import generated_shape, resolve_architecture
    from prototxt_gen import parts
    from search import LatencyTable
    from search.latency.targets import target_words

    architecture = resolve_architecture(args.network)
    asked = (1, 3, *args.input_size) if args.input_size else None
    shape = generated_shape(asked, args.network).get("input_shape")
    others = [resolve_architecture(name) for name in args.estimate]
    table = LatencyTable.from_log(
        args.log,
        architecture,
        shape,
        into=LatencyTable.load(args.output) if args.output.exists() else None,
        device=args.device_name,
        precision=args.precision,
        share=args.share,
        estimate=[part for other in others for part in parts(other, shape)],
    )
    table.save(args.output)
    log = table.origin["logs"][-1]
    print(f"{args.log}: {log['rows']} rows, {log['ms']:.6g} ms: {target_words(table.target)}")
    if log["shared_rows"]:
        print(f"rows shared out by multiply-adds: {log['shared_rows']}")
    estimated = table.origin.get("estimated", {})
    if estimated:
        print(f"estimated: {', '.join(f'{table.entries[key].label} {ms:.3g} ms' for key, ms in estimated.items())}")
    for name, other in zip(args.estimate, others, strict=True):
        missing = sorted({part.label for part in parts(other, shape) if part.key not in table.entries})
        if missing:
            print(f"{name}: no part of this form in the log: {', '.join(missing)}")
        else:
            guessed = sum(estimated.get(part.key, 0.0) for part in parts(other, shape))
            print(f"{name}: {table.predict(other, shape):.6g} ms, {guessed:.3g} ms of them estimated")
    print(f"{args.output}: {len(table.entries)} parts")
    return 0
