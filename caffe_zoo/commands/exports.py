"""Networks of Caffe on the command line, written as ONNX."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import Any

from caffe_zoo.cards import CARDS
from caffe_zoo.commands.networks import input_shapes, read_network
from caffe_zoo.commands.paths import check_outputs
from prototxt_gen.errors import CaffeError
from prototxt_gen.files import write_bytes

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
    group.add_argument(
        "--backend",
        choices=("dongfeng", "caffe2onnx"),
        default="dongfeng",
        help="caffe2onnx: the published package writes it; refused by name where its numbers are not ours",
    )
    group.add_argument(
        "--backend-python",
        metavar="PYTHON",
        help="for --backend caffe2onnx: the Python of the environment that has it, such as c2o/bin/python",
    )


def check(args: argparse.Namespace) -> None:
    """CaffeError for arguments that do not go together with an .onnx to write, or only with one."""
    if args.output.suffix != SUFFIX:
        for option in ("dynamic", "card", "backend_python"):
            if getattr(args, option):
                raise CaffeError(f"--{option.replace('_', '-')} is for writing {SUFFIX} alone")
        if args.backend != "dongfeng":
            raise CaffeError(f"--backend is for writing {SUFFIX} alone")
        return
    if args.backend == "dongfeng" and args.backend_python:
        raise CaffeError("--backend-python is for --backend caffe2onnx alone")
    if args.backend != "dongfeng" and args.dynamic:
        raise CaffeError(f"--backend {args.backend}: found --dynamic, expected sizes that are not open")
    if args.prototxt is None:
        raise CaffeError(f"{SUFFIX} needs the network: dongfeng convert NET.prototxt {args.weights} {args.output}")
    if args.stock or args.phase or args.dialect:
        raise CaffeError(f"{args.output}: --stock, --phase and --dialect are for networks of Caffe")
    check_outputs([args.output], [args.prototxt, args.weights])


def write(args: argparse.Namespace) -> None:
    """Writes the network and its weights, and prints what the file holds."""
    from converters import read_weights
    from converters.formats import STATE_DICT_SUFFIXES
    from converters.onnx.exporting import by_caffe2onnx, to_graph
    from converters.onnx.writing import onnx_package

    onnx_package("export to ONNX")
    net = read_network(args.prototxt, args)
    shapes = input_shapes(args, net)
    state_dict = args.weights.suffix in STATE_DICT_SUFFIXES
    weights = read_weights(args.weights, net, input_shapes=shapes) if state_dict else args.weights
    notes = metadata(args.card) if args.card else None
    options: dict[str, Any] = {"merged": not args.unmerged, "input_shapes": shapes, "metadata": notes}
    if args.backend == "caffe2onnx":
        model = by_caffe2onnx(net, weights, args.backend_python, **options)
        write_bytes(args.output, model.SerializeToString())
        graph = model.graph
        _say(
            args.output,
            len(graph.node),
            [prod(tensor.dims) for tensor in graph.initializer],
            {value.name: _sizes(value) for value in graph.input},
            {value.name: _sizes(value) for value in graph.output},
        )
        return
    made = to_graph(net, weights, dynamic=args.dynamic, **options)
    made.write(args.output)
    graph = made.graph
    _say(args.output, len(graph.nodes), [array.size for array in graph.constants.values()], graph.inputs, graph.outputs)


def _say(
    path: Path,
    nodes: int,
    constants: Sequence[int],
    inputs: Mapping[str, Sequence[int | str | None]],
    outputs: Mapping[str, Sequence[int | str | None]],
) -> None:
    """Prints what a file holds; `constants` are their numbers of elements."""
    print(f"{path}: {nodes} nodes, {len(constants)} constants, {sum(constants):,} numbers")
    for kind, values in (("input", inputs), ("output", outputs)):
        for name, sizes in values.items():
            print(f"  {kind} {name}: {_text(sizes)}")


def _sizes(value: Any) -> list[int]:
    return [axis.dim_value for axis in value.type.tensor_type.shape.dim]


def metadata(name: str) -> Mapping[str, str]:
    """What a card says of how images are prepared and of the licence, for the metadata of a model."""
    card = CARDS[name]
    preprocessing = json.dumps({"data": asdict(card.preprocessing)})
    return {"network": card.name, "licence": card.licence, "paper": card.paper, "preprocessing": preprocessing}


def _text(sizes: Sequence[int | str | None]) -> str:
    return " x ".join("?" if size is None else str(size) for size in sizes) or "one number"
