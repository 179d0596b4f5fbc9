"""What a search hands out: networks with weights, a table, a picture, and boundary.json to read by program."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converters.engines import Engine
from prototxt_gen.architectures import Backbone
from prototxt_gen.errors import CaffeError
from prototxt_gen.files import replacing, write_bytes
from prototxt_gen.generator.networks import generate
from prototxt_gen.generator.solver import solver
from prototxt_gen.summary import summarize
from prototxt_gen.text import write_prototxt
from search.data import Dataset
from search.latency import measure
from search.partial_order import PRUNED, PartialOrderPruning
from search.study import network_folder
from search.training import Schedule

FORMAT = "dongfeng boundary 1"


@dataclass(frozen=True)
class Found:
    """A network of the boundary. Latencies in ms at batch 1, accuracy in 0..1, paths relative to the run's folder.

    Both latencies are of the merged network; the files are unmerged, as they were trained.
    """

    code: str
    latency_ms: dict[str, float]
    accuracy: float
    parameters: int
    multiply_adds: int
    prototxt: str
    caffemodel: str


def write_report(
    search: PartialOrderPruning, out: str | os.PathLike[str], engine: Engine, data: Dataset, schedule: Schedule
) -> list[Found]:
    """Writes the boundary's prototxts beside their weights, then boundary.json; fastest network first.

    The networks are measured whole for it, on the engine's target.
    """
    folder = Path(out)
    boundary = search.boundary()
    shape = search.space.input_shape
    measured = measure(
        engine, [generate(architecture, input_shape=shape, merged=True) for architecture, _, _ in boundary]
    )
    found = []
    for (architecture, predicted, accuracy), entry in zip(boundary, measured, strict=True):
        target = network_folder(folder, architecture)
        _write_network(architecture, target, shape, data, schedule)
        costs = summarize(generate(architecture, input_shape=shape))
        found.append(
            Found(
                code=str(architecture),
                latency_ms={"predicted": round(predicted, 6), "measured": entry.ms},
                accuracy=accuracy,
                parameters=costs.parameters,
                multiply_adds=costs.multiply_adds,
                prototxt=(target / "deploy.prototxt").relative_to(folder).as_posix(),
                caffemodel=(target / "weights.caffemodel").relative_to(folder).as_posix(),
            )
        )
    document = {
        "format": FORMAT,
        "space": str(search.space),
        "data": data.identity,
        "classes": data.classes,
        "counts": search.counts(),
        "latency_target": search.table.target,
        "networks": [asdict(network) for network in found],
    }
    write_bytes(folder / "boundary.json", (json.dumps(document, indent=1) + "\n").encode())
    return found


def boundary_table(found: Sequence[Found]) -> str:
    """The boundary as text, one row a network."""
    rows = [("ms predicted", "ms measured", "accuracy", "parameters", "multiply-adds", "architecture")]
    rows += [
        (
            f"{network.latency_ms['predicted']:.3f}",
            f"{network.latency_ms['measured']:.3f}",
            f"{network.accuracy:.2%}",
            f"{network.parameters:,}",
            f"{network.multiply_adds:,}",
            network.code,
        )
        for network in found
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([*(cell.rjust(width) for cell, width in zip(row[:-1], widths, strict=False)), row[-1]])
        for row in rows
    )


def counts_line(counts: dict[str, int]) -> str:
    """How much of the space a search has settled, in one sentence."""
    rest = counts["in_interval"] - counts["trained"] - counts["pruned"]
    return (
        f"{counts['space']:,} architectures in the space, {counts['in_interval']:,} in the latency interval: "
        f"{counts['trained']:,} trained, {counts['pruned']:,} pruned without training, {rest:,} not looked at"
    )


def draw_boundary(search: PartialOrderPruning, path: str | os.PathLike[str]) -> None:
    """Draws every trained network and the boundary; below, what became of all candidates by latency. PNG.

    CaffeError when matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as fault:
        raise CaffeError(f"{os.fspath(path)}: not drawn without matplotlib: pip install dongfeng[plot]") from fault
    pruner, counts = search.pruner, search.counts()
    trained = pruner.trained()
    boundary = pruner.boundary()
    figure = Figure(figsize=(9, 6.5), dpi=150, layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    codes = {index: str(search.space.decode(pruner.vectors[index])) for index in boundary}
    _draw_accuracies(top, pruner.latencies, pruner.accuracies * 100, trained, boundary, codes)
    figure.suptitle(
        f"{counts['trained']:,} networks trained, {counts['pruned']:,} pruned without training, "
        f"of {counts['in_interval']:,} candidates",
        fontsize=13,
    )
    _draw_candidates(bottom, pruner.latencies, pruner.state == PRUNED, trained)
    bottom.set_xlabel(f"predicted latency, ms ({search.table.target.get('engine')}, batch 1)")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def _draw_accuracies(
    axes: Any, latencies: Any, percents: Any, trained: list[int], boundary: list[int], codes: dict[int, str]
) -> None:
    others = [index for index in trained if index not in boundary]
    # One candidate that failed to train must not press all others together.
    low = min(percents[boundary[0]], np.quantile(percents[trained], 0.1)) - 1
    shown = [index for index in others if percents[index] >= low]
    below = [index for index in others if percents[index] < low]
    axes.scatter(latencies[shown], percents[shown], s=22, color="#8fa3b3", label="trained", linewidths=0)
    if below:
        floor = np.full(len(below), low)
        axes.scatter(
            latencies[below], floor, s=30, color="#8fa3b3", marker="v", label="trained, further down", linewidths=0
        )
    axes.step(
        latencies[boundary],
        percents[boundary],
        where="post",
        color="#c8442f",
        linewidth=1.8,
        label="boundary",
        zorder=3,
    )
    axes.scatter(latencies[boundary], percents[boundary], s=42, color="#c8442f", edgecolor="white", zorder=4)
    slowest = latencies[trained].max()
    axes.hlines(percents[boundary[-1]], latencies[boundary[-1]], slowest, color="#c8442f", linewidth=1, linestyle=":")
    # Few candidates are very slow; without them the rest has room.
    right = 1.03 * max(slowest, np.quantile(latencies, 0.995))
    axes.set_xlim(right=right)
    # The ends of the boundary by name; a third label would meet the line or another dot.
    for index, rise in ((boundary[0], -15), (boundary[-1], 9)):
        leftwards = latencies[index] > right / 2
        axes.annotate(
            codes[index],
            (latencies[index], percents[index]),
            (5 if leftwards else -5, rise),
            textcoords="offset points",
            ha="right" if leftwards else "left",
            fontsize=8,
            color="#52616c",
        )
    axes.margins(y=0.12)
    axes.set_ylabel("held-out accuracy, %")
    axes.legend(loc="lower right", frameon=False)
    _bare(axes)


def _draw_candidates(axes: Any, latencies: Any, pruned: Any, trained: list[int]) -> None:
    untouched = ~pruned
    untouched[trained] = False
    axes.hist(
        [latencies[pruned], latencies[untouched]],
        bins=60,
        stacked=True,
        color=["#2b5c7d", "#cfd8df"],
        label=["pruned", "not looked at"],
    )
    axes.set_ylabel("candidates")
    axes.legend(loc="upper right", frameon=False)
    _bare(axes)


def _bare(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6eaed", linewidth=0.8)
    axes.set_axisbelow(True)


def _write_network(
    architecture: Backbone, target: Path, shape: tuple[int, int, int, int], data: Dataset, schedule: Schedule
) -> None:
    """The prototxts of one network, so that Caffe can go on training where the search left off."""
    batch = min(schedule.batch_size, len(data.train.labels))
    epoch = schedule.steps(len(data.train.labels)) // schedule.epochs
    steps = epoch * schedule.epochs
    write_prototxt(generate(architecture, input_shape=shape), target / "deploy.prototxt")
    training = generate(architecture, form="train_val", input_shape=(batch, *shape[1:]))
    training.layer[0].transform_param.mirror = data.mirrored
    write_prototxt(training, target / "train_val.prototxt")
    write_prototxt(
        # Every Caffe runs on the CPU; whoever has one with CUDA changes a word.
        solver(
            "train_val.prototxt",
            max_iter=steps,
            base_lr=schedule.base_lr,
            momentum=schedule.momentum,
            weight_decay=schedule.weight_decay,
            test_iter=-(-len(data.held_out.labels) // batch),
            test_interval=epoch,
            display=epoch,
            snapshot=steps,
            solver_mode="CPU",
        ),
        target / "solver.prototxt",
    )
