"""A million predictions of latency, and what `dongfeng profile space` takes for spaces of 10^7 to 10^26 networks.

Run: python benchmarks/latency_predictions.py. Latencies are made up from multiply-adds, with a tenth of noise, so that
no two networks tie but by chance. Each command is a process of its own.
"""

from __future__ import annotations

import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from prototxt_gen.summary import summarize
from search import BackboneSpace, LatencyTable
from search.latency import Entry, space_parts

FIVE = (64, 128, 256, 512, 1024)
EIGHT = (64, 96, 128, 192, 256, 384, 512, 768)
SIXTEEN = (32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640)
SPACES = [
    BackboneSpace(((1, 12),) * 3, FIVE),
    BackboneSpace(((1, 10),) * 5, EIGHT),
    BackboneSpace(((1, 6),) * 6, SIXTEEN),
    BackboneSpace(((1, 16),) * 8, SIXTEEN),
]
PREDICTIONS = 1_000_000
REPEATS = 7


def made_up_table(space: BackboneSpace) -> LatencyTable:
    """0.02 ms for starting each part and a millisecond for about 200 million multiply-adds."""
    rng = random.Random(0)
    entries = {}
    for key, part in space_parts(space).items():
        ms = round(0.02 + summarize(part.net).multiply_adds / 200e6 * rng.uniform(0.9, 1.1), 6)
        entries[key] = Entry(ms, (ms, ms), 1, part.label)
    return LatencyTable({"engine": "made up"}, entries)


def row(subject: str, times: list[float], remark: str = "") -> None:
    print(
        f"{subject:<46} {statistics.median(times):>8.3f} s   {min(times):.3f} to {max(times):.3f} {remark}", flush=True
    )


def predictions() -> None:
    space = SPACES[0]
    listed = np.concatenate(list(space.vectors()))
    vectors = listed[np.random.default_rng(0).choice(len(listed), PREDICTIONS, replace=False)]
    begin = time.perf_counter()
    predict = made_up_table(space).predictor(space)
    row(f"the predictor of {len(space_parts(space))} parts", [time.perf_counter() - begin])
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        predict(vectors)
        times.append(time.perf_counter() - begin)
    row(f"{len(vectors):,} predictions", times)


def commands(folder: Path) -> None:
    for number, space in enumerate(SPACES):
        path = folder / f"{number}.json"
        made_up_table(space).save(path)
        words = ["profile", "space", "--space", str(space), "--table", str(path), "--latency", "8ms"]
        times = []
        for _ in range(3):
            begin = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-m", "caffe_zoo.cli", *words], check=True, capture_output=True, text=True
            )
            times.append(time.perf_counter() - begin)
        row(f"profile space, {float(space.count()):.3g} architectures", times, done.stdout.splitlines()[-1])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(f"peak memory of the largest of these processes: {peak:.2f} GB")


def main() -> None:
    # First: a process that is started counts the memory of the one that starts it.
    with tempfile.TemporaryDirectory() as folder:
        commands(Path(folder))
    predictions()


if __name__ == "__main__":
    main()
