"""Options that say how a search trains its candidates."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from caffe_zoo.commands.options import count, number

if TYPE_CHECKING:
    from search import Schedule


def add_training(parser: argparse.ArgumentParser) -> None:
    """The schedule's options; those not given keep what the data are trained with otherwise."""
    group = parser.add_argument_group("training")
    group.add_argument(
        "--epochs",
        type=count,
        metavar="N",
        help="how often each network sees all images in training (default: 8; 1 for glyphs)",
    )
    group.add_argument(
        "--batch-size", type=count, metavar="N", help="images of a training step (default: 32; 64 for glyphs)"
    )
    group.add_argument("--lr", type=number, metavar="RATE", help="highest learning rate, of SGD (default: 0.05)")
    group.add_argument("--weight-decay", type=number, metavar="N", help="default: 0.0001, the DF authors' advice")
    group.add_argument(
        "--label-smoothing", type=number, metavar="SHARE", help="of a label, spread over all classes, such as 0.1"
    )
    group.add_argument(
        "--mixed",
        action="store_true",
        help="mixed precision: float16 on a GPU, bfloat16 on a CPU; accuracy is measured in float32",
    )
    group.add_argument(
        "--channels-last", action="store_true", help="maps with channels together, which most devices run faster"
    )
    group.add_argument(
        "--ema",
        type=number,
        metavar="DECAY",
        help="hand out a moving average of the weights, such as 0.999 for thousands of steps, 0.99 for hundreds",
    )
    group.add_argument(
        "--crop-area",
        type=number,
        metavar="SHARE",
        help="random crops that show at least this share of an image, 0.08 as usual for long trainings; default: crops "
        "of one size, 7/8 of the fitted image",
    )
    group.add_argument(
        "--jitter", type=number, metavar="SHARE", help="change brightness, contrast and saturation by up to so much"
    )
    group.add_argument("--no-mirror", action="store_true", help="do not mirror images at random")
    group.add_argument(
        "--scales",
        type=_scales,
        metavar="A,B",
        help="scenes for segmentation are enlarged A to B times at random (default: 0.5,2)",
    )


def add_keep(parser: argparse.ArgumentParser) -> None:
    """Whose weights stay."""
    parser.add_argument(
        "--keep",
        choices=("boundary", "all"),
        help="whose weights stay in the folder: the boundary's networks' (default), or those of all that were trained "
        "(default with --method tiered)",
    )


def schedule_of(args: argparse.Namespace, usual: Schedule | None = None) -> Schedule:
    """The schedule that was asked for; what was not asked for is as in `usual`, by default a new Schedule's."""
    from dataclasses import replace

    from search import Schedule

    named = {
        "epochs": args.epochs,
        "batch_size": args.batch_size,
        "base_lr": args.lr,
        "weight_decay": args.weight_decay,
        "label_smoothing": args.label_smoothing,
        "precision": "mixed" if args.mixed else None,
        "channels_last": args.channels_last or None,
        "ema": args.ema,
        "least_area": args.crop_area,
        "jitter": args.jitter,
        "mirror": False if args.no_mirror else None,
        "scales": args.scales,
    }
    given: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    return replace(usual or Schedule(), **given, seed=args.seed)


def _scales(text: str) -> tuple[float, float]:
    numbers = [number(part) for part in text.split(",")]
    if len(numbers) != 2:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected two numbers such as 0.5,2")
    return numbers[0], numbers[1]
