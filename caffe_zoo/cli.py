"""The command `dongfeng`: one function a subcommand, errors in one line on standard error with exit status 2."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from caffe_zoo import use_commands as use
from caffe_zoo.cards import CARDS
from prototxt_gen.architectures import Backbone, Decoder, parse_architecture
from prototxt_gen.errors import ArchitectureError, CaffeError
from prototxt_gen.files import write_bytes
from prototxt_gen.generator.networks import FORMS, generate, generate_text
from prototxt_gen.layers import is_input
from prototxt_gen.passes.stock import stock_weights, to_stock
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.proto import NetParameter
from prototxt_gen.summary import summarize
from prototxt_gen.text import UnknownFieldWarning, read_prototxt, write_prototxt
from prototxt_gen.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line; returns its exit status: 0, 2 after a fault (named on standard error), 130 interrupted.

    `verify` returns 1 where it finds a difference.
    """
    parser = _parser()
    args = parser.parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", UnknownFieldWarning)
            warnings.showwarning = _warner(args.command, warnings.showwarning)
            status: int = args.run(args)
        sys.stdout.flush()
        return status
    except CaffeError as fault:
        if args.traceback:
            raise
        print(f"dongfeng {args.command}: {_one_line(str(fault))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"dongfeng {args.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output (`| head`) has left; Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _warner(command: str, others: Callable[..., None]) -> Callable[..., None]:
    """Prints what a file says that we do not know in one line; Python would add a line of our code."""
    said: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, UnknownFieldWarning):
            line = f"dongfeng {command}: warning: {' '.join(str(message).split())}"
            if line not in said:  # a command may look at a file more than once
                print(line, file=sys.stderr)
            said.add(line)
        else:
            others(message, category, *place, **more)

    return show


def _one_line(message: str, most: int = 1000) -> str:
    """A fault's message in one line; of a list of hundreds of faults the first ones and how many follow."""
    line = " ".join(message.splitlines())
    if len(line) <= most:
        return line
    shown = line[:most].rpartition("; ")[0] or line[:most]
    return f"{shown}; ... and {line.count('; ', len(shown) + 1)} more (--traceback shows all)"


class _Command(NamedTuple):
    help: str
    example: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dongfeng",
        description="Caffe networks of the DF family: generate them, convert their weights, search for your own.",
        epilog="`dongfeng COMMAND --help` explains a command with an example.",
    )
    parser.add_argument("--version", action="version", version=f"dongfeng {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        sub = subparsers.add_parser(
            name,
            help=command.help,
            description=f"{command.help[0].upper()}{command.help[1:]}.",
            epilog=f"example:\n  {command.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(sub)
        sub.add_argument("--traceback", action="store_true", help="on a fault, show where in the code it arose")
        sub.set_defaults(run=command.run)
    return parser


def resolve_architecture(text: str) -> Backbone | Decoder:
    """An architecture by the name of a zoo network or by its code; ArchitectureError tells both sides."""
    if text in CARDS:
        return CARDS[text].architecture
    try:
        return parse_architecture(text)
    except ArchitectureError as fault:
        if "_" in text:
            raise
        raise ArchitectureError(
            f"{text!r} is neither a network of the zoo ({', '.join(CARDS)}) "
            f"nor a code such as {CARDS['df1'].architecture}"
        ) from fault


def _input_shape(text: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(part) for part in text.split(","))
    except ValueError:
        shape = ()
    if len(shape) != 4:
        raise argparse.ArgumentTypeError(f"{text!r} is not four numbers N,C,H,W, such as 1,3,224,224")
    return shape


def _file_arguments(parser: argparse.ArgumentParser) -> None:
    """What every command takes that reads a network's file and needs its shapes; see `_read` and `_input_shapes`."""
    parser.add_argument(
        "--input-shape",
        type=_named_shape,
        action="append",
        metavar="[TOP=]N,C,H,W",
        help="of the first input, or of the one with this top (may come several times); default: the network's own",
    )
    _strict_argument(parser)


def _named_shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, _, numbers = text.rpartition("=")
    try:
        return name, tuple(int(part) for part in numbers.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a shape such as 1,3,224,224 or data=1,3,224,224") from None


def _input_shapes(args: argparse.Namespace, net: NetParameter) -> dict[str, tuple[int, ...]] | None:
    """The shapes on the command line by their tops; one without a top is the first input's."""
    if not args.input_shape:
        return None
    first = [top for layer in upgrade(net).layer if is_input(layer.type) for top in layer.top][:1]
    shapes = {name or top: shape for name, shape in args.input_shape for top in first or [name]}
    if len(shapes) < len(args.input_shape):
        raise CaffeError("--input-shape: found two shapes for one input, expected one each: TOP=N,C,H,W")
    return shapes


def _read(path: Path, args: argparse.Namespace) -> NetParameter:
    """The network in a file; with --strict, V0 options that would be left out are errors, too."""
    net = read_prototxt(path, strict=args.strict)
    if args.strict:
        upgrade(net, strict=True)
    return net


def _strict_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--strict", action="store_true", help="fields that Caffe and the release's fork do not know are errors"
    )


# ------------------------------------------------------------------------------------------------------------ list


_SCORES = {"top1": "top-1", "top5": "top-5", "miou_val": "mIoU"}


def _list(args: argparse.Namespace) -> int:
    heads = " ".join(f"{head:>7}" for head in _SCORES.values())
    print(f"{'name':<14} {'input':>9} {'parameters':>11} {'multiply-adds':>13} {heads}  architecture")
    for card in CARDS.values():
        height, width = card.preprocessing.crop
        summary = summarize(generate(card.architecture, input_shape=(1, 3, height, width)))
        scores = (f"{card.results[key]:7.2%}" if key in card.results else f"{'-':>7}" for key in _SCORES)
        print(
            f"{card.name:<14} {f'{height}x{width}':>9} {summary.parameters / 1e6:>9.2f} M "
            f"{summary.multiply_adds / 1e6:>11.2f} M {' '.join(scores)}  {card.architecture}"
        )
    return 0


# ------------------------------------------------------------------------------------------------------------ show


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", help="a network of the zoo, an architecture's code, or a .prototxt file")
    parser.add_argument("--phase", choices=("TEST", "TRAIN"), default="TEST", help="which layers a file's rules keep")
    parser.add_argument("--merged", action="store_true", help="with batch norm folded into the convolutions")
    _file_arguments(parser)


def _show(args: argparse.Namespace) -> int:
    if args.network.endswith((".prototxt", ".txt")) or Path(args.network).is_file():
        if args.merged:
            raise ArchitectureError("--merged is for architectures; `dongfeng merge` merges files")
        net = _read(Path(args.network), args)
    else:
        shapes = [shape for _, shape in args.input_shape or ()]
        shape = _shape(shapes[0] if shapes else None, args.network)
        net = generate(resolve_architecture(args.network), merged=args.merged, **shape)
    print(summarize(net, args.phase, _input_shapes(args, net)))
    return 0


def _shape(asked: tuple[int, ...] | None, network: str, form: str = "deploy") -> dict[str, Any]:
    """The input that was asked for, or a card's own for one image; other forms have theirs."""
    if asked is None and form == "deploy" and network in CARDS:
        return {"input_shape": (1, 3, *CARDS[network].preprocessing.crop)}
    return {"input_shape": asked} if asked else {}


# -------------------------------------------------------------------------------------------------------- generate


def _generate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("architecture", help="a network of the zoo, or an architecture's code")
    parser.add_argument(
        "--form",
        choices=FORMS,
        default="deploy",
        help="deploy: Input layer to logits (default); train_val: data layers, loss and accuracy; "
        "release: exactly what the DF release published",
    )
    parser.add_argument("--merged", action="store_true", help="with batch norm folded into the convolutions")
    parser.add_argument(
        "--input-shape", type=_input_shape, metavar="N,C,H,W", help="default: the network's or form's own"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: standard output")


def _generate(args: argparse.Namespace) -> int:
    architecture = resolve_architecture(args.architecture)
    text = generate_text(
        architecture, form=args.form, merged=args.merged, **_shape(args.input_shape, args.architecture, args.form)
    )
    if args.output is None:
        sys.stdout.write(text)
    else:
        write_bytes(args.output, text.encode())
        print(f"{args.output}: {args.form} network of {architecture}")
    return 0


# --------------------------------------------------------------------------------------------------------- convert


def _convert_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "prototxt", type=Path, nargs="?", help="the network: needed for .pt; with it the weights are checked against it"
    )
    parser.add_argument("weights", type=Path, help="its weights")
    parser.add_argument("output", type=Path, help="the file to write")
    parser.add_argument(
        "--dialect",
        choices=("bvlc", "release"),
        help="write a .caffemodel that stock Caffe loads (bvlc, default), or one for the fork of the DF release",
    )
    parser.add_argument(
        "--stock",
        type=Path,
        metavar="FILE",
        help="also write the network without the layers that only forks have (Interp, ShuffleChannel, ReLU6): "
        "equivalents that stock Caffe has stand for them, with fixed weights in the output",
    )
    _file_arguments(parser)


def _convert(args: argparse.Namespace) -> int:
    # torch takes seconds to import; the other commands should not wait for it.
    from converters.formats import STATE_DICT_SUFFIXES, read_weights, write_weights
    from converters.weights import load_weights, save_weights
    from converters.weights.dialects import change_dialect
    from converters.weights.upgrading import upgraded_weights

    to_caffemodel = args.output.suffix == ".caffemodel"
    if args.dialect and not to_caffemodel:
        raise CaffeError(
            f"--dialect: found {args.output}, expected an output .caffemodel: other files have no dialects"
        )
    if args.stock and (args.prototxt is None or args.dialect == "release"):
        raise CaffeError("--stock needs the network's prototxt before the weights, and writes for stock Caffe alone")
    if args.prototxt is None and args.input_shape:
        raise CaffeError("--input-shape needs the network's prototxt before the weights")
    if args.prototxt is not None:
        net = _read(args.prototxt, args)
        shapes = _input_shapes(args, net)
        weights = read_weights(args.weights, net, input_shapes=shapes)
        if args.stock:
            fixed, net = stock_weights(net, input_shapes=shapes), to_stock(net, input_shapes=shapes)
            names = {layer.name for layer in net.layer}  # of one phase only
            weights = {name: blobs for name, blobs in weights.items() if name in names} | fixed
        write_weights(weights, args.output, net, input_shapes=shapes)
        if args.stock:
            write_prototxt(net, args.stock)
            print(f"{args.stock}: {len(net.layer)} layers")
        if args.dialect == "release":
            change_dialect(args.output, args.output, args.dialect)
    elif suffixes := {args.weights.suffix, args.output.suffix} & set(STATE_DICT_SUFFIXES):
        raise CaffeError(
            f"{suffixes.pop()} needs the network: dongfeng convert NET.prototxt {args.weights} {args.output}"
        )
    else:
        from_caffemodel = args.weights.suffix == ".caffemodel"
        weights = upgraded_weights(args.weights) if from_caffemodel else load_weights(args.weights)
        if from_caffemodel and to_caffemodel:
            # The file's own structure stays, and all else in it.
            change_dialect(args.weights, args.output, args.dialect or "bvlc")
        else:
            save_weights(weights, args.output)
    blobs = [blob for layer in weights.values() for blob in layer]
    print(f"{args.output}: {len(weights)} layers, {len(blobs)} blobs, {sum(blob.size for blob in blobs):,} numbers")
    return 0


# --------------------------------------------------------------------------------------------------------- upgrade


def _upgrade_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a .prototxt, its .caffemodel, or both")
    parser.add_argument(
        "-o", "--output", type=Path, nargs="+", required=True, metavar="FILE", help="as many files, in the same order"
    )
    _strict_argument(parser)


def _upgrade(args: argparse.Namespace) -> int:
    if len(args.files) > 2 or len(args.files) != len(args.output):
        found = f"{len(args.files)} files and {len(args.output)} outputs"
        raise CaffeError(f"found {found}, expected one or two of both: NET.prototxt [WEIGHTS.caffemodel] -o ...")
    texts = [path for path in args.files if _is_text(path)]
    if len(args.files) - len(texts) > 1 or len(texts) > 1:
        raise CaffeError("found two files of one kind, expected a .prototxt and a .caffemodel")
    for path, output in zip(args.files, args.output, strict=True):
        if _is_text(path) != _is_text(output):
            raise CaffeError(f"{output}: expected the kind of file that {path} is: a .prototxt or a .caffemodel")
    net = upgrade(_read(texts[0], args)) if texts else None
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


# ---------------------------------------------------------------------------------------------------------- verify


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prototxt", type=Path, help="the network")
    parser.add_argument("weights", type=Path, help="its weights, in any format")
    parser.add_argument(
        "--against",
        nargs="+",
        metavar="FILE",
        help="what to compare every top with: OTHER.prototxt OTHER.caffemodel, or NET.onnx (onnxruntime), or opencv",
    )
    parser.add_argument(
        "--tolerance", type=float, default=1e-4, help="largest difference over a top's largest value (default: 1e-4)"
    )
    _file_arguments(parser)


def _verify(args: argparse.Namespace) -> int:
    from converters.verify import verify

    net = _read(args.prototxt, args)
    against: tuple[str, str] | str | None = None
    if args.against:
        if len(args.against) > 2:
            raise CaffeError(f"--against: found {len(args.against)} names, expected two files, a .onnx file, or opencv")
        against = (args.against[0], args.against[1]) if len(args.against) == 2 else args.against[0]
    found = verify(net, args.weights, against, tolerance=args.tolerance, input_shapes=_input_shapes(args, net))
    print(found)
    return 0 if found.passed else 1


# ----------------------------------------------------------------------------------------------------------- merge


def _merge_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prototxt", type=Path, help="the network, with BatchNorm and Scale layers")
    parser.add_argument("weights", type=Path, help="its weights")
    parser.add_argument("output_prototxt", type=Path, help="the merged network to write")
    parser.add_argument("output_weights", type=Path, help="the merged weights to write")
    _file_arguments(parser)


def _merge(args: argparse.Namespace) -> int:
    from converters.formats import read_weights, write_weights
    from converters.weights.merge import merge_batchnorm

    net = _read(args.prototxt, args)
    shapes = _input_shapes(args, net)
    merged, weights = merge_batchnorm(net, read_weights(args.weights, net, input_shapes=shapes))
    # Weights first: a prototxt without its weights would be half a result.
    write_weights(weights, args.output_weights, merged, input_shapes=shapes)
    write_prototxt(merged, args.output_prototxt)
    print(f"{args.output_prototxt}, {args.output_weights}: {len(net.layer)} layers became {len(merged.layer)}")
    return 0


# ---------------------------------------------------------------------------------------------------------- search


def _search_arguments(parser: argparse.ArgumentParser) -> None:
    from search.cli import add_arguments

    add_arguments(parser)


def _search(args: argparse.Namespace) -> int:
    from search.cli import run

    return run(args)


COMMANDS = {
    "list": _Command("list the networks of the zoo", "dongfeng list", lambda parser: None, _list),
    "show": _Command(
        "print shapes, parameters, multiply-adds and memory of every layer", "dongfeng show df1", _show_arguments, _show
    ),
    "generate": _Command(
        "write the prototxt of an architecture",
        "dongfeng generate df2a --form deploy -o df2a.prototxt",
        _generate_arguments,
        _generate,
    ),
    "convert": _Command(
        "write a network's weights in another format, by the suffix of the output: "
        ".caffemodel, .caffemodel.h5, .safetensors, or .pt for a PyTorch state_dict",
        "dongfeng convert df1.prototxt df1.caffemodel df1.pt\n"
        "  dongfeng convert df1seg_mergebn.caffemodel for_stock_caffe.caffemodel --dialect bvlc\n"
        "  dongfeng convert pl1a_seg.prototxt pl1a_seg.caffemodel stock.caffemodel --stock stock.prototxt",
        _convert_arguments,
        _convert,
    ),
    "upgrade": _Command(
        "rewrite files of Caffe's older formats (V0, V1, inputs without layers) in the current one",
        "dongfeng upgrade old.prototxt old.caffemodel -o new.prototxt new.caffemodel",
        _upgrade_arguments,
        _upgrade,
    ),
    "verify": _Command(
        "check weights against their network, and every top against other files or another engine; "
        "exit status 1 where something differs",
        "dongfeng verify df1.prototxt df1.caffemodel --against df1_mergebn.prototxt df1_mergebn.caffemodel",
        _verify_arguments,
        _verify,
    ),
    "merge": _Command(
        "fold batch norm into the convolutions before it",
        "dongfeng merge df1.prototxt df1.caffemodel df1_mergebn.prototxt df1_mergebn.caffemodel",
        _merge_arguments,
        _merge,
    ),
    "fetch": _Command(
        "download released weights, check them against their network and remember their digest",
        "dongfeng fetch df1",
        use.add_fetch_arguments,
        use.fetch,
    ),
    "classify": _Command(
        "print the five best classes of images",
        "dongfeng classify df1 photo.jpg --weights df1.caffemodel",
        use.add_classify_arguments,
        use.classify,
    ),
    "segment": _Command(
        "colour the pixels of street scenes by their class",
        "dongfeng segment df1seg frame.png -o out.png --overlay",
        use.add_segment_arguments,
        use.segment,
    ),
    "evaluate": _Command(
        "measure accuracy: top-1 and top-5 on ImageNet, IoU on Cityscapes",
        "dongfeng evaluate df1 --data imagenet",
        use.add_evaluate_arguments,
        use.evaluate,
    ),
    "search": _Command(
        "search for networks that are fast on this machine and accurate on your images",
        "dongfeng search --data digits --out runs/digits",
        _search_arguments,
        _search,
    ),
}


if __name__ == "__main__":
    sys.exit(main())
