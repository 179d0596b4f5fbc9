"""Strategies compared on tables of networks that others trained: hypervolume over the number of trainings.

A training shows one of a network's published runs, drawn at random; the truth is the mean of its runs. After each
training, a strategy hands out the boundary of the trained networks: by its model's expectation where it has a model, by
the accuracies it saw elsewhere. The score is the hypervolume of those networks' true accuracies, in percent of the
whole table's; the reference point is the largest cost and the 5th percentile of accuracy. No strategy is told the
reference.

Run: python benchmarks/strategies.py [TABLE.csv TABLE.csv.gz ...] [--made-up] [--kind additive ...] [--repeats 50]
With --made-up the same on made-up networks of a space of over 10^12 architectures; see made_up_networks.py.
Finished repeats are kept in --out; the same command goes on where it was stopped. With --repeats 0 it shows what there
is. --page writes the tables, --plot a picture.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from made_up_networks import MadeUpNetworks
from network_tables import read_table
from numpy.typing import NDArray
from rivals import RIVALS

from prototxt_gen.errors import CaffeError
from prototxt_gen.files import write_bytes
from search.spaces.vectors import Vectors
from search.strategies.additive import Additive
from search.strategies.candidates import Candidates
from search.strategies.chooser import Chooser
from search.strategies.hypervolume import hypervolume
from search.strategies.order import non_dominated
from search.strategies.pruning import Pruning
from search.strategies.uniform import Uniform
from search.strategies.unpruned import Unpruned

SHOWN = (10, 20, 40, 80, 120)
#: Each kind: what chooses, and the margin of the rule that prunes; infinity prunes nothing, None takes the default.
KINDS: dict[str, tuple[Callable[[Candidates, int], Chooser], float | None]] = {
    "additive": (Additive, math.inf),
    "additive-pruned": (Additive, 0.0),
    "additive-margin": (Additive, None),
    "random": (Uniform, math.inf),
    "uniform-pruned": (Uniform, 0.0),
    "uniform-margin": (Uniform, None),
    **{name: (rival, math.inf) for name, rival in RIVALS.items()},
}


class Networks(Protocol):
    """What strategies are compared on: a table of trained networks (NetworkTable), or made-up ones (MadeUpNetworks)."""

    name: str
    digest: str
    notes: tuple[str, ...]

    @property
    def candidates(self) -> Candidates:
        """What may be trained."""

    @property
    def count(self) -> int:
        """How many candidates there are."""

    @property
    def reference(self) -> tuple[float, float]:
        """The reference point of the hypervolume: cost, accuracy."""

    @property
    def whole(self) -> float:
        """The largest hypervolume that is known."""

    def truth_of(self, vectors: Vectors) -> NDArray[np.float64]:
        """The true accuracies (n,) of candidates (n, length)."""

    def run_of(self, vector: Vectors, rng: random.Random) -> float:
        """The accuracy that one run of a candidate shows."""


def share(networks: Networks, vectors: Vectors, accuracies: NDArray[np.float64]) -> float:
    """Of trained networks (n, length), the boundary by `accuracies` (n,), scored by the truth: 0..1 of the whole."""
    costs = networks.candidates.costs(vectors)
    rows = non_dominated(costs, accuracies)
    return hypervolume(costs[rows], networks.truth_of(vectors[rows]), networks.reference) / networks.whole


def run(networks: Networks, kind: str, seed: int, trainings: int) -> dict[str, object]:
    """One search: the share after each training, and the milliseconds of an ask."""
    rng = random.Random(f"{seed} runs")
    candidates = networks.candidates
    make, margin = KINDS[kind]
    pruning = Pruning(candidates, margin)
    chooser = make(candidates if margin == math.inf else Unpruned(candidates, pruning), seed)
    shares: list[float] = []
    asking = []
    none = np.zeros((0, candidates.length), dtype=np.uint8)
    for _ in range(min(trainings, networks.count)):
        begin = time.perf_counter()
        asked = chooser.ask(1, none)
        asking.append(time.perf_counter() - begin)
        if not len(asked):
            # Everything else is pruned: what there is stays.
            shares += [shares[-1]] * (trainings - len(shares))
            break
        chooser.tell(asked[0], networks.run_of(asked[0], rng))
        results = chooser.results
        pruning.update(results)
        expected = chooser.expected(results.vectors)
        shares.append(share(networks, results.vectors, results.accuracies if expected is None else expected))
    return {
        "seed": seed, "shares": [round(each, 6) for each in shares], "ms": round(float(np.median(asking)) * 1e3, 3)
    }  # fmt: skip


def kept(folder: Path, networks: Networks, kind: str) -> Path:
    return folder / f"{networks.name}-{networks.digest}" / f"{kind}.jsonl"


def done(path: Path, trainings: int) -> dict[int, dict]:
    """Finished repeats by seed; a last line cut short by an interruption is left out."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            one = json.loads(line)
        except ValueError:
            continue
        if len(one["shares"]) >= trainings:
            found[one["seed"]] = one
    return found


