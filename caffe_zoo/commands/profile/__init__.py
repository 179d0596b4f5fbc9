"""dongfeng profile: latency on the user's own device. One file a sub-command, each found by its name."""

from __future__ import annotations

import argparse

from caffe_zoo.parsing import add_command

EXAMPLE = "dongfeng profile measure --space SPACE --engine torch -o latency.json"

#: Every sub-command and its line in `dongfeng profile --help`; its code is `caffe_zoo/commands/profile/<name>.py`.
SUBCOMMANDS = {
    "measure": "time every part of a space's networks on this machine",
    "check": "measure random networks whole and hold a table's predictions against them",
    "predict": "print what a table says of networks, part by part",
    "space": "print what a space holds for a device, and whether a limit can be met, before any work",
    "compare": "set two tables side by side",
    "zoo": "time the networks of the zoo on this machine, beside what is published of them",
    "export": "write a space's parts and a script that times them on a device without Python",
    "import": "make a table of what that script wrote",
    "interpolate": "tell blocks between measured inner widths by their neighbours",
    "log": "make a table of a log of caffe time, trtexec or TensorRT 3",
    "next": "choose and write the whole networks to time next, for `profile fit`",
    "fit": "make a table of the times of whole networks",
    "energy": "add to a table what networks or parts were measured to take, to limit a search by",
    "convert": "turn a table into Once-for-All's form, or one of that form into a table",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The sub-commands, each with its own arguments."""
    subparsers = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
    for name, line in SUBCOMMANDS.items():
        add_command(subparsers, name, line, __name__)
