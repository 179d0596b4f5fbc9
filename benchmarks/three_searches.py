"""Partial order pruning, PONAS and Tiered Pruning on one task, with one latency table and the same time each.

The space is that of Tiered Pruning, `tiered-small` by default. Partial order pruning searches the same: it takes any
space whose networks have an order, and so all that one of them may find the other may find, too. PONAS leaves no layers
out and knows no fused blocks: its candidates are the space's inverted blocks in layers of the largest depth, with every
kernel and inner widths of about a half, 2 and 6 times the block's input. All its networks are in the space.

The table is measured once, for some inner widths of each layer; the others are interpolated. Goals are latencies that
are reached by a tenth, ... of PONAS's networks, since it has the fewest fast ones. For each goal, of partial order
pruning that network of the boundary counts which is next below it, of PONAS the one that its table chooses, of Tiered
Pruning the one that is searched for it. The latter two train these networks on from inherited weights in their time.
Partial order pruning begins no training after its time. How many epochs the supernets of the others last follows from a
short trial of each, which is counted for none; what they took is told.

Then all networks are measured whole, and trained from scratch by one schedule with several seeds: what is compared are
networks, not inherited weights. That is counted apart.

Run: python benchmarks/three_searches.py --minutes 6 --out runs/three
Stopped and called again, it goes on: finished steps are kept in --out. There lie `three_searches.csv`, `.md`, `.png`,
and the folders of the three searches, which `dongfeng report` shows.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from glyphs_table import accuracy_column, train_left

from converters import make_engine
from prototxt_gen import generate, parse_architecture
from prototxt_gen.architectures import Unit
from prototxt_gen.errors import CaffeError
from prototxt_gen.files import write_bytes
from search import Dataset, LatencyTable, Schedule, load_data, parse_space, run_ponas, run_search
from search.latency import measure
from search.latency.layer_latencies import layer_latencies
from search.latency.predicting import space_parts
from search.report.publishing import publish
from search.report.reading import read_search
from search.spaces import PonasLayer, PonasSpace, TieredSpace
from search.strategies.choosing import choose
from search.strategies.ponas import Ponas
from search.strategies.tiered import Rules
from search.study.loop import measured_table
from search.study.storage import NAME
from search.study.tiered import FOUND, goal_folder, new_pruning, read_found, search_tiered
from search.training.checkpoints import differences
from search.training.inheriting import inheriting
from search.training.loading import NAMED
from search.training.one_shot import OneShot, train_one_shot
from search.training.tiered import Tiered, split, train_tiered
from search.training.training import train

POP, PONAS, TIERED = "partial order pruning", "PONAS", "Tiered Pruning"
METHODS = (POP, PONAS, TIERED)
COLOURS = {POP: "#2b5c7d", PONAS: "#e0a100", TIERED: "#c8442f"}
#: Inner widths of PONAS's candidates, as shares of the block's input channels.
SHARES = (0.5, 2.0, 6.0)
#: The goals lie between these shares of PONAS's networks, by latency.
GOALS = (0.1, 0.7)
#: What may not change when a run goes on. More seeds may be asked for.
ASKED = ("space", "data", "minutes", "goals", "threads", "engine", "knots", "epochs")
# Steps of a trial, and how many networks are drawn to see how fast PONAS's are.
TRIAL, DRAWN = 80, 400
# Epochs that Tiered Pruning's weights are trained alone, at least.
WARM_UP = 0.1


@dataclass
class Plan:
    """What is asked, and what follows from it."""

    space: TieredSpace
    ponas: PonasSpace
    data: Dataset
    table: LatencyTable
    goals: list[float]
    minutes: float
    out: Path
    schedule: Schedule


def ponas_in(space: TieredSpace) -> PonasSpace:
    """The space of PONAS whose networks are all in `space`: inverted blocks, at the largest depth."""
    layers = []
    for layer in space.layers:
        widths = dict.fromkeys(
            min(layer.widths, key=lambda width: (abs(width - share * layer.in_channels), width)) for share in SHARES
        )
        kernels = [candidate.kernel for candidate in layer.candidates if candidate.kind == "inverted"]
        units = tuple(Unit(kernel, inner=width) for width in widths for kernel in kernels)
        layers.append(PonasLayer(layer.width, layer.stride, units))
    return PonasSpace(tuple(layers), space.stem, space.classes, space.input_shape, space.family, space.head)


def goals_of(space: PonasSpace, table: LatencyTable, number: int) -> list[float]:
    """Latencies in ms, of four digits, that shares of the space's networks reach."""
    rng = random.Random(0)
    drawn = [table.predict(space.sample(rng), space.input_shape) for _ in range(DRAWN)]
    return [float(f"{ms:.4g}") for ms in np.quantile(drawn, np.linspace(*GOALS, number)).tolist()]


