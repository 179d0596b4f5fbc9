"""dongfeng fetch: released weights, downloaded once and checked."""

from __future__ import annotations

import argparse
from pathlib import Path

from prototxt_gen.errors import CaffeError

EXAMPLE = "dongfeng fetch df1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The networks, and a file to take in place of a download."""
    parser.add_argument(
        "networks",
        nargs="+",
        metavar="NETWORK",
        help="a network of the zoo, or a released form: df1seg_mergebn",
    )
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="FILE", help="take this file instead of downloading one"
    )
    parser.epilog = (
        f"{parser.epilog}\n\nThe files go to $DONGFENG_CACHE (default: ~/.cache/dongfeng). Each is checked against its "
        "network,\nand its SHA-256 is kept beside it. HTTPS_PROXY may name a proxy."
    )


def run(args: argparse.Namespace) -> int:
    """Downloads what is not there yet, and prints a path for each network."""
    from caffe_zoo import download

    if args.source is not None and len(args.networks) > 1:
        raise CaffeError(f"--from: found {len(args.networks)} networks, expected the one whose file this is")
    for name in args.networks:
        download.released_file(name)  # a wrong name is told before anything is downloaded
    for name in args.networks:
        print(download.fetch(name, args.source))
    return 0
