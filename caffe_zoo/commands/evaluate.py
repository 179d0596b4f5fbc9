"""dongfeng evaluate: a network's accuracy on ImageNet or Cityscapes."""

from __future__ import annotations

import argparse
from pathlib import Path

from caffe_zoo.cards import card
from caffe_zoo.commands.options import add_batch, add_input_size, add_running, add_zoo_network, engine_of
from caffe_zoo.commands.paths import progress
from prototxt_gen.errors import CaffeError

EXAMPLE = "dongfeng evaluate df1 --data imagenet"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The network, the data, and which of its images are taken."""
    add_zoo_network(parser)
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="ImageNet for classification: val/ with a folder for each class, or val.txt beside the images;  "
        "Cityscapes for segmentation: leftImg8bit/ and gtFine/",
    )
    parser.add_argument(
        "--list", type=Path, metavar="FILE", help="classification: a file with an image and its class on each line"
    )
    parser.add_argument("--split", help="segmentation: train, val or test (default: val)")
    add_running(parser)
    add_input_size(parser)
    add_batch(parser, "32, for segmentation 1")


def run(args: argparse.Namespace) -> int:
    """Prints the scores."""
    return _on_cityscapes(args) if card(args.network).kind == "segmentation" else _on_imagenet(args)


def _on_imagenet(args: argparse.Namespace) -> int:
    from caffe_zoo.classification import classifier
    from caffe_zoo.imagenet import accuracy, examples

    if args.input_size is not None:
        raise CaffeError("--input-size is for segmentation; classification crops as the network's card says")
    if args.split is not None:
        raise CaffeError("--split is for segmentation; classification takes val, or the images of a --list")
    classes = args.classes or card(args.network).architecture.classes
    found = examples(args.data, classes, args.list)
    runner, preprocessing = classifier(args.network, args.weights, args.classes, engine_of(args))
    with progress(len(found), "evaluate") as bar:
        result = accuracy(runner, found, preprocessing, args.batch or 32, bar.update)
    print(f"{result.images} images")
    print(result)
    return 0


def _on_cityscapes(args: argparse.Namespace) -> int:
    from caffe_zoo.segmentation import segment_each, segmenter
    from converters.cityscapes import CLASSES, LABELS, Scores, frames, read_ids

    if args.classes not in (None, len(CLASSES)):
        raise CaffeError(f"--classes: found {args.classes}, expected {len(CLASSES)}: Cityscapes scores these")
    if args.list is not None:
        raise CaffeError("--list is for classification; segmentation takes all frames of a --split")
    found = frames(args.data, args.split or "val")
    runner, preprocessing = segmenter(args.network, args.weights, None, args.input_size, engine_of(args))
    scores = Scores()
    results = segment_each(runner, (frame.image for frame in found), preprocessing, args.batch or 1)
    with progress(len(found), "evaluate") as bar:
        for frame, result in zip(found, results, strict=True):
            instances = None if frame.instances is None else read_ids(frame.instances, 65535)
            try:
                scores.add(result.labels, read_ids(frame.labels, len(LABELS) - 1), instances)
            except CaffeError as fault:
                raise type(fault)(f"{frame.image}: {fault}") from fault
            bar.update()
    print(f"{len(found)} images")
    print()
    print(scores)
    return 0
