"""How well a table of parts predicts whole networks: random backbones of the DF space at 224x224, none of them fitted.

The table and the networks are measured in turns of about half a minute, because a shared machine's speed changes by the
minute; how far one turn's networks are from the median of all turns is printed as the noise floor. One engine a run:

    python benchmarks/latency_accuracy.py --engine torch --threads 1
    python benchmarks/latency_accuracy.py --engine onnxruntime --threads 1 --correct 12

With --keep FOLDER, a later run with the same options goes on from what an earlier one measured.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from converters import make_engine
from prototxt_gen import generate
from search import LatencyTable, parse_space
from search.latency import measure
from search.latency.agreement import Agreement, agreement
from search.latency.checking import telling_networks
from search.latency.correcting import fit_correction
from search.latency.measuring import entry_of_rounds

# 86 parts, DF1 and DF-lite among its 32,072 networks.
SPACE = "s32-64_b1-4_b1-4_b1-4_w32-64-128-256-512_c1000_i3x224x224"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--space", default=SPACE)
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--correct", type=int, default=0, metavar="N", help="whole networks to fit a correction on")
    parser.add_argument("--minutes", type=float, default=3.0, help="for the table, in all")
    parser.add_argument("--spread", type=float, default=0.01)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=6, help="of the whole networks, in each turn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--others", type=float, default=0.05, help="leave out turns in which others use more of a core")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the table and the networks' times are kept")
    args = parser.parse_args()
    space, engine = parse_space(args.space), make_engine(args.engine, args.threads)
    folder = args.keep or Path(mkdtemp())
    folder.mkdir(exist_ok=True)
    path, kept = folder / "latency.json", folder / "networks.json"
    rng = random.Random(args.seed)
    codes = [str(space.sample(rng)) for _ in range(args.networks)]
    # By turns, the medians of rounds of each network.
    found = json.loads(kept.read_text()) if kept.exists() else {"fitted": [], "turns": []}
    before = LatencyTable.load(path).origin["seconds"] if path.exists() else 0.0
    for turn in range(args.turns):
        others, saved = other_work(), path.read_bytes() if path.exists() else None
        budget = before + args.minutes * 60 * (turn + 1) / args.turns
        table = LatencyTable.measure(space, engine, path, budget=budget, spread=args.spread, seed=args.seed)
        if args.correct and not found["fitted"]:
            drawn = map(str, telling_networks(table, space, args.correct + len(codes)))
            found["fitted"] = [code for code in drawn if code not in codes][: args.correct]
        # Loaded anew in another order: where its weights lie in memory, a network keeps as long as it is loaded.
        order = random.sample([*codes, *found["fitted"]], len(codes) + len(found["fitted"]))
        nets = [generate(code, input_shape=space.input_shape, merged=True) for code in order]
        entries = measure(engine, nets, rounds=args.rounds)
        share = (other_work()[0] - others[0]) / (time.monotonic() - others[1])
        line = f"turn {turn + 1}: {table.origin['seconds']:.0f} s for the table, other programs {share:.0%} of a core"
        if share > args.others:
            print(f"{line}: left out, {time.strftime('%X')}", flush=True)
            path.unlink() if saved is None else path.write_bytes(saved)
            continue
        found["turns"].append({code: entry.rounds for code, entry in zip(order, entries, strict=True)})
        kept.write_text(json.dumps(found))
        print(f"{line}, {time.strftime('%X')}", flush=True)
    if not found["turns"]:
        raise SystemExit("no turn without other programs")
    table = LatencyTable.load(path)
    print(f"\n{engine.target}")
    show(table, found, codes, space.input_shape)


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
    networks = {
        code: entry_of_rounds([ms for turn in found["turns"] for ms in turn[code]], 1)
        for code in [*codes, *found["fitted"]]
    }
    floor = np.array([[np.median(turn[code]) / networks[code].ms for code in codes] for turn in found["turns"]])
    off = np.abs(floor - 1)
    print(f"networks by turns, over their medians: {', '.join(f'{ms:.3f}' for ms in np.median(floor, axis=1))}")
    print(f"one network in one turn: {off.mean():.2%} off its median in the mean, {off.max():.2%} at most")
    print(f"spread of the networks' medians: {np.median([entry.spread for entry in networks.values()]):.2%}")
    measured = [networks[code].ms for code in codes]
    report("plain sum", agreement([table.predict(code, shape) for code in codes], measured), codes)
    if found["fitted"]:
        sums = [table.sum_of(code, shape) for code in found["fitted"]]
        whole = [networks[code].ms for code in found["fitted"]]
        table.correction = fit_correction(sums, whole, table.call_ms, found["fitted"], "")
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
