"""Does a table of accuracies tell the truth? PONAS's progressive stage on networks that others trained.

An evaluation shows one of a network's published runs, drawn at random; the truth is the mean of its runs. The table
that the stage fills then chooses, under each of 20 limits of cost, the network with the least summed loss; its regret
is by how much another network within the limit is more accurate, in points. The limits are those below which 1/21,
2/21, ... of all networks lie. Beside it: the same evaluations with logarithms of errors that add up, instead of the
power that is found; the most accurate of as many networks drawn at random; tables fitted to all networks of the file;
and the sum that is best by its regret itself, as far as climbing finds it, for what sums over rows can tell at all.

Run: python benchmarks/ponas_tables.py nas_bench_macro.csv.gz [--repeats 50] [--shuffle] [--means]
The file is as in strategies.py. Where it lacks combinations of choices, no stage can be run on it: then tables are
fitted to networks drawn at random, and choose among those of the file. NAS-Bench-Macro's is at
https://github.com/xiusu/NAS-Bench-Macro (Apache-2.0), as a JSON file to be written as CSV.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from network_tables import NetworkTable, read_table
from numpy.typing import NDArray

from prototxt_gen.errors import CaffeError
from search.latency.agreement import kendall_tau
from search.strategies.accuracy_table import AccuracyTable, named_rows
from search.strategies.additive_fit import POWERS, Entries, fit_rows
from search.strategies.ponas import Ponas

LIMITS = 20
# The block kept, the estimate, the suffixes. "logarithm" is the fit with that power alone.
VARIANTS = (
    *(("median", "fit", suffixes) for suffixes in (2, 3, 4)),
    *(("median", "logarithm", suffixes) for suffixes in (2, 3, 4)),
    ("best", "fit", 4),
    ("median", "mean", 4),
    ("best", "mean", 4),
)
#: Estimates by a fit, with the powers of errors that they try.
FITS = {"fit": POWERS, "logarithm": (0.0,)}
# Steps of climbing, each a random change of one to three entries.
STEPS = 20_000


class Truth:
    """All networks of a table: what is seen of them, and the regret of chosen ones."""

    def __init__(self, table: NetworkTable, means: bool) -> None:
        """With `means`, an evaluation shows the mean of a network's runs, in place of one of them."""
        self.table, self.means = table, means
        # Choices that no network has leave no gap.
        self.vectors = np.column_stack([np.unique(column, return_inverse=True)[1] for column in table.vectors.T])
        self.vectors = self.vectors[:, self.vectors.max(axis=0) > 0].astype(np.int64)
        self.rows = tuple((self.vectors.max(axis=0) + 1).tolist())
        self.whole = len(self.vectors) == np.prod(self.rows, dtype=float)
        self.places = {tuple(vector): place for place, vector in enumerate(self.vectors.tolist())}
        self.costs, self.truth = table.costs, table.truth
        limits = np.quantile(self.costs, np.arange(1, LIMITS + 1) / (LIMITS + 1))
        self.within = [np.flatnonzero(self.costs <= limit) for limit in limits]

    def seen(self, place: int, rng: random.Random) -> float:
        if self.means:
            return float(self.truth[place])
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


def filled(truth: Truth, keep: str, estimate: str, suffixes: int, seed: int, shuffle: bool) -> tuple[int, list[float]]:
    rng = random.Random(seed)
    order = random.Random(f"{seed} order").sample(range(len(truth.rows)), len(truth.rows)) if shuffle else None
    place = np.argsort(order) if order else np.arange(len(truth.rows))
    rows = np.array(truth.rows)[np.argsort(place)].tolist()
    how = "mean" if estimate == "mean" else "fit"
    stage = Ponas(rows, suffixes=suffixes, seed=seed, keep=keep, estimate=how)  # type: ignore[arg-type]
    while not stage.done:
        asked = stage.ask()
        stage.tell(asked, [truth.seen(truth.places[tuple(choice)], rng) for choice in asked[:, place].tolist()])
    entries = stage.entries()
    if estimate == "logarithm":
        entries = stage.fitted(FITS[estimate])
    return len({choices for _, choices in stage.told}), truth.judged(
        loss(rows, entries, truth.vectors[:, np.argsort(place)])
    )


def loss(rows: Sequence[int], entries: Entries, choices: NDArray[np.int64]) -> NDArray[np.float64]:
    """The summed losses of networks by the table of these entries."""
    names = [str(number) for number in range(len(rows))]
    codes = [[str(number) for number in range(row)] for row in rows]
    table = AccuracyTable("networks", named_rows(names, codes, entries.rows), entries.best, entries.power)
    return table.loss(choices)


def drawn(truth: Truth, number: int, seed: int) -> tuple[int, list[float]]:
    """The most accurate, by what was seen, of networks drawn at random; all others are worse than any of them."""
    rng = random.Random(seed)
    errors = np.full(len(truth.vectors), 2.0)
    # The cheapest network is among them, so that there is one under every limit.
    for place in [int(truth.costs.argmin()), *rng.sample(range(len(errors)), number - 1)]:
        errors[place] = 1 - truth.seen(place, rng)
    return number, [float("nan"), *truth.judged(errors)[1:]]


