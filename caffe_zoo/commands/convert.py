"""dongfeng convert: weights in another format, networks in other words (stock Caffe, a toolchain), ONNX both ways."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from caffe_zoo.commands import exports, for_target, models
from caffe_zoo.commands.networks import input_shapes, read_network, write_pair
from caffe_zoo.commands.options import add_input_shapes, add_phase, add_strict
from caffe_zoo.commands.paths import check_outputs
from prototxt_gen.binary import RELEASE
from prototxt_gen.errors import CaffeError, UnsupportedError
from prototxt_gen.passes.phase import left_out, phase_of
from prototxt_gen.passes.stock import stock_weights, to_stock
from prototxt_gen.proto import NetParameter

EXAMPLE = (
    "dongfeng convert df1.prototxt df1.caffemodel df1.pt\n"
    "  dongfeng convert df1seg_mergebn.caffemodel for_stock_caffe.caffemodel --dialect bvlc\n"
    "  dongfeng convert pl1a_seg.prototxt pl1a_seg.caffemodel stock.caffemodel --stock stock.prototxt\n"
    "  dongfeng convert net.prototxt net.caffemodel board.caffemodel --target rknn2 --prototxt board.prototxt\n"
    "  dongfeng convert net.prototxt net.caffemodel net.onnx --dynamic batch\n"
    "  dongfeng convert net.onnx net.prototxt net.caffemodel\n"
    "  dongfeng convert net.pt2 net.prototxt net.caffemodel"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The files to read and to write."""
    parser.add_argument(
        "prototxt",
        type=Path,
        nargs="?",
        help="the network; .pt needs it, and with it all weights are checked against their layers; "
        "or an .onnx or a .pt2 of torch.export.save, before the prototxt and the weights to write",
    )
    parser.add_argument(
        "weights", type=Path, help="its weights, in any format; behind an .onnx or a .pt2 the prototxt to write"
    )
    parser.add_argument("output", type=Path, help="the file to write, in the format of its suffix")
    parser.add_argument(
        "--dialect",
        choices=("bvlc", "release", "fork"),
        help="write a .caffemodel for stock Caffe (bvlc, default), or for the fork of the DF release (release); "
        "an .onnx in layers of stock Caffe (bvlc), or also in those of forks such as Permute and Interp (fork)",
    )
    parser.add_argument(
        "--stock",
        type=Path,
        metavar="FILE",
        help="also write the network for stock Caffe: layers that only forks have (Interp, ReLU6, ...) "
        "become equivalent ones, whose fixed weights go into the output",
    )
    add_phase(parser, "the phase whose layers --stock writes")
    add_input_shapes(parser)
    add_strict(parser)
    for_target.add_arguments(parser)
    models.add_reading(parser)
    exports.add_writing(parser)


def run(args: argparse.Namespace) -> int:
    """Writes the files and says what is in them."""
    _check(args)
    if not _is_model(args) and args.output.suffix == exports.SUFFIX:
        exports.write(args)
        return 0
    if _is_model(args):
        weights = models.pair(args.prototxt, args.weights, args.output, args)
    elif args.target is not None:
        weights = for_target.run(args)
    elif args.stock is not None:
        weights = _for_stock_caffe(args)
    elif args.prototxt is not None:
        weights = _with_network(args)
    else:
        weights = _without_network(args)
    blobs = [blob for layer in weights.values() for blob in layer]
    print(f"{args.output}: {len(weights)} layers, {len(blobs)} blobs, {sum(blob.size for blob in blobs):,} numbers")
    return 0


def _is_model(args: argparse.Namespace) -> bool:
    """Whether the network is in another framework's file."""
    return args.prototxt is not None and args.prototxt.suffix in models.SUFFIXES


def _check_model(args: argparse.Namespace) -> None:
    """CaffeError for arguments that do not go together with another framework's file, or only with one."""
    if args.prototxt is not None:
        models.refuse_pickles(args.prototxt)
    if not _is_model(args):
        if args.prototxt is None and args.weights.suffix in models.SUFFIXES:
            raise CaffeError(
                f"{args.weights}: expected two outputs: dongfeng convert {args.weights} NET.prototxt NET.caffemodel"
            )
        writes = args.output.suffix == exports.SUFFIX
        for option in ("no_round_mode", "gelu", "longest_name", *(() if writes else ("unmerged",))):
            if getattr(args, option):
                raise CaffeError(f"--{option.replace('_', '-')} is for reading {', '.join(models.SUFFIXES)} alone")
        if args.separator != "/" or args.dialect == "fork":
            option = "--dialect fork" if args.dialect == "fork" else "--separator"
            raise CaffeError(f"{option} is for reading {', '.join(models.SUFFIXES)} alone")
    elif args.stock or args.phase or args.strict or args.target or args.dialect == "release":
        raise CaffeError(
            f"{args.prototxt}: --stock, --phase, --strict, --target and --dialect release are for networks of Caffe"
        )


