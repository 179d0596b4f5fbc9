"""A worker's beats while it trains, and which other workers have fallen silent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from prototxt_gen.errors import CaffeError
from search.study.lock import forget, has_died
from search.study.storage import StoredStudy
from search.study.trainings import TRAINING, Row

#: Seconds of silence after which a worker of another machine is taken for dead.
GRACE = 120.0
# So many beats fit into the grace period: some may be lost.
_BEATS = 8


class Watch:
    """Which trainings belong to workers that have ended without a word.

    Of this folder and machine the system says so at once. Of others, a beat that has not changed for their grace
    period, by this process's own clock, and only while the database could be read.
    """

    def __init__(self, folder: Path, worker: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._worker = worker
        self._clock = clock
        # By worker: its beat, and when that was first seen.
        self._seen: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def look(self, rows: Sequence[Row]) -> list[Row]:
        """The trainings of dead workers among all trainings as they are now."""
        now, dead, seen = self._clock(), [], {}
        with self._lock:
            for row in rows:
                if row.state != TRAINING or row.worker is None or row.worker == self._worker:
                    continue
                before = self._seen.get(row.worker)
                since = before[1] if before is not None and before[0] == row.beat else now
                seen[row.worker] = row.beat, since
                if has_died(self._folder, row.worker) or now - since > row.grace:
                    dead.append(row)
            self._seen = seen
        return dead

    def give_back(self, study: StoredStudy, rows: Sequence[Row]) -> int:
        """Gives back what dead workers train; says how many trainings that were."""
        given = 0
        for row in self.look(rows):
            given += study.give_back(row, died=True)
            forget(self._folder, str(row.worker))
        return given

    def blind(self) -> None:
        """Forgets what was seen: the database could not be read, and perhaps not written by the others either."""
        with self._lock:
            self._seen = {}


@contextmanager
def beating(study: StoredStudy, watch: Watch, grace: float) -> Iterator[threading.Event]:
    """Beats in the background while the block runs, and watches the others.

    Gives an event that is set when the training was given to another worker: the connection was lost for too long.
    """
    ended, lost = threading.Event(), threading.Event()

    def beat() -> None:
        while not ended.wait(grace / _BEATS):
            try:
                if not study.beat():
                    lost.set()
                    return
                watch.look(study.read(patience=0).rows)
            except CaffeError:
                watch.blind()

    thread = threading.Thread(target=beat, name="dongfeng beats", daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        ended.set()
        thread.join()


def pause(grace: float) -> float:
    """Seconds after which to look again where there is nothing to do but wait for others."""
    return min(grace / _BEATS, 5.0)
