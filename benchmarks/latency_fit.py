"""Tables fitted to whole networks, on two real devices: error on networks left out, by how many were timed.

The networks and their measurements are those of Accel-NASBench (mnasnet_devices.csv.gz): latency on a ZCU102, and
throughput on an A100, of which the latency is 1 over it. Beside `LatencyTable.fit`, on the same networks: least squares
over the parts, and non-negative least squares over sums for each kind of layer. Needs the extra `demo`, for scipy.

    python benchmarks/latency_fit.py mnasnet_devices.csv.gz --device zcu102 --splits 5
"""

from __future__ import annotations

import argparse
import csv
import gzip
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from prototxt_gen import parts
from search import LatencyTable, next_networks
from search.latency.agreement import agreement
from search.latency.fitting.regression import Layout

SIZES = (20, 50, 100, 200, 500, 2000)
# Chosen in turns: so many, then, with the times of these, as many as lack to the next number.
CHOSEN = (20, 50, 100, 200)
# What is predicted, and never fitted; the networks to fit and to choose from are others.
LEFT_OUT = 2000

Floats = NDArray[np.float64]


def main() -> None:
    """Prints a table of mean absolute percentage errors and Kendall's taus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--device", choices=("zcu102", "a100"), required=True)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first split's number")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    args = parser.parse_args()
    codes, ms = read(args.table, args.device)
    cut = [parts(code) for code in codes]
    layout = Layout(cut)
    counts = layout.count(cut)
    kinds = sums_by_kind(layout, counts)
    keys = list({row.part.key: None for row in layout.rows})
    by_part = np.zeros((len(codes), len(keys)))
    for index, row in enumerate(layout.rows):
        by_part[:, keys.index(row.part.key)] += counts[:, index]

    found: dict[tuple[str, int], list[tuple[float, ...]]] = defaultdict(list)
    for split in range(args.first, args.first + args.splits):
        order = np.random.default_rng(split).permutation(len(codes))
        out, rest = order[:LEFT_OUT], order[LEFT_OUT:]

        def note(
            name: str, size: int, predicted: Floats, said: float = float("nan"), seconds: float = float("nan"),
            out: NDArray[np.intp] = out,
        ) -> None:  # fmt: skip
            told = agreement(predicted, ms[out])
            found[name, size].append((100 * told.mean_error, 100 * abs(told.worst), told.tau, 100 * said, seconds))

        def fit(name: str, chosen: NDArray[np.intp], out: NDArray[np.intp] = out) -> None:
            begun = time.perf_counter()
            table = LatencyTable.fit([codes[index] for index in chosen], ms[chosen].tolist())
            seconds = time.perf_counter() - begun
            predicted = np.array([table.predict(codes[index]) for index in out])
            said = table.origin["cross_validation"]["mean_error"]
            note(name, len(chosen), predicted, said, seconds)

        for size in args.sizes:
            chosen = rest[:size]
            fit("fit", chosen)
            scale = 1 / ms[chosen]
            plain = np.hstack([by_part, np.ones((len(ms), 1))])
            weights = np.linalg.lstsq(plain[chosen] * scale[:, None], np.ones(size), rcond=1e-9)[0]
            note("least squares over parts", size, plain[out] @ weights)
            weights = nnls(kinds[chosen] * scale[:, None], np.ones(size))[0]
            note("non-negative by kind", size, kinds[out] @ weights)
        timed: list[int] = []
        place = {code: index for index, code in enumerate(codes)}
        for size in CHOSEN:
            if size > max(args.sizes):
                break
            known = [codes[index] for index in timed]
            new = next_networks([codes[index] for index in rest], size - len(timed), known, ms[timed], seed=split)
            timed += [place[str(code)] for code in new]
            fit("fit, networks chosen", np.array(timed))
        print(f"split {split} done", flush=True)
    print(f"{args.device}: {len(codes)} networks, {LEFT_OUT} left out, mean of {args.splits} splits")
    print("| | networks | error | worst | tau | error it states | seconds |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for (name, size), rows in sorted(found.items(), key=lambda item: (item[0][1], item[0][0])):
        error, worst, tau, said, seconds = np.mean(rows, axis=0)
        told = f"{said:.2f} % | {seconds:.1f}" if name.startswith("fit") else " | "
        print(f"| {name} | {size} | {error:.2f} % | {worst:.1f} % | {tau:.3f} | {told} |")


def read(path: Path, device: str) -> tuple[list[str], Floats]:
    """Codes and milliseconds of the networks that have been measured on a device."""
    with gzip.open(path, "rt") as file:
        rows = list(csv.DictReader(file))
    if device == "zcu102":
        rows = [row for row in rows if row["zcu102_ms"]]
        return [row["architecture"] for row in rows], np.array([float(row["zcu102_ms"]) for row in rows])
    return [row["architecture"] for row in rows], np.array([1000 / float(row["a100_images_per_s"]) for row in rows])


def sums_by_kind(layout: Layout, counts: Floats) -> Floats:
    """Of each network (n, kinds x 5 + 1): for each kind of layer the sums of its work, and 1."""
    kinds = list({unit.kind: None for row in layout.rows for unit in row.units})
    work = np.zeros((len(layout.rows), len(kinds), 5))
    for index, row in enumerate(layout.rows):
        for unit in row.units:
            work[index, kinds.index(unit.kind)] += unit.work
    amounts = counts[:, :-1] @ work.reshape(len(layout.rows), -1)
    return np.hstack([amounts / np.maximum(amounts.max(0), 1), np.ones((len(counts), 1))])


if __name__ == "__main__":
    main()
