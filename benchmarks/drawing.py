"""Drawing candidates from a space of 1.6 * 10^12 architectures with 500 trained: how long an ask takes, and the memory.

Run: python benchmarks/drawing.py. Each row is a search of its own, in a process of its own. Latency is made up from
multiply-adds and accuracy from widths and depths, never falling along the order, so that pruning has all that it can
prune. Every candidate that the strategy `uniform` asks for is told at once; the asks of the last two hundred are timed.
"""

from __future__ import annotations

import math
import multiprocessing
import resource
import statistics
import sys
import time

from made_up import made_up_accuracy, made_up_table

from search import BackboneSpace, PartialOrderPruning

SPACE = BackboneSpace(depths=((1, 18),) * 4, widths=(64, 128, 256, 384, 512, 768, 1024))
INTERVALS = ((0.0, math.inf), (2.0, 8.0), (3.9, 4.0))
TRAININGS, TIMED = 500, 200


def megabytes() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


def searched(interval: tuple[float, float], counted: bool) -> str:
    """One row: a search within an interval, with its candidates counted or not."""
    table, begin = made_up_table(SPACE), time.perf_counter()
    search = PartialOrderPruning(SPACE, table, interval)
    search.ask()
    ready, asks, tells = time.perf_counter() - begin, [], []
    for _ in range(TRAININGS):
        begin = time.perf_counter()
        architecture = search.ask()
        asks.append(1e3 * (time.perf_counter() - begin))
        if architecture is None:
            break
        begin = time.perf_counter()
        search.tell(architecture, made_up_accuracy(SPACE.encode(architecture)))
        tells.append(1e3 * (time.perf_counter() - begin))
    last, told = asks[-TIMED:], ""
    if counted:
        begin = time.perf_counter()
        counts = search.counts()
        error = f" +- {counts['pruned_error']:,}" if "pruned_error" in counts else ""
        told = f"{time.perf_counter() - begin:6.1f} s: {counts['pruned']:,}{error} of {counts['in_interval']:,} pruned"
    return (
        f"{interval[0]:g} to {interval[1]:g} ms".ljust(14)
        + f"{ready:6.1f} {statistics.median(last):7.2f} {statistics.quantiles(last, n=100)[-1]:7.2f} {max(last):7.2f}"
        + f" {statistics.median(tells):7.2f}"
        + f" {megabytes():7.0f}  {told}"
    )


def main() -> None:
    print(f"space {SPACE}: {SPACE.count():,} architectures, {TRAININGS} trained; ready in s, medians and most in ms\n")
    print("interval       ready     ask    99 %    most    tell      MB  counts")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for interval in INTERVALS:
            for counted in (False, True):
                print(pool.apply(searched, (interval, counted)), flush=True)


if __name__ == "__main__":
    main()
