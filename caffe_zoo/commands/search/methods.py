"""The methods of `dongfeng search`: what each takes of the options, what it searches in, and how it is called."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caffe_zoo.commands.one_shot import check_unused, one_shot_of
from caffe_zoo.commands.options import amount, byte_count, millijoules
from caffe_zoo.commands.tiered import STATISTICS, check_no_tiered, rules_of, tiered_of
from prototxt_gen.errors import ArchitectureError

if TYPE_CHECKING:
    from search import Dataset, LatencyTable, Schedule
    from search.latency.limits import Interval
    from search.spaces import Space
    from search.strategies.strategy import Strategy

# Decoders for DF1; Cityscapes' own size.
SCENES_SPACE = "df1-seg"
FOLDER_SPACE = "s16-32_b1-3_b1-4_b1-3_w32-64-128-256-512_c{classes}_i3x128x128"
# Of digits and glyphs; images of any kind are searched in the paper's space.
PONAS_SMALL, TIERED_SMALL = "ponas-small", "tiered-small"
TRIALS, PONAS_TRIALS = 32, 8

# What may be limited besides latency (see search/costs.py): how it is read, what it is, an example.
COSTS = {
    "multiply-adds": (amount, "multiply-adds for one image", "500M"),
    "parameters": (amount, "parameters", "5M"),
    "energy": (millijoules, "energy a run, as a --table with energies tells (see `dongfeng profile energy`)", "5mJ"),
    "memory": (byte_count, "memory for activations, at its peak, in float32 with batch norm merged", "20MB"),
}


class Method(NamedTuple):
    """`check` refuses options that the method does not take, before anything is read. `begin` gives space and images.

    `search` runs it: with the options, the space, the images, the engine or None, the schedule of the networks, a
    function from the latency table to the interval of latencies that is asked for, and what `run_search` takes besides.
    With `every` all networks that were trained are handed out, not those of the boundary alone.
    """

    check: Callable[[argparse.Namespace, Interval], None]
    begin: Callable[[argparse.Namespace], tuple[Space, Dataset]]
    search: Callable[..., Strategy]
    every: bool = False


def _check_pruning(args: argparse.Namespace, asked: Interval) -> None:
    check_unused(args)
    check_no_tiered(args)


def _begin_pruning(args: argparse.Namespace) -> tuple[Space, Dataset]:
    from search import load_data, parse_space
    from search.training.loading import NAMED, is_scenes

    named = NAMED.get(args.data)
    code = args.space or (named.space if named else SCENES_SPACE if is_scenes(args.data) else None)
    if code is None:
        data = load_data(args.data, parse_space(FOLDER_SPACE.format(classes=2)).input_shape)
        return parse_space(FOLDER_SPACE.format(classes=len(data.classes))), data
    space = parse_space(code)
    return space, load_data(args.data, space.input_shape)


def _pruning(
    args: argparse.Namespace,
    space: Space,
    data: Dataset,
    engine: Any,
    schedule: Schedule,
    interval: Callable[[LatencyTable], tuple[float, float]],
    how: dict[str, Any],
) -> Strategy:
    from search import run_search

    return run_search(
        space,
        data,
        args.out,
        engine,
        schedule=schedule,
        interval=interval,
        strategy=args.strategy or "additive",
        margin=args.margin,
        **{**how, "trials": how["trials"] or _unless_ended(args, TRIALS)},
    )


def _check_ponas(args: argparse.Namespace, asked: Interval) -> None:
    check_no_tiered(args)
    _refuse(args, ("strategy", "margin"), "ponas, whose table chooses and which prunes none")


def _begin_ponas(args: argparse.Namespace) -> tuple[Space, Dataset]:
    from search import PonasSpace

    return _begin_layers(args, PonasSpace, PONAS_SMALL, "no layers with candidates, which --method ponas chooses from")


def _ponas(
    args: argparse.Namespace,
    space: Space,
    data: Dataset,
    engine: Any,
    schedule: Schedule,
    interval: Callable[[LatencyTable], tuple[float, float]],
    how: dict[str, Any],
) -> Strategy:
    from search import PonasSpace, search_ponas

    assert isinstance(space, PonasSpace)
    return search_ponas(
        space,
        data,
        args.out,
        engine,
        one_shot=one_shot_of(args, schedule),
        keep_block=args.kept_block or "median",
        estimate=args.estimate or "fit",
        schedule=schedule,
        interval=interval,
        **{**how, "trials": how["trials"] or _unless_ended(args, PONAS_TRIALS)},
    )


def _check_tiered(args: argparse.Namespace, asked: Interval) -> None:
    check_unused(args, but=(STATISTICS,))
    rules_of(args)
    names = ("strategy", "margin", "trials", "hours", "patience", "known", *_limits(args))
    _refuse(args, names, "tiered, which searches one network for each goal of latency")
    if asked.most is None:
        raise ArchitectureError("--method tiered: found no goal, expected --latency, such as 2ms or '80% of resnet18'")


def _begin_tiered(args: argparse.Namespace) -> tuple[Space, Dataset]:
    from search import TieredSpace

    return _begin_layers(
        args, TieredSpace, TIERED_SMALL, "no layers whose inner widths are open, which --method tiered searches"
    )


def _tiered(
    args: argparse.Namespace,
    space: Space,
    data: Dataset,
    engine: Any,
    schedule: Schedule,
    interval: Callable[[LatencyTable], tuple[float, float]],
    how: dict[str, Any],
) -> Strategy:
    from search import TieredSpace, search_tiered
    from search.latency.overview import Overview
    from search.study.tiered import FoundNetwork, found_words

    assert isinstance(space, TieredSpace)

    def goals(table: LatencyTable) -> list[float]:
        least, most = interval(table)
        number = args.goals or 1
        if least > 0:
            return np.linspace(most, least, number).tolist() if number > 1 else [most]
        fastest = Overview(space, table).fastest.ms
        return (fastest + (most - fastest) * np.arange(number, 0, -1) / number).tolist()

    def told(found: FoundNetwork) -> None:
        print(found_words(found), file=sys.stderr if found.remark else sys.stdout, flush=True)

    given = {name: getattr(args, name) for name in ("knots", "tolerance") if getattr(args, name) is not None}
    usual = ("table", "device", "progress", "keep", "seeds", "confirm", "storage", "study", "grace", "ending", "target")
    return search_tiered(
        space,
        data,
        args.out,
        engine,
        goals=goals,
        tiered=tiered_of(args, schedule),
        rules=rules_of(args),
        scratch=bool(args.from_scratch),
        told=told,
        schedule=schedule,
        **given,
        **{name: how[name] for name in usual},
    )


def _begin_layers(args: argparse.Namespace, kind: type[Any], small: str, otherwise: str) -> tuple[Space, Dataset]:
    """The space of a search with a supernet, and the images. ArchitectureError for another kind of space."""
    from search import load_data, parse_space
    from search.training.loading import NAMED

    code = args.space or (small if args.data in NAMED else None)
    space = kind() if code is None else parse_space(code)
    if not isinstance(space, kind):
        raise ArchitectureError(f"--space {args.space}: found {otherwise}")
    data = load_data(args.data, space.input_shape)
    # A space that was not asked for has as many classes as the images.
    return space if args.space else replace(space, classes=len(data.classes)), data


def _limits(args: argparse.Namespace) -> list[str]:
    """The options that limit costs other than latency."""
    return [f"{cost.replace('-', '_')}_{end}" for cost in COSTS for end in ("min", "max")]


def _refuse(args: argparse.Namespace, names: tuple[str, ...], method: str) -> None:
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(args, name) not in (None, [])]
    if given:
        raise ArchitectureError(f"{', '.join(given)}: found with --method {method}")


def _unless_ended(args: argparse.Namespace, trials: int) -> int | None:
    """The usual number of networks; any where something else ends the search."""
    return None if args.hours or args.patience else trials


#: By the name that the option has.
METHODS = {
    "pruning": Method(_check_pruning, _begin_pruning, _pruning),
    "ponas": Method(_check_ponas, _begin_ponas, _ponas),
    "tiered": Method(_check_tiered, _begin_tiered, _tiered, every=True),
}
