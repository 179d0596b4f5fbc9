"""dongfeng upgrade: files of Caffe's older formats in the current one."""

from __future__ import annotations

import argparse
from pathlib import Path

from caffe_zoo.commands.networks import read_network
from caffe_zoo.commands.options import add_strict
from prototxt_gen.errors import CaffeError
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.text import write_prototxt

EXAMPLE = "dongfeng upgrade old.prototxt old.caffemodel -o new.prototxt new.caffemodel"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The files, and as many to write."""
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a .prototxt, its .caffemodel, or both")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="as many files to write, in the same order; a file may replace the one it is made from",
    )
    add_strict(parser)


def run(args: argparse.Namespace) -> int:
    """Writes each file upgraded."""
    if len(args.files) > 2 or len(args.files) != len(args.output):
        found = f"{len(args.files)} files and {len(args.output)} outputs"
        raise CaffeError(f"found {found}, expected one or two of both: NET.prototxt [WEIGHTS.caffemodel] -o ...")
    texts = [path for path in args.files if _is_text(path)]
    if len(args.files) - len(texts) > 1 or len(texts) > 1:
        raise CaffeError("found two files of one kind, expected a .prototxt and a .caffemodel")
    for path, output in zip(args.files, args.output, strict=True):
        if _is_text(path) != _is_text(output):
            raise CaffeError(f"{output}: expected the kind of file that {path} is: a .prototxt or a .caffemodel")
    net = upgrade(read_network(texts[0], args)) if texts else None
    # Weights first: a new prototxt without its weights would be half a result.
    for path, output in sorted(zip(args.files, args.output, strict=True), key=lambda pair: _is_text(pair[0])):
        if net is not None and _is_text(path):
            write_prototxt(net, output)
            print(f"{output}: {len(net.layer)} layers")
        else:
            from converters.weights.upgrading import upgrade_caffemodel

            layers = upgrade_caffemodel(path, output, net)
            print(f"{output}: {layers} layers with weights")
    return 0


def _is_text(path: Path) -> bool:
    return path.suffix != ".caffemodel"
