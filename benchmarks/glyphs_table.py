"""A complete table: every network of a small space of the DF kind, trained on glyphs with several seeds and timed.

Strategies are compared on it (see benchmarks/strategies.py), so it must be whole, and trained as a search trains.

Run: python benchmarks/glyphs_table.py benchmarks/glyphs.csv --processes 2
     python benchmarks/glyphs_table.py benchmarks/glyphs.csv --latency
The first trains what the file does not have yet, one thread a process, and saves every result at once: stopped and
called again, it goes on. The second times all networks whole, at batch 1, on one thread of onnxruntime.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import torch

from converters import make_engine
from prototxt_gen import generate
from prototxt_gen.files import write_bytes
from search import Dataset, Schedule, load_data, parse_space
from search.latency import measure
from search.training.loading import NAMED
from search.training.training import train

SPACE = parse_space("s16_b1-2_b1-3_b1-1_w8-16-32-64_c34_i3x32x32")
LATENCY = "latency_ms"
# A process's own: the images, made once.
_data: Dataset


def accuracy_column(seed: int) -> str:
    return f"accuracy_seed{seed}"


def read(path: Path) -> dict[str, dict[str, str]]:
    """The file's rows by code. ValueError for a file of other networks."""
    codes = [str(architecture) for architecture in SPACE]
    rows = {code: {"code": code} for code in codes}
    if path.exists():
        with path.open(newline="") as file:
            found = {row["code"]: row for row in csv.DictReader(file)}
        if other := sorted(found.keys() - rows.keys()):
            raise ValueError(f"{path}: {len(other)} networks, such as {other[0]}, are not in {SPACE}")
        rows |= {code: found[code] for code in codes if code in found}
    return rows


def write(path: Path, rows: dict[str, dict[str, str]]) -> None:
    columns = dict.fromkeys(name for row in rows.values() for name in row if name not in ("code", LATENCY))
    text = io.StringIO()
    writer = csv.DictWriter(text, ["code", LATENCY, *columns], lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows.values())
    write_bytes(path, text.getvalue().encode())


def prepare(input_shape: Sequence[int], data: str) -> None:
    global _data
    torch.set_num_threads(1)
    _data = load_data(data, input_shape)


def trained(code: str, input_shape: Sequence[int], schedule: Schedule, seed: int) -> tuple[float, float]:
    """Accuracy in 0..1, and the seconds of the processor's time that it took."""
    begin = time.process_time()
    _, accuracy = train(generate(code, input_shape=input_shape), _data, schedule, seed=seed)
    return accuracy, time.process_time() - begin


def train_left(
    rows: dict[str, dict[str, str]],
    left: Sequence[tuple[str, int]],
    input_shape: Sequence[int],
    processes: int,
    save: Callable[[], None],
    schedule: Schedule = NAMED["glyphs"].schedule,
    data: str = "glyphs",
) -> None:
    """Trains these codes with these seeds, and saves after each."""
    begin, seconds = time.perf_counter(), []
    with ProcessPoolExecutor(processes, get_context("spawn"), prepare, (input_shape, data)) as pool:
        waiting = {pool.submit(trained, code, input_shape, schedule, seed): (code, seed) for code, seed in left}
        for number, done in enumerate(as_completed(waiting), 1):
            code, seed = waiting[done]
            accuracy, took = done.result()
            rows[code][accuracy_column(seed)] = f"{accuracy:.5f}"
            save()
            seconds.append(took)
            hours = (time.perf_counter() - begin) / number * (len(left) - number) / 3600
            print(f"{number:>4}  {code:<36} seed {seed}  {accuracy:.2%}  {took:.1f} s, {hours:.2f} h left", flush=True)
    if seconds:
        print(f"{sum(seconds) / len(seconds):.2f} s of processor time a training")


def train_all(path: Path, seeds: list[int], processes: int) -> None:
    rows = {code: dict.fromkeys(map(accuracy_column, seeds), "") | row for code, row in read(path).items()}
    order = random.Random(0)
    # Seed by seed, each in an order of its own: whatever there is when it is stopped is spread over the whole space.
    left = [
        (code, seed)
        for seed in seeds
        for code in order.sample(list(rows), len(rows))
        if not rows[code].get(accuracy_column(seed))
    ]
    print(f"{SPACE}: {len(rows)} networks, {len(left)} trainings to do", flush=True)
    train_left(rows, left, SPACE.input_shape, processes, lambda: write(path, rows))


def time_all(path: Path) -> None:
    rows = read(path)
    engine = make_engine("onnxruntime", threads=1)
    nets = [generate(code, input_shape=SPACE.input_shape, merged=True) for code in rows]
    entries = measure(engine, nets)
    for row, entry in zip(rows.values(), entries, strict=True):
        row[LATENCY] = f"{entry.ms:.6f}"
    write(path, rows)
    spreads = sorted(entry.spread for entry in entries)
    middle, worst = spreads[len(spreads) // 2], spreads[-1]
    print(f"{len(entries)} networks; standard error of a median: {middle:.2%} (worst {worst:.2%})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, metavar="TABLE.csv")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], metavar="N")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="trainings at a time (default: 2)")
    parser.add_argument("--latency", action="store_true", help="time the networks instead of training them")
    args = parser.parse_args()
    if args.latency:
        time_all(args.table)
    else:
        train_all(args.table, args.seeds, args.processes)


if __name__ == "__main__":
    main()
