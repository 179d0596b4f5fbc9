"""Does PONAS's table tell the truth on the glyphs? Networks trained from scratch, beside what it says of them.

`train` trains a sample of a space, by default `ponas-small`, drawn evenly, and saves every result at once: stopped and
called again, it goes on. `chosen` does the same with the networks that a run's table chooses under some limits of
latency, and enters the latencies that the run's latency table predicts. `judge` tells how well the table's sums order
the sample (Kendall's tau), and beside them multiply-adds, parameters, and the accuracies that the networks have with
the weights of the run's supernet; then each chosen network beside those of the sample that are about as fast.

Run: dongfeng search --method ponas --data glyphs --engine onnxruntime --trials 3 --out runs/ponas
     python benchmarks/ponas_truth.py train benchmarks/ponas_small.csv
     python benchmarks/ponas_truth.py chosen benchmarks/ponas_small.csv --run runs/ponas
     python benchmarks/ponas_truth.py judge benchmarks/ponas_small.csv --run runs/ponas
With `--space far-apart` (or a space's code) it is another space, whose file is benchmarks/ponas_far_apart.csv.
"""

from __future__ import annotations

import argparse
import csv
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from glyphs_table import LATENCY, accuracy_column, train_left, write
from numpy.typing import NDArray

from prototxt_gen import generate, parse_architecture, summarize
from search import LatencyTable, load_data, parse_space
from search.latency.agreement import kendall_tau
from search.spaces import PonasSpace
from search.strategies.accuracy_table import AccuracyTable
from search.strategies.choosing import choose
from search.study.folder import ACCURACIES, LATENCY_TABLE
from search.training.inheriting import inheriting_from
from search.training.loading import NAMED
from search.training.one_shot import SUPERNET

#: Blocks whose inner widths differ by a factor of 24: networks that the glyphs tell apart.
FAR_APART = "m16_i1.16e1_i24h4-16-96k3-5x2_i48h4-16-96k3-5x2_i64h4-16-96k3-5x2_h128_c34_i3x32x32"
# Rates of 0.05 and 0.1 for one epoch leave a run more luck still. Even so its spread is about that of the networks.
SCHEDULE = replace(NAMED["glyphs"].schedule, epochs=2, base_lr=0.1)
#: Why a network is in the file.
GROUP, DRAWN, CHOSEN = "group", "drawn", "chosen"
#: Limits at these shares of the drawn networks, by latency.
SHARES = (0.05, 0.2, 0.4, 0.6, 0.8)
# So many drawn networks, the nearest by latency, are about as fast as a chosen one.
NEAREST = 10

Rows = dict[str, dict[str, str]]


def read(path: Path) -> Rows:
    """The file's rows by code; none where there is no file."""
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        return {row["code"]: row for row in csv.DictReader(file)}


def train_drawn(space: PonasSpace, path: Path, number: int, seeds: list[int], processes: int) -> None:
    rows = read(path)
    for place in random.Random(0).sample(range(space.count()), number):
        code = str(space.at(place))
        rows.setdefault(code, {"code": code, GROUP: DRAWN})
    train_missing(space, path, rows, DRAWN, seeds, processes)


def train_chosen(space: PonasSpace, path: Path, run: Path, seeds: list[int], processes: int) -> None:
    rows = read(path)
    latencies = LatencyTable.load(run / LATENCY_TABLE)
    for code, row in rows.items():
        row[LATENCY] = f"{latencies.predict(code, space.input_shape):.6f}"
    drawn = [float(row[LATENCY]) for row in rows.values() if row[GROUP] == DRAWN]
    for limit in np.quantile(drawn, SHARES).tolist():
        found = choose(AccuracyTable.load(run / ACCURACIES), latencies, limit)
        code = str(found.architecture)
        rows.setdefault(code, {"code": code, GROUP: CHOSEN, LATENCY: f"{found.costs['latency']:.6f}"})
    train_missing(space, path, rows, CHOSEN, seeds, processes)


def train_missing(space: PonasSpace, path: Path, rows: Rows, group: str, seeds: list[int], processes: int) -> None:
    codes = [code for code, row in rows.items() if row[GROUP] == group]
    left = [(code, seed) for seed in seeds for code in codes if not rows[code].get(accuracy_column(seed))]
    print(f"{space}: {len(codes)} networks {group}, {len(left)} trainings to do", flush=True)
    write(path, rows)
    train_left(rows, left, space.input_shape, processes, lambda: write(path, rows), SCHEDULE)


def accuracy_of(row: dict[str, str]) -> float | None:
    """The mean of a network's runs, in 0..1; None of one that was not trained."""
    runs = [float(value) for name, value in row.items() if name.startswith(accuracy_column(0)[:-1]) and value]
    return sum(runs) / len(runs) if runs else None


