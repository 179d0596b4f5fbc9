"""Partial order pruning on a space of the paper's size: counting, comparing, pruning, against plain Python.

Run: python benchmarks/pruning.py. Latency is made up from multiply-adds and accuracy from widths and depths, so the
figures tell how fast the rule is and how it behaves, not how good any network is.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable

from made_up import made_up_accuracy, made_up_table

from search import BackboneSpace, PartialOrderPruning
from search.strategies.order import precedes

SPACE = BackboneSpace(depths=((1, 12),) * 3, widths=(64, 128, 256, 512, 1024))
REPEATS = 7
COMPARED = 20_000
TRAININGS = 200


def seconds(work: Callable[[], object], repeats: int = REPEATS) -> list[float]:
    work()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return times


def row(subject: str, times: list[float]) -> None:
    print(f"{subject:<58} {statistics.median(times):>10.6f} s   {min(times):.6f} to {max(times):.6f}")


def main() -> None:
    table = made_up_table(SPACE)
    print(f"space {SPACE}: {SPACE.count():,} architectures; medians, least and most\n")
    begin = time.perf_counter()
    search = PartialOrderPruning(SPACE, table, interval=(2.0, 8.0))
    inside = search.counts()["in_interval"]
    row(f"predict all, count {inside:,} in 2 to 8 ms", [time.perf_counter() - begin])

    vectors = search.candidates.sample(random.Random(0), COMPARED)
    middle = vectors[len(vectors) // 2]
    rows, target = vectors.tolist(), middle.tolist()
    plain = seconds(lambda: [all(a <= b for a, b in zip(x, target, strict=True)) for x in rows])
    arrays = seconds(lambda: precedes(vectors, middle))
    row(f"compare {len(vectors):,} with one, plain Python", plain)
    row(f"compare {len(vectors):,} with one, arrays", arrays)
    print(f"{'':<58} {statistics.median(plain) / statistics.median(arrays):>10.1f} times as fast\n")

    asking, telling = [], []
    for training in range(1, TRAININGS + 1):
        begin = time.perf_counter()
        architecture = search.ask()
        asking.append(time.perf_counter() - begin)
        if architecture is None:
            break
        accuracy = made_up_accuracy(SPACE.encode(architecture))
        begin = time.perf_counter()
        search.tell(architecture, accuracy)
        telling.append(time.perf_counter() - begin)
        if training in (1, 10, 50, 100, TRAININGS):
            counts = search.counts()
            about = f" about (standard error {counts['pruned_error']:,})" if "pruned_error" in counts else ""
            print(f"after {training:>3} trainings{about} {counts['pruned']:>9,} of {inside:,} are pruned")
    print()
    row("ask for a candidate", asking)
    row("tell an accuracy and prune", telling)


if __name__ == "__main__":
    main()
