"""Does a table of accuracies tell the truth? PONAS's progressive stage on networks that others trained.

An evaluation shows one of a network's published runs, drawn at random; the truth is the mean of its runs. The table
that the stage fills then chooses, under each of 20 limits of cost, the network with the least summed loss; its regret
is by how much another network within the limit is more accurate, in points. The limits are those below which 1/21,
2/21, ... of all networks lie. Beside it: the most accurate of as many networks drawn at random, and a table that is
fitted to all networks of the file, for what sums over rows can tell at all.

Run: python benchmarks/ponas_tables.py nas_bench_macro.csv.gz [--repeats 50]
The file is as in strategies.py; it must have every combination of choices. NAS-Bench-Macro's is at
https://github.com/xiusu/NAS-Bench-Macro (Apache-2.0), as a JSON file to be written as CSV.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

import numpy as np
from network_tables import NetworkTable, TableError, read_table
from numpy.typing import NDArray

from prototxt_gen.errors import CaffeError
from search.latency.agreement import kendall_tau
from search.strategies.accuracy_table import AccuracyTable, log_errors, named_rows
from search.strategies.ponas import Ponas

LIMITS = 20
VARIANTS = (
    *(("median", "fit", suffixes) for suffixes in (2, 3, 4)),
    ("best", "fit", 4),
    ("median", "mean", 4),
    ("best", "mean", 4),
    ("best", "mean", 2),
)


class Truth:
    """All networks of a table: what is seen of them, and the regret of chosen ones."""

    def __init__(self, table: NetworkTable) -> None:
        self.table = table
        self.rows = tuple(int(column.max()) + 1 for column in table.vectors.T)
        if len(table.vectors) != np.prod(self.rows):
            raise TableError(
                f"{table.name}: {len(table.vectors):,} networks, expected all {np.prod(self.rows):,} combinations"
            )
        self.vectors = table.vectors.astype(np.int64)
        self.places = {tuple(vector): place for place, vector in enumerate(self.vectors.tolist())}
        self.costs, self.truth = table.costs, table.truth
        limits = np.quantile(self.costs, np.arange(1, LIMITS + 1) / (LIMITS + 1))
        self.within = [np.flatnonzero(self.costs <= limit) for limit in limits]

    def seen(self, place: int, rng: random.Random) -> float:
        runs = self.table.runs[place]
        return float(rng.choice(runs[np.isfinite(runs)].tolist()))

    def regrets(self, loss: NDArray[np.float64]) -> NDArray[np.float64]:
        """In points, by limit."""
        chosen = [within[loss[within].argmin()] for within in self.within]
        best = [self.truth[within].max() for within in self.within]
        return 100 * (np.array(best) - self.truth[chosen])

    def judged(self, loss: NDArray[np.float64]) -> list[float]:
        """Kendall's tau of the summed losses with the truth, the median and the worst regret."""
        regrets = self.regrets(loss)
        return [kendall_tau(-loss, self.truth), float(np.median(regrets)), float(regrets.max())]


def filled(truth: Truth, keep: str, estimate: str, suffixes: int, seed: int) -> tuple[int, list[float]]:
    rng = random.Random(seed)
    stage = Ponas(truth.rows, suffixes=suffixes, seed=seed, keep=keep, estimate=estimate)  # type: ignore[arg-type]
    while not stage.done:
        asked = stage.ask()
        stage.tell(asked, [truth.seen(truth.places[tuple(choice)], rng) for choice in asked.tolist()])
    entries, best = stage.entries()
    names = [str(number) for number in range(len(truth.rows))]
    codes = [[str(number) for number in range(row)] for row in truth.rows]
    scale = "log error" if estimate == "fit" else "accuracy"
    table = AccuracyTable(truth.table.name, named_rows(names, codes, entries), best, scale)  # type: ignore[arg-type]
    return len({choices for _, choices in stage.told}), truth.judged(table.loss(truth.vectors))


def drawn(truth: Truth, number: int, seed: int) -> tuple[int, list[float]]:
    """The most accurate, by what was seen, of networks drawn at random; all others are worse than any of them."""
    rng = random.Random(seed)
    loss = np.full(len(truth.vectors), 2.0)
    # The cheapest network is among them, so that there is one under every limit.
    for place in [int(truth.costs.argmin()), *rng.sample(range(len(loss)), number - 1)]:
        loss[place] = 1 - truth.seen(place, rng)
    return number, [float("nan"), *truth.judged(loss)[1:]]


def fitted(truth: Truth) -> list[float]:
    starts = np.cumsum([0, *truth.rows])
    has = np.zeros((len(truth.vectors), starts[-1]))
    for row, start in enumerate(starts[:-1]):
        has[np.arange(len(has)), start + truth.vectors[:, row]] = 1
    errors = log_errors(truth.truth)
    effects = np.linalg.lstsq(has, errors - errors.mean(), rcond=None)[0]
    return truth.judged(has @ effects)


def line(name: str, number: object, columns: NDArray[np.float64]) -> str:
    """Median over the repeats, with the quartiles of tau and of the median regret."""
    (low, middle, high) = np.quantile(columns, (0.25, 0.5, 0.75), axis=0)
    tau = "" if np.isnan(middle[0]) else f"{middle[0]:.3f} ({low[0]:.3f} to {high[0]:.3f})"
    return f"| {name} | {number} | {tau} | {middle[1]:.2f} ({low[1]:.2f} to {high[1]:.2f}) | {middle[2]:.2f} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, nargs="+", metavar="TABLE.csv")
    parser.add_argument("--cost", metavar="COLUMN", help="the cost, where a file has several")
    parser.add_argument("--repeats", type=int, default=50, metavar="N", help="default: 50")
    args = parser.parse_args()
    try:
        truths = [Truth(read_table(path, cost=args.cost)) for path in args.tables]
    except CaffeError as fault:
        print(fault, file=sys.stderr)
        return 2
    for truth in truths:
        print(f"\n**{truth.table.name}**, {len(truth.vectors):,} networks; {'; '.join(truth.table.notes)}\n")
        print("| kept, estimate, suffixes | networks | tau | median regret | worst regret |")
        print("|---|---:|---|---|---:|")
        for keep, estimate, suffixes in VARIANTS:
            results = [filled(truth, keep, estimate, suffixes, seed) for seed in range(args.repeats)]
            most = max(number for number, _ in results)
            print(line(f"{keep}, {estimate}, {suffixes}", most, np.array([found for _, found in results])))
        for number in (60, 120):
            results = [drawn(truth, number, seed) for seed in range(args.repeats)]
            print(line("drawn at random", number, np.array([found for _, found in results])))
        print(line("fitted to all networks", len(truth.vectors), np.array([fitted(truth)])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
