"""The commands that use networks on data, fetch, classify, segment and evaluate: their arguments and what they do."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from caffe_zoo.cards import CARDS, card
from prototxt_gen.errors import CaffeError, FileError
from prototxt_gen.files import replacing

_ENGINES = ("torch", "onnxruntime")
#: What --weights takes, for help texts.
_WEIGHTS = (
    "file of weights, or ncnn's two: NET.param.bin,NET.bin; default: the released one that `dongfeng fetch` brought"
)


def add_fetch_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `dongfeng fetch`."""
    parser.add_argument(
        "networks", nargs="+", metavar="NETWORK", help="a network of the zoo, or its released form: df1seg_mergebn"
    )
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="FILE", help="take this file instead of downloading it"
    )
    parser.epilog = (
        f"{parser.epilog}\n\nFiles go to $DONGFENG_CACHE (default: ~/.cache/dongfeng), checked against their network; "
        "their SHA-256\nis kept beside them. A proxy is taken from HTTPS_PROXY."
    )


def fetch(args: argparse.Namespace) -> int:
    """Runs `dongfeng fetch`."""
    from caffe_zoo import download

    if args.source is not None and len(args.networks) > 1:
        raise CaffeError(f"--from: found {len(args.networks)} networks, expected the one that the file is of")
    for name in args.networks:
        download.released_file(name)  # a wrong name is told before anything is downloaded
    for name in args.networks:
        print(download.fetch(name, args.source))
    return 0


def add_classify_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `dongfeng classify`."""
    _add_network(parser, "classification")
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="image files")
    _add_running(parser)
    parser.add_argument("--names", type=Path, metavar="FILE", help="names of the classes, one a line")


def classify(args: argparse.Namespace) -> int:
    """Runs `dongfeng classify`."""
    from caffe_zoo.classification import best, classifier, read_names, scores_of

    run, preprocessing = classifier(args.network, args.weights or "released", args.classes, args.engine)
    names: Sequence[str] | None = None
    for path, scores in zip(args.images, scores_of(run, args.images, preprocessing), strict=True):
        if args.names is not None and names is None:
            names = read_names(args.names, len(scores))
        if len(args.images) > 1:
            print(f"{path}:")
        for index, probability in best(scores):
            print(f"{probability:7.2%}  {names[index] if names else f'class {index}'}")
    return 0


def add_segment_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `dongfeng segment`."""
    _add_network(parser, "segmentation")
    parser.add_argument("input", type=Path, help="an image, or a folder of images or of the frames of a video")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="PATH", help="the .png to write, for a folder a folder"
    )
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--overlay", dest="kind", action="store_const", const="overlay", help="colours over the photo")
    kinds.add_argument(
        "--labels", dest="kind", action="store_const", const="labels", help="grey values 0 to 18: the class of a pixel"
    )
    parser.set_defaults(kind="colours")
    _add_running(parser)
    _add_input_size(parser)
    parser.add_argument("--batch", type=_count, default=1, metavar="N", help="images at a time (default: 1)")
    parser.add_argument("--no-resize", action="store_true", help="refuse images of another size than the network takes")


