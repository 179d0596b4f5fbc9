"""The report of a search among 1.6 * 10^12 architectures with 500 trained: how long `dongfeng report` takes.

Run: python benchmarks/publishing.py. Latency and accuracy are made up, as in benchmarks/drawing.py, and so are the
studies: each row is one of its own, filled with candidates that `uniform` asks for, then read and published. The last
columns are how many are pruned, by the report and by the search itself.
"""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path
from typing import Any, ClassVar

from drawing import SPACE, TRAININGS
from made_up import made_up_accuracy, made_up_table

from search import LatencyTable, PartialOrderPruning, Schedule, publish
from search.report.reading import read_search
from search.study.folder import STUDY
from search.study.settings import settings_of
from search.study.storage import open_study
from search.study.trainings import Key

INTERVALS = ((0.0, math.inf), (2.0, 8.0), (3.9, 4.0))


class MadeUp:
    """What a study keeps of a trainer; nothing is trained."""

    settings: ClassVar[dict[str, Any]] = {"trainer": "made up", **Schedule().settings()}
    classes = None
    per_pixel = None

    def __call__(self, *_: object) -> None:
        raise AssertionError


def filled(folder: Path, table: LatencyTable, interval: tuple[float, float]) -> PartialOrderPruning:
    """A study with trained candidates, and its search."""
    search = PartialOrderPruning(SPACE, table, interval)
    settings = settings_of(search, MadeUp(), interval=interval, strategy="uniform", margin=0.0, seed=0, seeds=1)
    study = open_study(folder / STUDY, "search", settings, table.text())
    stored = study.read()
    for _ in range(TRAININGS):
        architecture = search.ask()
        if architecture is None:
            break
        claim = study.claim(Key(str(architecture), 0), stored, 600)
        accuracy = made_up_accuracy(SPACE.encode(architecture))
        study.finish(claim, float(table.predict(architecture, SPACE.input_shape)), accuracy)
        search.tell(architecture, accuracy)
        stored = study.read()
    study.close()
    return search


def main() -> None:
    print(f"space {SPACE}: {SPACE.count():,} architectures, {TRAININGS} trained\n")
    print("interval        read, s  publish, s  pruned")
    table = made_up_table(SPACE)
    for interval in INTERVALS:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            counts = filled(folder, table, interval).counts()
            begin = time.perf_counter()
            reading = read_search(folder)
            read = time.perf_counter() - begin
            begin = time.perf_counter()
            publish(folder)
            published = time.perf_counter() - begin
            print(
                f"{interval[0]:g} to {interval[1]:g} ms".ljust(14)
                + f"{read:9.1f} {published:11.1f}  {reading.pruned[-1]:,} {counts['pruned']:,} "
                + f"+- {counts.get('pruned_error', 0):,}",
                flush=True,
            )


if __name__ == "__main__":
    main()
