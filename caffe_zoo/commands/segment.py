"""dongfeng segment: pictures of the class of each pixel of street scenes."""

from __future__ import annotations

import argparse
from pathlib import Path

from caffe_zoo.commands.options import add_batch, add_input_size, add_running, add_zoo_network, engine_of
from caffe_zoo.commands.paths import image_inputs, make_folder, png_targets, progress, save_png

EXAMPLE = "dongfeng segment df1seg frame.png -o out.png --overlay\n  dongfeng segment df1seg frames/*.png -o overlays/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The network, the images, and what is written of them."""
    add_zoo_network(parser, "segmentation")
    parser.add_argument("input", nargs="+", type=Path, help="images, and folders of images or of the frames of a video")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="PATH",
        help="the .png to write for one image, or a folder for one .png each",
    )
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument(
        "--overlay", dest="kind", action="store_const", const="overlay", help="lay the colours over the photo"
    )
    kinds.add_argument(
        "--labels", dest="kind", action="store_const", const="labels", help="write the classes as grey values 0 to 18"
    )
    parser.set_defaults(kind="colours")
    add_running(parser)
    add_input_size(parser)
    add_batch(parser, "1")
    parser.add_argument("--no-resize", action="store_true", help="refuse images of another size than the network takes")


def run(args: argparse.Namespace) -> int:
    """Writes a picture for each image."""
    from caffe_zoo.segmentation import image_of, segment_each, segmenter

    sources = image_inputs(args.input)
    targets = png_targets(args.input, sources, args.output)
    runner, preprocessing = segmenter(args.network, args.weights, args.classes, args.input_size, engine_of(args))
    results = segment_each(runner, sources, preprocessing, args.batch or 1, resize=not args.no_resize)
    whole = targets == [Path(args.output)]
    with progress(len(sources), "segment") as bar:
        for result, target in zip(results, targets, strict=True):
            if not whole:
                make_folder(target.parent)
            save_png(image_of(result, args.kind), target)
            bar.update()
    print(f"{args.output}: {args.kind if whole else f'{len(sources)} images'}")
    return 0
