"""Options of a search that is shared, begins with known results, ends by a rule: their names, types and help."""

from __future__ import annotations

import argparse
import math
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from caffe_zoo.commands.options import count

if TYPE_CHECKING:
    from search.study.known import KnownResult

#: Among --known: what is published of the networks of the zoo.
RELEASED = "released"


def add_choosing(parser: argparse.ArgumentParser) -> None:
    """Which candidate is next, how often each is trained, what is known already, when the search ends."""
    parser.add_argument(
        "--strategy",
        metavar="NAME",
        help="which candidate is trained next: additive (default) by a model of all results so far, uniform by chance, "
        "as in the paper",
    )
    parser.add_argument(
        "--margin",
        type=_margin,
        metavar="POINTS",
        help="a network needs no training when a faster one is more accurate, by so many points (%%) at least, than "
        "one that contains it; 0 is the paper's rule, `none` trains all; default: 2.5 times the spread of a run",
    )
    parser.add_argument(
        "--seeds",
        type=count,
        default=1,
        metavar="N",
        help="train each candidate N times, with other random numbers, and take the mean (default: 1)",
    )
    parser.add_argument(
        "--confirm",
        type=count,
        default=0,
        metavar="N",
        help="at the end, train the networks of the boundary N times more, with other random numbers, before they are "
        "handed out; those from --known, too",
    )
    parser.add_argument(
        "--known",
        action="append",
        default=[],
        metavar="WHAT",
        help="begin with results that are there: a CSV with the columns architecture and accuracy (0..1), the folder "
        f"of an earlier search, or `{RELEASED}`: what is published of the networks of the zoo; they count as runs, and "
        "are trained here only by --confirm; may be repeated",
    )
    parser.add_argument(
        "--end-early",
        type=_risk,
        metavar="RISK",
        help="end trainings half-way that cannot reach the boundary any more, by what finished ones did; in RISK %% of "
        "all such decisions, such as 5, one may be wrong (default: train all to the end)",
    )
    parser.add_argument("--hours", type=_hours, metavar="H", help="begin no training later than H hours from now")
    parser.add_argument(
        "--patience", type=count, metavar="N", help="end when N trainings in a row have not changed the boundary"
    )


def add_storage(parser: argparse.ArgumentParser, required: bool = False) -> None:
    """--storage, --study and --grace."""
    parser.add_argument(
        "--storage",
        required=required,
        metavar="URL",
        help="the database that the workers share: postgresql://user@host/database (its password better in PGPASSWORD "
        "or ~/.pgpass), or a file of SQLite"
        + ("" if required else "; default: study.db in the folder, for workers of this machine"),
    )
    parser.add_argument(
        "--study", default="search", metavar="NAME", help="the search's name in that database (default: search)"
    )
    parser.add_argument(
        "--grace",
        type=_seconds,
        default=120.0,
        metavar="SECONDS",
        help="how long this worker may be silent before what it trains is given to another (default: 120)",
    )


def known_results(sources: list[str]) -> list[KnownResult]:
    """What --known asks for. FileError, FormatError: see search/study/known.py."""
    from search.study.known import KnownResult, read_known

    found: list[KnownResult] = []
    for source in sources:
        if source == RELEASED and not Path(source).exists():
            from caffe_zoo.cards import CARDS

            for name, card in CARDS.items():
                figure = card.results.get("top1" if card.kind == "classification" else "miou_val")
                if figure is not None:
                    found.append(KnownResult(str(card.architecture), figure, f"{name}, as published"))
        else:
            found += read_known(source)
    return found


@contextmanager
def stopped_by_term() -> Iterator[None]:
    """SIGTERM, which clusters send before they kill, ends the block as Ctrl-C does."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _margin(text: str) -> float:
    if text == "none":
        return math.inf
    return _number(text, "points of accuracy, or `none`") / 100


def _risk(text: str) -> float:
    risk = _number(text, "a risk in %, between 0 and 100", above=0) / 100
    if risk >= 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a risk in %, between 0 and 100")
    return risk


def minutes(text: str) -> float:
    """The type of an option that is a number of minutes."""
    return _number(text, "a number of minutes")


def _hours(text: str) -> float:
    return _number(text, "a number of hours", above=0)


def _seconds(text: str) -> float:
    return _number(text, "a number of seconds", above=0)


def _number(text: str, expected: str, above: float = -1) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0 and number > above):
        raise argparse.ArgumentTypeError(f"{text!r}: expected {expected}")
    return number
