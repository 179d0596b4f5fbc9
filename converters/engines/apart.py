"""Engines whose tool runs in a Python environment of its own, in a worker that outlives single networks."""

from __future__ import annotations

import weakref
from abc import abstractmethod
from collections.abc import Mapping
from itertools import count
from typing import Any

from converters.engines.engine import Engine, Session
from converters.programs.worker import Worker
from converters.weights.blobs import Array


class EngineApart(Engine):
    """An engine whose networks live in a worker by number; `begin` starts it.

    `limit_s` is how long loading a network, or one call, may take.
    """

    in_process = False
    limit_s: float = 3600.0
    _worker: Worker

    @abstractmethod
    def _started(self) -> Worker:
        """A new worker."""

    def begin(self) -> None:
        """Starts the worker."""
        self._numbers = count()
        self._released: list[int] = []
        self._worker = self._started()

    def ask(
        self,
        what: str,
        subject: str,
        arrays: Mapping[str, Array] | None = None,
        *,
        worker: Worker | None = None,
        **values: Any,
    ) -> Any:
        """What the worker answers; see Worker.ask. One that ended is not started again here.

        `worker`: the one that a session was loaded in, where that is asked. A later one does not know the session.
        """
        while self._released and self._worker.running:
            self._worker.ask("release", subject, number=self._released.pop(), seconds=self.limit_s)
        return (worker or self._worker).ask(what, subject, arrays, seconds=self.limit_s, **values)

    def restarted(self) -> None:
        """Starts the worker again where it ended. Its sessions go on saying that it did."""
        if not self._worker.running:
            self._released = []  # the sessions of the worker that ended have the old one
            self._worker = self._started()

    def kept(self, session: Session, number: int) -> None:
        """Has the worker let a session's network go when nobody holds the session any more."""
        weakref.finalize(session, self._released.append, number)
