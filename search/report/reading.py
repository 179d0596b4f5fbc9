"""A search as its study tells it now, while it runs or after: read, and nothing of it changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from prototxt_gen.architectures import parse_architecture
from prototxt_gen.errors import FormatError
from prototxt_gen.json_files import read_json
from search.costs import in_words
from search.latency import LatencyTable
from search.latency.overview import interval_words, whole
from search.latency.targets import target_words
from search.report.boundary import energy_of
from search.report.for_target import ForTarget, read_for_target
from search.report.page import Row, stages_of
from search.strategies.accuracy_table import AccuracyTable
from search.strategies.partial_order import PartialOrderPruning
from search.study import settings
from search.study.folder import (
    ACCURACIES,
    BOUNDARY,
    DEPLOY,
    OF_TARGET,
    STUDY,
    TARGET,
    TIERED,
    network_folder,
    weights_file,
)
from search.study.following import finished_rows, is_told
from search.study.settings import Question
from search.study.storage import NAME, StoredStudy, join_study
from search.study.trainings import ENDED, FAILED, TRAINED, TRAINING
from search.study.trainings import Row as StoredRow

# How often what is pruned is counted, at most: where hardly anything is left, a count may take a second.
_COUNTS = 100


@dataclass
class Reading:
    """What a study tells: the search as it stands, a row for each candidate in the order of training, and the course.

    `pruned` is how many candidates were pruned after each candidate that came to an accuracy, None where that was not
    counted; `running` how many trainings are going on; `settings` those of the study, and the `question` in them;
    `accuracies` the table that the search goes by, if it does.
    """

    search: PartialOrderPruning
    rows: list[Row]
    pruned: list[int | None]
    running: int
    question: Question
    settings: dict[str, Any]
    accuracies: AccuracyTable | None = None


def read_search(folder: str | os.PathLike[str], storage: str | None = None, study: str = NAME) -> Reading:
    """The search in a folder, or in the database `storage`, with what lies of it in the folder.

    FormatError where there is no study; FileError when it cannot be read.
    """
    stored = join_study(storage or Path(folder) / STUDY, study)
    try:
        return _read(stored, Path(folder))
    finally:
        stored.close()


def _read(stored: StoredStudy, folder: Path) -> Reading:
    question = Question.of(stored.settings, stored.database.name)
    table = LatencyTable.parse(stored.latency_table, f"{stored.database.name}: latency table")
    search = question.search(table)
    trainings = stored.read().rows
    finished = finished_rows(trainings)
    order = list(dict.fromkeys(row.architecture for row in finished))
    pruned = _told(search, finished)
    boundary = {str(one.architecture) for one in search.boundary()}
    known = {str(one.architecture): one for one in search.trained()}
    measured, ends = _measured(folder), stored.ends()
    target = str(question.target["name"]) if question.target else None
    rows = []
    for number, code in enumerate(order, 1):
        own = [row for row in finished if row.architecture == code]
        accuracies = [row.accuracy for row in own if row.accuracy is not None]
        # What counts is its first run that came to an accuracy; else its last.
        counting = next((row for row in own if row.state == TRAINED), own[-1])
        one = known.get(code)
        rows.append(
            Row(
                number,
                code,
                latency_ms=table.predict(code, question.space.input_shape),
                accuracy=float(np.mean(accuracies)) if accuracies else None,
                runs=len(accuracies),
                spread=float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None,
                expected=one.expected if one else None,
                foretold=one.foretold if one else None,
                measured_ms=measured.get(code),
                energy_mj=energy_of(search, code),
                seconds=ends.get(counting.trial_id) if counting.trial_id is not None else None,
                boundary=code in boundary,
                ended_early=counting.state == ENDED,
                fault=counting.fault if counting.state == FAILED else None,
                source=next((row.source for row in own if row.source), None),
                stages=stages_of(parse_architecture(code)),
                files=_files(folder, code, [row.run for row in own], target),
            )
        )
    running = sum(row.state == TRAINING for row in trainings)
    table_of_accuracies = _accuracies(question.accuracies, folder)
    return Reading(search, rows, pruned, running, question, stored.settings, table_of_accuracies)


def _accuracies(own: AccuracyTable | None, folder: Path) -> AccuracyTable | None:
    """The table of a study; where the folder has it, too, with where it is from."""
    path = folder / ACCURACIES
    if own is None or not path.exists():
        return own
    there = AccuracyTable.load(path)
    return there if replace(there, provenance={}) == own else own


def _told(search: PartialOrderPruning, finished: Sequence[StoredRow]) -> list[int | None]:
    """Tells a search all that was trained; how many were pruned after each candidate that came to an accuracy."""
    trained: set[str] = set()
    met: set[str] = set()
    pruned: list[int | None] = []
    several = max(1, len(finished) // _COUNTS)
    for place, row in enumerate(finished, 1):
        if not is_told(row, trained):
            continue
        architecture: Any = parse_architecture(row.architecture)
        search.tell(architecture, row.accuracy, seed=row.run)
        if row.accuracy is None:
            continue
        if row.state == TRAINED:
            trained.add(row.architecture)
        if row.architecture not in met:
            met.add(row.architecture)
            pruned.append(None)
        if place % several == 0 or place == len(finished):
            pruned[-1] = search.counts()["pruned"]
    return pruned


def _measured(folder: Path) -> dict[str, float]:
    """The latencies in ms that the boundary's networks were measured with whole, by code; none before the end."""
    path = folder / BOUNDARY
    if not path.exists():
        return {}
    try:
        networks = read_json(path, "a boundary")["networks"]
        return {
            one["code"]: float(one["latency_ms"]["measured"]) for one in networks if "measured" in one["latency_ms"]
        }
    except (KeyError, TypeError, ValueError) as fault:
        raise FormatError(f"{path}: networks: {type(fault).__name__}: {fault}: not those of a search") from fault