def _check(args: argparse.Namespace) -> None:
    """CaffeError for arguments that do not go together."""
    _check_model(args)
    for_target.check(args)
    exports.check(args)
    if _is_model(args) or args.output.suffix == exports.SUFFIX or args.target is not None:
        return
    if args.dialect and args.output.suffix != ".caffemodel":
        raise CaffeError(
            f"--dialect: found {args.output}, expected an output .caffemodel: other files have no dialects"
        )
    if args.stock and (args.prototxt is None or args.dialect == "release"):
        raise CaffeError("--stock needs the network's prototxt before the weights, and writes for stock Caffe alone")
    if args.phase and not args.stock:
        raise CaffeError("--phase is for --stock alone; without it, weights of both phases are written")
    if args.prototxt is None and args.input_shape:
        raise CaffeError("--input-shape needs the network's prototxt before the weights")
    check_outputs([args.output, *filter(None, [args.stock])], [*filter(None, [args.prototxt])])
    if args.stock:
        check_outputs([args.stock], [args.weights])


def _without_network(args: argparse.Namespace) -> Mapping[str, Any]:
    """Copies weights by their names alone."""
    from converters import change_dialect, load_weights, save_weights
    from converters.formats import STATE_DICT_SUFFIXES
    from converters.weights.upgrading import upgraded_weights

    if suffixes := [path.suffix for path in (args.weights, args.output) if path.suffix in STATE_DICT_SUFFIXES]:
        raise CaffeError(f"{suffixes[0]} needs the network: dongfeng convert NET.prototxt {args.weights} {args.output}")
    from_caffemodel = args.weights.suffix == ".caffemodel"
    weights = upgraded_weights(args.weights) if from_caffemodel else load_weights(args.weights)
    if from_caffemodel and args.output.suffix == ".caffemodel":
        # The file's own structure stays, and everything else in it.
        change_dialect(args.weights, args.output, args.dialect or "bvlc")
    else:
        save_weights(weights, args.output)
    return weights


def _with_network(args: argparse.Namespace) -> Mapping[str, Any]:
    """Checks the weights against their network, and writes them with it."""
    from converters import read_weights, write_weights

    net = read_network(args.prototxt, args)
    shapes = input_shapes(args, net)
    weights = read_weights(args.weights, net, input_shapes=shapes)
    if args.dialect == "release":
        _write_for_the_fork(weights, args.output, net)
    else:
        write_weights(weights, args.output, net, input_shapes=shapes)
    return weights


def _write_for_the_fork(weights: Mapping[str, Any], output: Path, net: NetParameter) -> None:
    """Writes a .caffemodel in the release's dialect; faults are found before the output is touched."""
    from converters import save_weights

    try:
        save_weights(weights, output, net, numbers=RELEASE)
    except UnsupportedError as fault:
        raise UnsupportedError(f"{output}: {fault}") from fault


def _for_stock_caffe(args: argparse.Namespace) -> Mapping[str, Any]:
    """Writes the pair for stock Caffe, one phase of it, and prints which layers that leaves out."""
    from converters import read_weights

    net = read_network(args.prototxt, args)
    shapes = input_shapes(args, net)
    weights = read_weights(args.weights, net, input_shapes=shapes)
    stock = to_stock(net, args.phase, input_shapes=shapes)
    kept = {layer.name for layer in stock.layer}
    weights = {name: blobs for name, blobs in weights.items() if name in kept}
    weights |= stock_weights(net, args.phase, input_shapes=shapes)
    write_pair(stock, weights, args.stock, args.output, shapes)
    phase = phase_of(stock)
    missing = left_out(net, phase)
    said = f", those of the phase {phase}; left out: {', '.join(missing)}" if missing else ""
    print(f"{args.stock}: {len(stock.layer)} layers{said}")
    return weights
