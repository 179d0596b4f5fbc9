"""dongfeng check: which layers of a network a toolchain does not take or computes otherwise, and what helps."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from caffe_zoo.commands.networks import generated_shape, input_shapes, read_network, resolve_architecture
from caffe_zoo.commands.options import add_input_shapes, add_strict
from prototxt_gen.generator.networks import generate

EXAMPLE = "dongfeng check df1seg --target rknn2\n  dongfeng check net.prototxt net.caffemodel --target my_board.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The network, and the target."""
    parser.add_argument("network", help="a network of the zoo, an architecture's code, or a .prototxt file")
    parser.add_argument("weights", nargs="?", type=Path, help="its weights, in any format")
    parser.add_argument("--target", required=True, metavar="NAME", help="a target of the package, or a .yaml file")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    add_input_shapes(parser)
    add_strict(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the report; 1 where there are faults."""
    from converters import check_target, read_target

    path = Path(args.network)
    if args.network.endswith((".prototxt", ".txt")) or path.exists():
        net = read_network(path, args)
    else:
        asked = [shape for _, shape in args.input_shape or ()]
        net = generate(resolve_architecture(args.network), **generated_shape(asked[0] if asked else None, args.network))
    found = check_target(net, read_target(args.target), input_shapes=input_shapes(args, net))
    print(json.dumps(found.as_json(), indent=1) if args.json else found)
    return 0 if found.passed else 1
