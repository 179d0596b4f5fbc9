"""A search as one page: the boundary with zoom and hover, how it came about, all networks, where they come from.

The page is one file that needs nothing from a network: data, pictures and program are in it. `page.html` draws; here
stands what it is told.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from itertools import accumulate
from typing import Any

import numpy as np

from prototxt_gen.architectures import Backbone, Decoder
from search.strategies.hypervolume import hypervolume
from search.strategies.order import non_dominated

#: What the page's program finds its data by.
_PLACE = "@DATA@"


@dataclass
class Row:
    """A candidate that was trained, or tried to be: `number` is its place in the order of training, from 1.

    Latencies in ms at batch 1, as predicted and, where it was measured whole, as measured; `energy_mj` a run, as
    predicted, where the table tells it. `accuracy` in 0..1 is the
    mean of `runs` runs, None where all failed; `spread` the standard deviation of a run where there were several;
    `ended_early` says that it is what a training that was ended early was expected to come to (see
    search/strategies/ending.py); `expected` what the strategy's model says of it, `foretold` what a table of accuracies
    said before; `source` where a result came from that was not trained here; `fault`, of one that failed, why. `files`
    are titles and paths, relative to the page.
    """

    number: int
    code: str
    latency_ms: float
    accuracy: float | None
    runs: int = 1
    spread: float | None = None
    expected: float | None = None
    foretold: float | None = None
    measured_ms: float | None = None
    energy_mj: float | None = None
    boundary: bool = False
    ended_early: bool = False
    source: str | None = None
    fault: str | None = None
    seconds: float | None = None
    stages: list[dict[str, Any]] = field(default_factory=list)
    files: list[tuple[str, str]] = field(default_factory=list)


def page(
    title: str,
    subtitle: str,
    rows: Sequence[Row],
    pruned: Sequence[int | None],
    facts: Mapping[str, str],
    provenance: Mapping[str, str],
    latency_words: str = "predicted latency, ms",
    measure: str = "accuracy",
    pruned_words: str = "",
    heat: Mapping[str, Any] | None = None,
    tiered: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The page of a search, HTML.

    `pruned` tells how many candidates were pruned after each training that came to an accuracy, None where that is not
    known; `measure` is what the accuracy is; `facts` are a few numbers by their names, `provenance` all that the search
    was made with; `heat` is the heat map of a table of accuracies, if the search goes by one (see heat_map.py),
    `tiered` are the searches by Tiered Pruning whose networks are trained (see tiered_history.py).
    """
    trained = [row for row in rows if row.accuracy is not None]
    widths = [width for row in rows for stage in row.stages for width in stage["widths"]]
    volumes, reference = hypervolumes([(row.latency_ms, row.accuracy or 0.0) for row in trained])
    expects = any(row.expected is not None for row in rows)
    pruned = [*pruned, *[None] * (len(trained) - len(pruned))]
    # By the clocks of several machines, a training may seem to end before the one that ended before it.
    times = list(accumulate((row.seconds or 0.0 for row in trained), max))
    document = {
        "title": title,
        "subtitle": subtitle,
        "facts": list(facts.items()),
        "candidates": [asdict(row) for row in rows],
        "widths": [min(widths, default=1), max(widths, default=1)],
        "over": [
            {"pruned": number, "hypervolume": volume, "seconds": time}
            for number, volume, time in zip(pruned, volumes, times, strict=True)
        ],
        "timed": any(times),
        "latency_words": latency_words,
        "measure": measure,
        "legend": f"Up is a higher {measure}, left is faster. On the boundary are the networks that no faster one beats"
        + (
            ", by what the search's model expects after all results; a lucky run lies above the line, an unlucky one "
            "below it."
            if expects
            else "."
        ),
        "pruned_words": pruned_words,
        "volume_words": (
            f"Of the results so far, the area between their boundary, {reference[0]:.4g} ms and "
            f"{100 * reference[1]:.2f}\u00a0%, in ms times points of {measure}. It levels off when further "
            "trainings find little that is better."
        ),
        "volume_unit": "ms × points",
        "provenance": list(provenance.items()),
        "csv": table_csv(rows),
        "heat": heat,
        "tiered": list(tiered),
    }
    template = (files("search.report") / "page.html").read_text(encoding="utf-8")
    return template.replace(_PLACE, _embedded(document))


def table_csv(rows: Sequence[Row]) -> str:
    """The candidates as CSV, a line each: what `Row` holds, without stages and files; empty where nothing is known."""
    names = (
        "number",
        "code",
        "latency_ms",
        "measured_ms",
        "energy_mj",
        "accuracy",
        "runs",
        "spread",
        "expected",
        "foretold",
        "boundary",
        "ended_early",
        "source",
        "fault",
        "seconds",
    )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        values = [getattr(row, name) for name in names]
        writer.writerow([int(value) if isinstance(value, bool) else value for value in values])
    return text.getvalue()


def stages_of(architecture: Backbone | Decoder) -> list[dict[str, Any]]:
    """The stages of an architecture as the page draws them: a name, and the width of each block."""
    backbone = architecture.backbone if isinstance(architecture, Decoder) else architecture
    found: list[dict[str, Any]] = [{"name": "stem", "widths": list(backbone.stem)}]
    found += [{"name": stage.block, "widths": list(stage.widths)} for stage in backbone.stages]
    if isinstance(architecture, Decoder):
        found.append({"name": "pyramid", "widths": [architecture.pyramid.out_channels]})
        found.append({"name": "decoder", "widths": list(architecture.channels)})
    return found


def hypervolumes(pairs: Sequence[tuple[float, float]]) -> tuple[list[float], tuple[float, float]]:
    """The area that the boundary covers after each of these (latency in ms, accuracy in 0..1), in ms times points.

    The corner that it is measured from comes with it: the largest latency, and an accuracy. That is the least one, but
    for a tenth of all that are below the whole boundary: trainings that went wrong are not to make all others equal.
    """
    if not pairs:
        return [], (0.0, 0.0)
    latencies, accuracies = (np.array(values, dtype=np.float64) for values in zip(*pairs, strict=True))
    usual = np.quantile(accuracies, 0.1, method="higher")
    corner = float(latencies.max()), float(min(usual, accuracies[non_dominated(latencies, accuracies)].min()))
    counts = range(1, len(pairs) + 1)
    volumes = [100 * hypervolume(latencies[:count], accuracies[:count], corner) for count in counts]
    return volumes, corner


def _embedded(document: Mapping[str, Any]) -> str:
    """JSON that may stand in a page: no text in it ends the element that it stands in."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
