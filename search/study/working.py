"""A worker: claims one training after another, trains, enters what it came to, until the search ends."""

from __future__ import annotations

import errno
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converters.weights import save_weights
from prototxt_gen.errors import CaffeError, FileError, FormatError, NotInstalledError, TrainingError
from prototxt_gen.files import write_bytes
from prototxt_gen.generator.networks import generate
from prototxt_gen.proto import NetParameter
from search.progress import progress_bar
from search.strategies.ending import Ending
from search.study.folder import FAILURES, make_folder, weights_file
from search.study.following import Follower
from search.study.heartbeat import Watch, beating, pause
from search.study.lock import alive
from search.study.retention import ALL, Keep, keep_boundary, place_of
from search.study.stopping import Stops, begun
from search.study.storage import Claim, Stored, StoredStudy
from search.study.trainings import FAILED, Key, Row
from search.training.trainer import EndedEarly, Trainer, Training

#: So many failed trainings of one worker in a row are no candidate's fault.
FAILURES_IN_A_ROW = 5

# Parts of a training on the progress bar.
_PARTS = 100


class _LostError(Exception):
    """The training was given to another worker."""


class _EndedByUsError(EndedEarly):
    """A training without hope; `expected` is the accuracy that it was expected to come to."""

    def __init__(self, expected: float) -> None:
        self.expected = expected


