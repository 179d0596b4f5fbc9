"""dongfeng upgrade: files of Caffe's older formats in the current one."""

from __future__ import annotations

import argparse
from pathlib import Path

from caffe_zoo.commands.networks import read_network
from caffe_zoo.commands.options import add_strict
from prototxt_gen.errors import CaffeError, FormatError
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.passes.upgrade_solver import upgrade_solver
from prototxt_gen.proto import NetParameter, SolverParameter
from prototxt_gen.text import read_solver, write_prototxt

EXAMPLE = (
    "dongfeng upgrade old.prototxt old.caffemodel -o new.prototxt new.caffemodel\n"
    "  dongfeng upgrade solver.prototxt -o solver.prototxt"
)

_OTHER_WEIGHTS = (".h5", ".safetensors", ".pt", ".pth")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The files, and as many to write."""
    parser.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="a network's .prototxt, its .caffemodel, or both; or a solver",
    )
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
    _check(args)
    texts = [path for path in args.files if _is_text(path)]
    text = _upgraded(texts[0], args) if texts else None
    net = None if isinstance(text, SolverParameter) else text
    if text is not net and len(args.files) > len(texts):
        raise CaffeError(f"{texts[0]}: found a solver, expected the network that the weights are of")
    # Weights first: a new prototxt without its weights would be half a result.
    for path, output in sorted(zip(args.files, args.output, strict=True), key=lambda pair: _is_text(pair[0])):
        if not _is_text(path):
            from converters import upgrade_caffemodel

            layers = upgrade_caffemodel(path, output, net)
            print(f"{output}: {layers} layers with weights")
        elif text is not None:
            write_prototxt(text, output)
            print(f"{output}: {'solver' if net is None else f'{len(net.layer)} layers'}")
    return 0


def _check(args: argparse.Namespace) -> None:
    """CaffeError unless there is an output of its kind for each file."""
    if len(args.files) > 2 or len(args.files) != len(args.output):
        found = f"{len(args.files)} files and {len(args.output)} outputs"
        raise CaffeError(f"found {found}, expected one or two of both: NET.prototxt [WEIGHTS.caffemodel] -o ...")
    if len(args.files) == 2 and _is_text(args.files[0]) == _is_text(args.files[1]):
        raise CaffeError("found two files of one kind, expected a .prototxt and a .caffemodel")
    for path, output in zip(args.files, args.output, strict=True):
        if path.suffix in _OTHER_WEIGHTS:
            raise CaffeError(f"{path}: found weights of another format, expected a .prototxt or a .caffemodel")
        if _is_text(path) != _is_text(output):
            kind = ".prototxt" if _is_text(path) else ".caffemodel"
            raise CaffeError(f"{output}: found another kind of file than {path}, expected a {kind}")


def _upgraded(path: Path, args: argparse.Namespace) -> NetParameter | SolverParameter:
    """The network or the solver in a text file, in the current format."""
    try:
        return upgrade(read_network(path, args))
    except FormatError as fault:
        try:
            solver = read_solver(path, strict=args.strict)
        except FormatError:
            raise fault from None
        if solver == SolverParameter():  # an empty file is not a solver either
            raise
        return upgrade_solver(solver)


def _is_text(path: Path) -> bool:
    return path.suffix != ".caffemodel"
