"""The parser of one command: of `dongfeng`, or of a command that has commands of its own."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any


class _Alternative(argparse._SubParsersAction):
    """Sub-commands of a command that is one itself: with one of them, its own options are no longer required."""

    def __call__(self, parser: argparse.ArgumentParser, *given: Any, **more: Any) -> None:
        for action in parser._actions:
            action.required = False
        super().__call__(parser, *given, **more)


def alternative(parser: argparse.ArgumentParser) -> Any:
    """Where to add sub-commands to a command that does something without them, too."""
    return parser.add_subparsers(dest="subcommand", metavar="[SUBCOMMAND]", action=_Alternative)


def add_command(subparsers: Any, name: str, line: str, package: str | None) -> None:
    """A command's parser; with the `package` that its module is in, with its arguments, its example and its `run`."""
    parser = subparsers.add_parser(
        name,
        help=line,
        description=f"{line[0].upper()}{line[1:]}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if package is not None:
        command = import_module(f"{package}.{name}")
        parser.epilog = f"example:\n  {command.EXAMPLE}"
        command.add_arguments(parser)
        # Without a default of its own, a sub-command leaves what was said before its name.
        parser.add_argument(
            "--traceback",
            action="store_true",
            default=argparse.SUPPRESS,
            help="on a fault, show where in the code it arose",
        )
        # One of sub-commands has no `run`: theirs is taken.
        parser.set_defaults(run=getattr(command, "run", None))
