"""Options that say how Tiered Pruning searches (`dongfeng search --method tiered`)."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from caffe_zoo.commands.options import count, number
from prototxt_gen.errors import ArchitectureError

if TYPE_CHECKING:
    from search import Schedule
    from search.strategies.tiered import Rules
    from search.training.tiered import Tiered

# As search/training/tiered.py has them, which need not be imported for them.
JOINED = ("goal", "sum", "product")
# The options, by the field of `Tiered` that each one sets; those of its schedule apart.
_FIELDS = {
    "warm_up_epochs": "warm_up",
    "architecture_lr": "architecture_rate",
    "architecture_images": "architecture_images",
    "temperatures": "temperatures",
    "hard_paths": "hard",
    "latency_loss": "joined",
    "latency_weight": "weight",
    "latency_exponent": "exponent",
}
#: An option that PONAS has, too.
STATISTICS = "statistics_images"
_OF_SCHEDULE = {"search_epochs": "epochs", "search_batch_size": "batch_size", "search_lr": "base_lr"}
_OTHERS = ("goals", "knots", "tolerance", "from_scratch", "rule")


def add_tiered(parser: argparse.ArgumentParser) -> None:
    """The options; `tiered_of` and `rules_of` read them, `check_no_tiered` refuses them where nothing reads them."""
    group = parser.add_argument_group(
        "widths and blocks, with --method tiered",
        "--latency is the goal then. The supernet is trained with the options of the training, too, but for --epochs, "
        "--lr, --batch-size and --ema: these are for the networks that come out of it.",
    )
    group.add_argument(
        "--goals",
        type=count,
        metavar="N",
        help="search N networks, one after another: for --latency, and evenly below it, down to --latency-min or, "
        "without that, not quite to the fastest network (default: 1)",
    )
    group.add_argument(
        "--knots",
        type=count,
        metavar="N",
        help="how many inner widths of each layer are measured; those between are interpolated (default: 9)",
    )
    group.add_argument(
        "--tolerance",
        type=number,
        metavar="SHARE",
        help="by how much the measured latency of the network may miss the goal (default: 0.03)",
    )
    group.add_argument(
        "--from-scratch",
        action="store_true",
        default=None,
        help="train the networks found from new weights, not on from those that they have in the supernet",
    )
    for name, kind, words in (
        ("warm-up-epochs", number, "how long weights alone are trained, all paths equally probable"),
        ("search-epochs", count, "how long weights and architecture are trained after that"),
        ("search-batch-size", count, "images of a step"),
        ("search-lr", number, "highest learning rate of the weights"),
        ("architecture-lr", number, "learning rate of the probabilities"),
        ("architecture-images", number, "share of the images to train on that train the probabilities"),
        ("latency-weight", number, "of the expected latency in the loss"),
        ("latency-exponent", number, "of the expected latency in the loss"),
    ):
        group.add_argument(f"--{name}", type=kind, metavar="N", help=f"{words} (docs/tiered.md has the defaults)")
    group.add_argument(
        "--temperatures",
        type=_pair,
        metavar="HOT,COLD",
        help="temperature of the draws, at the beginning of the search and at its end",
    )
    group.add_argument(
        "--hard-paths", action="store_true", default=None, help="draw one path a step, and not mixtures of all"
    )
    group.add_argument(
        "--latency-loss",
        choices=JOINED,
        help="how the expected latency, as a share r of the goal, enters the loss L: goal (default) L + w |log r|^e, "
        "sum L + w r^e, product L r^e",
    )
    group.add_argument(
        "--rule",
        action="append",
        type=_rule,
        metavar="NAME=VALUE",
        help="a constant of the rules by which widths move and blocks go, such as momentum=0.6 or start=0.2,0.8; may "
        "be repeated (docs/tiered.md has them all)",
    )


def tiered_of(args: argparse.Namespace, networks: Schedule) -> Tiered:
    """The settings asked for; what a network is trained with otherwise is as in the schedule `networks`."""
    from search.training.tiered import Tiered

    usual = Tiered()
    own = {
        field: getattr(usual.schedule, field) if getattr(args, option) is None else getattr(args, option)
        for option, field in _OF_SCHEDULE.items()
    }
    schedule = replace(networks, **own, ema=0.0)
    options = {**_FIELDS, STATISTICS: STATISTICS}
    given = {field: getattr(args, option) for option, field in options.items() if getattr(args, option) is not None}
    return replace(usual, schedule=schedule, **given)


def rules_of(args: argparse.Namespace) -> Rules:
    """The rules asked for. ArchitectureError for a constant that there is none of."""
    from search.strategies.tiered import Rules

    usual = {field.name: getattr(Rules(), field.name) for field in fields(Rules)}
    given: dict[str, Any] = {}
    for name, values in args.rule or []:
        if name not in usual:
            raise ArchitectureError(f"--rule {name}: expected one of {', '.join(usual)}")
        wanted = len(usual[name]) if isinstance(usual[name], tuple) else 1
        if len(values) != wanted:
            raise ArchitectureError(f"--rule {name}: found {len(values)} numbers, expected {wanted}")
        if isinstance(usual[name], int):
            if values[0] != int(values[0]):
                raise ArchitectureError(f"--rule {name}: found {values[0]}, expected a whole number")
            given[name] = int(values[0])
        else:
            given[name] = values if wanted > 1 else values[0]
    return Rules(**given)


def check_no_tiered(args: argparse.Namespace) -> None:
    """ArchitectureError that lists the options of `add_tiered` that are given."""
    given = [
        f"--{name.replace('_', '-')}" for name in (*_FIELDS, *_OF_SCHEDULE, *_OTHERS) if getattr(args, name) is not None
    ]
    if given:
        raise ArchitectureError(f"{', '.join(given)}: found without --method tiered, which alone reads them")


def _pair(text: str) -> tuple[float, float]:
    values = tuple(number(part) for part in text.split(","))
    if len(values) != 2:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected two numbers such as 5,0.5")
    return values


def _rule(text: str) -> tuple[str, tuple[float, ...]]:
    name, equals, values = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected such as momentum=0.6")
    return name, tuple(number(part) for part in values.split(","))