def judge(space: PonasSpace, path: Path, run: Path) -> None:
    table = AccuracyTable.load(run / ACCURACIES)
    rows = {code: row for code, row in read(path).items() if accuracy_of(row) is not None}
    drawn = [code for code, row in rows.items() if row[GROUP] == DRAWN]
    truth = np.array([accuracy_of(rows[code]) for code in drawn], dtype=np.float64)
    print(
        f"{len(drawn)} networks drawn, accuracies {100 * truth.min():.2f} to {100 * truth.max():.2f} %, "
        f"standard deviation {100 * truth.std(ddof=1):.2f} points"
    )
    torch.set_num_threads(1)
    choices = np.array([space.choices_of(parse_architecture(code)) for code in drawn])
    trainer = inheriting_from(run / SUPERNET, load_data("glyphs", space.input_shape), SCHEDULE)
    nets = [generate(code, input_shape=space.input_shape) for code in drawn]
    costs = [summarize(net) for net in nets]
    inherited = np.array([trainer.untrained(net).accuracy for net in nets])
    orders = {
        "the table's sums": -table.loss(choices),
        "accuracies with inherited weights": inherited,
        "multiply-adds": np.array([one.multiply_adds for one in costs]),
        "parameters": np.array([one.parameters for one in costs]),
    }
    rng = np.random.default_rng(0)
    for name, order in orders.items():
        again = [kendall_tau(order[some], truth[some]) for some in rng.integers(len(drawn), size=(500, len(drawn)))]
        low, high = np.quantile(again, (0.05, 0.95))
        print(f"Kendall's tau of {name} with accuracy: {kendall_tau(order, truth):.3f} ({low:.3f} to {high:.3f})")
    agreement = kendall_tau(-table.loss(choices), inherited)
    print(f"Kendall's tau of the table's sums with accuracies with inherited weights: {agreement:.3f}")
    both = [[rows[code].get(accuracy_column(seed)) for seed in (0, 1)] for code in drawn]
    twice = [[float(run) for run in runs if run] for runs in both if all(runs)]
    if len(twice) > 1:
        one, other = np.array(twice).T
        noise = float(np.sqrt(((one - other) ** 2).mean() / 2))
        own = 1 - 2 * noise**2 / float(one.var(ddof=1) + other.var(ddof=1))
        print(
            f"{len(twice)} of them trained twice: a run's standard deviation is {100 * noise:.2f} points, "
            f"{own:.0%} of a run's variance is the network's; tau of the two runs {kendall_tau(one, other):.3f}"
        )
    chosen = sorted((row for row in rows.values() if row[GROUP] == CHOSEN), key=lambda row: float(row[LATENCY]))
    if chosen:
        latencies = np.array([float(rows[code][LATENCY]) for code in drawn])
        beside_drawn(chosen, latencies, truth)


def beside_drawn(chosen: list[dict[str, str]], latencies: NDArray[np.float64], truth: NDArray[np.float64]) -> None:
    print(f"\n| ms | chosen | {NEAREST} drawn ones as fast: mean | best | better than so many |")
    print("|---:|---:|---:|---:|---:|")
    behind, ahead = [], []
    for row in chosen:
        ms, own = float(row[LATENCY]), accuracy_of(row)
        assert own is not None
        near = truth[np.argsort(np.abs(latencies - ms))[:NEAREST]]
        behind.append(100 * (near.max() - own))
        ahead.append(100 * (own - near.mean()))
        figures = f"{100 * own:.2f} | {100 * near.mean():.2f} | {100 * near.max():.2f} | {int((own > near).sum())}"
        print(f"| {ms:.3f} | {figures} of {NEAREST} |")
    print(f"\nregret against the best of {NEAREST}: median {np.median(behind):.2f} points, worst {max(behind):.2f}")
    print(f"more accurate than the mean of {NEAREST}: by {np.mean(ahead):.2f} points on average")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["train", "chosen", "judge"])
    parser.add_argument("table", type=Path, metavar="TABLE.csv")
    parser.add_argument("--run", type=Path, metavar="FOLDER", help="of a search by PONAS, for its two tables")
    parser.add_argument("--number", type=int, default=64, metavar="N", help="networks drawn (default: 64)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="N")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="trainings at a time (default: 2)")
    parser.add_argument("--space", default="ponas-small", metavar="SPACE", help="of the file and the run")
    args = parser.parse_args()
    space = parse_space(FAR_APART if args.space == "far-apart" else args.space)
    assert isinstance(space, PonasSpace)
    if args.command == "train":
        train_drawn(space, args.table, args.number, args.seeds, args.processes)
    elif args.command == "chosen":
        train_chosen(space, args.table, args.run, args.seeds, args.processes)
    else:
        judge(space, args.table, args.run)


if __name__ == "__main__":
    main()
