"""Options that say how a supernet is trained and its table of accuracies made (`dongfeng search --method ponas`)."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from caffe_zoo.commands.options import count, number
from prototxt_gen.errors import ArchitectureError

if TYPE_CHECKING:
    from search import Schedule
    from search.training.one_shot import OneShot

# As search/strategies/ponas.py has them, which need not be imported for them.
KEPT = ("best", "median", "random")
ESTIMATES = ("mean", "fit")


def add_one_shot(parser: argparse.ArgumentParser) -> None:
    """The options; `one_shot_of` reads them, `check_unused` refuses them where no supernet is trained."""
    group = parser.add_argument_group(
        "supernet, with --method ponas",
        "It is trained with the options of the training, too, but for --epochs, --lr, --batch-size and --ema: these "
        "are for the networks taken out of it.",
    )
    for name, kind, words in (
        ("supernet-epochs", count, "how often it sees all images in meta training (default: 8)"),
        ("supernet-batch-size", count, "images of a step, in which one path is trained (default: 64)"),
        ("supernet-lr", number, "highest learning rate of meta training (default: 0.1)"),
        (
            "first-epochs",
            number,
            "how long one path is trained before, which all blocks begin as parts of (default: 1)",
        ),
        ("row-epochs", number, "how long it trains before each row of the table, in epochs (default: 0.5)"),
        ("row-lr", number, "highest learning rate there (default: 0.02)"),
        ("suffixes", count, "networks that each candidate of a row is evaluated in (default: 3)"),
        ("table-images", count, "images to train on that are held out for the table (default: 2000)"),
        (
            "statistics-images",
            count,
            "images that batch norm's statistics are taken from; with --method tiered, too (default: 1024)",
        ),
    ):
        group.add_argument(f"--{name}", type=kind, metavar="N", help=words)
    group.add_argument(
        "--kept-block",
        choices=KEPT,
        help="which candidate of a row stays for the rows behind: the one in the middle by accuracy (default), the "
        "best, or any",
    )
    group.add_argument(
        "--estimate",
        choices=ESTIMATES,
        help="entries of the table explain all that was seen together (default: fit), or each is the mean of what was "
        "seen with it",
    )


def one_shot_of(args: argparse.Namespace, networks: Schedule) -> OneShot:
    """The settings asked for; what a network is trained with otherwise is as in the schedule `networks`."""
    from search.training.one_shot import OneShot

    usual = OneShot()
    schedule = replace(
        networks,
        epochs=args.supernet_epochs or usual.schedule.epochs,
        batch_size=args.supernet_batch_size or usual.schedule.batch_size,
        base_lr=usual.schedule.base_lr if args.supernet_lr is None else args.supernet_lr,
        ema=0.0,
    )
    names = ("first_epochs", "row_epochs", "row_lr", "suffixes", "table_images", "statistics_images")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    return replace(usual, schedule=schedule, **given)


def check_unused(args: argparse.Namespace, but: Collection[str] = ()) -> None:
    """ArchitectureError that lists the options of `add_one_shot` that are given, `but` for some by name."""
    names = (
        *("supernet_epochs", "supernet_batch_size", "supernet_lr", "first_epochs", "row_epochs", "row_lr"),
        *("suffixes", "table_images", "statistics_images", "kept_block", "estimate"),
    )
    given = [f"--{name.replace('_', '-')}" for name in names if name not in but and getattr(args, name) is not None]
    if given:
        raise ArchitectureError(f"{', '.join(given)}: found without --method ponas, which alone trains a supernet")
