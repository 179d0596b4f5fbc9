"""The picture of a prediction: predicted against measured latency, network by network."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from prototxt_gen.errors import NotInstalledError
from prototxt_gen.files import replacing
from search.latency.agreement import Agreement, agreement
from search.latency.targets import target_words

#: Bands around the diagonal, as shares of the measured latency, and their colours; the widest first.
_BANDS = ((0.10, "#eef2f5"), (0.05, "#d8e1e8"))


def draw_scatter(
    measured: ArrayLike,
    predicted: ArrayLike,
    path: str | os.PathLike[str],
    *,
    target: Mapping[str, Any],
    labels: Sequence[str] = (),
) -> None:
    """Draws predicted against measured latencies (n,) in ms, with the diagonal and bands of 5 and 10 %. PNG.

    The title tells the mean error, the worst and Kendall's tau, and what `target` they were measured on (see
    Engine.target). `labels` are the networks' names: with them, the one with the worst error is named. UnsupportedError
    as in `agreement`; NotInstalledError without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as fault:
        raise NotInstalledError("matplotlib", "plot", f"{os.fspath(path)}: the picture") from fault
    true, told = np.asarray(measured, np.float64), np.asarray(predicted, np.float64)
    found = agreement(told, true)
    figure = Figure(figsize=(7, 7), dpi=150, layout="constrained")
    axes = figure.subplots()
    low, high = _limits(true, told)
    ends = np.array([low, high])
    for share, colour in _BANDS:
        band = f"within {100 * share:.0f} %: {100 * (found.within_5 if share == 0.05 else found.within_10):.0f} %"
        axes.fill_between(ends, ends * (1 - share), ends * (1 + share), color=colour, linewidth=0, label=band)
    axes.plot(ends, ends, color="#52616c", linewidth=1)
    outside = np.abs(told - true) > 0.10 * true
    axes.scatter(true[~outside], told[~outside], s=26, color="#2b5c7d", edgecolor="white", linewidth=0.5, zorder=3)
    axes.scatter(true[outside], told[outside], s=30, color="#c8442f", edgecolor="white", linewidth=0.5, zorder=4)
    if labels:
        _name(axes, labels[found.worst_index], true[found.worst_index], told[found.worst_index], (low + high) / 2)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    axes.set_xlabel("measured latency, ms")
    axes.set_ylabel("predicted latency, ms")
    count = f"{found.count:,} network{'' if found.count == 1 else 's'}"
    place = "\n".join(textwrap.wrap(target_words(target), 80))
    axes.set_title(f"{count}: {_errors(found)}\n{place}", fontsize=10)
    axes.legend(loc="upper left", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def _errors(found: Agreement) -> str:
    """Mean error, the worst, and the order, in words."""
    tau = "" if np.isnan(found.tau) else f", Kendall's tau {found.tau:.3f}"
    return f"mean error {100 * found.mean_error:.2f} %, worst {100 * found.worst:+.2f} %{tau}"


def _limits(true: np.ndarray, told: np.ndarray) -> tuple[float, float]:
    """The ends of both axes: all networks, and a little more."""
    low, high = float(min(true.min(), told.min())), float(max(true.max(), told.max()))
    margin = 0.05 * (high - low) or 0.05 * high
    return max(low - margin, 0.0), high + margin


def _name(axes: Any, label: str, x: float, y: float, middle: float) -> None:
    """Writes a network's name beside its dot, towards the middle of the picture."""
    leftwards = x > middle
    axes.annotate(
        textwrap.shorten(label, 60, placeholder="...") if " " in label else label[:57] + "..." * (len(label) > 57),
        (x, y),
        (-7 if leftwards else 7, -9 if y <= x else 7),
        textcoords="offset points",
        ha="right" if leftwards else "left",
        fontsize=7,
        color="#52616c",
    )