def report(tables: Sequence[Networks], kinds: list[str], args: argparse.Namespace) -> list[str]:
    """Lines of Markdown: shares after 10, 20, ... trainings, and the trainings that reach the rivals' last."""
    lines: list[str] = []
    for table in tables:
        found = {kind: done(kept(args.out, table, kind), min(args.trainings, table.count)) for kind in kinds}
        found = {kind: list(each.values()) for kind, each in found.items() if each}
        at = [number for number in SHOWN if number <= args.trainings]
        lines += ["", f"**{table.name}**, {table.count:,} networks, {'; '.join(table.notes[1:])}", ""]
        lines += [f"| strategy | {' | '.join(map(str, at))} | quartiles at {at[-1]} | repeats | ms an ask |"]
        lines += ["|---" * (len(at) + 4) + "|"]
        for kind, each in found.items():
            shares = 100 * np.array([one["shares"] for one in each])
            medians = [f"{np.median(shares[:, number - 1]):.1f}" for number in at]
            low, high = np.percentile(shares[:, at[-1] - 1], [25, 75])
            ms = np.median([one["ms"] for one in each])
            lines.append(f"| {kind} | {' | '.join(medians)} | {low:.1f} to {high:.1f} | {len(each)} | {ms:.1f} |")
        if "additive" in found:
            ours = np.median(100 * np.array([one["shares"] for one in found["additive"]]), axis=0)
            reached = []
            for kind, each in found.items():
                if not kind.startswith("additive"):
                    last = np.median([100 * one["shares"][-1] for one in each])
                    first = np.flatnonzero(ours >= last)
                    reached.append(f"{kind} {first[0] + 1 if len(first) else 'more'}")
            if reached:
                lines += ["", f"What others have after {args.trainings}, `additive` has after: {', '.join(reached)}."]
    return lines[1:]


def plot(tables: Sequence[Networks], kinds: list[str], args: argparse.Namespace) -> None:
    """One picture of medians over the number of trainings, quartiles shaded, a panel for each table."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(tables), figsize=(5 * len(tables), 4), squeeze=False, sharey=True)
    for panel, table in zip(panels[0], tables, strict=True):
        for number, kind in enumerate(kinds):
            each = list(done(kept(args.out, table, kind), min(args.trainings, table.count)).values())
            if each:
                shares = 100 * np.array([one["shares"][: args.trainings] for one in each])
                low, middle, high = np.percentile(shares, [25, 50, 75], axis=0)
                trainings = np.arange(1, shares.shape[1] + 1)
                panel.plot(trainings, middle, label=kind, color=f"C{number}", linewidth=2 if number == 0 else 1.2)
                panel.fill_between(trainings, low, high, color=f"C{number}", alpha=0.15, linewidth=0)
        panel.set(title=f"{table.name}, {table.count:,} networks", xlabel="trainings", ylim=(50, 100.5))
        panel.grid(alpha=0.3)
    panels[0][0].set_ylabel("hypervolume, % of the table's")
    panels[0][-1].legend(fontsize=8, loc="lower right")
    figure.tight_layout()
    figure.savefig(args.plot, dpi=80)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", type=Path, metavar="TABLE.csv")
    parser.add_argument("--made-up", action="store_true", help="a space of over 10^12, made up: made_up_networks.py")
    parser.add_argument("--kind", nargs="+", choices=sorted(KINDS), default=["random", "additive"])
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--first", type=int, default=0, help="seed of the first repeat")
    parser.add_argument("--trainings", type=int, default=120)
    parser.add_argument("--code", help="the column with the code")
    parser.add_argument("--choices", nargs="+", default=[], help="the columns with choices, instead of a code")
    parser.add_argument("--cost", help="the column with the cost; 1/NAME for a rate")
    parser.add_argument("--accuracy", nargs="+", default=[], help="the columns with accuracies, one a run")
    parser.add_argument("--out", type=Path, default=Path("runs/strategies"), help="folder for finished repeats")
    parser.add_argument("--page", type=Path, help="write the tables as Markdown")
    parser.add_argument("--plot", type=Path, help="write a picture (PNG)")
    args = parser.parse_args()
    try:
        tables: list[Networks] = [
            read_table(path, code=args.code, choices=args.choices, cost=args.cost, accuracies=args.accuracy)
            for path in args.tables
        ]
    except CaffeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if args.made_up:
        tables.append(MadeUpNetworks())
    if not tables or (args.made_up and set(args.kind) & set(RIVALS)):
        parser.error("give a table, or --made-up; of the latter the rivals would need the list")
    for table in tables:
        print(f"{table.name}: {table.count:,} networks; {'; '.join(table.notes)}", file=sys.stderr)
    for seed in range(args.first, args.first + args.repeats):
        for table in tables:
            for kind in args.kind:
                path = kept(args.out, table, kind)
                if seed in done(path, min(args.trainings, table.count)):
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                one = run(table, kind, seed, args.trainings)
                with path.open("a") as file:
                    file.write(json.dumps(one) + "\n")
    page = "\n".join(report(tables, list(args.kind), args)) + "\n"
    print(page)
    if args.page:
        write_bytes(args.page, page.encode())
    if args.plot:
        plot(tables, list(args.kind), args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
