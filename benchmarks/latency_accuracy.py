"""How well a table of parts predicts whole networks: random backbones of the DF space at 224x224, none of them fitted.

A shared machine's speed changes from second to second, so the networks are measured in the same minutes as the table:
after each seven seconds of it, all of them once. How far two halves of these turns are apart is printed as the noise
floor: no table can predict medians better than they are known. One engine a run:

    python benchmarks/latency_accuracy.py --engine torch --threads 1
    python benchmarks/latency_accuracy.py --engine onnxruntime --threads 1 --correct 12

With --keep FOLDER, a later run with the same options and more --minutes goes on from what an earlier one measured.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from converters import make_engine
from converters.engines import Engine, Session
from prototxt_gen import generate
from prototxt_gen.files import write_bytes
from search import LatencyTable, parse_space
from search.latency.agreement import Agreement, agreement
from search.latency.checking import telling_networks
from search.latency.correcting import fit_correction
from search.latency.measuring import in_a_row, load_batch

# 86 parts, DF1 and DF-lite among its 32,072 networks.
SPACE = "s32-64_b1-4_b1-4_b1-4_w32-64-128-256-512_c1000_i3x224x224"
# Turns of the table and of whole networks: short, so that both see the same machine.
SECONDS_OF_TABLE = 7.0
TURNS_PER_LOAD = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--space", default=SPACE)
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--correct", type=int, default=0, metavar="N", help="whole networks to fit a correction on")
    parser.add_argument("--minutes", type=float, default=3.0, help="for the table, in all")
    parser.add_argument("--spread", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--others", type=float, default=0.05, help="leave out a run in which others use more of a core")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the table and the networks' times are kept")
    args = parser.parse_args()
    space, engine = parse_space(args.space), make_engine(args.engine, args.threads)
    folder = args.keep or Path(mkdtemp())
    folder.mkdir(exist_ok=True)
    path, kept = folder / "latency.json", folder / "networks.json"
    rng = random.Random(args.seed)
    codes = [str(space.sample(rng)) for _ in range(args.networks)]
    # By turns, the median of each network.
    found = json.loads(kept.read_text()) if kept.exists() else {"fitted": [], "turns": []}
    saved = {file: file.read_bytes() if file.exists() else None for file in (path, kept)}

    def keep() -> None:
        write_bytes(kept, json.dumps(found).encode())

    budget, others = args.minutes * 60, other_work()
    options = {"spread": args.spread, "seed": args.seed}
    if args.correct and not found["fitted"]:
        # A first glance at the parts tells which networks tell most.
        table = LatencyTable.measure(space, engine, path, budget=budget / 3, **options)
        drawn = map(str, telling_networks(table, space, args.correct + len(codes)))
        found["fitted"] = [code for code in drawn if code not in codes][: args.correct]
    before = len(found["turns"])
    turns = Turns(engine, [*codes, *found["fitted"]], space.input_shape, rng, found["turns"], keep)
    table = LatencyTable.measure(space, engine, path, budget=budget, meanwhile=turns, **options)
    share = (other_work()[0] - others[0]) / (time.monotonic() - others[1])
    count = len(found["turns"]) - before
    print(f"{count} turns, other programs {share:.0%} of a core, {time.strftime('%X')}", flush=True)
    if share > args.others:
        for file, content in saved.items():
            file.unlink(missing_ok=True) if content is None else file.write_bytes(content)
        raise SystemExit("left out: others used too much")
    print(f"\n{engine.target}")
    show(table, found, codes, space.input_shape)


class Turns:
    """Called between networks of a table's measurement: every so often, all whole networks are measured once."""

    def __init__(
        self,
        engine: Engine,
        codes: list[str],
        shape: tuple[int, ...],
        rng: random.Random,
        found: list[dict[str, float]],
        keep: Callable[[], object],
    ) -> None:
        self._found, self._keep = found, keep
        self._turns = 0
        self._engine, self._codes, self._shape, self._rng = engine, codes, shape, rng
        self._sessions: list[Session] = []
        self._last = time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() - self._last < SECONDS_OF_TABLE:
            return
        if self._turns % TURNS_PER_LOAD == 0:
            # Loaded anew in another order: where its weights lie in memory, a network keeps as long as it is loaded.
            self._rng.shuffle(self._codes)
            self._sessions = []
            nets = [generate(code, input_shape=self._shape, merged=True) for code in self._codes]
            self._sessions = [load_batch(self._engine, net) for net in nets]
            for session in self._sessions:
                session.time()
        times = zip(self._codes, self._sessions, strict=True)
        self._found.append({code: float(np.median(in_a_row(session))) for code, session in times})
        self._turns += 1
        self._keep()
        self._last = time.monotonic()


def other_work() -> tuple[float, float]:
    """Seconds of CPU that other programs have used, by Linux's count, and the clock."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    busy = (sum(ticks[:8]) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")
    return busy - time.process_time(), time.monotonic()


def show(table: LatencyTable, found: dict, codes: list[str], shape: tuple[int, ...]) -> None:
    """Prints what was found of the table, of the machine, and of the predictions."""
    spreads = [entry.spread for entry in table.entries.values()]
    print(f"{len(table.entries)} parts in {table.origin['seconds']:.0f} s, {table.origin['rounds']} rounds")
    print(f"spread: median {np.median(spreads):.2%}, at most {max(spreads):.2%}; call {table.call_ms:.4f} ms")
    print("\n".join(table.remarks()))
    if table.level is not None:
        print(f"level of {len(table.origin['walks']['networks'])} walks: {table.level}")
    turns = np.array([[turn[code] for code in codes] for turn in found["turns"]])
    middle = np.median(turns, axis=0)
    off, halves = np.abs(turns / middle - 1), np.median(turns[::2], axis=0) / np.median(turns[1::2], axis=0) - 1
    speeds = ", ".join(f"{ms:.3f}" for ms in np.median(turns / middle, axis=1))
    print(f"{len(turns)} turns, all networks over their medians: {speeds}")
    print(f"one network in one turn: {off.mean():.2%} off its median in the mean, {off.max():.2%} at most")
    apart = np.abs(halves)
    print(f"medians of every second turn and of the others: {apart.mean():.2%} apart, {apart.max():.2%} at most")
    networks = {code: float(np.median([turn[code] for turn in found["turns"]])) for code in [*codes, *found["fitted"]]}
    measured = [networks[code] for code in codes]
    level, table.level = table.level, None
    report("plain sum without the level", agreement([table.predict(code, shape) for code in codes], measured), codes)
    table.level = level
    report("plain sum", agreement([table.predict(code, shape) for code in codes], measured), codes)
    if found["fitted"]:
        sums = [table.sum_of(code, shape) for code in found["fitted"]]
        whole = [networks[code] for code in found["fitted"]]
        table.correction = fit_correction(sums, whole, table.plain_base_ms, found["fitted"], "")
        print({field: value for field, value in table.correction._asdict().items() if field != "networks"})
        title = f"corrected by {len(found['fitted'])} networks"
        report(title, agreement([table.predict(code, shape) for code in codes], measured), codes)


def report(title: str, figures: Agreement, codes: list[str]) -> None:
    print(
        f"{title}: mean {figures.mean_error:.2%} (bias {figures.bias:+.2%}), worst {figures.worst:+.2%} "
        f"({codes[figures.worst_index]}), within 5 %: {figures.within_5:.0%}, within 10 %: {figures.within_10:.0%}, "
        f"tau {figures.tau:.3f}"
    )


if __name__ == "__main__":
    main()
