"""Does PONAS's table tell the truth on the small set? Its networks trained from scratch, beside what the table says.

`train` trains a sample of the space `ponas-small`, drawn evenly, on the glyphs as a search trains them, and saves every
result at once: stopped and called again, it goes on.

Run: python benchmarks/ponas_truth.py train benchmarks/ponas_small.csv
"""

from __future__ import annotations

import argparse
import csv
import random
from pathlib import Path

from glyphs_table import accuracy_column, train_left, write

from search import parse_space

SPACE = parse_space("ponas-small")
#: The column that says why a network is in the file.
GROUP, DRAWN = "group", "drawn"


def read(path: Path) -> dict[str, dict[str, str]]:
    """The file's rows by code; none where there is no file."""
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        return {row["code"]: row for row in csv.DictReader(file)}


def train_drawn(path: Path, number: int, seeds: list[int], processes: int) -> None:
    rows = read(path)
    rng = random.Random(0)
    for place in rng.sample(range(SPACE.count()), number):
        code = str(SPACE.at(place))
        rows.setdefault(code, {"code": code, GROUP: DRAWN})
    train_missing(path, rows, seeds, processes)


def train_missing(path: Path, rows: dict[str, dict[str, str]], seeds: list[int], processes: int) -> None:
    left = [(code, seed) for seed in seeds for code in rows if not rows[code].get(accuracy_column(seed))]
    print(f"{SPACE}: {len(rows)} networks, {len(left)} trainings to do", flush=True)
    train_left(rows, left, SPACE.input_shape, processes, lambda: write(path, rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["train"])
    parser.add_argument("table", type=Path, metavar="TABLE.csv")
    parser.add_argument("--number", type=int, default=100, metavar="N", help="networks drawn (default: 100)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="N")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="trainings at a time (default: 2)")
    args = parser.parse_args()
    train_drawn(args.table, args.number, args.seeds, args.processes)


if __name__ == "__main__":
    main()
