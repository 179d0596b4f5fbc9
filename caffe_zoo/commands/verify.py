"""dongfeng verify: weights against their network, and every top against other files or another engine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from caffe_zoo.commands.networks import input_shapes, read_network
from caffe_zoo.commands.options import add_engine_options, add_input_shapes, add_strict
from prototxt_gen.errors import CaffeError

if TYPE_CHECKING:
    from converters import Engine

EXAMPLE = "dongfeng verify df1.prototxt df1.caffemodel --against df1_mergebn.prototxt df1_mergebn.caffemodel"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two files, and what they are compared with."""
    from converters.engines import ENGINES

    parser.add_argument("prototxt", type=Path, help="the network")
    parser.add_argument("weights", type=Path, help="its weights, in any format")
    parser.add_argument(
        "--against",
        nargs="+",
        metavar="FILE",
        help="compare every top with OTHER.prototxt OTHER.caffemodel, with NET.onnx (run by onnxruntime), "
        f"or with one of the engines {', '.join(ENGINES)}, which runs the same two files; the exit status is 1 where "
        "one differs",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=1e-4,
        help="largest difference allowed, as a share of a top's largest value (default: 1e-4)",
    )
    add_engine_options(parser)
    add_input_shapes(parser)
    add_strict(parser)


def run(args: argparse.Namespace) -> int:
    """Prints a table and a verdict; 1 where something differs."""
    from converters import make_engine, verify
    from converters.engines import ENGINES

    net = read_network(args.prototxt, args)
    against: tuple[str, str] | Engine | str | None = None
    if args.against:
        if len(args.against) > 2:
            raise CaffeError(
                f"--against: found {len(args.against)} names, expected two files, a .onnx file, or an engine"
            )
        against = (args.against[0], args.against[1]) if len(args.against) == 2 else args.against[0]
    options = (args.threads or 0, args.engine_device, args.precision)
    if isinstance(against, str) and against in ENGINES:
        threads, device, precision = options
        against = make_engine(against, threads, device=device, precision=precision)
    elif options != (0, "cpu", "float32"):
        raise CaffeError("--threads, --engine-device and --precision are for an engine that --against names")
    found = verify(net, args.weights, against, tolerance=args.tolerance, input_shapes=input_shapes(args, net))
    print(found)
    return 0 if found.passed else 1
