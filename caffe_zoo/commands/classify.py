"""dongfeng classify: the most probable classes of images."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from caffe_zoo.commands.options import add_running, add_zoo_network, engine_of

EXAMPLE = "dongfeng classify df1 photo.jpg --weights df1.caffemodel"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The network, the images, and the classes' names."""
    add_zoo_network(parser, "classification")
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="image files")
    add_running(parser)
    parser.add_argument("--names", type=Path, metavar="FILE", help="the classes' names, one on each line")


def run(args: argparse.Namespace) -> int:
    """Prints the five best classes of each image."""
    from caffe_zoo.classification import best, classifier, read_names, scores_of

    runner, preprocessing = classifier(args.network, args.weights, args.classes, engine_of(args))
    names: Sequence[str] | None = None
    for path, scores in zip(args.images, scores_of(runner, args.images, preprocessing), strict=True):
        if args.names is not None and names is None:
            names = read_names(args.names, len(scores))
        if len(args.images) > 1:
            print(f"{path}:")
        for index, probability in best(scores):
            print(f"{probability:7.2%}  {names[index] if names else f'class {index}'}")
    return 0
