"""The picture of a space's latencies: how many networks are how fast, and which of them an interval holds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise

from prototxt_gen.errors import NotInstalledError
from prototxt_gen.files import replacing
from search.latency.overview import Overview, Row, interval_words, whole


def draw_distribution(
    rows: Sequence[Row], overview: Overview, interval: tuple[float, float], path: str | os.PathLike[str]
) -> None:
    """Draws a histogram of `overview`, and shades what lies outside the interval, (least, most) in ms. PNG.

    What is known within bounds is drawn up to its most, lighter from its least on. NotInstalledError without
    matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as fault:
        raise NotInstalledError("matplotlib", "plot", f"{os.fspath(path)}: the picture") from fault
    figure = Figure(figsize=(9, 4.5), dpi=150, layout="constrained")
    axes = figure.subplots()
    edges = [rows[0].above, *(row.most for row in rows)]
    # Shares: counts of large spaces are beyond what can be drawn.
    for end, color in ((1, "#b9cbd8"), (0, "#2b5c7d")):
        axes.stairs([100 * row.networks[end] / overview.total for row in rows], edges, fill=True, color=color)
    widths = [most - above for above, most in pairwise(edges)]
    if edges[0] > 0 and max(widths) > 2 * min(widths):
        axes.set_xscale("log")
    left, right = edges[0], edges[-1]
    for begin, stop in ((left, min(interval[0], right)), (max(interval[1], left), right)):
        if begin < stop:
            axes.axvspan(begin, stop, color="#c8442f", alpha=0.12, linewidth=0)
    axes.set_xlim(left, right)
    axes.set_xlabel("predicted latency, ms")
    axes.set_ylabel("architectures, %")
    axes.set_title(f"{whole(overview.total)} architectures; {interval_words(interval)}", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
