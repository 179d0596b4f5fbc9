"""The report of a search in its folder: a page, the table of all candidates as CSV, the picture of the boundary.

A search that goes by more than trainings has more: the table of PONAS, the searches of Tiered Pruning.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from prototxt_gen.architectures import Decoder
from prototxt_gen.errors import NotInstalledError
from prototxt_gen.files import write_bytes
from prototxt_gen.version import __version__
from search.latency.overview import whole
from search.report.heat_map import HeatMap, draw_heat_map, heat_map
from search.report.page import page, table_csv
from search.report.plots import draw_boundary
from search.report.reading import Reading, cut_words, handed_out, provenance, read_search, searched_with
from search.report.tiered_history import TieredCourse, tiered_courses
from search.report.tiered_plot import draw_tiered_course
from search.spaces import Space
from search.study.folder import STUDY, make_folder
from search.study.storage import NAME, has_study

PAGE, TABLE, PICTURE = "report.html", "candidates.csv", "boundary.png"
# Of a search that goes by a table of accuracies.
HEAT_MAP, HEAT_MAP_CSV = "accuracy.png", "accuracy.csv"
# Of a search by Tiered Pruning, in its goal's folder: decisions, layers after each of them, and all as a picture.
DECISIONS_CSV, LAYERS_CSV, COURSE = "history.csv", "layers.csv", "history.png"


class Published(NamedTuple):
    """The files written, and why the picture is not among them, if it is not."""

    paths: list[Path]
    no_picture: str | None


def publish(folder: str | os.PathLike[str], storage: str | None = None, study: str = NAME) -> Published:
    """Writes `PAGE`, `TABLE` and `PICTURE` of a search into its folder.

    Of one by PONAS `HEAT_MAP` and its CSV, too; of one by Tiered Pruning `COURSE`, `DECISIONS_CSV` and `LAYERS_CSV`
    into the folder of each goal. While the search runs, they show it as it stands. The study is read from the folder,
    or from the database `storage`; nothing of it changes. Pictures are left out without matplotlib, and that of the
    boundary before anything is trained. Before Tiered Pruning has a study, its searches alone are shown. FormatError
    where there is neither; FileError when something cannot be read or the files cannot be written.
    """
    base = Path(folder)
    courses = tiered_courses(base)
    pages: dict[str, str] = {}
    drawings: list[tuple[Path, Callable[[Path], None]]] = [
        (course.folder / COURSE, partial(draw_tiered_course, course)) for course in courses if course.decisions
    ]
    missing = f"{base / PICTURE}: left out: nothing was trained yet"
    if courses and not has_study(storage or base / STUDY, study):
        pages[PAGE] = tiered_page(courses, base)
    else:
        reading = read_search(base, storage, study)
        pages[PAGE] = search_page(reading, base, courses)
        pages[TABLE] = table_csv(reading.rows)
        heat = heat_map_of(reading)
        if heat is not None:
            pages[HEAT_MAP_CSV] = heat.csv()
            drawings.append((base / HEAT_MAP, partial(draw_heat_map, heat)))
        if reading.search.trained():
            missing = ""
            measure = measure_of(reading.search.space)
            drawings.append((base / PICTURE, partial(draw_boundary, reading.search, measure=measure)))
    for course in courses:
        place = course.folder.relative_to(base)
        pages |= {f"{place / DECISIONS_CSV}": course.csv(), f"{place / LAYERS_CSV}": course.layers_csv()}
    make_folder(base)
    written = []
    for name, text in pages.items():
        write_bytes(base / name, text.encode())
        written.append(base / name)
    try:
        for path, draw in drawings:
            draw(path)
            written.append(path)
    except NotInstalledError as fault:
        # Pictures are the only results that may be missing.
        return Published(written, str(fault))
    return Published(written, missing or None)


def tiered_page(courses: Sequence[TieredCourse], folder: Path) -> str:
    """The page of a run of Tiered Pruning that has no study yet, HTML."""
    found = sum(course.found is not None for course in courses)
    return page(
        title=f"{folder.resolve().name}: a search",
        subtitle=f"As it stood on {_now()}.",
        rows=[],
        pruned=[],
        facts={
            "networks found": str(found),
            "steps of search": f"{sum(course.steps[-1] for course in courses if course.steps):,}",
        },
        provenance=searched_with(folder) | {"page written by": f"Dongfeng {__version__}"},
        tiered=[_document(course, folder) for course in courses],
    )


def search_page(reading: Reading, folder: Path, courses: Sequence[TieredCourse] = ()) -> str:
    """The page of a search in this folder, HTML."""
    search, rows, heat = reading.search, reading.rows, heat_map_of(reading)
    counts = search.counts()
    engine = str(search.table.target.get("engine", "unknown engine"))
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
    if reading.question.target:
        name = reading.question.target["name"]
        if words := cut_words(folder):
            facts[f"left by the target {name}"] = words
        if checked := handed_out(reading, folder):
            taken = sum(one.taken for one in checked)
            facts[f"handed out in its words, checked: taken by {name}"] = f"{taken} of {len(checked)}"
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
        title=f"{folder.resolve().name}: a search",
        subtitle=f"As it stood on {_now()}.",
        rows=reading.rows,
        pruned=reading.pruned,
        facts=facts,
        provenance=provenance(reading) | searched_with(folder) | {"page written by": f"Dongfeng {__version__}"},
        latency_words=f"predicted latency, ms ({engine}, batch 1)",
        measure=measure_of(search.space),
        pruned_words="How many are pruned is estimated from a sample." if "pruned_error" in counts else "",
        heat=None if heat is None else heat.document(),
        tiered=[_document(course, folder) for course in courses],
    )


def heat_map_of(reading: Reading) -> HeatMap | None:
    """The heat map of the table that a search goes by, with the networks that were trained; None where it has none."""
    if reading.accuracies is None:
        return None
    return heat_map(reading.accuracies, [(one.architecture, one.latency) for one in reading.search.trained()])


def measure_of(space: Space) -> str:
    """What the accuracy of a space's networks is, in words: those that end in a decoder are judged by mean IoU."""
    return "mean IoU" if isinstance(space.at(0), Decoder) else "accuracy"


def _document(course: TieredCourse, base: Path) -> dict[str, Any]:
    """A search as the page is told it, with its files."""
    place = course.folder.relative_to(base)
    pictures = [COURSE] if find_spec("matplotlib") else []
    names = [*pictures, DECISIONS_CSV, LAYERS_CSV]
    return course.document() | {"files": [(name, (place / name).as_posix()) for name in names]}


def _now() -> str:
    return f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC"


def _duration(seconds: float) -> str:
    """A time as people say it: 40 s, 12 min, 3.5 h, 2.1 days."""
    for unit, length, more in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172800)):
        if seconds < more:
            number = seconds / length
            return f"{number:.0f} {unit}" if number >= 10 or unit == "s" else f"{number:.1f} {unit}"
    return f"{seconds / 86400:.1f} days"


def _about(counts: dict[str, int], name: str) -> str:
    return f"{'about ' if f'{name}_error' in counts else ''}{whole(counts[name])}"
