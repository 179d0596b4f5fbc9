"""Measuring the parts of a course in interleaved rounds, until their spread is small enough or the time is used up."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from converters.engines import Engine
from prototxt_gen.generator.parts import Part
from search.latency.courses import Course
from search.latency.levelling import Walk
from search.latency.measuring import Entry, entry_of_rounds, quantile
from search.latency.walking import Walker

# Quartiles of fewer medians tell too little of their spread.
LEAST_ROUNDS = 12
# A program started for each call gives many runs at once.
LEAST_ROUNDS_OF_PROGRAMS = 3
RUNS_OF_PROGRAMS = 20
# A killed measurement loses at most this much, or one run of one network.
SECONDS_PER_SAVE = 3.0
#: The parts of one third of the rounds may take so much longer than those of another; more is called drift.
DRIFT_LIMIT = 0.10


def is_done(entry: Entry | None, spread: float, engine: Engine) -> bool:
    """Whether a part has been measured in enough rounds, and to this spread or less."""
    return entry is not None and len(entry.rounds) >= _least_rounds(engine) and entry.spread <= spread


def _least_rounds(engine: Engine) -> int:
    return LEAST_ROUNDS if engine.in_process else LEAST_ROUNDS_OF_PROGRAMS


class _Round(NamedTuple):
    """What a round has told of a part: the weighted median of walks in ms, and their weights' sum."""

    number: int
    ms: float
    weight: float


def _round(number: int, walks: Sequence[tuple[float, float]]) -> _Round:
    medians, weights = zip(*walks, strict=True)
    return _Round(number, quantile(medians, 0.5, weights), sum(weights))


