"""dongfeng evaluate: a network's accuracy on ImageNet or Cityscapes, and what int8 costs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from caffe_zoo import cards
from caffe_zoo.commands.networks import input_shapes, read_network
from caffe_zoo.commands.options import (
    add_batch,
    add_input_shapes,
    add_input_size,
    add_running,
    add_strict,
    count,
    engine_of,
    number,
)  # fmt: skip
from caffe_zoo.commands.paths import progress
from prototxt_gen.errors import CaffeError, UnsupportedError

if TYPE_CHECKING:
    from caffe_zoo.comparison import AccuracyCost, IouCost
    from caffe_zoo.subject import Subject
    from converters import Engine

EXAMPLE = (
    "dongfeng evaluate df1 --data imagenet\n"
    "  dongfeng evaluate df1 --data imagenet --int8 imagenet/train\n"
    "  dongfeng evaluate net.prototxt --weights net.caffemodel --mean 104,117,123 --data photos --engine rknn "
    "--int8 photos"
)

# Options of networks in files alone, and of zoo networks alone.
_OF_FILES = ("mean", "scale", "resize_shorter", "output", "input_shape")
_OF_ZOO = ("classes", "input_size")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The network, the data, and which of its images are taken."""
    parser.add_argument(
        "network", help=f"one of {', '.join(cards.CARDS)}, or the prototxt of a network of one's own, with --weights"
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="ImageNet for classification, or a folder like it: val/ with a folder for each class, or val.txt beside "
        "the images;  Cityscapes for segmentation: leftImg8bit/ and gtFine/",
    )
    parser.add_argument(
        "--list", type=Path, metavar="FILE", help="classification: a file with an image and its class on each line"
    )
    parser.add_argument("--split", help="segmentation: train, val or test (default: val)")
    parser.add_argument(
        "--ids",
        choices=("label", "train"),
        default="label",
        help="segmentation: what the values of label files are: Cityscapes' label ids (label, default), or the "
        "network's classes, in files _gtFine_labelTrainIds.png (train)",
    )
    add_running(parser, "torch; with --int8 onnxruntime")
    parser.set_defaults(engine=None)
    add_input_size(parser)
    add_batch(parser, "32, for segmentation 1")
    _add_int8(parser)
    _add_files(parser)


