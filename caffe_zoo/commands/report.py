"""dongfeng report: a search as a page to look at, a table, a picture; while it runs, too."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXAMPLE = "dongfeng report runs/digits"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder of the search; the database where its study is kept elsewhere."""
    parser.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="the folder of a search: report.html, candidates.csv and boundary.png are written there",
    )
    parser.add_argument(
        "--storage", metavar="URL", help="the database that the study is kept in, if it is not in the folder"
    )
    parser.add_argument("--study", default="search", metavar="NAME", help="the study's name there (default: search)")


def run(args: argparse.Namespace) -> int:
    """Writes the files and prints their paths; returns the exit status."""
    # torch and optuna take seconds to import; `--help` should not wait for them.
    import optuna

    from search.report.publishing import publish

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    paths, no_picture = publish(args.folder, args.storage, args.study)
    print("\n".join(map(str, paths)))
    if no_picture:
        print(no_picture, file=sys.stderr)
    return 0
