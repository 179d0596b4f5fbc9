"""The picture of a search by Tiered Pruning: latency and supernet over time, and for each layer a row of charts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from prototxt_gen.errors import NotInstalledError
from prototxt_gen.files import replacing
from search.report.tiered_history import SIZES, BlockCourse, LayerCourse, TieredCourse

# Of the candidates, in the order of the columns; told apart side by side and one above the other.
_COLOURS = ("#4d86b8", "#e0a100", "#2a9d8f", "#a65b8a", "#7d5ba6", "#b8814d", "#6fa8c9", "#8a9a5b")
_INK, _SOFT, _EDGE = "#1f2a33", "#5d6b76", "#c8442f"
# Of a cell of the grid, which is 1 x 1, the part that its chart has.
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.04, 0.96, 0.30, 0.94


def draw_tiered_course(course: TieredCourse, path: str | os.PathLike[str]) -> None:
    """Draws a search as PNG. NotInstalledError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError as fault:
        raise NotInstalledError("matplotlib", "plot", f"{os.fspath(path)}: the picture") from fault
    codes = list(dict.fromkeys(block.code for layer in course.layers for block in layer.blocks))
    rows, columns = len(course.layers), 1 + len(codes)
    figure = Figure(figsize=(max(9.0, 1.6 + 1.7 * columns), 3.6 + 0.9 * rows), dpi=120, layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=(3.1, 0.5 + 0.9 * rows))
    top, bottom = parts
    latency, supernet = top.subplots(1, 2)
    _draw_latency(latency, course)
    _draw_supernet(supernet, course)
    axes = bottom.subplots()
    for row, layer in enumerate(course.layers):
        _draw_layer(axes, row, layer, course.steps, codes)
    for column, code in enumerate(codes):
        axes.text(column + 1.5, -0.08, code, ha="center", color=_colour(codes, code), fontsize=10)
    axes.text(0.5, -0.08, "probabilities", ha="center", color=_INK, fontsize=10)
    axes.set(xlim=(0, columns), ylim=(rows, -0.25))
    axes.set_yticks([row + 0.6 for row in range(rows)], [_name(layer) for layer in course.layers], fontsize=9)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(
        "Each chart goes over the steps of the search. Probabilities: those of the blocks one above the other; dashed, "
        "of the layer being left out.\nBlocks: inner widths from 0 to the layer's largest; the band lies between the "
        "two widths, the line is the expected one; a dot: decided; a cross: removed.",
        fontsize=8,
        color=_SOFT,
        loc="left",
    )
    figure.suptitle(f"Tiered Pruning for {course.goal:.6g} ms", fontsize=12)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def _draw_latency(axes: Any, course: TieredCourse) -> None:
    latencies = [line["latency"] for line in course.decisions]
    axes.axhline(course.goal, color=_EDGE, linestyle="--", linewidth=1.2, label="goal")
    axes.plot(course.steps, latencies, color=_COLOURS[0], linewidth=1.8, label="expected")
    most = max([*latencies, course.goal])
    if course.found is not None:
        ends = [("network found, predicted", course.found.predicted, _INK, "o")]
        if course.found.measured is not None:
            ends.append(("measured", course.found.measured, _EDGE, "D"))
        for words, ms, colour, mark in ends:
            axes.scatter(course.steps[-1:], [ms], color=colour, marker=mark, s=26, zorder=4, label=words)
            most = max(most, ms)
    axes.set_ylim(0, 1.15 * most)
    axes.set(xlabel="step", ylabel="latency, ms")
    _bare(axes)


def _draw_supernet(axes: Any, course: TieredCourse) -> None:
    for place, (name, words) in enumerate(SIZES.items()):
        pairs = [(line["step"], line[name]) for line in course.decisions if line[name] is not None]
        if pairs:
            steps, values = zip(*pairs, strict=True)
            most = max(values) or 1
            shares = [100 * value / most for value in values]
            axes.plot(steps, shares, color=_COLOURS[place], linewidth=1.0 if name == "step_ms" else 1.8, label=words)
    axes.set_ylim(0, 105)
    axes.set(xlabel="step", ylabel="supernet, % of its most")
    _bare(axes)


def _bare(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6eaed", linewidth=0.8)
    axes.set_axisbelow(True)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)


def _draw_layer(axes: Any, row: int, layer: LayerCourse, steps: Sequence[int], codes: Sequence[str]) -> None:
    axes.plot([_LEFT, 1 - _LEFT], [row + _BOTTOM] * 2, color="#c9d3da", linewidth=0.8)
    below = np.zeros(len(steps))
    for block in layer.blocks:
        shares = np.zeros(len(steps))
        shares[: len(block.shares)] = block.shares
        axes.fill_between(
            _across(0, steps, len(steps)),
            _up(row, below),
            _up(row, below + shares),
            color=_colour(codes, block.code),
            linewidth=0,
            alpha=0.8,
        )
        below += shares
    if layer.bypass:
        across = _across(0, steps, len(layer.bypass))
        axes.plot(across, _up(row, np.array(layer.bypass)), color=_INK, linewidth=1.3, linestyle=(0, (3, 1.5)))
    words = "left out" if layer.gone is not None else "stays" if layer.kept is not None else ""
    axes.text(_LEFT, row + 0.22, words, fontsize=8, color=_SOFT)
    for block in layer.blocks:
        _draw_block(axes, row, 1 + codes.index(block.code), block, layer.most, steps, _colour(codes, block.code))


def _draw_block(
    axes: Any, row: int, column: int, block: BlockCourse, most: int, steps: Sequence[int], colour: str
) -> None:
    axes.plot([column + _LEFT, column + _RIGHT], [row + _BOTTOM] * 2, color="#c9d3da", linewidth=0.8)
    across = _across(column, steps, len(block.shares))
    # A convolution has no inner width: its line says how long it was there.
    smalls, larges, likely = (
        _up(row, np.array(values) / most if most else np.full(len(values), 0.5))
        for values in (block.smalls, block.larges, block.likely)
    )
    axes.fill_between(across, smalls, larges, color=colour, alpha=0.35, linewidth=0)
    axes.plot(across, likely, color=colour, linewidth=1.4)
    width = block.width.replace(" to ", "–") if block.removed is None else ""
    axes.text(column + _RIGHT, row + 0.22, width, fontsize=8, color=_INK, ha="right")
    if len(across) and block.removed is not None:
        axes.scatter(across[-1:], likely[-1:], marker="x", s=18, color=_SOFT, linewidths=1.2, zorder=4)
    elif block.frozen is not None:
        place = list(steps).index(block.frozen)
        axes.scatter(across[place], likely[place], s=18, color=colour, edgecolor="w", linewidths=0.6, zorder=4)


def _across(column: int, steps: Sequence[int], count: int) -> Any:
    """Where the first of the steps are in a column's charts."""
    first, last = (steps[0], steps[-1]) if steps else (0, 1)
    places = (np.array(steps[:count], dtype=np.float64) - first) / (last - first or 1)
    return column + _LEFT + (_RIGHT - _LEFT) * places


def _up(row: int, values: Any) -> Any:
    """Where values in 0..1 are in a row's charts."""
    return row + _BOTTOM - (_BOTTOM - _TOP) * values


def _name(layer: LayerCourse) -> str:
    return f"{layer.name}\nup to {layer.most}" if layer.most else layer.name


def _colour(codes: Sequence[str], code: str) -> str:
    return _COLOURS[list(codes).index(code) % len(_COLOURS)]
