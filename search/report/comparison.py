"""Two latency tables side by side for people: as text, and as a picture."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from prototxt_gen.errors import NotInstalledError
from prototxt_gen.files import replacing
from prototxt_gen.tables import aligned
from search.latency.comparing import Comparison

#: How many parts that only one table has are named before "and ... more".
_NAMED = 6


def comparison_text(comparison: Comparison, names: tuple[str, str], most: int | None = 10) -> str:
    """What two tables have in common, where they differ, and the `most` parts furthest from the median ratio.

    `names` are what the tables are called; with `most` None all common parts are shown.
    """
    lines = []
    if comparison.differences:
        lines += aligned([("target", *names), *comparison.differences])
    else:
        lines.append("both were measured on one target")
    pairs = comparison.pairs
    lines += ["", f"{len(pairs)} common part{'s' * (len(pairs) != 1)}"]
    low, high = comparison.quartiles
    least, largest = comparison.extremes
    tau = "" if np.isnan(comparison.tau) else f"; Kendall's tau {comparison.tau:.3f}"
    lines.append(
        f"median ratio {_ratio(comparison.ratio)} ({names[1]} / {names[0]}); of it, half of the parts are within "
        f"{low:.3f} to {high:.3f}, all within {least:.3f} to {largest:.3f}{tau}"
    )
    if not comparison.differences:
        apart = comparison.repeats
        lines.append(
            f"measured twice, a part's times are {100 * np.median(apart):.2f} % apart in the median, "
            f"{100 * apart.max():.2f} % at most"
        )
    shown = comparison.outliers()[:most]
    lines += ["", "furthest from the median ratio:" if len(shown) < len(pairs) else "all, furthest from it first:"]
    rows = [
        (
            pair.label,
            f"{pair.first:.4g}",
            f"{pair.second:.4g}",
            _ratio(pair.ratio),
            f"{pair.ratio / comparison.ratio:.3f}",
        )
        for pair in shown
    ]
    head = ("part", f"{names[0]}, ms", f"{names[1]}, ms", "ratio", "of median")
    lines += [f"  {line}" for line in aligned([head, *rows], right=(1, 2, 3, 4))]
    for name, only in zip(names, (comparison.only_first, comparison.only_second), strict=True):
        lines += [f"only in {name}: {_some(only)}"] * bool(only)
    lines += [f"without a time in one of them: {_some(comparison.untimed)}"] * bool(comparison.untimed)
    return "\n".join(lines)


def draw_comparison(comparison: Comparison, path: str | os.PathLike[str], names: tuple[str, str]) -> None:
    """Draws each common part's time in the second table against that in the first, and the median ratio. PNG.

    NotInstalledError without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import LogFormatter
    except ImportError as fault:
        raise NotInstalledError("matplotlib", "plot", f"{os.fspath(path)}: the picture") from fault
    figure = Figure(figsize=(7, 7), dpi=150, layout="constrained")
    axes = figure.subplots()
    first, second = np.array([[pair.first, pair.second] for pair in comparison.pairs]).T
    # Parts differ by factors of hundreds.
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(LogFormatter())
    ends = np.array([first.min() / 1.2, first.max() * 1.2])
    axes.plot(ends, ends * comparison.ratio, color="#c8442f", linewidth=1.2, label=f"ratio {_ratio(comparison.ratio)}")
    if comparison.differences:
        axes.plot(ends, ends, color="#8fa3b3", linewidth=1, linestyle=":", label="equal times")
    axes.scatter(first, second, s=26, color="#2b5c7d", edgecolor="white", linewidth=0.5, zorder=3)
    axes.set_xlabel(f"{names[0]}, ms")
    axes.set_ylabel(f"{names[1]}, ms")
    tau = "" if np.isnan(comparison.tau) else f", Kendall's tau {comparison.tau:.3f}"
    axes.set_title(f"{len(first):,} common part{'s' * (len(first) != 1)}{tau}", fontsize=10)
    axes.legend(loc="upper left", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6eaed", linewidth=0.8)
    axes.set_axisbelow(True)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def _ratio(ratio: float) -> str:
    return f"{ratio:.3f}" if ratio >= 0.1 else f"{ratio:.3g}"


def _some(labels: Sequence[str]) -> str:
    """How many there are, and the first ones by name; a label that several parts have is said once."""
    named = list(dict.fromkeys(labels))
    more = f", and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return f"{len(labels)} ({', '.join(named[:_NAMED])}{more})"