def fitted(truth: Truth, estimate: str, number: int, seed: int) -> tuple[int, list[float]]:
    """A table fitted to so many networks drawn at random; to what is true of them, where they are all."""
    rng = random.Random(seed)
    places = np.arange(len(truth.vectors))
    seen = truth.truth
    if number < len(places):
        places = np.array(rng.sample(range(len(places)), number))
        seen = np.array([truth.seen(int(place), rng) for place in places])
    entries = fit_rows(truth.rows, truth.vectors[places], seen, FITS[estimate])
    return number, truth.judged(loss(truth.rows, entries, truth.vectors))


def climbed(truth: Truth, seed: int) -> tuple[int, list[float]]:
    """The sum over rows with the least median regret that random steps from the fitted one lead to."""
    order = np.argsort(truth.costs, kind="stable")
    starts = np.cumsum([0, *truth.rows])
    has = np.zeros((len(order), starts[-1]))
    for row, start in enumerate(starts[:-1]):
        has[np.arange(len(order)), start + truth.vectors[order, row]] = 1
    true, counts = truth.truth[order], [len(within) for within in truth.within]
    best = np.maximum.accumulate(true)[np.array(counts) - 1]
    values = np.concatenate([np.array(one) for one in fit_rows(truth.rows, truth.vectors, truth.truth).rows])

    def regret(values: NDArray[np.float64]) -> float:
        sums = has @ values
        chosen = [start + int(sums[start:end].argmax()) for start, end in pairwise([0, *counts]) if end > start]
        leading = np.array(chosen)[[int(sums[chosen[:end]].argmax()) for end in range(1, len(chosen) + 1)]]
        found = best[-len(leading) :] - true[leading]
        return float(np.median(found) + found.mean() / 20)

    rng = np.random.default_rng(seed)
    least = regret(values)
    for _ in range(STEPS):
        changed = values.copy()
        places = rng.integers(len(values), size=rng.integers(1, 4))
        changed[places] += rng.normal(size=len(places)) * rng.choice([1e-3, 3e-3, 1e-2, 3e-2])
        if (now := regret(changed)) <= least:
            values, least = changed, now
    sums = np.empty(len(order))
    sums[order] = has @ values
    return len(order), truth.judged(-sums)


def lines(truth: Truth, repeats: int, shuffle: bool) -> Iterator[tuple[str, list[tuple[int, list[float]]]]]:
    """The name of each line, and its number of networks and figures in every repeat."""
    every, seeds = len(truth.vectors), range(repeats)
    if truth.whole:
        for keep, estimate, suffixes in VARIANTS:
            found = [filled(truth, keep, estimate, suffixes, seed, shuffle) for seed in seeds]
            yield f"{keep}, {estimate}, {suffixes}", found
        for number in (60, 120):
            yield f"best of {number} drawn at random", [drawn(truth, number, seed) for seed in seeds]
    else:
        for number in (100, 200):
            for estimate in FITS:
                yield f"{estimate}, drawn at random", [fitted(truth, estimate, number, seed) for seed in seeds]
    for estimate in FITS:
        yield f"{estimate}, all networks", [fitted(truth, estimate, every, 0)]
    if truth.whole:
        yield "the best sum found by climbing", [climbed(truth, seed) for seed in range(3)]


def line(name: str, found: list[tuple[int, list[float]]]) -> str:
    """Medians over the repeats, with quartiles."""
    low, middle, high = np.quantile([judged for _, judged in found], (0.25, 0.5, 0.75), axis=0)
    figures = [
        "" if np.isnan(middle[at]) else f"{middle[at]:.{digits}f} ({low[at]:.{digits}f} to {high[at]:.{digits}f})"
        for at, digits in enumerate((3, 2, 2))
    ]
    return f"| {name} | {max(number for number, _ in found):,} | {' | '.join(figures)} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, nargs="+", metavar="TABLE.csv")
    parser.add_argument("--cost", metavar="COLUMN", help="the cost, where a file has several")
    parser.add_argument("--repeats", type=int, default=50, metavar="N", help="default: 50")
    parser.add_argument("--means", action="store_true", help="evaluations show the mean of a network's runs")
    parser.add_argument("--shuffle", action="store_true", help="rows in another order in every repeat")
    args = parser.parse_args()
    try:
        truths = [Truth(read_table(path, cost=args.cost), args.means) for path in args.tables]
    except CaffeError as fault:
        print(fault, file=sys.stderr)
        return 2
    for truth in truths:
        print(f"\n**{truth.table.name}**, {len(truth.vectors):,} networks; {'; '.join(truth.table.notes)}\n")
        print("| kept, estimate, suffixes | networks | tau | median regret | worst regret |")
        print("|---|---:|---|---|---|")
        for name, found in lines(truth, args.repeats, args.shuffle):
            print(line(name, found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
