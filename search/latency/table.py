"""Latency tables: parts measured on a target, networks predicted as the sum of their parts.

What is measured is what a device runs: batch norm merged, as many images as the target's batch. An entry's key is
that of the part at batch 1 (see prototxt_gen/generator/parts.py), so that equal keys have equal networks.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from converters.engines import Engine
from prototxt_gen.architectures import Backbone, Decoder
from prototxt_gen.errors import FormatError, UnsupportedError
from prototxt_gen.files import read_bytes, write_bytes
from prototxt_gen.generator.parts import Part, parts
from search.latency import logs
from search.latency.correcting import Correction, Sum, correct, megabytes
from search.latency.courses import Course, course_of
from search.latency.curves import Curve
from search.latency.document import Contents, parse_table, table_text
from search.latency.energy import Energy
from search.latency.fitting import fit_networks, fit_remarks
from search.latency.fitting.estimates import Estimates
from search.latency.interpolating import interpolate, interpolation_remarks
from search.latency.levelling import NOISE_LIMIT, Level, fit_level, read_walks, written_walks
from search.latency.measuring import Entry, input_shapes
from search.latency.predicting import predictor, space_parts
from search.latency.surveying import DRIFT_LIMIT, Survey, is_done
from search.latency.targets import target_differences
from search.progress import progress_bar
from search.spaces import Space, TieredSpace
from search.spaces.vectors import Vectors

#: A part is measured until the standard error of its median is this share of it ...
SPREAD = 0.01
#: ... or until so many seconds are used.
BUDGET = 300.0
#: Why nothing can be said, or limited, of energy.
NO_ENERGY = (
    "energy: the latency table has none: `dongfeng profile energy` adds what networks or parts were measured to take"
)
# Of parts that are not known well enough so many are named.
_NAMED = 5


class LatencyTable:
    """Measured parts of networks, and the target they were measured on (see Engine.target).

    `origin` says in plain JSON values where the times come from: how, when, in how many rounds. `call_ms` is what one
    call of the engine costs whatever it runs: it is in the time of each part, and a network pays it once. `level` is
    what the networks in which the parts were timed tell of sums of parts (see levelling.py), `correction` what networks
    measured whole tell beside that; each may be None. `energy` is what is known of the energy that networks take on the
    target, None where nothing is: see `fit_energy` and `state_energy`.
    """

    def __init__(
        self,
        target: Mapping[str, Any],
        entries: Mapping[str, Entry] | None = None,
        *,
        call_ms: float = 0.0,
        origin: Mapping[str, Any] | None = None,
        level: Level | None = None,
        correction: Correction | None = None,
        curve: Curve | None = None,
        estimates: Estimates | None = None,
        energy: Energy | None = None,
    ) -> None:
        # These are the fields of a table's file, too (see document.Contents).
        self.target = dict(target)
        self.entries = dict(entries or {})
        self.call_ms = call_ms
        self.origin = dict(origin or {})
        self.level = level
        self.correction = correction
        self.curve = curve
        self.estimates = estimates
        self.energy = energy

    @classmethod
    def measure(
        cls,
        subject: Space | Sequence[Backbone | Decoder | str],
        engine: Engine,
        path: str | os.PathLike[str] | None = None,
        progress: bool = False,
        *,
        input_shape: Sequence[int] | None = None,
        spread: float = SPREAD,
        budget: float | None = BUDGET,
        seed: int = 0,
        meanwhile: Callable[[], object] | None = None,
    ) -> LatencyTable:
        """The table of every part of a space, or of a list of networks at `input_shape` (see `generate`).

        The parts are timed within networks that run part by part, drawn by `seed`, until the standard error of each
        one's median is at most `spread` of it, or for `budget` seconds (None: however long it takes). With a `path`,
        goes on from that file and saves there as it goes; the budget then is that of all runs together. `remarks` tells
        what is wrong with the result: parts that failed, a machine that changed its speed, a spread not reached.
        `meanwhile` is called between two networks, for other work in the same minutes; its time is not of the budget.

        FormatError when the file was measured on another target: times of two targets cannot be mixed.
        """
        course = course_of(subject, input_shape)
        table = cls.load(path) if path is not None and Path(path).exists() else cls(engine.target)
        wanted = table._wanted(course, engine, spread, budget)
        if not wanted:
            return table
        table.check_target(engine, f"{os.fspath(path or 'latency table')}: {len(wanted)} parts are to be measured")
        table._survey(course, wanted, engine, path, progress, spread, budget, seed, meanwhile)
        return table

    def _wanted(self, course: Course, engine: Engine, spread: float, budget: float | None) -> list[str]:
        """The keys of parts to be measured, or to be measured on: what a table says that it has finished stays."""
        asked = self.origin.get("asked", {})
        most = asked.get("budget", budget)
        more = spread < asked.get("spread", 0.0) or (most is not None and (budget is None or budget > most))
        stays = self.origin.get("finished", True) and not more

        def is_open(entry: Entry | None) -> bool:
            if entry is None or self._is_interpolated(entry):
                return True
            return not stays and bool(entry.rounds) and not is_done(entry, spread, engine)

        return [key for key in course.parts if is_open(self.entries.get(key))]

    def _survey(
        self,
        course: Course,
        wanted: list[str],
        engine: Engine,
        path: str | os.PathLike[str] | None,
        progress: bool,
        spread: float,
        budget: float | None,
        seed: int,
        meanwhile: Callable[[], object] | None,
    ) -> None:
        # What lies between times that may change is to be interpolated anew.
        self.entries = {key: entry for key, entry in self.entries.items() if not self._is_interpolated(entry)}
        self.origin.pop("interpolated", None)
        earlier = {key: self.origin.get(key, nothing) for key, nothing in (("rounds", 0), ("seconds", 0.0))}
        if self.origin.get("asked", {}).get("subject") != course.subject:
            earlier["seconds"] = 0.0
        left = None if budget is None else budget - earlier["seconds"]
        # A second run must not walk the networks of the first one again.
        known = {key: self.entries[key] for key in wanted if key in self.entries}
        shape = list(next(iter(input_shapes(next(iter(course.parts.values())).net).values())))
        shapes = [other for other in self.origin.get("input_shapes", []) if other != shape] + [shape]
        survey = Survey(course, engine, known, self.origin.get("calls", ()), seed + earlier["rounds"])
        drift_before = self.origin.get("drift")
        walks_before = read_walks(self.origin["walks"]) if "walks" in self.origin else []

        def save(finished: bool = False) -> None:
            found = survey.entries()
            self.entries |= {key: found[key] for key in wanted if key in found}
            calls = survey.calls
            self.call_ms = round(float(np.median(calls)), 6) if calls else self.call_ms
            walks = [*walks_before, *survey.walks]
            times = {key: entry.ms for key, entry in self.entries.items() if entry.samples}
            self.level = fit_level(walks, times, self.call_ms)
            done = [self.entries[key] for key in course.parts if key in self.entries]
            reached = max((entry.spread for entry in done if entry.rounds), default=0.0)
            labels = {course.parts[key].label: reason for key, reason in survey.failed.items()}
            self.origin |= {
                "method": "measured",
                "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "input_shapes": shapes,
                "rounds": earlier["rounds"] + survey.rounds,
                "seconds": round(earlier["seconds"] + survey.seconds, 3),
                "spread": round(reached, 6) if math.isfinite(reached) else None,
                "asked": {"subject": course.subject, "spread": spread, "budget": budget},
                "options": engine.options.plain(),
                "finished": finished,
                "failed": labels,
                "missing": sorted(
                    part.label
                    for key, part in course.parts.items()
                    if finished and key not in self.entries and key not in survey.failed
                ),
                "drift": _worse(drift_before, survey.drift(), earlier["rounds"]),
                "calls": calls,
                "walks": written_walks(walks),
            }
            if path is not None:
                self.save(path)

        with progress_bar(100, "measuring parts", "%", progress) as bar:

            def advance(done: float, words: str) -> None:
                bar.set_description(words, refresh=False)
                bar.update(max(round(done * 100, 1) - bar.n, 0))

            survey.run(wanted, spread, left, save, advance, meanwhile)
        save(finished=True)

    def faults(self) -> list[str]:
        """What went wrong when the table was measured, in words: parts that failed or are missing, a changed speed."""
        if self.origin.get("method") == "fitted":
            return fit_remarks(self.origin)
        found = [f"{label}: failed: {reason}" for label, reason in self.origin.get("failed", {}).items()]
        missing = self.origin.get("missing", [])
        if missing:
            found.append(f"no time was left for {', '.join(missing)}: the same call with more of it goes on")
        drift = self.origin.get("drift")
        if drift and drift["longer"] > DRIFT_LIMIT:
            (slow, end), (fast, fast_end) = drift["slow_rounds"], drift["fast_rounds"]
            found.append(
                f"the machine changed its speed: parts took {drift['longer']:.1%} longer in rounds {slow} to {end} "
                f"than in rounds {fast} to {fast_end}, {DRIFT_LIMIT:.0%} is the limit: other programs run, or "
                "the processor gets too hot; all times are kept"
            )
        if self.correction is not None and self.origin.get("date", "") > self.correction.date:
            found.append(
                f"the correction of {self.correction.date} is older than the last measurement, of "
                f"{self.origin['date']}: correct the table again"
            )
        return found

    def remarks(self) -> list[str]:
        """The faults, a machine that was not quiet, how far off interpolated parts are, and the parts whose spread is
        wider than was asked for.
        """
        found = self.faults()
        if self.level is not None and self.level.noise > NOISE_LIMIT:
            found.append(
                f"the machine was not quiet: half of the networks walked were more than {self.level.noise:.1%} off "
                f"the table, {NOISE_LIMIT:.0%} is the limit: measure for longer, or when less else runs"
            )
        found += interpolation_remarks(self.origin)
        found += self.energy.remarks() if self.energy else []
        asked = self.origin.get("asked", {}).get("spread")
        wide = [entry for entry in self.entries.values() if entry.rounds and asked and entry.spread > asked]
        if not wide:
            return found
        widest = sorted(wide, key=lambda entry: -entry.spread)
        named = ", ".join(f"{entry.label} {entry.spread:.1%}" for entry in widest[:_NAMED])
        more = f" and {len(wide) - _NAMED} more" if len(wide) > _NAMED else ""
        found.append(f"the time was used up before {len(wide)} parts were known to {asked:.2%}: {named}{more}")
        return found

    @classmethod
    def from_log(
        cls,
        path: str | os.PathLike[str],
        architecture: Backbone | Decoder | str,
        input_shape: Sequence[int] | None = None,
        *,
        into: LatencyTable | None = None,
        device: str | None = None,
        precision: str | None = None,
        share: bool = False,
        estimate: Iterable[Part] = (),
    ) -> LatencyTable:
        """The table of a network's parts in what `caffe time`, trtexec or TensorRT 3 printed; `read_log` says how.

        `into` is a table from other logs, which this one is added to: the result is a new table. FormatError, and where
        its target is another.
        """
        log = logs.read_log(
            path, architecture, input_shape, device=device, precision=precision, share=share, estimate=estimate
        )
        return logs.table_with(cls, into, log)

    @classmethod
    def fit(
        cls,
        networks: Sequence[Backbone | Decoder | str],
        times: Sequence[float],
        *,
        space: Space | Sequence[Backbone | Decoder | str] | None = None,
        input_shape: Sequence[int] | Sequence[Sequence[int] | None] | None = None,
        target: Mapping[str, Any] | None = None,
    ) -> LatencyTable:
        """The table of a device that times only whole networks, from their times in ms, by regression.

        It holds the parts of these networks, and with a `space`, or other networks in its place, those of all its
        networks, too, as a search needs them: what was in no network timed is told by the work of its layers, with
        wider quartiles and 0 samples. `input_shape` is one shape for all networks, or one for each; without it,
        it is the space's, or the networks' own. `target` says what was measured on.
        `origin["cross_validation"]` says how far predictions of other networks were off, `origin["outliers"]` which
        times do not fit the others. A network given twice counts twice.

        CaffeError for lengths that differ, times that are no times, and inputs of several sizes that `input_shape` does
        not state; UnsupportedError for fewer than five different networks, and where all times are the same.
        """
        found = fit_networks(networks, times, input_shape, space)
        return cls(
            target or {"device": "unnamed"},
            found.entries,
            call_ms=found.call_ms,
            origin=found.origin,
            curve=found.curve,
            estimates=found.estimates,
        )

    def interpolated(self, space: TieredSpace) -> LatencyTable:
        """The table with all parts of a space, those of inner widths that were not measured by those that were.

        Enough is measured where for every block the least and the most inner width are, as are those of
        `replace(space, knots=9)`. What was measured stays as it is; the others have 0 samples, `is_estimated` tells
        them, and `remarks` how far off they may be (see interpolating.py). Measuring goes on without them.
        UnsupportedError lists the parts that lie outside of the measured widths; for a table made by `fit`, too, which
        tells all widths itself.
        """
        if self.estimates is not None:
            raise UnsupportedError(
                "interpolated: found a table fitted to whole networks, expected measured parts: `fit` with the whole "
                "space tells its parts"
            )
        found = interpolate(space, self.entries, self.call_ms, self.origin.get("failed", {}))
        if not found.entries:
            return self
        records = self.origin.get("interpolated", {}) | {str(space): found.record}
        changed = {"entries": self.entries | found.entries, "origin": self.origin | {"interpolated": records}}
        return LatencyTable(**vars(self) | changed)

    def _is_interpolated(self, entry: Entry) -> bool:
        return not entry.samples and "interpolated" in self.origin

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LatencyTable:
        """Reads a table. FileError, or FormatError naming the file, the field, what was found and expected."""
        return cls.parse(read_bytes(path), os.fspath(path))

    @classmethod
    def parse(cls, text: str | bytes, source: str) -> LatencyTable:
        """The table of a file's contents, JSON. FormatError as `load`, naming the `source`."""
        return cls(**parse_table(text, source)._asdict())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the table as JSON, in one step. FileError when that fails."""
        write_bytes(path, self.text().encode())

    def text(self) -> str:
        """The table as its file has it, JSON."""
        return table_text(Contents(**vars(self)))

    def predict(
        self,
        architecture: Backbone | Decoder | str,
        input_shape: Sequence[int] | None = None,
        corrected: bool | None = None,
    ) -> float:
        """Milliseconds of a network: the sum of its parts. UnsupportedError lists those that are not in the table.

        A table made by `fit` estimates those, by what their layers share with others; `is_estimated` says which. For
        inputs of another size than its networks' that is an UnsupportedError, too.

        `input_shape` is as in `generate`. The sum is corrected where the table has a correction; False leaves it plain,
        and True is an UnsupportedError where there is none.
        """
        found = parts(architecture, input_shape)
        subject = f"{architecture} at {'its usual size' if input_shape is None else tuple(input_shape)}"
        if self.estimates is None:
            self._check(found, subject)
        else:
            self._check_size(found, subject)
        table = self._chosen(corrected)
        return float(table.milliseconds(table.base_nanoseconds + sum(map(table.part_nanoseconds, found))))

    def fit_energy(
        self,
        networks: Sequence[Backbone | Decoder | str],
        millijoules: Sequence[float],
        *,
        space: Space | None = None,
        input_shape: Sequence[int] | Sequence[Sequence[int] | None] | None = None,
    ) -> Energy:
        """Keeps what parts take by what whole networks take on the target, in mJ a run, by regression.

        Arguments, `origin` of the result, and errors as in `fit`. The table's times stay as they are.
        """
        self.energy = Energy.fit(networks, millijoules, space, input_shape)
        return self.energy

    def state_energy(self, parts: Mapping[str, float], call_mj: float = 0.0) -> Energy:
        """Keeps what parts take on the target, in mJ a run by the parts' keys, as somebody has measured it.

        `call_mj` is what a run takes that does nothing, and is in each part's. FormatError for what is no energy, and
        for parts that are not in the table.
        """
        unknown = [key for key in parts if key not in self.entries]
        if unknown:
            raise FormatError(f"energies: found {', '.join(unknown[:5])}, expected keys of parts in the table")
        self.energy = Energy.of_parts(parts, call_mj)
        return self.energy

    def predict_energy(self, architecture: Backbone | Decoder | str, input_shape: Sequence[int] | None = None) -> float:
        """The mJ of a network a run. UnsupportedError where the table has no energies, or lacks those of its parts."""
        if self.energy is None:
            raise UnsupportedError(NO_ENERGY)
        return self.energy.predict(parts(architecture, input_shape), str(architecture))

    def predictor(self, space: Space, corrected: bool | None = None) -> Callable[[Vectors], NDArray[np.float64]]:
        """A function from many architectures of a space, as vectors (n, length), to their predictions (n,) in ms.

        Equal to `predict` of each. UnsupportedError lists the parts of the space that are not in the table.
        """
        self._check(space_parts(space).values(), str(space))
        table = self._chosen(corrected)
        sums = predictor(space, table.part_nanoseconds, table.base_nanoseconds)
        return sums if table.curve is None else lambda vectors: table.milliseconds(np.rint(1e6 * sums(vectors)))

    def plain(self) -> LatencyTable:
        """The table without its correction."""
        return LatencyTable(**vars(self) | {"correction": None})

    def _chosen(self, corrected: bool | None) -> LatencyTable:
        if corrected and self.correction is None:
            raise UnsupportedError("the latency table has no correction: `correct` makes one")
        return self if corrected is None or corrected else self.plain()

    def _check(self, needed: Iterable[Part], subject: str) -> None:
        unknown = self.missing(needed)
        if unknown:
            made = " and ".join(str(tuple(shape)) for shape in self.origin.get("input_shapes", []))
            size = f", which was made for inputs of {made}" if made else ""
            raise UnsupportedError(f"{subject}: not in the latency table{size}: {', '.join(unknown)}")

    def _check_size(self, found: Sequence[Part], subject: str) -> None:
        """A fit has told nothing of other inputs than those of its networks."""
        shape = next(iter(input_shapes(found[0].net).values()))
        known = [tuple(other) for other in self.origin.get("input_shapes", [])]
        if known and tuple(shape) not in known:
            raise UnsupportedError(
                f"{subject}: found inputs of {tuple(shape)}; the table was fitted to networks with inputs of "
                f"{' and '.join(map(str, known))}, and says nothing of others"
            )

    def missing(self, needed: Iterable[Part]) -> list[str]:
        """The labels of those of these parts that are not in the table, each with its fault where it failed."""
        failed = self.origin.get("failed", {})
        unknown = {part.key: part.label for part in needed if part.key not in self.entries}
        return [
            f"{label} (failed: {failed[label]})" if label in failed else label for label in sorted(unknown.values())
        ]

    def correct(
        self,
        engine: Engine,
        networks: Sequence[Backbone | Decoder | str],
        input_shape: Sequence[int] | None = None,
        progress: bool = False,
    ) -> Correction:
        """Measures these networks whole and keeps the correction that they tell; `telling_networks` chooses some.

        FormatError when the engine is not the table's target; UnsupportedError as `predict`, and for less than two.
        """
        self.check_target(engine)
        sums = [self.sum_of(network, input_shape) for network in networks]
        self.correction = correct(engine, networks, input_shape, sums, self.plain_base_ms, progress)
        return self.correction

    def sum_of(self, architecture: Backbone | Decoder | str, input_shape: Sequence[int] | None = None) -> Sum:
        """What a prediction is made of, before any correction. UnsupportedError as `predict`."""
        found = parts(architecture, input_shape)
        self._check(found, str(architecture))
        return Sum(sum(map(self._plain_ms, found)), len(found), sum(map(megabytes, found)))

    def check_target(self, engine: Engine, subject: str = "latency table") -> None:
        """FormatError when the engine is another target than the table's: its times say nothing about these."""
        if self.target != engine.target:
            differ = target_differences(self.target, engine.target)
            raise FormatError(
                f"{subject}: target: measured with another one: "
                + ", ".join(f"{name}: found {ours}, this run has {theirs}" for name, ours, theirs in differ)
            )

    @property
    def base_nanoseconds(self) -> int:
        """What every network costs beside its parts."""
        constant = self.correction.constant_ms if self.correction else 0.0
        return round((self.plain_base_ms + constant) * 1e6)

    @property
    def plain_base_ms(self) -> float:
        """What every network costs beside its parts, before any correction: its call, and the level's constant."""
        return self.call_ms + (self.level.constant_ms if self.level else 0.0)

    def part_nanoseconds(self, part: Part) -> int:
        """What a part adds to the sum of a network. KeyError when it is not in the table."""
        ms = self._plain_ms(part)
        if self.correction is not None:
            ms = ms * self.correction.slope + self.correction.part_ms + megabytes(part) * self.correction.megabyte_ms
        # Whole numbers, so that networks of the same blocks in another order tie exactly.
        return round(ms * 1e6)

    def is_estimated(self, part: Part) -> bool:
        """Whether no network or part that was timed has told this part's time."""
        entry = self.entries.get(part.key)
        return entry is None or entry.samples == 0

    def milliseconds(self, nanoseconds: ArrayLike) -> NDArray[np.float64]:
        """The predictions of networks (n,) that sum to so many nanoseconds, base and parts: the same, or by the curve.

        Larger sums never have smaller predictions.
        """
        ms = np.asarray(nanoseconds, np.float64) / 1e6
        return ms if self.curve is None else self.curve.times_of(ms)

    def _plain_ms(self, part: Part) -> float:
        """What a part adds to a network, before any correction."""
        return (self._entry(part).ms - self.call_ms) * (self.level.slope if self.level else 1.0)

    def _entry(self, part: Part) -> Entry:
        """A part's entry; where the table tells it apart by what made its inputs, that one (see Part.joined_key).

        A part that has none is estimated by a table that can. KeyError by others.
        """
        entry = self.entries.get(part.joined_key) or self.entries.get(part.key)
        if entry is None and self.estimates is not None:
            ms = round(self.estimates.ms(part) + self.call_ms, 6)
            return Entry(ms, (0.0, 2 * ms), 0, part.label)
        return self.entries[part.key] if entry is None else entry


def _worse(before: dict[str, Any] | None, now: dict[str, Any] | None, earlier: int) -> dict[str, Any] | None:
    """The larger of the drift of runs before and of this one, whose rounds follow on so many earlier ones."""
    if now is not None:
        now = now | {third: [number + earlier for number in now[third]] for third in ("slow_rounds", "fast_rounds")}
    if before is None or now is None:
        return now or before
    return max(before, now, key=lambda drift: float(drift["longer"]))
