"""dongfeng labels: the label maps that the train_val form of a segmentation network needs."""

from __future__ import annotations

import argparse
from pathlib import Path

from caffe_zoo.commands.networks import resolve_architecture
from caffe_zoo.commands.options import input_shape
from caffe_zoo.commands.paths import image_inputs, make_folder, png_targets, progress, save_png
from prototxt_gen.architectures import Decoder
from prototxt_gen.errors import ArchitectureError

EXAMPLE = "dongfeng labels df1seg_d8 gtFine/train/*/*_labelIds.png -o labels/train/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The network, the label files, and where the maps go."""
    parser.add_argument("network", help="a segmentation network of the zoo, or its code")
    parser.add_argument(
        "input",
        nargs="+",
        type=Path,
        help="label files of whole images, a grey value for each pixel, or folders of them",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FOLDER",
        help="the folder where a .png of the same name is written for each",
    )
    parser.add_argument(
        "--ids",
        choices=("label", "train"),
        default="label",
        help="what the values are: Cityscapes' label ids 0 to 33 (label, default), or the network's classes and 255 "
        "for pixels to ignore (train)",
    )
    parser.add_argument(
        "--input-shape",
        type=input_shape,
        metavar="N,C,H,W",
        help="what `dongfeng generate --form train_val` was given; default: that of the form",
    )


def run(args: argparse.Namespace) -> int:
    """Writes the label maps."""
    from PIL import Image

    from converters.labels import label_map
    from prototxt_gen.generator.forms import label_size

    architecture = resolve_architecture(args.network)
    if not isinstance(architecture, Decoder):
        raise ArchitectureError(f"{args.network}: found a classification network, expected one for segmentation")
    size = label_size(architecture, args.input_shape)
    folder = Path(args.output)
    sources = image_inputs(args.input)
    targets = png_targets(args.input, sources, f"{folder}/")
    sizes = set()
    with progress(len(sources), "labels") as bar:
        for source, target in zip(sources, targets, strict=True):
            made = label_map(source, size, architecture.classes, args.ids)
            make_folder(folder)
            save_png(Image.fromarray(made.classes), target)
            sizes.add(made.source_size)
            bar.update()
    found = ", ".join(f"{height}x{width}" for height, width in sorted(sizes))
    maps = f"{len(sources)} label map{'s' if len(sources) > 1 else ''}"
    print(f"{folder}: {maps} of {size[0]}x{size[1]}, from {found}")
    return 0