def _files(folder: Path, code: str, runs: Sequence[int], target: str | None) -> list[tuple[str, str]]:
    """The prototxt and the weights of a candidate that lie in the folder: titles, and paths below it.

    Behind them those in the words of the target of this name.
    """
    own = network_folder(folder, code)
    paths = [own / DEPLOY, *(weights_file(folder, code, run) for run in runs if run >= 0)]
    paths += [own / pattern.format(target) for pattern in OF_TARGET] if target else []
    return [(path.name, path.relative_to(folder).as_posix()) for path in paths if path.is_file()]


#: Settings by the words for them; the others are those of a training, by their names in a solver.
_NAMES = {"seeds": "runs of each candidate", "seed": "random seed", "data": "images", "trainer": "trained by"}
_SAID_OTHERWISE = (
    *("space", "strategy", "margin", "latency", "limits", "ending", "latency table"),
    *(settings.ACCURACIES, settings.TARGET),
)
# Of a table's origin, what is longer is for those who look into its file: times round by round, a fit's figures.
_LONGEST = 48


def provenance(reading: Reading) -> dict[str, str]:
    """All that a search was made with, as a page says it."""
    settings, table, search = reading.settings, reading.search.table, reading.search
    counts = search.counts()
    found = {"space": str(search.space), "strategy": search.name, "latency": interval_words(reading.question.interval)}
    for name, (least, most) in reading.question.limits.items():
        found[name] = in_words(name, least, most)
    if left_out := [name for name in counts if name.startswith("outside_") and not name.endswith("_error")]:
        found["left out"] = ", ".join(
            f"{'about ' if f'{name}_error' in counts else ''}{whole(counts[name])} by {name.removeprefix('outside_')}"
            for name in left_out
        )
    if target := reading.question.target:
        found["target"] = f"{target['name']}: {target['title']} {target['version']}, {target['date']}"
    if table_words := _table_words(reading.accuracies):
        found["accuracy table"] = table_words
    if reading.question.ending:
        found["trainings ended early"] = f"at a risk of {100 * reading.question.ending.risk:g} %"
    for name, value in settings.items():
        if name not in _SAID_OTHERWISE:
            found[_NAMES.get(name, name.replace("_", " "))] = _words(value)
    versions = _words(table.target.get("versions", {}))
    found["latency of"] = target_words(table.target) + (f"; {versions}" if versions else "")
    origin = {name.replace("_", " "): _words(value) for name, value in table.origin.items()}
    if times := ", ".join(f"{name} {words}" for name, words in origin.items() if 0 < len(words) <= _LONGEST):
        found["latency table"] = times
    return found


def cut_words(folder: Path) -> str:
    """How much of its space a search for a target was cut to, "" where that is not known."""
    path = folder / TARGET
    if not path.exists():
        return ""
    found = read_json(path, "the account of a cut")
    try:
        left, networks = int(found["left"]), int(found["networks"])
        return f"{whole(left)} of {whole(networks)}"
    except (KeyError, TypeError, ValueError) as fault:
        raise FormatError(f"{path}: {type(fault).__name__}: {fault}: not the account of a cut") from fault


def handed_out(reading: Reading, folder: Path) -> list[ForTarget]:
    """What was written of the boundary's networks for the target of a search, as far as it was."""
    if not reading.question.target:
        return []
    name = str(reading.question.target["name"])
    codes = [str(one.architecture) for one in reading.search.boundary()]
    read = [read_for_target(network_folder(folder, code), name) for code in codes]
    return [one for one in read if one is not None]


def searched_with(folder: Path) -> dict[str, str]:
    """What searches by Tiered Pruning in a folder were made with, as a page says it; nothing where there are none."""
    path = folder / TIERED
    if not path.exists():
        return {}
    found = read_json(path, "the notes of a run")
    told = found.get("settings") if isinstance(found, dict) else None
    if not isinstance(told, dict) or "space" not in told:
        raise FormatError(f"{path}: found no settings, expected the notes of a run of Tiered Pruning")
    told["goals"] = ", ".join(f"{goal:.6g} ms" for goal in told.get("goals", []))
    own = {"space": "searched space", "data": "searched on", "goals": "goals"}
    rest = {name.replace("_", " "): value for name, value in told.items() if name not in own}
    apart = {words: _words(told[name]) for name, words in own.items() if name in told}
    return {**apart, "searches": _words(rest)}


def _table_words(table: AccuracyTable | None) -> str:
    if table is None:
        return ""
    told = table.provenance
    evaluated = told.get("networks evaluated")
    words = [f"{len(table.rows)} rows"]
    words += [f"{evaluated:,} networks evaluated"] if isinstance(evaluated, int) else []
    words += [f"{told['seconds']:.0f} s"] if isinstance(told.get("seconds"), float) else []
    return ", ".join(words)


def _words(value: Any) -> str:
    """A value of JSON for people: names with what they name, without those that name nothing."""
    if isinstance(value, dict):
        told = {name: _words(one) for name, one in value.items() if one not in (None, [], {}, "")}
        return ", ".join(f"{name} {words}" for name, words in told.items() if words)
    if isinstance(value, list):
        numbers = all(isinstance(one, (int, float)) for one in value)
        return (" x " if numbers else "; ").join(map(_words, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