class Notes:
    """A JSON file of what is known, and a clock that goes on where it was stopped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """A value that is made but once."""
        if name not in self.values:
            self.values[name] = make()
            self.write()
        return self.values[name]

    def write(self) -> None:
        write_bytes(self.path, json.dumps(self.values, indent=1).encode())

    @contextmanager
    def timed(self, name: str) -> Iterator[float]:
        """Adds the seconds of what is done to those before, which it gives; a process that is killed loses two."""
        before = float(self.values.get(name, 0.0))
        begin, over = time.monotonic(), threading.Event()

        def tick() -> None:
            while not over.wait(2.0):
                self.values[name] = before + time.monotonic() - begin
                self.write()

        clock = threading.Thread(target=tick, daemon=True)
        clock.start()
        try:
            yield before
        finally:
            over.set()
            clock.join()
            self.values[name] = before + time.monotonic() - begin
            self.write()


def first(data: Dataset, count: int) -> Dataset:
    """The first so many images to train on."""
    return replace(data, train=data.train.some(range(min(count, len(data.train)))))


def seconds_of_network(plan: Plan) -> float:
    """How long the training of a network of about the middle goal takes, by a part of it."""
    rng = random.Random(1)
    drawn = [plan.ponas.sample(rng) for _ in range(DRAWN)]
    middle = plan.goals[len(plan.goals) // 2]
    near = min(drawn, key=lambda one: abs(plan.table.predict(one, plan.ponas.input_shape) - middle))
    size = plan.schedule.batch_size
    some = first(plan.data, TRIAL * size)
    begin = time.monotonic()
    train(generate(near, input_shape=plan.space.input_shape), some, replace(plan.schedule, epochs=1), seed=0)
    whole = plan.schedule.steps(len(plan.data.train)) / max(1, len(some.train) // size)
    return (time.monotonic() - begin) * whole


def one_shot(plan: Plan, data: Dataset, epochs: float) -> OneShot:
    """PONAS's training of about so many epochs in all; the stages have the shares of its defaults."""
    usual, rows = OneShot(), len(plan.ponas.rows)
    parts = usual.schedule.epochs + usual.first_epochs + rows * usual.row_epochs
    meta = max(1, round(epochs * usual.schedule.epochs / parts))
    rest = max(0.0, epochs - meta) / (usual.first_epochs + rows * usual.row_epochs)
    return replace(
        usual,
        schedule=replace(usual.schedule, epochs=meta),
        first_epochs=round(rest * usual.first_epochs, 3),
        row_epochs=round(rest * usual.row_epochs, 3),
        table_images=min(usual.table_images, len(plan.data.train) // 8),
        statistics_images=min(usual.statistics_images, len(plan.data.train) // 8),
    )


def trial_of_ponas(plan: Plan) -> dict[str, float]:
    """Seconds of a step, and those of all evaluations of the table."""
    settings = one_shot(plan, plan.data, 2.0)
    size = settings.schedule.batch_size
    # As many steps for all stages as the trial has.
    per_epoch = max(1, TRIAL // 2)
    data = first(plan.data, settings.table_images + per_epoch * size)
    counts = [len(plan.ponas.layers[layer].candidates) for layer in plan.ponas.rows]
    rows = Ponas(counts, suffixes=settings.suffixes, seed=0)
    spent, steps = {True: 0.0, False: 0.0}, {True: 0, False: 0}
    last = time.monotonic()

    def report(stage: str, share: float) -> None:
        nonlocal last
        now, evaluates = time.monotonic(), "evaluated" in stage
        spent[evaluates] += now - last
        steps[evaluates] += 1
        last = now

    train_one_shot(plan.ponas, data, rows, settings, report=report)
    return {"step": spent[False] / max(1, steps[False]), "evaluations": spent[True]}


def tiered_settings(epochs: float, goals: int) -> Tiered:
    """Tiered Pruning's training of so many epochs in all: whole ones for each goal, and before them one warm-up."""
    usual = Tiered()
    searched = max(1, math.floor((epochs - WARM_UP) / goals))
    warm = round(max(WARM_UP, epochs - goals * searched), 3)
    return replace(usual, schedule=replace(usual.schedule, epochs=searched), warm_up=warm)


def trial_of_tiered(plan: Plan) -> float:
    """Seconds of a step, on average over a search that is so short."""
    settings = tiered_settings(1.0, 1)
    size = settings.schedule.batch_size
    data = first(plan.data, math.ceil(TRIAL * size / (1 - settings.architecture_images)))
    pruning = new_pruning(plan.space, Rules(every=max(1, TRIAL // 40)))
    middle = plan.goals[len(plan.goals) // 2]
    steps = 0

    def report(stage: str, share: float) -> None:
        nonlocal steps
        steps += 1

    begin = time.monotonic()
    train_tiered(plan.space, data, pruning, layer_latencies(plan.space, plan.table), middle, settings, report=report)
    return (time.monotonic() - begin) / max(1, steps)


def search_by_order(plan: Plan, notes: Notes) -> list[str]:
    """Partial order pruning: for each goal the code of the network next below it; empty where there is none."""
    folder = plan.out / "order"
    with notes.timed(POP) as before:
        left = 60 * plan.minutes - before
        if left > 0:
            run_search(
                plan.space,
                plan.data,
                folder,
                table=plan.table,
                trials=None,
                hours=left / 3600,
                interval=(0.0, plan.goals[-1]),
                schedule=plan.schedule,
            )
    boundary = read_search(folder).search.boundary()
    below = [[one for one in boundary if one.latency <= goal] for goal in plan.goals]
    return [str(max(some, key=lambda one: one.latency).architecture) if some else "" for some in below]


def search_by_ponas(plan: Plan, notes: Notes) -> list[str]:
    """PONAS: for each goal the code of the network that its table chooses."""
    folder = plan.out / "ponas"
    trial = notes.once("trial of PONAS", lambda: trial_of_ponas(plan))
    rest = 60 * plan.minutes - trial["evaluations"] - len(plan.goals) * notes.values["seconds of a network"]
    usual = one_shot(plan, plan.data, 1.0)
    per_epoch = max(1, (len(plan.data.train) - usual.table_images) // usual.schedule.batch_size)
    epochs = notes.once("epochs of PONAS", lambda: _epochs(PONAS, rest / trial["step"] / per_epoch))
    settings = one_shot(plan, plan.data, epochs)
    with notes.timed(PONAS):
        accuracies = run_ponas(plan.ponas, plan.data, folder, settings)
        codes = [str(choose(accuracies, plan.table, goal).architecture) for goal in plan.goals]
        different = list(dict.fromkeys(codes))
        run_search(
            plan.ponas,
            inheriting(plan.ponas, plan.data, folder, settings.settings(), plan.schedule),
            folder,
            table=plan.table,
            trials=len(different),
            schedule=plan.schedule,
            strategy="listed",
            margin=math.inf,
            networks=different,
        )
    return codes


def search_by_tiers(plan: Plan, notes: Notes) -> list[str]:
    """Tiered Pruning: for each goal the code of its network."""
    folder = plan.out / "tiered"
    step = notes.once("trial of Tiered Pruning", lambda: trial_of_tiered(plan))
    goals = len(plan.goals)
    rest = 60 * plan.minutes - goals * notes.values["seconds of a network"]
    usual = Tiered()
    per_epoch = max(1, len(split(plan.data, usual).weights) // usual.schedule.batch_size)
    epochs = notes.once("epochs of Tiered Pruning", lambda: _epochs(TIERED, rest / step / per_epoch, goals + WARM_UP))
    with notes.timed(TIERED):
        search_tiered(
            plan.space,
            plan.data,
            folder,
            goals=plan.goals,
            tiered=tiered_settings(epochs, goals),
            schedule=plan.schedule,
            table=plan.table,
        )
    return [read_found(goal_folder(folder, goal) / FOUND).architecture for goal in plan.goals]


def _epochs(method: str, asked: float, least: float = 1.0) -> float:
    """So many epochs, and not less than a search takes."""
    if asked < least:
        print(f"{method}: there is time for {asked:.2f} epochs, expected {least:g}: give more --minutes", flush=True)
    return max(least, round(asked, 2))


SEARCHES = {POP: search_by_order, PONAS: search_by_ponas, TIERED: search_by_tiers}
FOLDERS = {POP: "order", PONAS: "ponas", TIERED: "tiered"}


def read_rows(path: Path) -> dict[str, dict[str, str]]:
    """The networks of a run by code, with their runs from scratch."""
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        return {row["code"]: row for row in csv.DictReader(file)}


def write_rows(path: Path, rows: Sequence[dict[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_bytes(path, text.getvalue().encode())


def compared(plan: Plan, notes: Notes, args: argparse.Namespace) -> list[dict[str, str]]:
    """A row for each method and goal: the network, its latencies, its accuracies in the search and from scratch."""
    found = {method: notes.values[f"networks of {method}"] for method in METHODS}
    codes = list(dict.fromkeys(code for some in found.values() for code in some if code))
    path = plan.out / "networks.csv"
    seeds = list(range(args.seeds))
    known = read_rows(path)
    rows = {code: {"code": code, "measured_ms": "", **known.get(code, {})} for code in codes}
    for row in rows.values():
        for seed in seeds:
            row.setdefault(accuracy_column(seed), "")

    def save() -> None:
        write_rows(path, list(rows.values()))

    if not all(row["measured_ms"] for row in rows.values()):
        nets = [generate(code, input_shape=plan.space.input_shape, merged=True) for code in codes]
        for row, entry in zip(rows.values(), measure(make_engine(args.engine, threads=1), nets), strict=True):
            row["measured_ms"] = f"{entry.ms:.5f}"
        save()
    left = [(code, seed) for seed in seeds for code in codes if not rows[code][accuracy_column(seed)]]
    if left:
        schedule = replace(plan.schedule, epochs=args.epochs)
        train_left(rows, left, plan.space.input_shape, args.processes, save, schedule, args.data)
    searched = {method: _accuracies(plan.out / FOLDERS[method]) for method in METHODS}
    return [
        {
            "method": method,
            "goal_ms": f"{goal:.6g}",
            "predicted_ms": f"{plan.table.predict(code, plan.space.input_shape):.5f}" if code else "",
            **{name: value for name, value in rows.get(code, {}).items() if name != "code"},
            "in_the_search": f"{searched[method][code]:.5f}" if code else "",
            "code": code,
        }
        for number, goal in enumerate(plan.goals)
        for method in METHODS
        for code in [found[method][number]]
    ]


def _accuracies(folder: Path) -> dict[str, float]:
    """What the networks of a search came to, by code."""
    return {row.code: row.accuracy for row in read_search(folder).rows if row.accuracy is not None}


def runs_of(row: dict[str, str]) -> list[float]:
    """The accuracies of a row's runs from scratch, in percent; what the search saw where there are none."""
    runs = [float(value) for name, value in row.items() if name.startswith(accuracy_column(0)[:-1]) and value]
    return [100 * run for run in runs or [float(row["in_the_search"])]]


def as_markdown(rows: Sequence[dict[str, str]], notes: Notes, minutes: float) -> str:
    lines = [
        "| goal, ms | method | predicted, ms | measured, ms | in the search, % | from scratch, %: mean | runs |",
        "|---:|---|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        if not row["code"]:
            lines.append(f"| {row['goal_ms']} | {row['method']} | none as fast | | | | |")
            continue
        seeds = [name for name in row if name.startswith(accuracy_column(0)[:-1]) and row[name]]
        runs = [100 * float(row[name]) for name in seeds]
        mean = f"{np.mean(runs):.2f}" if runs else ""
        lines.append(
            f"| {row['goal_ms']} | {row['method']} | {float(row['predicted_ms']):.4g} | {float(row['measured_ms']):.4g}"
            f" | {100 * float(row['in_the_search']):.2f} | {mean} | {', '.join(f'{run:.2f}' for run in runs)} |"
        )
    took = ", ".join(f"{method} {notes.values[method] / 60:.1f}" for method in METHODS)
    return "\n".join([*lines, "", f"Minutes asked for: {minutes:g} each; taken: {took}.", ""])


def draw(rows: Sequence[dict[str, str]], path: Path, title: str) -> None:
    """The networks of each method, the means of their runs joined to a boundary; bars from the least to the most."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print(f"{path}: left out: matplotlib (extra plot) draws it")
        return
    figure = Figure(figsize=(8, 5), dpi=150, layout="constrained")
    axes = figure.subplots()
    for method in METHODS:
        own = [row for row in rows if row["method"] == method and row["code"]]
        own = list({row["code"]: row for row in sorted(own, key=lambda row: float(row["predicted_ms"]))}.values())
        if not own:
            continue
        across = [float(row["predicted_ms"]) for row in own]
        runs = [runs_of(row) for row in own]
        means = [float(np.mean(some)) for some in runs]
        bars = [[mean - min(some) for mean, some in zip(means, runs, strict=True)],
                [max(some) - mean for mean, some in zip(means, runs, strict=True)]]  # fmt: skip
        axes.errorbar(across, means, bars, color=COLOURS[method], marker="o", capsize=3, linewidth=1.6, label=method)
    for goal in dict.fromkeys(row["goal_ms"] for row in rows):
        axes.axvline(float(goal), color="#b7c3cc", linestyle=":", linewidth=1)
    axes.set(xlabel="predicted latency, ms (dotted: the goals)", ylabel="held-out accuracy, %", title=title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6eaed", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, loc="best")
    figure.savefig(path)


def prepared(args: argparse.Namespace, notes: Notes) -> Plan:
    """The spaces, the images, the table and the goals."""
    space = parse_space(args.space)
    if not isinstance(space, TieredSpace):
        raise CaffeError(f"--space {args.space}: found {space}, expected a space of Tiered Pruning")
    ponas = ponas_in(space)
    asked = {name: getattr(args, name) for name in ASKED}
    if told := differences(notes.once("asked", lambda: asked), asked):
        raise CaffeError(f"{args.out}: begun with other settings: {'; '.join(told)}; choose another folder")
    coarse = replace(space, knots=args.knots)
    measured = measured_table(coarse, make_engine(args.engine, threads=1), args.out, None, NAME, True)
    parts = space_parts(space).values()
    table = measured.interpolated(space) if measured.missing(parts) else measured
    goals = notes.once("goals", lambda: goals_of(ponas, table, args.goals))
    schedule = replace(NAMED["glyphs"].schedule, batch_size=32, base_lr=0.1)
    data = load_data(args.data, space.input_shape)
    return Plan(space, ponas, data, table, goals, args.minutes, args.out, schedule)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=6.0, help="time of each search (default: 6)")
    parser.add_argument("--out", type=Path, default=Path("runs/three"), metavar="FOLDER")
    parser.add_argument("--goals", type=int, default=3, metavar="N", help="how many latencies (default: 3)")
    parser.add_argument("--seeds", type=int, default=2, metavar="N", help="runs from scratch; 0 for none (default: 2)")
    parser.add_argument("--epochs", type=int, default=3, metavar="N", help="of those runs (default: 3)")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="of PyTorch, in a search (default: 2)")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="trainings from scratch at a time")
    parser.add_argument("--engine", default="onnxruntime", help="that latencies are measured on (one thread)")
    parser.add_argument("--knots", type=int, default=9, metavar="N", help="inner widths measured (default: 9)")
    parser.add_argument("--space", default="tiered-small", help="of Tiered Pruning")
    parser.add_argument("--data", default="glyphs", help="digits, glyphs, or a folder")
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    notes = Notes(args.out / "three_searches.json")
    try:
        plan = prepared(args, notes)
        print(f"{plan.space}\n{plan.ponas}\ngoals: {', '.join(f'{goal:g} ms' for goal in plan.goals)}", flush=True)
        notes.once("seconds of a network", lambda: seconds_of_network(plan))
        for method, search in SEARCHES.items():
            codes = notes.once(f"networks of {method}", lambda search=search: search(plan, notes))
            publish(args.out / FOLDERS[method])
            print(f"{method}: {notes.values[method] / 60:.1f} minutes", *codes, sep="\n  ", flush=True)
        rows = compared(plan, notes, args)
    except CaffeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    write_rows(args.out / "three_searches.csv", rows)
    page = as_markdown(rows, notes, args.minutes)
    write_bytes(args.out / "three_searches.md", page.encode())
    draw(rows, args.out / "three_searches.png", f"{args.data}, {args.minutes:g} minutes each")
    print(page)
    for code in dict.fromkeys(row["code"] for row in rows if row["code"]):
        assert parse_architecture(code) in plan.space, code
    return 0


if __name__ == "__main__":
    sys.exit(main())
