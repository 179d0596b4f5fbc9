"""The report of a search in its folder: a page, the table of all candidates as CSV, the picture of the boundary."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from prototxt_gen.architectures import Decoder
from prototxt_gen.errors import NotInstalledError
from prototxt_gen.files import write_bytes
from prototxt_gen.version import __version__
from search.latency.overview import whole
from search.report.heat_map import HeatMap, draw_heat_map, heat_map
from search.report.page import page, table_csv
from search.report.plots import draw_boundary
from search.report.reading import Reading, provenance, read_search
from search.spaces import Space
from search.study.folder import make_folder
from search.study.storage import NAME

PAGE, TABLE, PICTURE = "report.html", "candidates.csv", "boundary.png"
# Of a search that goes by a table of accuracies.
HEAT_MAP, HEAT_MAP_CSV = "accuracy.png", "accuracy.csv"


class Published(NamedTuple):
    """The files written, and why the picture is not among them, if it is not."""

    paths: list[Path]
    no_picture: str | None


def publish(folder: str | os.PathLike[str], storage: str | None = None, study: str = NAME) -> Published:
    """Writes `PAGE`, `TABLE` and `PICTURE` of a search into its folder, `HEAT_MAP` and its CSV of one by PONAS.

    While the search runs, they show it as it stands. The study is read from the folder, or from the database `storage`;
    nothing of it changes. Pictures are left out without matplotlib, and that of the boundary before anything is
    trained. FormatError where there is no study; FileError when it cannot be read or the files cannot be written.
    """
    base = Path(folder)
    reading = read_search(base, storage, study)
    make_folder(base)
    write_bytes(base / PAGE, search_page(reading, base.resolve().name).encode())
    write_bytes(base / TABLE, table_csv(reading.rows).encode())
    written = [base / PAGE, base / TABLE]
    heat = heat_map_of(reading)
    try:
        if heat is not None:
            write_bytes(base / HEAT_MAP_CSV, heat.csv().encode())
            written.append(base / HEAT_MAP_CSV)
            draw_heat_map(heat, base / HEAT_MAP)
            written.append(base / HEAT_MAP)
    except NotInstalledError as fault:
        return Published(written, str(fault))
    if not reading.search.trained():
        return Published(written, f"{base / PICTURE}: left out: nothing was trained yet")
    try:
        draw_boundary(reading.search, base / PICTURE, measure_of(reading.search.space))
    except NotInstalledError as fault:
        # Pictures are the only results that may be missing.
        return Published(written, str(fault))
    return Published([*written, base / PICTURE], None)


def search_page(reading: Reading, name: str) -> str:
    """The page of a search of this name, HTML."""
    search, rows, heat = reading.search, reading.rows, heat_map_of(reading)
    counts = search.counts()
    engine = str(search.table.target.get("engine", "unknown engine"))
    now = f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC"
    running = f", {reading.running} in training" if reading.running else ""
    known = sum(row.source is not None for row in rows)
    exact = not any(name in counts for name in ("in_interval_error", "pruned_error"))
    rest = counts["in_interval"] - counts["trained"] - counts["pruned"] - counts.get("failed", 0)
    facts = {
        "architectures in the space": whole(counts["space"]),
        "of them within the limits" if search.limits else "of them in the latency interval": _about(
            counts, "in_interval"
        ),
        "trained": f"{sum(row.accuracy is not None for row in rows) - known:,}{running}",
        "pruned without training": _about(counts, "pruned"),
        "neither trained nor pruned": ("" if exact else "about ") + whole(rest),
        "on the boundary": str(len(search.boundary())),
    }
    for words, number in (
        ("known before", known),
        ("ended early", sum(row.ended_early for row in rows)),
        ("failed", sum(row.accuracy is None for row in rows)),
    ):
        if number:
            facts[words] = f"{number:,}"
    if longest := max((row.seconds or 0.0 for row in rows), default=0.0):
        facts["first start to last result"] = _duration(longest)
    return page(
        title=f"{name}: a search",
        subtitle=f"As it stood on {now}.",
        rows=reading.rows,
        pruned=reading.pruned,
        facts=facts,
        provenance=provenance(reading) | {"page written by": f"Dongfeng {__version__}"},
        latency_words=f"predicted latency, ms ({engine}, batch 1)",
        measure=measure_of(search.space),
        pruned_words="How many are pruned is estimated from a sample." if "pruned_error" in counts else "",
        heat=None if heat is None else heat.document(),
    )


def heat_map_of(reading: Reading) -> HeatMap | None:
    """The heat map of the table that a search goes by, with the networks that were trained; None where it has none."""
    if reading.accuracies is None:
        return None
    return heat_map(reading.accuracies, [(one.architecture, one.latency) for one in reading.search.trained()])


def measure_of(space: Space) -> str:
    """What the accuracy of a space's networks is, in words: those that end in a decoder are judged by mean IoU."""
    return "mean IoU" if isinstance(space.at(0), Decoder) else "accuracy"


def _duration(seconds: float) -> str:
    """A time as people say it: 40 s, 12 min, 3.5 h, 2.1 days."""
    for unit, length, more in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172800)):
        if seconds < more:
            number = seconds / length
            return f"{number:.0f} {unit}" if number >= 10 or unit == "s" else f"{number:.1f} {unit}"
    return f"{seconds / 86400:.1f} days"


def _about(counts: dict[str, int], name: str) -> str:
    return f"{'about ' if f'{name}_error' in counts else ''}{whole(counts[name])}"