def _add_int8(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("int8: what it costs, beside the same engine in its other precision")
    group.add_argument(
        "--int8",
        type=Path,
        metavar="FOLDER",
        help="compare with int8, calibrated with images of this folder and of those in it; they should look like "
        "those that the network is for, and need no labels",
    )
    group.add_argument(
        "--calibration-images",
        type=count,
        default=100,
        metavar="N",
        help="how many of them, drawn at random (default: 100)",
    )
    group.add_argument(
        "--calibration-seed", type=int, default=0, metavar="SEED", help="what they are drawn by (default: 0)"
    )


def _add_files(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("networks in files: how their images are preprocessed")
    group.add_argument(
        "--mean",
        type=_mean,
        metavar="B,G,R",
        help="what is subtracted from pixels of 0 to 255, blue first, as transform_param's mean_value; 0 for nothing; "
        "default: what the file's data layer says, where it has one",
    )
    group.add_argument(
        "--scale",
        type=number,
        metavar="S",
        help="what they are multiplied by then (default: what a data layer says, or 1)",
    )
    group.add_argument(
        "--resize-shorter",
        type=count,
        metavar="PIXELS",
        help="resize the shorter side to this and take the centre; default: resize the whole image to the input's size",
    )
    group.add_argument("--output", metavar="TOP", help="the top with the scores, where the network has several outputs")
    add_input_shapes(group)
    add_strict(group)


def run(args: argparse.Namespace) -> int:
    """Prints the scores."""
    from converters.engines import ENGINES

    if args.engine is None:
        args.engine = "torch" if args.int8 is None else "onnxruntime"
    able = [name for name in ENGINES if getattr(ENGINES[name], "int8", False)]
    if args.int8 is not None and args.engine not in able:
        raise CaffeError(f"--int8: found the engine {args.engine}, expected one that has int8: {', '.join(able)}")
    if args.network in cards.CARDS:
        _check_options(args, cards.card(args.network).kind == "segmentation")
    subject = _subject(args)
    _check_options(args, subject.per_pixel)
    return _on_cityscapes(args, subject) if subject.per_pixel else _on_imagenet(args, subject)


def _check_options(args: argparse.Namespace, per_pixel: bool) -> None:
    """CaffeError for options that are for the other kind of networks."""
    from converters.cityscapes import CLASSES

    if per_pixel:
        if args.list is not None:
            raise CaffeError("--list is for classification; segmentation takes all frames of a --split")
        if args.ids == "label" and args.classes not in (None, len(CLASSES)):
            raise CaffeError(
                f"--classes: found {args.classes}, expected {len(CLASSES)}: Cityscapes' label ids have these"
            )
        return
    if args.input_size is not None:
        raise CaffeError("--input-size is for segmentation; classification crops as the network's card says")
    if args.split is not None:
        raise CaffeError("--split is for segmentation; classification takes val, or the images of a --list")
    if args.ids != "label":
        raise CaffeError("--ids is for segmentation")


def _subject(args: argparse.Namespace) -> Subject:
    """The network that is meant. CaffeError for options of the other kind of source."""
    from caffe_zoo.subject import of_files, of_zoo

    in_zoo = args.network in cards.CARDS
    for option in _OF_FILES if in_zoo else _OF_ZOO:
        if getattr(args, option) is not None:
            whose = "a network in a file" if in_zoo else "a network of the zoo"
            raise CaffeError(f"--{option.replace('_', '-')} is for {whose}; found {args.network}")
    if in_zoo:
        return of_zoo(args.network, args.weights, args.classes, args.input_size)
    path = Path(args.network)
    if path.suffix != ".prototxt" and not path.exists():
        cards.card(args.network)  # which lists those that there are
    net = read_network(path, args)
    if args.weights == "released":
        raise CaffeError(f"{path}: --weights: found none, expected the file of this network's weights")
    return of_files(
        net, args.weights, args.mean, args.scale, args.resize_shorter,
        output=args.output, input_shapes=input_shapes(args, net),
    )  # fmt: skip


def _on_imagenet(args: argparse.Namespace, subject: Subject) -> int:
    from caffe_zoo.comparison import Pair, accuracy_cost
    from caffe_zoo.imagenet import accuracy, examples
    from caffe_zoo.models import run_of

    found = examples(args.data, subject.classes, args.list)
    first = _first(args)
    session = subject.session(first)
    batch = args.batch or 32
    if args.int8 is None:
        with progress(len(found), "evaluate") as bar:
            result = accuracy(run_of(session), found, subject.preprocessing, batch, bar.update)
        print(f"{result.images} images")
        print(result)
        return 0
    quantised = _Quantised(args, subject)
    pair = Pair(run_of(session), run_of(quantised.session))
    with progress(len(found), "evaluate") as bar:
        cost = accuracy_cost(pair, quantised.beside(first), found, subject.preprocessing, batch, bar.update)
    quantised.show(cost)
    return 0


def _on_cityscapes(args: argparse.Namespace, subject: Subject) -> int:
    from caffe_zoo.comparison import Pair, iou, iou_cost
    from caffe_zoo.models import run_of
    from caffe_zoo.segmentation import segment_each
    from converters.cityscapes import CLASSES, LABELS, Scores, frames, read_ids

    if args.ids == "label" and subject.classes != len(CLASSES):
        raise CaffeError(
            f"{args.network}: found {subject.classes} classes, expected {len(CLASSES)}, those of Cityscapes' label "
            "ids: give files whose values are its classes (--ids train)"
        )
    found = frames(args.data, args.split or "val", "labelIds" if args.ids == "label" else "labelTrainIds")
    first = _first(args)
    session = subject.session(first)
    batch = args.batch or 1
    names = CLASSES if args.ids == "label" else tuple(f"class {number}" for number in range(subject.classes))
    if args.int8 is not None:
        quantised = _Quantised(args, subject)
        pair = Pair(run_of(session), run_of(quantised.session))
        with progress(len(found), "evaluate") as bar:
            cost = iou_cost(
                pair, quantised.beside(first), found, subject.preprocessing, names, args.ids, batch, bar.update
            )
        quantised.show(cost)
        return 0
    with progress(len(found), "evaluate") as bar:
        if args.ids == "train":
            shown = str(iou(run_of(session), found, subject.preprocessing, names, batch, bar.update))
        else:
            scores = Scores()
            results = segment_each(run_of(session), (frame.image for frame in found), subject.preprocessing, batch)
            for frame, result in zip(found, results, strict=True):
                instances = None if frame.instances is None else read_ids(frame.instances, 65535)
                try:
                    scores.add(result.labels, read_ids(frame.labels, len(LABELS) - 1), instances)
                except CaffeError as fault:
                    raise type(fault)(f"{frame.image}: {fault}") from fault
                bar.update()
            shown = str(scores)
    print(f"{len(found)} images")
    print()
    print(shown)
    return 0


def _first(args: argparse.Namespace) -> Engine:
    """The engine that was asked for; beside int8, of a device that has nothing else, torch in its place."""
    from converters import make_engine

    try:
        return engine_of(args)
    except UnsupportedError:
        if args.int8 is None or args.precision != "float32":
            raise
        # Where the device is no device at all, int8 is refused there, too, before anything is compared.
        engine_of(args, precision="int8", calibration=[{"none": [0]}])
        return make_engine("torch")


class _Quantised:
    """The network in int8, calibrated with images of a folder."""

    def __init__(self, args: argparse.Namespace, subject: Subject) -> None:
        from caffe_zoo.calibration import Prepared, draw_images

        self._args = args
        self._drawn = draw_images(args.int8, args.calibration_images, args.calibration_seed)
        # Each is read twice: for the digest that the engine's target names, and for its ranges.
        with progress(2 * len(self._drawn.paths), "calibrate") as bar:
            prepared = Prepared(self._drawn.paths, subject.preprocessing, subject.data, bar.update)
            self._engine = engine_of(args, precision="int8", calibration=prepared)
            self.session = subject.session(self._engine)

    def beside(self, first: Engine) -> tuple[str, str]:
        """The names of both precisions, and of the first engine where it is another one."""
        name = first.options.precision
        return name if first.name == self._engine.name else f"{first.name} {name}", self._engine.options.precision

    def show(self, cost: AccuracyCost | IouCost) -> None:
        """Prints what was compared, and how int8 came about."""
        target = self._engine.target
        tool, version = next(iter(target["versions"].items()))
        drawn = f"{len(self._drawn.paths)} of the {self._drawn.found}"
        print(f"{cost.images} images; {tool} {version} on {target['device']}")
        print(f"int8: {target['calibration']['method']}")
        print(f"calibrated with {drawn} images in {self._args.int8} (seed {self._args.calibration_seed})")
        if self.session.in_float:
            print(f"layers that stay in floating point: {', '.join(self.session.in_float)}")
        print()
        print(cost)


def _mean(text: str) -> tuple[float, ...]:
    """The type of an option that is a number for each of B, G, R, or one for all."""
    values = tuple(number(part) for part in text.split(","))
    if len(values) not in (1, 3):
        raise argparse.ArgumentTypeError(f"{text!r} is not three numbers B,G,R, such as 104,117,123")
    return values
