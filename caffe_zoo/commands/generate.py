"""dongfeng generate: the prototxt of an architecture, or of every network of a space."""

from __future__ import annotations

import argparse
import re
import sys
import time

from caffe_zoo.commands.networks import generated_shape, resolve_architecture
from caffe_zoo.commands.options import add_merged, add_space, input_shape
from prototxt_gen.architectures import Decoder
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.files import write_bytes
from prototxt_gen.generator.arguments import FORMS
from prototxt_gen.generator.forms import label_size
from prototxt_gen.generator.networks import generate_text

EXAMPLE = (
    "dongfeng generate df2a -o df2a.prototxt\n"
    "  dongfeng generate s16-32_b32x2_b64x2_b128-256_c10 --input-shape 1,3,96,96 -o own.prototxt\n"
    "  dongfeng generate --space df --places 0:100000 --out candidates"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The architecture or the space, the form, and where the text goes."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "architecture", nargs="?", help="a network of the zoo, or an architecture's code (`dongfeng list` prints some)"
    )
    add_space(what, "instead of one architecture all networks of a space")
    parser.add_argument(
        "--places",
        type=places,
        metavar="FROM:TO",
        help="of a space, the networks at these places alone, TO not among them; either may be left out",
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
    parser.add_argument(
        "-o",
        "--out",
        "--output",
        dest="output",
        metavar="PATH",
        help="the file to write; of a space a folder, a .tar file, or - (default: - , standard output)",
    )


def places(text: str) -> tuple[int | None, int | None]:
    """The type of --places: FROM:TO, either of which may be left out."""
    found = re.fullmatch(r"(\d{1,300})?:(\d{1,300})?", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not FROM:TO, such as 1000:2000")
    return tuple(None if number is None else int(number) for number in found.groups())  # type: ignore[return-value]


def run(args: argparse.Namespace) -> int:
    """Writes the text, or the texts."""
    if args.space is not None:
        return _write_space(args)
    if args.places is not None:
        raise ArchitectureError("--places: found an architecture, expected --space beside it")
    architecture = resolve_architecture(args.architecture)
    shape = generated_shape(args.input_shape, args.architecture, args.form)
    text = generate_text(architecture, form=args.form, merged=args.merged, **shape)
    if args.output in (None, "-"):
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
            file=sys.stderr if args.output in (None, "-") else sys.stdout,
        )
    return 0


def _write_space(args: argparse.Namespace) -> int:
    from search import parse_space
    from search.progress import progress_bar
    from search.spaces.writing import Writing

    space = parse_space(args.space)
    if args.input_shape is not None:
        raise ArchitectureError(f"--input-shape: the space states its own, {space.input_shape}")
    start, stop = args.places or (None, None)
    count = space.count()
    first, last = start or 0, count if stop is None else stop
    if not first <= last <= count:
        raise ArchitectureError(f"--places: found {first}:{last}, expected places of 0:{count}")
    output = args.output or "-"
    begun = time.monotonic()
    with progress_bar(last - first, "networks", " networks", shown=True) as bar:
        writing = Writing(space, first, last, args.form, args.merged, bar.update)
        if output == "-":
            writing.into_stream(sys.stdout.buffer)
            return 0
        written = writing.into_tar(output) if output.endswith(".tar") else writing.into_folder(output)
    seconds = time.monotonic() - begun
    there = last - first - written
    known = f", {there:,} were there" if there else ""
    print(f"{output}: {written:,} networks of {space} in {seconds:.1f} s{known}")
    return 0
