"""dongfeng show: a network's layers with their shapes and costs."""

from __future__ import annotations

import argparse
from pathlib import Path

from caffe_zoo.commands.networks import generated_shape, input_shapes, read_network, resolve_architecture
from caffe_zoo.commands.options import add_input_shapes, add_merged, add_phase, add_strict
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.networks import generate
from prototxt_gen.summary import summarize

EXAMPLE = "dongfeng show df1\n  dongfeng show train_val.prototxt --phase TRAIN"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The network, and what is shown of it."""
    parser.add_argument(
        "network",
        help="a network of the zoo, an architecture's code (`dongfeng list` prints some), or a .prototxt file",
    )
    add_phase(parser, "the phase whose layers are shown")
    add_merged(parser)
    add_input_shapes(parser)
    add_strict(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the table."""
    path = Path(args.network)
    if args.network.endswith((".prototxt", ".txt")) or path.exists():
        if args.merged:
            raise ArchitectureError("--merged is for architectures; `dongfeng merge` merges files")
        net = read_network(path, args)
    else:
        asked = [shape for _, shape in args.input_shape or ()]
        shape = generated_shape(asked[0] if asked else None, args.network)
        net = generate(resolve_architecture(args.network), merged=args.merged, **shape)
    print(summarize(net, args.phase, input_shapes(args, net)))
    return 0