class Survey:
    """The times of a course's parts as they come in: medians of rounds, and how many samples they hold.

    It goes on from `known` entries, whose rounds count like its own, and from the medians of earlier `calls`.
    """

    def __init__(
        self, course: Course, engine: Engine, known: Mapping[str, Entry], calls: Iterable[float], seed: int
    ) -> None:
        self._course = course
        self._engine = engine
        self._rng = random.Random(seed)
        self._walker = Walker(engine)
        self._known = {key: entry for key, entry in known.items() if entry.rounds}
        self._before = list(calls)
        #: How many rounds there have been, the last one perhaps not a whole one.
        self.rounds = 0
        #: By part, what the round has told so far: the medians of walks, and their weights.
        self._samples: dict[str, list[tuple[float, float]]] = {}
        self._call_samples: list[float] = []
        self._rounds: dict[str, list[_Round]] = {}
        self._counts: dict[str, int] = {}
        self._calls: list[float] = []
        #: The networks walked whole, in order.
        self.walks: list[Walk] = []
        self.seconds = 0.0

    @property
    def failed(self) -> dict[str, str]:
        """Why parts could not be timed, by key."""
        return self._walker.failed

    @property
    def calls(self) -> list[float]:
        """Medians of what a call takes that does next to nothing, one a round."""
        return self._before + self._calls

    def entries(self) -> dict[str, Entry]:
        """The entries of all parts timed so far, by key."""
        found = {}
        for key, part in self._course.parts.items():
            known, walks = self._known.get(key), self._samples.get(key, [])
            rounds = self._rounds.get(key, []) + ([_round(self.rounds, walks)] if walks else [])
            if rounds and key not in self.failed:
                medians, weights = [one.ms for one in rounds], [one.weight for one in rounds]
                if known is not None:
                    medians, weights = [*known.rounds, *medians], [*known.weights, *weights]
                count = (known.samples if known else 0) + self._counts[key]
                found[key] = entry_of_rounds(medians, count, part.label, weights)
        return found

    def _end_round(self) -> None:
        """Keeps the medians of the round's samples, by part, with the round's number."""
        for key, walks in self._samples.items():
            self._rounds.setdefault(key, []).append(_round(self.rounds, walks))
        self._samples = {}
        self._calls += [round(float(np.median(self._call_samples)), 6)] if self._call_samples else []
        self._call_samples = []

    def drift(self) -> dict[str, Any] | None:
        """How the machine's speed changed: its slowest third of the rounds, its fastest, how much longer parts took.

        The median over all parts that were timed in all thirds. None where there were too few rounds to say.
        """
        if self.rounds < LEAST_ROUNDS:
            return None
        thirds = [(self.rounds * third // 3, self.rounds * (third + 1) // 3) for third in range(3)]
        times = []
        for rounds in self._rounds.values():
            found = [[one.ms for one in rounds if first < one.number <= last] for first, last in thirds]
            if min(map(len, found)) >= 3:
                times.append([float(np.median(third)) for third in found])
        if not times:
            return None
        speeds = np.median(np.array(times) / np.array(times)[:, :1], axis=0)
        slow, fast = int(speeds.argmax()), int(speeds.argmin())
        return {
            "longer": round(float(speeds[slow] / speeds[fast] - 1), 4),
            "slow_rounds": [thirds[slow][0] + 1, thirds[slow][1]],
            "fast_rounds": [thirds[fast][0] + 1, thirds[fast][1]],
        }

    def run(
        self,
        wanted: Iterable[str],
        spread: float,
        budget: float | None,
        save: Callable[[], object],
        advance: Callable[[float, str], object],
        meanwhile: Callable[[], object] | None = None,
    ) -> None:
        """Measures until the entries of all wanted parts have this spread or less, or for `budget` seconds if any.

        `save` is called as it goes, `advance` with the share of the work that is done, and with words, `meanwhile`
        between two networks: what it takes is not of these seconds.
        """
        begun = saved = perf_counter()
        # How long other work took, which moves the beginning.
        other = 0.0
        wanted, limit = list(wanted), math.inf if budget is None else budget
        for number, key in enumerate(wanted):
            self._walker.load(self._course.parts[key])
            advance(0.0, f"loading part {number + 1} of {len(wanted)}")
        open_parts, entries = [key for key in wanted if key not in self.failed], dict(self._known)
        started = perf_counter()
        # Rounds of all parts, and of the open ones alone, get as much time each: a machine's speed changes by the
        # minute, and parts measured early only would be those of another machine.
        full = rest = 0.0
        while open_parts and perf_counter() - begun - other < limit:
            self.rounds += 1
            round_begun, is_full = perf_counter() - other, rest >= full
            for step in self._steps(wanted if is_full else open_parts):
                step()
                if meanwhile is not None:
                    stopped = perf_counter()
                    meanwhile()
                    other += perf_counter() - stopped
                self.seconds = perf_counter() - begun - other
                if perf_counter() - saved > SECONDS_PER_SAVE:
                    save()
                    saved = perf_counter()
                left = self._seconds_left(open_parts, entries, spread, perf_counter() - started - other)
                left = min(left, max(limit - self.seconds, 0.0))
                done = len(wanted) - len(open_parts)
                share = self.seconds / (self.seconds + left)
                advance(share, f"round {self.rounds}, {done} of {len(wanted)} parts done")
                if self.seconds >= limit:
                    break
            self._end_round()
            used = perf_counter() - other - round_begun
            full, rest = (used, 0.0) if is_full else (full, rest + used)
            entries = self._known | self.entries()
            open_parts = [
                key for key in wanted if key not in self.failed and not is_done(entries.get(key), spread, self._engine)
            ]
        self.seconds = perf_counter() - begun - other
        save()

    def _steps(self, wanted: Sequence[str]) -> Iterator[Callable[[], object]]:
        """What a round does, in steps: each part wanted is met at least once, in an order drawn anew."""
        unmet = self._rng.sample(wanted, len(wanted))
        if not self._engine.in_process:
            yield self._call
            yield from (partial(self._sample, self._course.parts[key]) for key in unmet)
            return
        while unmet := [key for key in unmet if key not in self.failed]:
            network = self._course.through(unmet[0], self._rng)
            yield partial(self._walk, network)
            met = {part.key for part in network}
            unmet = [key for key in unmet if key not in met]

    def _call(self) -> None:
        self._call_samples += self._walker.samples(None, RUNS_OF_PROGRAMS)

    def _walk(self, network: list[Part]) -> None:
        timed, calls = self._walker.walk(network)
        self._call_samples += calls
        # A part runs faster in a small network, whose other parts leave its weights in the caches; and there it counts
        # for more: an error of so many ms is a share of the network's time. So walks weigh by its inverse; what is
        # left of small and large networks' difference, the table's level says.
        total = sum(float(np.median(timed[part.key])) for part in network if part.key in timed)
        if all(part.key in timed for part in network):
            self.walks.append(Walk(total, tuple(part.key for part in network)))
        for key, times in timed.items():
            self._add(key, times, 1 / total)

    def _sample(self, part: Part) -> None:
        if times := self._walker.samples(part, RUNS_OF_PROGRAMS):
            self._add(part.key, times, 1.0)

    def _add(self, key: str, times: Sequence[float], weight: float) -> None:
        self._samples.setdefault(key, []).append((float(np.median(times)), weight))
        self._counts[key] = self._counts.get(key, 0) + len(times)

    def _seconds_left(
        self, open_parts: Sequence[str], entries: Mapping[str, Entry], spread: float, used: float
    ) -> float:
        """A guess: spread falls with the square root of the rounds."""
        more, least = 0.0, _least_rounds(self._engine)
        for key in open_parts:
            entry = entries.get(key)
            rounds = len(entry.rounds) if entry else 0
            wanted = float(least)
            if entry and rounds >= least and np.isfinite(entry.spread):
                wanted = max(wanted, rounds * (entry.spread / spread) ** 2 if spread > 0 else np.inf)
            more = max(more, wanted - rounds)
        return more * used / max(self.rounds, 1)