@dataclass
class Worker:
    """One of the processes that train for a study. `stops` gives the rules as they are now, `slack` as `keep_boundary`.

    `keep` says whose weights stay (see retention.py). `seed` is the study's: run k of a candidate is trained with
    seed + k. `grace` in seconds, as `StoredStudy.claim`. `ending` says which first runs of candidates are ended early.
    """

    study: StoredStudy
    follower: Follower
    trainer: Trainer
    folder: Path
    stops: Callable[[], Stops]
    seed: int
    seeds: int
    grace: float
    slack: float = 0.0
    keep: Keep = "boundary"
    progress: bool = False
    ending: Ending | None = None

    def work(self) -> str:
        """Trains until the search ends; gives the reason in words.

        A candidate whose training raises, diverges or has no memory is a failed one; its log goes into the study and
        the folder. TrainingError after FAILURES_IN_A_ROW of them, which then are open again. FileError when a disk is
        full or the database gone. Stopped in any way, the worker gives back what it was training.
        """
        watch = Watch(self.folder, self.study.worker)
        failed: list[tuple[Key, str]] = []
        stored = self.follower.update()
        stops = self.stops()
        left = max(0, (stops.trials or 0) - len(begun(stored.rows)))
        with alive(self.folder, self.study.worker), self._bar(left) as bar:
            while True:
                if watch.give_back(self.study, stored.rows):
                    stored = self.follower.update()
                stops = self.stops()
                following = self.follower.following(stored, stops, self.seeds)
                if following.ended is not None:
                    self._tidy(stored.rows, 0.0)
                    return following.ended
                self._tidy(stored.rows, self.slack)
                if following.key is None:
                    time.sleep(pause(self.grace))
                elif (claim := self.study.claim(following.key, stored, self.grace)) is not None:
                    bar.set_description(self._described(stored, stops, claim.key))
                    fault = self._trained(claim, watch, bar)
                    failed = [*failed, (claim.key, fault)] if fault is not None else []
                    if len(failed) == FAILURES_IN_A_ROW:
                        self._give_up(failed)
                stored = self.follower.update()

    def _tidy(self, rows: Sequence[Row], slack: float) -> None:
        keep_boundary(self.follower.search, self.study, rows, self.folder, ALL if self.keep == "all" else slack)

    def _trained(self, claim: Claim, watch: Watch, bar: Any) -> str | None:
        """Trains a candidate; why it failed, in one line, None where it did not."""
        code, run = claim.key
        net = generate(code, input_shape=self.follower.search.space.input_shape)
        ended = False
        try:
            with beating(self.study, watch, self.grace) as lost:
                done = 0.0
                looks: dict[float, float] = {}

                def report(share: float, accuracy: float | None) -> None:
                    nonlocal done
                    if lost.is_set():
                        raise _LostError
                    bar.update(max(0.0, share - done) * _PARTS)
                    done = max(share, done)
                    if accuracy is not None:
                        self._look(claim.key, share, accuracy, looks)

                latency = self.follower.latency(code)
                try:
                    training = self.trainer(net, self.seed + run, report)
                except _EndedByUsError as early:
                    self.study.finish(claim, latency, early.expected, looks=looks, early=True)
                    ended = True
                    return None
                except Exception as fault:
                    if isinstance(fault, _LostError) or _is_not_its_own(fault):
                        raise
                    said = f"{type(fault).__name__}: {fault}".splitlines()[0][:500]
                    ended = self._failed(claim, said)
                    return said
                # Before it is entered as finished, so that every finished network on the boundary has weights.
                weights = self._save(net, training, claim.key)
                self.study.finish(claim, latency, training.accuracy, weights, looks)
                ended = True
        except _LostError:
            ended = True
        finally:
            if not ended:
                # The fault that ends this worker is told, not one that comes of it.
                with suppress(CaffeError):
                    self.study.release(claim)
        return None

    def _look(self, key: Key, share: float, accuracy: float, looks: dict[float, float]) -> None:
        """Enters the accuracy at each look that is reached; EndedEarly where the candidate has no hope any more."""
        if self.ending is None:
            return
        for look in self.ending.looks:
            if look in looks or share < look - 1e-9 or share >= 1:
                continue
            looks[look] = accuracy
            curves = self.follower.curves
            expected = curves.expected(look, accuracy)
            if key.run > 0 or expected is None:
                continue
            needed = self.follower.needed(key.architecture)
            if self.ending.hopeless(curves, look, accuracy, needed, key.architecture):
                raise _EndedByUsError(expected)

    def _save(self, net: NetParameter, training: Training, key: Key) -> str | None:
        """Writes the weights, if the trainer gave any; where they are, as the study says it."""
        if training.weights is None:
            return None
        path = weights_file(self.folder, key.architecture, key.run)
        for again in (True, False):
            make_folder(path.parent)
            try:
                save_weights(training.weights, path, net)
                break
            except FileError:
                # Another worker may have removed the folder, which was empty.
                if path.parent.is_dir() or not again:
                    raise
        return place_of(self.study, self.folder)

    def _failed(self, claim: Claim, said: str) -> bool:
        log = traceback.format_exc()
        make_folder(self.folder / FAILURES)
        name = f"{claim.key.architecture}.run{claim.key.run}.log"
        write_bytes(self.folder / FAILURES / name, log.encode("utf-8", "replace"))
        self.study.fail(claim, said, log)
        return True

    def _give_up(self, failed: list[tuple[Key, str]]) -> None:
        self.study.free([key for key, _ in failed])
        reasons = "; ".join(dict.fromkeys(fault for _, fault in failed))
        raise TrainingError(
            f"{self.folder}: {len(failed)} trainings in a row failed, which is no candidate's fault: {reasons}; "
            f"logs are in {self.folder / FAILURES}; these candidates are open again"
        )

    def _bar(self, left: int) -> Any:
        return progress_bar(left * self.seeds * _PARTS, "training", "%", self.progress and left > 0)

    def _described(self, stored: Stored, stops: Stops, key: Key) -> str:
        number = len(begun(stored.rows) | {key.architecture})
        of = f" of {stops.trials}" if stops.trials else ""
        failed = sum(row.state == FAILED for row in stored.rows)
        return f"training {number}{of}" + (f", {failed} failed" if failed else "")


def _is_not_its_own(fault: Exception) -> bool:
    """Whether a fault is not the candidate's: a file of the data that is broken, a disk that is full."""
    if isinstance(fault, FileError | FormatError | NotInstalledError):
        return True
    return isinstance(fault, OSError) and fault.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
