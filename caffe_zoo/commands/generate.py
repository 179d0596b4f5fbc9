"""dongfeng generate: the prototxt of an architecture."""

from __future__ import annotations

import argparse
import sys

from caffe_zoo.commands.networks import generated_shape, resolve_architecture
from caffe_zoo.commands.options import add_merged, add_output, input_shape
from prototxt_gen.architectures import Decoder
from prototxt_gen.files import write_bytes
from prototxt_gen.generator.arguments import FORMS
from prototxt_gen.generator.forms import label_size
from prototxt_gen.generator.networks import generate_text

EXAMPLE = (
    "dongfeng generate df2a -o df2a.prototxt\n"
    "  dongfeng generate s16-32_b32x2_b64x2_b128-256_c10 --input-shape 1,3,96,96 -o own.prototxt"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The architecture, the form, and where the text goes."""
    parser.add_argument(
        "architecture", help="a network of the zoo, or an architecture's code (`dongfeng list` prints some)"
    )
    parser.add_argument(
        "--form",
        choices=FORMS,
        default="deploy",
        help="deploy: from an Input layer to the scores (default); train_val: with data layers, loss and accuracy; "
        "release: exactly what the DF release published",
    )
    add_merged(parser)
    parser.add_argument(
        "--input-shape", type=input_shape, metavar="N,C,H,W", help="default: that of the network or of the form"
    )
    add_output(parser, "the file to write; default: standard output")


def run(args: argparse.Namespace) -> int:
    """Writes the text."""
    architecture = resolve_architecture(args.architecture)
    shape = generated_shape(args.input_shape, args.architecture, args.form)
    text = generate_text(architecture, form=args.form, merged=args.merged, **shape)
    if args.output is None:
        sys.stdout.write(text)
    else:
        write_bytes(args.output, text.encode())
        print(f"{args.output}: {args.form} network of {architecture}")
    if args.form == "train_val" and isinstance(architecture, Decoder):
        height, width = label_size(architecture, args.input_shape)
        option = f" --input-shape {','.join(map(str, args.input_shape))}" if args.input_shape else ""
        print(
            f"its label files must be grey images of {height}x{width}, since Caffe would mix classes in resizing them; "
            f"`dongfeng labels {args.architecture} FILES -o FOLDER{option}` makes them",
            # Standard output may be the network's text.
            file=sys.stderr if args.output is None else sys.stdout,
        )
    return 0
