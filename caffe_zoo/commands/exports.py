"""Networks of Caffe on the command line, written as ONNX."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from caffe_zoo.cards import CARDS
from caffe_zoo.commands.networks import input_shapes, read_network
from caffe_zoo.commands.paths import check_outputs
from prototxt_gen.errors import CaffeError

SUFFIX = ".onnx"
"""What is written here."""


def add_writing(parser: argparse.ArgumentParser) -> None:
    """The options of writing such a file; `write` reads them, and --unmerged."""
    group = parser.add_argument_group("an .onnx to write (beside --unmerged)")
    group.add_argument(
        "--dynamic",
        choices=("batch", "sizes"),
        help="leave the batch open, or batch, height and width; refused where layers depend on them",
    )
    group.add_argument(
        "--card",
        choices=list(CARDS),
        metavar="NETWORK",
        help="write down the preprocessing and the licence of this network of the zoo",
    )


def check(args: argparse.Namespace) -> None:
    """CaffeError for arguments that do not go together with an .onnx to write, or only with one."""
    if args.output.suffix != SUFFIX:
        for option in ("dynamic", "card"):
            if getattr(args, option):
                raise CaffeError(f"--{option} is for writing {SUFFIX} alone")
        return
    if args.prototxt is None:
        raise CaffeError(f"{SUFFIX} needs the network: dongfeng convert NET.prototxt {args.weights} {args.output}")
    if args.stock or args.phase or args.dialect:
        raise CaffeError(f"{args.output}: --stock, --phase and --dialect are for networks of Caffe")
    check_outputs([args.output], [args.prototxt, args.weights])


def write(args: argparse.Namespace) -> None:
    """Writes the network and its weights, and prints what the file holds."""
    from converters import read_weights
    from converters.formats import STATE_DICT_SUFFIXES
    from converters.onnx.exporting import to_graph
    from converters.onnx.writing import onnx_package

    onnx_package("export to ONNX")
    net = read_network(args.prototxt, args)
    shapes = input_shapes(args, net)
    state_dict = args.weights.suffix in STATE_DICT_SUFFIXES
    made = to_graph(
        net,
        read_weights(args.weights, net, input_shapes=shapes) if state_dict else args.weights,
        merged=not args.unmerged,
        dynamic=args.dynamic,
        input_shapes=shapes,
        metadata=metadata(args.card) if args.card else None,
    )
    made.write(args.output)
    graph = made.graph
    numbers = sum(array.size for array in graph.constants.values())
    print(f"{args.output}: {len(graph.nodes)} nodes, {len(graph.constants)} constants, {numbers:,} numbers")
    for kind, values in (("input", graph.inputs), ("output", graph.outputs)):
        for name, sizes in values.items():
            print(f"  {kind} {name}: {_text(sizes)}")


def metadata(name: str) -> Mapping[str, str]:
    """What a card says of how images are prepared and of the licence, for the metadata of a model."""
    card = CARDS[name]
    preprocessing = json.dumps({"data": asdict(card.preprocessing)})
    return {"network": card.name, "licence": card.licence, "paper": card.paper, "preprocessing": preprocessing}


def _text(sizes: Sequence[int | str | None]) -> str:
    return " x ".join("?" if size is None else str(size) for size in sizes) or "one number"
