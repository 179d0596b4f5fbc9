"""Networks chosen from a table of accuracies: as text, as a CSV that a search begins with, as a picture, as files."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from converters.targets.target import Target
from converters.weights import Weights, save_weights
from prototxt_gen.architectures import Backbone
from prototxt_gen.errors import FileError, NotInstalledError
from prototxt_gen.files import replacing
from prototxt_gen.generator.networks import generate
from prototxt_gen.tables import aligned
from prototxt_gen.text import to_text, write_prototxt
from search.costs import ENERGY, in_words
from search.report.for_target import ForTarget, write_for_target
from search.report.networks import write_network
from search.strategies.choosing import LATENCY, Chosen
from search.study.folder import DEPLOY, MERGED, MERGED_WEIGHTS, WEIGHTS, make_folder

if TYPE_CHECKING:  # torch takes seconds to import, and choosing needs none
    from search.training.dataset import Dataset
    from search.training.schedule import Schedule

#: Where accuracies are from if nothing was measured.
EXPECTED = "expected by the table"


class _Column(NamedTuple):
    """Of a cost: the title of its column in a CSV, and in a table for people; a number of it in the latter."""

    name: str
    title: str
    form: str


_COLUMNS = {
    LATENCY: _Column("latency_ms", "ms", ".3f"),
    "parameters": _Column("parameters", "parameters", ","),
    "multiply-adds": _Column("multiply_adds", "multiply-adds", ","),
    "memory": _Column("memory_bytes", "memory (bytes)", ","),
    ENERGY: _Column("energy_mj", "mJ", ".4g"),
}


class Result(NamedTuple):
    """A chosen network, the limits in words that it was chosen for, and what is known of its accuracy in 0..1.

    `accuracy` is what was measured, None where nothing was; `source` says in words where it is from. `for_target` is
    what a target makes of the network, where one was asked for and the network was written.
    """

    chosen: Chosen
    limits: str
    accuracy: float | None = None
    source: str = EXPECTED
    for_target: ForTarget | None = None


def chosen_table(results: Sequence[Result]) -> str:
    """The networks as text, one row each."""
    names = _names(results)
    measured = any(result.accuracy is not None for result in results)
    targets = dict.fromkeys(result.for_target.target for result in results if result.for_target)
    titles = ["limits", "expected", *(["accuracy"] if measured else []), *(_COLUMNS[name].title for name in names)]
    titles += targets
    rows = [
        (
            result.limits,
            f"{result.chosen.accuracy:.2%}",
            *([("" if result.accuracy is None else f"{result.accuracy:.2%}")] if measured else []),
            *(format(result.chosen.costs[name], _COLUMNS[name].form) for name in names),
            *(str(result.for_target or "") for _ in targets),
            result.chosen.architecture,
        )
        for result in results
    ]
    return "\n".join(aligned([(*titles, "architecture"), *rows], right=range(1, len(titles))))


def chosen_csv(results: Sequence[Result]) -> str:
    """The networks as a CSV, one line each, that `read_known` reads.

    `accuracy` is what was measured, and where nothing was, what the table expects; `source` says which.
    """
    names = _names(results)
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(
        ["architecture", "accuracy", "expected", *(_COLUMNS[name].name for name in names), "limits", "source"]
    )
    for result in results:
        accuracy = result.chosen.accuracy if result.accuracy is None else result.accuracy
        numbers = (accuracy, result.chosen.accuracy, *(result.chosen.costs[name] for name in names))
        rounded = (round(number, 6) for number in numbers)
        lines.writerow([result.chosen.architecture, *rounded, result.limits, result.source])
    return text.getvalue()


def _names(results: Sequence[Result]) -> list[str]:
    """The costs that are told of all networks."""
    return [name for name in _COLUMNS if all(name in result.chosen.costs for result in results)]


def limit_words(limits: Mapping[str, float]) -> str:
    """Limits in words: "at most 5 ms, at most 300,000,000 multiply-adds"."""
    shown = {"multiply-adds": " multiply-adds", "parameters": " parameters"}
    finite = {name: most for name, most in limits.items() if math.isfinite(most)}
    return ", ".join(f"{in_words(name, 0, most)}{shown.get(name, '')}" for name, most in finite.items()) or "none"


def draw_chosen(found: Sequence[Chosen], cost: str, path: str | os.PathLike[str]) -> None:
    """Draws what a table expects of networks against one of their costs. PNG. NotInstalledError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError as fault:
        raise NotInstalledError("matplotlib", "plot", f"{os.fspath(path)}: the picture") from fault
    figure = Figure(figsize=(8, 5), dpi=150, layout="constrained")
    axes = figure.subplots()
    costs, expected = [one.costs[cost] for one in found], [100 * one.accuracy for one in found]
    axes.step(costs, expected, where="post", color="#c8442f", linewidth=1.5)
    axes.scatter(costs, expected, s=14, color="#c8442f", linewidths=0)
    title = _COLUMNS[cost].title
    axes.set_xlabel(f"{cost}, {title}" if title in ("ms", "mJ") else title)
    axes.set_ylabel("accuracy that the table expects, %")
    axes.set_title(f"{len(found)} network{'' if len(found) == 1 else 's'} chosen from a table of accuracies")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6eaed", linewidth=0.8)
    axes.set_axisbelow(True)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def write_chosen(
    architecture: Backbone,
    target: Path,
    shape: tuple[int, int, int, int],
    data: Dataset | None = None,
    schedule: Schedule | None = None,
    weights: Weights | None = None,
    toolchain: Target | None = None,
) -> ForTarget | None:
    """Writes a network into the folder `target`, as `write_network` does, and the merged network in any case.

    `weights` are by the layers' names. With a `toolchain` the network is written in its words, too, and what became of
    that is returned. FileError where the folder has weights of another network, and none are given to replace them.
    """
    deploy = generate(architecture, input_shape=shape)
    make_folder(target)
    if weights is None:
        _check_weights(target, to_text(deploy))
        write_network(architecture, target, shape, data, schedule)
        write_prototxt(generate(architecture, input_shape=shape, merged=True), target / MERGED)
    else:
        save_weights(weights, target / WEIGHTS, deploy)
        write_network(architecture, target, shape, data, schedule, target / WEIGHTS)
    if toolchain is None:
        return None
    return write_for_target(architecture, target, shape, toolchain, (target / MERGED_WEIGHTS).exists())


def _check_weights(target: Path, text: str) -> None:
    """FileError where weights lie in a folder that are not those of the network of this text."""
    there = [name for name in (WEIGHTS, MERGED_WEIGHTS) if (target / name).exists()]
    deploy = target / DEPLOY
    if there and not (deploy.exists() and deploy.read_text("utf-8", "replace") == text):
        raise FileError(
            f"{target}: found {', '.join(there)} of another network, and no weights to replace them: choose another "
            "folder, or have this network's weights written, too"
        )