def segment(args: argparse.Namespace) -> int:
    """Runs `dongfeng segment`."""
    from caffe_zoo.segmentation import image_files, image_of, segment_each, segmenter

    many = args.input.is_dir()
    if not many and not args.input.exists():
        raise FileError(f"{args.input}: no such file or folder")
    sources = image_files(args.input) if many else [args.input]
    targets = [args.output / f"{source.stem}.png" for source in sources] if many else [args.output]
    if not many and args.output.suffix.lower() != ".png":
        raise FileError(f"{args.output}: expected a name that ends in .png, which is what is written")
    _check_targets(sources, targets)
    run, preprocessing = segmenter(args.network, args.weights or "released", args.classes, args.input_size, args.engine)
    results = segment_each(run, sources, preprocessing, args.batch, resize=not args.no_resize)
    if many:
        _make_folder(args.output)
    with _progress(len(sources), "segment") as bar:
        for result, target in zip(results, targets, strict=True):
            image = image_of(result, args.kind)
            with replacing(target) as temporary:
                image.save(temporary, format="PNG")
            bar.update()
    print(f"{args.output}: {f'{len(sources)} images' if many else args.kind}")
    return 0


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `dongfeng evaluate`."""
    _add_network(parser)
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="for classification ImageNet's: val/ with a folder a class, or val.txt beside the images; "
        "for segmentation Cityscapes': leftImg8bit/ and gtFine/",
    )
    parser.add_argument("--list", type=Path, metavar="FILE", help="classification: an image and its class a line")
    parser.add_argument("--split", help="segmentation: train, val or test (default: val)")
    _add_running(parser)
    _add_input_size(parser)
    parser.add_argument("--batch", type=_count, metavar="N", help="images at a time (default: 32, for segmentation 1)")


def evaluate(args: argparse.Namespace) -> int:
    """Runs `dongfeng evaluate`."""
    if card(args.network).kind == "segmentation":
        return _evaluate_cityscapes(args)
    from caffe_zoo.classification import classifier
    from caffe_zoo.imagenet import accuracy, examples

    if args.input_size is not None:
        raise CaffeError("--input-size is for segmentation; classification crops as the network's card says")
    if args.split is not None:
        raise CaffeError("--split is for segmentation; classification takes val, or the images of a --list")
    classes = args.classes or card(args.network).architecture.classes
    found = examples(args.data, classes, args.list)
    run, preprocessing = classifier(args.network, args.weights or "released", args.classes, args.engine)
    with _progress(len(found), "evaluate") as bar:
        result = accuracy(run, found, preprocessing, args.batch or 32, bar.update)
    print(f"{result.images} images")
    print(result)
    return 0


def _evaluate_cityscapes(args: argparse.Namespace) -> int:
    from caffe_zoo.cityscapes import CLASSES, LABELS, Scores, frames, read_ids
    from caffe_zoo.segmentation import segment_each, segmenter

    if args.classes not in (None, len(CLASSES)):
        raise CaffeError(f"--classes: found {args.classes}, expected {len(CLASSES)}: Cityscapes scores these")
    if args.list is not None:
        raise CaffeError("--list is for classification; segmentation takes all frames of a --split")
    found = frames(args.data, args.split or "val")
    run, preprocessing = segmenter(args.network, args.weights or "released", None, args.input_size, args.engine)
    scores = Scores()
    results = segment_each(run, (frame.image for frame in found), preprocessing, args.batch or 1)
    with _progress(len(found), "evaluate") as bar:
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


def _add_network(parser: argparse.ArgumentParser, kind: str | None = None) -> None:
    known = [name for name, found in CARDS.items() if kind in (None, found.kind)]
    parser.add_argument("network", help=f"one of {', '.join(known)}")


def _add_running(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", metavar="FILE", help=_WEIGHTS)
    parser.add_argument("--classes", type=_count, metavar="N", help="of these weights, if not the network's own number")
    parser.add_argument("--engine", choices=_ENGINES, default="torch", help="what runs the network (default: torch)")


def _add_input_size(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--input-size", type=_size, metavar="HxW", help="segmentation: what the network takes; default: its card's"
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not height x width, such as 1024x2048")
    return int(height), int(width)


def _check_targets(sources: Sequence[Path], targets: Sequence[Path]) -> None:
    """FileError where an output would be written twice, or over an image that is read."""
    read = {path.resolve() for path in sources}
    written: dict[Path, Path] = {}
    for source, target in zip(sources, targets, strict=True):
        if target.resolve() in read:
            raise FileError(f"{target}: is also to be read; give another output")
        if written.setdefault(target, source) != source:
            raise FileError(f"{target}: {written[target]} and {source} would both be written there")


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise FileError(f"{path}: cannot be made: {fault.strerror or fault}") from fault


def _progress(total: int, subject: str) -> Any:
    from search.progress import progress_bar

    return progress_bar(total, subject, "image", shown=sys.stderr.isatty())
