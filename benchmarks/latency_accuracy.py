"""How well a table of parts predicts whole networks: random backbones of the DF space at 224x224, none of them fitted.

The table and the networks are measured in turns of about half a minute, because a shared machine's speed changes by the
minute; what one turn's networks differ from the next one's is printed as the noise floor. One engine a run:

    python benchmarks/latency_accuracy.py --engine torch --threads 1
    python benchmarks/latency_accuracy.py --engine onnxruntime --threads 1 --correct 12
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from converters import make_engine
from prototxt_gen import generate
from search import LatencyTable, parse_space
from search.latency import Entry, measure
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
    parser.add_argument("--minutes", type=float, default=3.0, help="for the table")
    parser.add_argument("--spread", type=float, default=0.01)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=6, help="of the whole networks, in each turn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="where every figure goes")
    args = parser.parse_args()
    space, engine = parse_space(args.space), make_engine(args.engine, args.threads)
    rng = random.Random(args.seed)
    networks = [space.sample(rng) for _ in range(args.networks)]
    fitted: list[object] = []
    whole: list[list[Entry]] = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "latency.json"
        for turn in range(args.turns):
            budget = args.minutes * 60 * (turn + 1) / args.turns
            table = LatencyTable.measure(space, engine, path, budget=budget, spread=args.spread, seed=args.seed)
            if args.correct and not fitted:
                unseen = {str(network) for network in networks}
                drawn = telling_networks(table, space, args.correct + len(networks))
                fitted = [network for network in drawn if str(network) not in unseen][: args.correct]
            # Loaded anew in another order: where its weights lie in memory, a network keeps as long as it is loaded.
            order = rng.sample(range(len(networks) + len(fitted)), len(networks) + len(fitted))
            every = [*networks, *fitted]
            nets = [generate(every[place], input_shape=space.input_shape, merged=True) for place in order]
            found = dict(zip(order, measure(engine, nets, rounds=args.rounds), strict=True))
            whole.append([found[place] for place in range(len(order))])
            print(f"turn {turn + 1}: {table.origin['seconds']:.0f} s for the table, {time.strftime('%X')}", flush=True)
    together = [
        entry_of_rounds([ms for entry in turns for ms in entry.rounds], sum(entry.samples for entry in turns))
        for turns in zip(*whole, strict=True)
    ]
    measured = [entry.ms for entry in together]
    spreads = [entry.spread for entry in table.entries.values()]
    made = f"{table.origin['seconds']:.0f} s, {table.origin['rounds']} rounds"
    print(f"\n{engine.target}\n{len(table.entries)} parts in {made}")
    print(f"spread: median {np.median(spreads):.2%}, at most {max(spreads):.2%}; call {table.call_ms:.4f} ms")
    for remark in table.remarks():
        print(remark)
    floor = np.array([[entry.ms for entry in turn] for turn in whole]) / np.array(measured)
    print(f"all networks by turns, over their medians: {', '.join(f'{ms:.3f}' for ms in np.median(floor, axis=1))}")
    off = np.abs(floor - 1)
    print(f"one network in one turn: {off.mean():.2%} off its median in the mean, {off.max():.2%} at most")
    print(f"spread of the networks' medians: {np.median([entry.spread for entry in together]):.2%}")
    codes = [str(network) for network in networks]
    predicted = [table.predict(network, space.input_shape) for network in networks]
    report("plain sum", agreement(predicted, measured[: len(networks)]), codes)
    if fitted:
        sums = [table.sum_of(network, space.input_shape) for network in fitted]
        names = [str(network) for network in fitted]
        table.correction = fit_correction(sums, measured[len(networks) :], table.call_ms, names, "")
        print({field: value for field, value in table.correction._asdict().items() if field != "networks"})
        predicted = [table.predict(network, space.input_shape) for network in networks]
        report(f"corrected by {len(fitted)} networks", agreement(predicted, measured[: len(networks)]), codes)
    if args.json:
        rows = [[*row[:2], row[2].ms, row[2].rounds] for row in zip(codes, predicted, together, strict=False)]
        entries = {key: entry._asdict() for key, entry in table.entries.items()}
        args.json.write_text(json.dumps({"networks": rows, "entries": entries, "call_ms": table.call_ms}))


def report(title: str, figures: Agreement, codes: list[str]) -> None:
    print(
        f"{title}: mean {figures.mean_error:.2%} (bias {figures.bias:+.2%}), worst {figures.worst:+.2%} "
        f"({codes[figures.worst_index]}), within 5 %: {figures.within_5:.0%}, within 10 %: {figures.within_10:.0%}, "
        f"tau {figures.tau:.3f}"
    )


if __name__ == "__main__":
    main()
