"""Networks read off a table of the paper's size, 19 layers of 12 blocks: how fast, and how much other ways lose.

Run: python benchmarks/choosing.py. Accuracies are made up from what blocks cost, with noise, and latencies from
multiply-adds and parameters: the figures tell how fast choosing is and how far methods are apart, not how good any
network is. The paper says that its own search takes about ten seconds a limit.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from prototxt_gen import summarize
from prototxt_gen.errors import ArchitectureError
from search import AccuracyTable, LatencyTable, PonasSpace, choose
from search.latency.measuring import Entry
from search.latency.predicting import space_parts
from search.strategies.accuracy_table import named_rows
from search.strategies.choosing import TableChoices

SPACE = PonasSpace()
TABLES = 5
# The exact one is what the others are held against.
METHODS = ("exact", "evolution", "greedy")
#: Limits, in shares of what a cost ranges over.
SHARES = (0.1, 0.3, 0.5, 0.7)
SEVERAL = (
    ("latency",),
    ("latency", "multiply-adds"),
    ("latency", "multiply-adds", "parameters"),
    ("latency", "multiply-adds", "parameters", "memory"),
)


def accuracies(seed: int) -> AccuracyTable:
    """Larger blocks are better, and better at the end; the rest is chance. In steps of a two-thousandth."""
    rng = np.random.default_rng(seed)
    rows = []
    for place, layer in enumerate(SPACE.rows):
        size = [np.log(unit.expansion * unit.kernel) + unit.squeeze for unit in SPACE.layers[layer].candidates]
        worth = 0.004 * (1 + place / len(SPACE.rows)) * np.array(size) + rng.normal(0, 0.002, len(size))
        rows.append(np.round((0.7 + worth) * 2000) / 2000)
    codes = [[str(unit) for unit in SPACE.layers[layer].candidates] for layer in SPACE.rows]
    return AccuracyTable(str(SPACE), named_rows([f"layer {layer}" for layer in SPACE.rows], codes, rows), 0.75)


def latencies(seed: int) -> LatencyTable:
    """A time for each part, by its multiply-adds and parameters, and by chance up to a third more."""
    rng = np.random.default_rng(seed)
    entries = {}
    for key, part in space_parts(SPACE).items():
        size = summarize(part.net)
        ms = round((size.multiply_adds / 1e8 + size.parameters / 1e7) * rng.uniform(1, 1.3) + 0.02, 6)
        entries[key] = Entry(ms, (ms, ms), 10, part.label)
    return LatencyTable({"device": "made up"}, entries, call_ms=0.01)


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    found = work()
    return time.perf_counter() - begin, found


def row(subject: str, times: list[float], more: str = "") -> None:
    middle, worst = 1e3 * statistics.median(times), 1e3 * max(times)
    print(f"{subject:<62} {middle:>9.1f} ms in the median, {worst:>8.1f} at most{more}")


def main() -> None:
    print(f"space of {len(SPACE.rows)} rows: {SPACE.count():,} networks; {TABLES} tables of accuracies")
    first, _ = seconds(lambda: choose(accuracies(0), limit={"multiply-adds": 3e8}))
    print(f"the first choice of a process, parts cut and costs counted: {1e3 * first:.0f} ms")
    tables = [(accuracies(seed), latencies(seed)) for seed in range(TABLES)]
    readers = [TableChoices(*both) for both in tables]
    limits = {}
    for number, reader in enumerate(readers):
        for names, share in product(SEVERAL, SHARES):
            ends = {name: reader.ends(name) for name in names}
            limits[number, names, share] = {name: low + share * (high - low) for name, (low, high) in ends.items()}
    for names in SEVERAL:
        asked = {(number, share): limit for (number, own, share), limit in limits.items() if own == names}
        best = {}
        for method in METHODS:
            times, losses, gaps, missed = [], [], 0, 0
            for place, limit in asked.items():
                try:
                    took, found = seconds(partial(readers[place[0]].choose, limit, method=method))
                except ArchitectureError:
                    missed += 1
                    continue
                times.append(took)
                gaps += bool(found.gap)
                losses.append(100 * (found.loss - best.setdefault(place, found.loss)))
            lost = f"; loses {statistics.fmean(losses):.3f} points more in the mean, {max(losses):.3f} at most"
            more = f"; {gaps} not proved" if method == "exact" else lost
            row(
                f"{method}, limits of {', '.join(names)}", times, more + (f"; {missed} found nothing" if missed else "")
            )
    again = [seconds(partial(choose, *tables[0], limit)) for limit in np.linspace(4, 7, 20).tolist()]
    row("the function `choose`, which reads both tables anew", [took for took, _ in again])
    whole = [seconds(reader.boundary) for reader in readers]
    row("a boundary of 200 limits of latency", [took for took, _ in whole], f"; {len(whole[0][1])} networks")


if __name__ == "__main__":
    main()
