"""Does pruning on the way pay: searches by Tiered Pruning beside the same ones that remove and freeze nothing before
their end.

For each goal both search a small space on the glyphs, then their networks are brought to the goal by inner widths, and
trained from nothing as `dongfeng search` trains. Beside them stand networks drawn at random, brought to the same goal.
Latencies are made of multiply-adds, so that every machine finds the same. Times are those of one CPU core: the time of
this process, not of the clock. Memory is what a step keeps for its gradients.

Run: OMP_NUM_THREADS=1 python benchmarks/tiered_pruning.py
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.networks import generate
from prototxt_gen.summary import summarize
from search import LatencyTable, Schedule, TieredSpace, parse_space
from search.latency.layer_latencies import layer_latencies
from search.latency.measuring import Entry
from search.latency.predicting import space_parts
from search.spaces.tiered import Pick, Picks
from search.strategies.landing import land
from search.strategies.tiered import Rules
from search.study.tiered import new_pruning
from search.training.dataset import Dataset
from search.training.expecting import latency_range
from search.training.glyphs import TRAIN, glyphs
from search.training.loading import NAMED
from search.training.tiered import HISTORY, Tiered, train_tiered
from search.training.tiered_history import read_history
from search.training.training import train

SPACE = "g16_if24k3-5x1-3_i48k3-5x1-3_i64k3-5x1-2_h128_t8.6_c34_i3x32x32"
# Nothing goes and nothing is frozen before the search is over; widths move as ever.
_NEVER = 10**9
# Parts of a search between which it is looked at.
PARTS = 4


@dataclass
class Watch:
    """CPU seconds of each step, by what is done in it."""

    steps: list[tuple[str, float, float]] = field(default_factory=list)
    last: float = field(default_factory=time.process_time)

    def __call__(self, stage: str, share: float) -> None:
        now = time.process_time()
        self.steps.append((stage, share, now - self.last))
        self.last = now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default=SPACE)
    parser.add_argument(
        "--goal", type=float, nargs="+", default=[0.1, 0.3, 0.6], help="shares of the space's range of latencies"
    )
    parser.add_argument("--epochs", type=int, default=Tiered().schedule.epochs)
    parser.add_argument("--images", type=int, default=TRAIN, help="to search with; all are trained on in the end")
    parser.add_argument("--random", type=int, default=3, help="networks drawn for each goal")
    parser.add_argument("--seeds", type=int, default=2, help="trainings of each network that comes out")
    args = parser.parse_args()
    torch.set_num_threads(1)
    space = parse_space(args.space)
    assert isinstance(space, TieredSpace)
    table, data = made_up_table(space), glyphs(space.input_shape[2:])
    least, most = latency_range(layer_latencies(space, table), [layer.optional for layer in space.layers])
    some = replace(data, identity=f"{args.images} of {data.identity}", train=data.train.some(range(args.images)))
    settings = Tiered()
    settings = replace(settings, schedule=replace(settings.schedule, epochs=args.epochs))
    rules = Rules()
    ways = {
        "pruned on the way": rules,
        "at the end": replace(rules, block_thresholds=(0, 0), layer_thresholds=(0, 0), rest=_NEVER, closed=1.0),
    }
    print(f"{space}, networks of {least:.3g} to {most:.3g} ms; {data.identity}")
    for share in args.goal:
        goal = least + share * (most - least)
        for words, rule in ways.items():
            picks = search(words, space, some, table, goal, settings, rule)
            try:
                picks, told = land(space, table, picks, goal), ""
            except ArchitectureError as fault:
                told = f", not at the goal: {fault}"
            reached = accuracy(space, data, picks, args.seeds)
            print(f"    trained from nothing: {reached:.1%}, {space.of_picks(picks)}{told}", flush=True)
        others = islice(drawn(space, table, goal), args.random)
        accuracies = [accuracy(space, data, picks, args.seeds) for picks in others]
        print(f"{goal:.4f} ms, {args.random} at random: " + ", ".join(f"{one:.1%}" for one in accuracies), flush=True)


def search(
    words: str,
    space: TieredSpace,
    data: Dataset,
    table: LatencyTable,
    goal: float,
    settings: Tiered,
    rules: Rules,
) -> Picks:
    """The network of one search; prints what it took."""
    latencies = layer_latencies(space, table)
    structure = new_pruning(space, rules)
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        train_tiered(space, data, structure, latencies, goal, settings, Path(folder), report=watch, readers=1)
        _, lines = read_history(Path(folder) / HISTORY)
    picks = [None if pick is None else Pick(*pick) for pick in structure.picks()]
    predicted = latencies.predict(picks)
    whole = sum(seconds for *_, seconds in watch.steps)
    print(
        f"{goal:.4f} ms, {words}: {whole:.0f} s of CPU, found {predicted:.4f} ms ({predicted / goal - 1:+.1%}), "
        f"{space.of_picks(picks)}"
    )
    searched = [seconds for stage, _, seconds in watch.steps if stage == "search"]
    parts = [searched[len(searched) * part // PARTS : len(searched) * (part + 1) // PARTS] for part in range(PARTS)]
    print(
        "    step, ms, by quarters of the search: " + ", ".join(f"{1000 * statistics.median(one):.0f}" for one in parts)
    )
    ends = [lines[0], *(lines[len(lines) * (part + 1) // PARTS - 1] for part in range(PARTS))]
    print("    memory, MB: " + ", ".join(f"{line['saved_bytes'] / 1e6:.0f}" for line in ends))
    print("    parameters, thousands: " + ", ".join(f"{line['parameters'] / 1e3:.0f}" for line in ends))
    return picks


def made_up_table(space: TieredSpace) -> LatencyTable:
    """10 us for each part, and 1 us for each 20,000 multiply-adds."""

    def entry(part: Any) -> Entry:
        return Entry(round(0.015 + summarize(part.net).multiply_adds / 2e7, 6), (0.0, 1.0), 5, part.label)

    entries = {key: entry(part) for key, part in space_parts(space).items()}
    return LatencyTable({"engine": "made up"}, entries, call_ms=0.005)


def drawn(space: TieredSpace, table: LatencyTable, goal: float) -> Iterator[Picks]:
    """Networks drawn evenly, layer by layer, and brought to the goal; those that no widths bring there are left out."""
    rng = random.Random(f"{goal:.6f}")
    while True:
        picks = [
            None
            if layer.optional and rng.random() < 0.5
            else Pick(rng.randrange(len(layer.candidates)), rng.choice(layer.widths or (0,)))
            for layer in space.layers
        ]
        with suppress(ArchitectureError):
            yield land(space, table, picks, goal)


def accuracy(space: TieredSpace, data: Dataset, picks: Picks, seeds: int) -> float:
    """The mean of as many trainings from nothing, on the held-out images."""
    net = generate(space.of_picks(picks), input_shape=space.input_shape)
    schedule: Schedule = NAMED["glyphs"].schedule
    return statistics.fmean(train(net, data, schedule, seed=seed, readers=1)[1] for seed in range(seeds))


if __name__ == "__main__":
    main()
