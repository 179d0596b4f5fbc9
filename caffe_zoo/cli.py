"""The command `dongfeng`: finds the command that was asked for and runs it; faults are one line, exit status 2."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from caffe_zoo.parsing import add_command
from prototxt_gen.errors import CaffeError
from prototxt_gen.files import reason
from prototxt_gen.text import UnknownFieldWarning
from prototxt_gen.version import __version__

#: Every command and its line in `dongfeng --help`. The code of one is `caffe_zoo/commands/<name>.py`, imported when
#: that command is asked for.
COMMANDS = {
    "list": "list the networks of the zoo",
    "show": "print shapes, parameters, multiply-adds and memory of every layer of a network",
    "generate": "write the prototxt of an architecture",
    "fetch": "download released weights and check them",
    "classify": "print the five most probable classes of images",
    "segment": "colour every pixel of street scenes by its class",
    "evaluate": "measure accuracy: top-1 and top-5 on ImageNet, IoU on Cityscapes",
    "labels": "make the label maps that a segmentation network is trained with in Caffe",
    "convert": "write weights as .caffemodel, .caffemodel.h5, .safetensors or .pt; networks as .onnx, or from one",
    "check": "say which layers of a network a toolchain does not take, and what can be rewritten",
    "merge": "fold batch norm into the convolutions before it",
    "verify": "check weights against their network, and compare its results with other files or another engine",
    "upgrade": "rewrite networks, weights and solvers of Caffe's older formats in the current one",
    "profile": "make, check and use tables of latency on your own device",
    "search": "search for networks that are fast on this machine and accurate on your images",
    "choose": "read networks off a table of accuracies, for any limits, and write them with their weights",
    "report": "write a page that shows a search: its boundary, its course, its networks; while it runs, too",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line; returns its exit status: 0, 2 after a fault (named on standard error), 130 interrupted.

    `verify` returns 1 where it finds a difference, `profile space` where no network meets the limit.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    args = _parser(next((word for word in words if not word.startswith("-")), None)).parse_args(words)
    subcommand = getattr(args, "subcommand", None)  # None, too, of a command that has some and was given none
    command = f"{args.command} {subcommand}" if subcommand else args.command
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", UnknownFieldWarning)
            warnings.showwarning = _warner(command, warnings.showwarning)
            status: int = args.run(args)
        sys.stdout.flush()
        return status
    except CaffeError as fault:
        if args.traceback:
            raise
        print(f"dongfeng {command}: {_one_line(str(fault))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"dongfeng {command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has left, as `| head` does.
        _discard_output()
        return 0
    except OSError as fault:  # what is written to files has become a CaffeError already
        print(f"dongfeng {command}: standard output: cannot be written: {reason(fault)}", file=sys.stderr)
        _discard_output()
        return 2


def _discard_output() -> None:
    """Python would complain once more when it closes a stream that cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser(asked: str | None) -> argparse.ArgumentParser:
    """The parser of all commands, with the arguments of the one that was asked for."""
    parser = argparse.ArgumentParser(
        prog="dongfeng",
        description="Caffe networks of the DF family: generate them, convert their weights, search for your own.",
        epilog="`dongfeng COMMAND --help` explains a command with an example.",
    )
    parser.add_argument("--version", action="version", version=f"dongfeng {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    parser.set_defaults(traceback=False)
    for name, line in COMMANDS.items():
        add_command(subparsers, name, line, "caffe_zoo.commands" if name == asked else None)
    return parser


def _warner(command: str, others: Callable[..., None]) -> Callable[..., None]:
    """Prints a warning about unknown fields in one line; Python would add a line of our code."""
    said: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, UnknownFieldWarning):
            line = f"dongfeng {command}: warning: {' '.join(str(message).split())}"
            if line not in said:  # a command may look at a file more than once
                print(line, file=sys.stderr)
            said.add(line)
        else:
            others(message, category, *place, **more)

    return show


def _one_line(message: str, most: int = 1000) -> str:
    """A fault's message in one line; of a long list of faults the first ones, and how many follow."""
    # A message may quote a file that is not text.
    line = "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in " ".join(message.splitlines())
    )
    if len(line) <= most:
        return line
    shown = line[:most].rpartition("; ")[0] or line[:most]
    more = line.count("; ", len(shown))
    return f"{shown}{f'; ... and {more} more' if more else ' ...'} (--traceback shows all)"


if __name__ == "__main__":
    sys.exit(main())
