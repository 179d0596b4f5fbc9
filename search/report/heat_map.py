"""A table of accuracies as a heat map: a row for each layer, a column for each candidate, losses as colour and number.

Which candidate was kept for the rows behind has a frame, those that stand in chosen networks have a dot for each of
these networks. As a picture, as CSV, and for the page.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from prototxt_gen.errors import NotInstalledError
from prototxt_gen.files import replacing
from search.spaces import Architecture
from search.strategies.accuracy_table import LEAST_ERROR, AccuracyTable
from search.strategies.choosing import space_of

# So many chosen networks have dots of their own; of more, some that are spread over them.
DOTS = 6
# From the fastest network to the slowest. They are told apart on any colour of a cell, which is never so dark.
_COLOURS = ("#1b6ca8", "#2a9d8f", "#e0a100", "#8a5fb0", "#30363c", "#d45087")


@dataclass(frozen=True)
class Cell:
    """A candidate of a row: its code, accuracy in 0..1, loss, and that in words.

    `share` is its loss by the largest of the table, in 0..1. `networks` are the places of the chosen networks that have
    it, as `HeatMap.networks` has them.
    """

    candidate: str
    accuracy: float
    loss: float
    words: str
    share: float
    kept: bool
    networks: tuple[int, ...]


@dataclass(frozen=True)
class HeatMap:
    """The cells of each layer, layers by their names; the titles of all columns; what each chosen network is."""

    layers: dict[str, list[Cell]]
    columns: tuple[str, ...]
    networks: tuple[str, ...]
    unit: str

    def csv(self) -> str:
        """A line for each candidate of each layer; `networks` counts the chosen networks that have it."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("layer", "candidate", "accuracy", "loss", "kept", "networks"))
        for layer, cells in self.layers.items():
            for cell in cells:
                numbers = (f"{cell.accuracy:.6f}", f"{cell.loss:.6f}", int(cell.kept), len(cell.networks))
                writer.writerow((layer, cell.candidate, *numbers))
        return text.getvalue()

    def document(self) -> dict[str, Any]:
        """As the page is told it."""
        return {
            "columns": list(self.columns),
            "layers": [
                {"name": name, "cells": [asdict(cell) for cell in cells]} for name, cells in self.layers.items()
            ],
            "networks": list(self.networks),
            "unit": self.unit,
        }


def heat_map(table: AccuracyTable, networks: Sequence[tuple[Architecture, float]] = ()) -> HeatMap:
    """The heat map of a table, with networks of its space and their latencies in ms.

    FormatError where the rows are not those of the space; ArchitectureError for a network of another space.
    """
    space = space_of(table)
    ranked = sorted(networks, key=lambda one: one[1])
    choices = [space.choices_of(architecture) for architecture, _ in ranked]
    kept = table.provenance.get("kept")
    most = max((float(losses.max()) for losses in table.losses), default=0.0) or 1.0
    points = table.power == 1
    least = max(1 - table.best, LEAST_ERROR)
    layers = {}
    for number, (row, losses) in enumerate(zip(table.rows, table.losses, strict=True)):
        more = losses if points else (1 - table.expected(losses)) / least - 1
        layers[row.layer] = [
            Cell(
                code,
                accuracy,
                float(loss),
                f"{100 * more[place]:.{1 if points else 0}f}",
                float(loss) / most,
                isinstance(kept, list) and len(kept) == len(table.rows) and kept[number] == place,
                tuple(network for network, choice in enumerate(choices) if choice[number] == place),
            )
            for place, (code, accuracy, loss) in enumerate(zip(row.candidates, row.accuracies, losses, strict=True))
        ]
    columns = tuple(dict.fromkeys(code for row in table.rows for code in row.candidates))
    unit = "points less than with the row's best" if points else "% more errors than with the row's best"
    return HeatMap(layers, columns, tuple(f"{latency:.4g} ms" for _, latency in ranked), unit)


def draw_heat_map(found: HeatMap, path: str | os.PathLike[str]) -> None:
    """Draws it as PNG. NotInstalledError without matplotlib."""
    try:
        from matplotlib.colors import LinearSegmentedColormap
        from matplotlib.figure import Figure
    except ImportError as fault:
        raise NotInstalledError("matplotlib", "plot", f"{os.fspath(path)}: the picture") from fault
    wide, high = len(found.columns), len(found.layers)
    figure = Figure(figsize=(2.0 + 0.78 * wide, 1.9 + 0.46 * high), dpi=150, layout="constrained")
    axes = figure.subplots()
    shares = np.full((high, wide), np.nan)
    for row, cells in enumerate(found.layers.values()):
        for cell in cells:
            shares[row, found.columns.index(cell.candidate)] = cell.share
    colours = LinearSegmentedColormap.from_list("losses", ["#f4f7f9", "#f3c9b5", "#d9583f"])
    axes.pcolormesh(np.ma.masked_invalid(shares), cmap=colours, vmin=0, vmax=1, edgecolors="white", linewidth=1.5)
    shown = _spread(len(found.networks))
    for row, cells in enumerate(found.layers.values()):
        for cell in cells:
            left = found.columns.index(cell.candidate)
            axes.text(left + 0.5, row + 0.42, cell.words, ha="center", va="center", fontsize=9, color="#1f2a33")
            if cell.kept:
                axes.add_patch(_frame(left, row))
            dots = [shown.index(network) for network in cell.networks if network in shown]
            places = [left + 0.5 + 0.13 * (number - (len(dots) - 1) / 2) for number in range(len(dots))]
            axes.scatter(
                places,
                [row + 0.78] * len(dots),
                s=26,
                c=[_COLOURS[dot] for dot in dots],
                linewidths=0.6,
                edgecolors="w",
            )
    axes.set_xticks(np.arange(wide) + 0.5, found.columns)
    axes.set_yticks(np.arange(high) + 0.5, list(found.layers))
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=9)
    axes.invert_yaxis()
    axes.spines[:].set_visible(False)
    kept = any(cell.kept for cells in found.layers.values() for cell in cells)
    axes.set_title(f"What each block loses: {found.unit}", fontsize=12, loc="left", pad=10)
    words = ["framed: kept for the rows below"] if kept else []
    handles = [
        axes.scatter([], [], s=24, c=_COLOURS[place], label=f"in the network of {found.networks[network]}")
        for place, network in enumerate(shown)
    ]
    if words:
        axes.set_xlabel(words[0], fontsize=9, color="#52616c", loc="left")
    if handles:
        figure.legend(handles=handles, loc="outside lower left", ncols=min(3, len(handles)), fontsize=8, frameon=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def _frame(left: int, top: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((left + 0.04, top + 0.05), 0.92, 0.9, fill=False, edgecolor="#1f2a33", linewidth=1.6)


def _spread(number: int) -> list[int]:
    """Which of so many networks have dots: the first, the last, and others evenly between."""
    return sorted({round(place) for place in np.linspace(0, number - 1, min(DOTS, number)).tolist()}) if number else []
