"""What ending hopeless trainings early saves, and what it loses, on recorded curves of real trainings.

python benchmarks/ending.py record CURVES.csv --data digits --trainings 80
python benchmarks/ending.py replay CURVES.csv

The first draws networks of a space and trains each to its end, looking at the accuracy on the way; one row each. It can
be stopped and started again. The second plays searches with these trainings in random orders, with the rule of
search/strategies/ending.py and without.
"""

from __future__ import annotations

import argparse
import csv
import random
import statistics
from pathlib import Path

from search.strategies.ending import Curves, Ending

LOOKS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
# Accuracies are known to 1.5 points then, and looks take less time.
HELD_OUT_GLYPHS = 1000
# Architecture, multiply-adds, accuracy by look, final accuracy.
Training = tuple[str, int, dict[float, float], float]
COLUMNS = ["architecture", "multiply_adds", *map(str, LOOKS), "final"]


def record(path: Path, name: str, trainings: int, seed: int) -> None:
    """Trains networks drawn evenly from the data's own space, those that the file has already left out."""
    import torch

    from prototxt_gen import generate, summarize
    from search import digits, parse_space
    from search.training.glyphs import glyphs
    from search.training.loading import NAMED
    from search.training.training import train

    torch.set_num_threads(1)
    space, schedule = parse_space(NAMED[name].space), NAMED[name].schedule
    ranks = random.Random(seed).sample(range(space.count()), trainings)
    done = {row["architecture"] for row in read(path)} if path.exists() else set()
    data = digits((32, 32)) if name == "digits" else glyphs((32, 32), held_out=HELD_OUT_GLYPHS)
    with path.open("a", newline="") as file:
        table = csv.writer(file)
        if not done:
            table.writerow(COLUMNS)
        for architecture in map(space.at, ranks):
            if str(architecture) in done:
                continue
            net = generate(architecture, input_shape=space.input_shape)
            seen: list[float] = []
            _, accuracy = train(
                net,
                data,
                schedule,
                report=lambda share, now, seen=seen: None if now is None else seen.append(now),
                looks=LOOKS,
            )
            figures = [f"{value:.4f}" for value in (*seen, accuracy)]
            table.writerow([str(architecture), summarize(net).multiply_adds, *figures])
            file.flush()


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a recorded file."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def replay(path: Path, repeats: int) -> None:
    """Plays searches that train all networks of the file in random orders, and prints what each rule does."""
    rows = [
        (
            row["architecture"],
            int(row["multiply_adds"]),
            {look: float(row[str(look)]) for look in LOOKS},
            float(row["final"]),
        )
        for row in read(path)
    ]
    on_boundary = {
        code
        for code, cost, _, final in rows
        if not any(
            other_cost <= cost and other >= final and (other_cost, other) != (cost, final)
            for _, other_cost, _, other in rows
        )
    }
    finals = [final for *_, final in rows]
    print(
        f"{path}: {len(rows)} trainings, {len(on_boundary)} on the boundary, final accuracy {min(finals):.1%} to "
        f"{max(finals):.1%}; {repeats} random orders"
    )
    print("looks     risk   ended   saved   wrong   lost of the boundary")
    for looks in ((0.3,), (0.5,), (0.7,), (0.3, 0.6), (0.5, 0.8)):
        for risk in (0.05, 0.1):
            ending = Ending(risk, looks)
            played = [play(rows, on_boundary, ending, seed) for seed in range(repeats)]
            ended, saved, wrong, lost = (statistics.mean(column) for column in zip(*played, strict=True))
            print(
                f"{','.join(map(str, looks)):<8} {risk:5.0%}  {ended / len(rows):6.1%}  {saved / len(rows):6.1%}  "
                f"{wrong / len(rows):6.2%}  {lost:5.2f} of {len(on_boundary)}"
            )


def play(rows: list[Training], on_boundary: set[str], ending: Ending, seed: int) -> tuple[int, float, int, int]:
    """One search: how many trainings it ends and saves, and ends wrongly.

    Of the latter those that would have joined the boundary as it stood, and those of the true one.
    """
    curves, finished = Curves(), []
    ended, saved, wrong, lost = 0, 0.0, 0, 0
    for code, cost, looks, final in random.Random(seed).sample(rows, len(rows)):
        needed = max((accuracy for other, accuracy in finished if other <= cost), default=None)
        for look in ending.looks:
            if ending.hopeless(curves, look, looks[look], needed, code):
                ended, saved = ended + 1, saved + 1 - look
                wrong += final > needed
                lost += code in on_boundary
                break
        else:
            curves.add({look: looks[look] for look in ending.looks}, final)
            finished.append((cost, final))
    return ended, saved, wrong, lost


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record")
    recording.add_argument("file", type=Path)
    recording.add_argument("--data", choices=("digits", "glyphs"), default="digits")
    recording.add_argument("--trainings", type=int, default=80)
    recording.add_argument("--seed", type=int, default=0)
    replaying = commands.add_parser("replay")
    replaying.add_argument("file", type=Path)
    replaying.add_argument("--repeats", type=int, default=500)
    args = parser.parse_args()
    if args.command == "record":
        record(args.file, args.data, args.trainings, args.seed)
    else:
        replay(args.file, args.repeats)
