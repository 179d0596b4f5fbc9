"""The picture of a search: every trained network, the boundary, and what became of all candidates."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from statistics import stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import NotInstalledError
from prototxt_gen.files import replacing
from search.latency.overview import whole
from search.strategies.strategy import Strategy, Trained


def draw_boundary(search: Strategy, path: str | os.PathLike[str], measure: str = "accuracy") -> None:
    """Draws every trained network and the boundary; below, what became of all candidates by latency. PNG.

    Dots are the means of a network's runs, bars their standard deviation where there are several. The line of the
    boundary is at what the strategy expects, where it has a model. `measure` is what the accuracy is. NotInstalledError
    without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as fault:
        raise NotInstalledError("matplotlib", "plot", f"{os.fspath(path)}: the picture") from fault
    counts = search.counts()
    latencies = search.latencies()
    # A few candidates are very slow; without them there is more room for the rest.
    most = float(np.quantile(np.concatenate(list(latencies.values())), 0.995))
    figure = Figure(figsize=(9, 6.5), dpi=150, layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _draw_accuracies(top, search, most)
    top.set_ylabel(f"held-out {measure}, %")
    figure.suptitle(
        f"{counts['trained']:,} networks trained, {_in_words(counts, 'pruned')} pruned without training, "
        f"of {_in_words(counts, 'in_interval')} candidates",
        fontsize=13,
    )
    # Where there are too many candidates to list, each of a sample stands for so many.
    shown = len(latencies["pruned"]) + len(latencies["open"])
    each = (counts["in_interval"] - counts["trained"] - counts.get("failed", 0)) / shown if shown else 1.0
    _draw_candidates(bottom, latencies["pruned"], latencies["open"], each)
    bottom.set_xlabel(f"predicted latency, ms ({search.table.target.get('engine')}, batch 1)")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def _draw_accuracies(axes: Any, search: Strategy, most: float) -> None:
    trained, boundary = search.trained(), search.boundary()
    kept = {network.architecture for network in boundary}
    latencies, percents = _places(boundary)
    levels = np.array([100 * _level(network) for network in boundary])
    # One failed training must not squeeze all others together.
    low = min(*percents, *levels, np.quantile(_places(trained)[1], 0.1)) - 1
    # Not by the bars: one run that went wrong makes its network's as long as all.
    high = max(*levels, *_places(trained)[1])
    floor = low - 0.12 * (high - low)
    others = [network for network in trained if network.architecture not in kept]
    shown = _places([network for network in others if network.accuracy * 100 >= low])
    below = _places([network for network in others if network.accuracy * 100 < low])
    spreads = {network: 100 * stdev(search.runs_of(network.architecture)) for network in trained if network.runs > 1}
    barred = [network for network in spreads if network.accuracy * 100 >= low]
    axes.errorbar(
        *_places(barred), [spreads[network] for network in barred], fmt="none", color="#b7c3cc", linewidth=1, zorder=1
    )
    if len(shown[0]):
        axes.scatter(*shown, s=22, color="#8fa3b3", label="trained", linewidths=0)
    if len(below[0]):
        edge = np.full(len(below[0]), low - 0.09 * (high - low))
        axes.scatter(below[0], edge, s=30, color="#8fa3b3", marker="v", label="trained, further down", linewidths=0)
    modelled = any(network.expected is not None for network in boundary)
    label = "boundary, by what the model expects" if modelled else "boundary"
    axes.step(latencies, levels, where="post", color="#c8442f", linewidth=1.8, label=label, zorder=3)
    axes.vlines(latencies, percents, levels, color="#c8442f", linewidth=0.8, linestyle=":", zorder=3)
    axes.scatter(latencies, percents, s=42, color="#c8442f", edgecolor="white", zorder=4)
    slowest = max(network.latency for network in trained)
    axes.hlines(levels[-1], latencies[-1], slowest, color="#c8442f", linewidth=1, linestyle=":")
    right = 1.03 * max(slowest, most)
    axes.set_xlim(right=right)
    # The ends of the boundary by name; a third label would meet the line or another dot.
    middle = sum(axes.get_xlim()) / 2
    for network, rise, end in ((boundary[0], -15, min), (boundary[-1], 9, max)):
        leftwards = network.latency > middle
        axes.annotate(
            str(network.architecture),
            (network.latency, 100 * end(network.accuracy, _level(network))),
            (5 if leftwards else -5, rise),
            textcoords="offset points",
            ha="right" if leftwards else "left",
            fontsize=8,
            color="#52616c",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1},
        )
    axes.set_ylim(floor, high + 0.12 * (high - low))
    axes.legend(loc="lower right", frameon=False)
    _bare(axes)


def _level(network: Trained) -> float:
    return network.accuracy if network.expected is None else network.expected


def _in_words(counts: Mapping[str, int], name: str) -> str:
    return f"{'about ' if f'{name}_error' in counts else ''}{whole(counts[name])}"


def _draw_candidates(axes: Any, pruned: NDArray[np.float64], untouched: NDArray[np.float64], each: float) -> None:
    axes.hist(
        [pruned, untouched],
        bins=60,
        weights=[np.full(len(pruned), each), np.full(len(untouched), each)],
        stacked=True,
        color=["#2b5c7d", "#cfd8df"],
        label=["pruned", "not looked at"],
    )
    axes.set_ylabel("candidates" if each <= 1 else "candidates,\nestimated")
    axes.legend(loc="upper right", frameon=False)
    _bare(axes)


def _places(networks: Sequence[Trained]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latencies in ms and accuracies in percent, each (n,)."""
    return (
        np.array([network.latency for network in networks]),
        np.array([network.accuracy for network in networks]) * 100,
    )


def _bare(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6eaed", linewidth=0.8)
    axes.set_axisbelow(True)
