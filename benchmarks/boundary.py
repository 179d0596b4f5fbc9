"""How far the boundary that a search hands out can be believed: on tables of trained networks, by several rules.

The strategy `additive` is played on a table as in benchmarks/strategies.py. After some trainings, the boundary is told
by what it expects of the trained networks, by what was seen of them, and by its model alone, as if nothing of a network
were its own. Told of each: the hypervolume of the networks on it by their true accuracies, in percent of the whole
table's; how many they are; how many of them another trained network truly beats; how far, as the root of the mean
square over all trained networks, the accuracies that the rule takes are from the truth, in points. Means over repeats.

Run: python benchmarks/boundary.py TABLE.csv [TABLE.csv.gz ...] [--repeats 25] [--runs 1] [--at 12 24 40]
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
from network_tables import NetworkTable, read_table
from numpy.typing import NDArray
from strategies import Score

from search.strategies import additive
from search.strategies.additive import Additive
from search.strategies.order import non_dominated


def rules(search: Additive) -> dict[str, NDArray[np.float64]]:
    """Accuracies of the trained networks (n,) by rule."""
    told = search.results
    expected = search.expected(told.vectors)
    assert expected is not None
    model, scale = search._model()
    alone = additive._accuracies(model, scale, model.predict(told.vectors, told.costs))
    return {"expected": expected, "seen": told.accuracies, "model alone": alone}


def played(table: NetworkTable, seed: int, runs: int, at: list[int]) -> dict[tuple[str, int], tuple[float, ...]]:
    """One search: by rule and number of trainings, the figures that `main` prints."""
    score, rng = Score(table), random.Random(f"{seed} runs")
    search = Additive(table.candidates, seed)
    places: list[int] = []
    found = {}
    for training in range(1, max(at) + 1):
        vector = search.ask(1, table.vectors[:0])[0]
        place = int(table.candidates.places(vector[None])[0])
        places.append(place)
        known = table.runs[place][np.isfinite(table.runs[place])].tolist()
        for accuracy in rng.sample(known, min(runs, len(known))):
            search.tell(vector, accuracy)
        if training not in at:
            continue
        truth, costs = table.truth[places], table.costs[places]
        true = set(non_dominated(costs, truth).tolist())
        for rule, accuracies in rules(search).items():
            shown = set(non_dominated(costs, accuracies).tolist())
            apart = 100 * float(np.sqrt(np.mean(np.square(accuracies - truth))))
            found[rule, training] = 100 * score(places, accuracies), len(shown), len(shown - true), len(true), apart
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", type=Path, metavar="TABLE.csv")
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--runs", type=int, default=1, help="how many runs of each network are told")
    parser.add_argument("--at", type=int, nargs="+", default=[12, 24, 40], help="after how many trainings")
    args = parser.parse_args()
    print("| table | trainings | rule | hypervolume | on it | of them beaten | truly on it | off by, points |")
    print("|---|---:|---|---:|---:|---:|---:|---:|")
    for path in args.tables:
        table = read_table(path)
        repeats = [played(table, seed, args.runs, args.at) for seed in range(args.repeats)]
        for training in args.at:
            for rule in ("expected", "seen", "model alone"):
                volume, shown, beaten, true, apart = np.mean([one[rule, training] for one in repeats], axis=0)
                print(
                    f"| {table.name} | {training} | {rule} | {volume:.2f} | {shown:.1f} | {beaten:.1f} | {true:.1f} | "
                    f"{apart:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
