"""A tool in a Python environment of its own, as a program that is kept running and asked by pipes.

Some tools cannot live in one environment with this package: they pin old versions of numpy and protobuf. The user makes
an environment for such a tool and names its Python by a variable of the environment. Files of `workers/` run there.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from converters.programs.running import ended, kill, last_words, stopped
from converters.weights.blobs import Array
from prototxt_gen.errors import CaffeError, MissingEnvironmentError, UnsupportedError

_WORKERS = Path(__file__).parent / "workers"
# How often a worker that says nothing is looked after: a child of its own may hold its pipe when it is gone.
_LOOK_S = 0.5


@dataclass(frozen=True)
class Answer:
    """What a worker answers: plain values, arrays by name, and what the tool printed meanwhile."""

    values: dict[str, Any]
    arrays: dict[str, Array] = field(default_factory=dict)
    printed: str = ""


def python_of(variable: str, tool: str, purpose: str) -> str:
    """The Python that a variable of the environment names. MissingEnvironmentError where it names none."""
    said = os.environ.get(variable)
    found = shutil.which(said) if said else None
    if found is None:
        raise MissingEnvironmentError(tool, variable, said, purpose)
    return found


class Worker:
    """A file of `workers/`, run by another environment's Python until `close`, the end of the program, or its own end.

    `name` is the file's, without .py. `title` is what messages call the tool. `explain` makes the end of a sentence of
    a fault that the tool raised and of what it printed; by default both are quoted. `clean` leaves of what it printed
    the lines that say something. Its temporary folder is `folder`: the tool runs there, and files may be left for it.
    """

    def __init__(
        self,
        python: str,
        name: str,
        title: str,
        *,
        seconds: float | None = None,
        environment: Mapping[str, str] | None = None,
        explain: Callable[[str, str], str] | None = None,
        clean: Callable[[str], str] = str,
    ) -> None:
        """Starts it and waits until the tool is imported, at most `seconds`. Errors are those of `ask`."""
        self.title = title
        self._explain, self._clean = explain or _quoted, clean
        self._kept = tempfile.TemporaryDirectory(prefix=f"dongfeng-{Path(name).name}-")
        self.folder = Path(self._kept.name)
        self._log = self.folder / "printed.log"
        with self._log.open("ab") as log:
            try:
                self._process = subprocess.Popen(  # noqa: S603
                    [python, "-E", str(_WORKERS / "serving.py"), str(_WORKERS / f"{name}.py"), str(self.folder)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    cwd=self.folder,
                    env={**os.environ, **(environment or {})},
                    start_new_session=True,
                )
            except OSError as fault:
                raise CaffeError(f"{title}: {python} cannot be started: {fault.strerror or fault}") from fault
        assert self._process.stdin is not None and self._process.stdout is not None
        self._requests: IO[bytes] = self._process.stdin
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._listener = threading.Thread(target=_listen, args=(self._process.stdout, self._answers), daemon=True)
        self._listener.start()
        self._close = weakref.finalize(self, _end, self._process, self._listener, self._kept, os.getpid())
        self._number = 0
        self._answer(title, seconds)

    @property
    def running(self) -> bool:
        """Whether it can be asked."""
        return self._close.alive and self._process.poll() is None

    def ask(
        self,
        what: str,
        subject: str,
        arrays: Mapping[str, Array] | None = None,
        *,
        seconds: float | None = None,
        **values: Any,
    ) -> Answer:
        """What the tool answers to a request, which is a function of its file, with plain values and arrays.

        `subject` begins the messages: UnsupportedError with what the tool said where it raises a fault. A worker that
        ends, or takes more than `seconds`, is closed: CaffeError says so with its last lines. It is closed, too, when
        this process is interrupted in the middle.
        """
        if not self.running:
            raise CaffeError(f"{subject}: {self.title} no longer runs")
        self._number += 1
        files = {}
        for place, (name, array) in enumerate((arrays or {}).items()):
            files[name] = f"request{self._number}.{place}.npy"
            np.save(self.folder / files[name], np.asarray(array), allow_pickle=False)
        request = {"do": what, **values, **({"arrays": files} if arrays is not None else {})}
        os.truncate(self._log, 0)
        try:
            with suppress(BrokenPipeError):  # what became of it is found where the answer is missing
                self._requests.write(json.dumps(request).encode() + b"\n")
                self._requests.flush()
            return self._answer(subject, seconds)
        finally:
            if self._close.alive:
                for file in files.values():
                    (self.folder / file).unlink(missing_ok=True)

    def close(self) -> None:
        """Ends it, with all that it started; its folder goes, too. Does nothing the second time."""
        self._close()

    def printed(self) -> str:
        """What the tool has printed since it was last asked."""
        return self._clean(self._log.read_bytes().decode("utf-8", "replace")) if self._close.alive else ""

    def _answer(self, subject: str, seconds: float | None) -> Answer:
        try:
            line = self._line(seconds)
        except TimeoutError as fault:
            printed = self.printed()
            self.close()
            raise stopped(subject, self.title, seconds or 0.0, printed) from fault
        except BaseException:
            self.close()
            raise
        if not line:
            status, printed = self._process.wait(), self.printed()
            self.close()
            if status == 0:
                raise CaffeError(f"{subject}: {self.title} ended before it answered{last_words(printed)}")
            raise ended(subject, self.title, status, printed)
        found: dict[str, Any] = json.loads(line)
        if "fault" in found:
            raise UnsupportedError(f"{subject}: {self.title} failed{self._explain(found['fault'], self.printed())}")
        arrays = {}
        for name, file in found.pop("arrays", {}).items():
            arrays[name] = np.load(self.folder / file, allow_pickle=False)
            (self.folder / file).unlink()
        return Answer(found, arrays, self.printed())

    def _line(self, seconds: float | None) -> bytes:
        """The next line of the worker, nothing where it has ended. TimeoutError when it takes too long."""
        left = float("inf") if seconds is None else seconds
        while True:
            gone = self._process.poll() is not None
            try:
                return self._answers.get(timeout=min(_LOOK_S, max(left, 0)))
            except queue.Empty:
                if gone:
                    return b""
            left -= _LOOK_S
            if left <= 0:
                raise TimeoutError


def _quoted(fault: str, printed: str) -> str:
    return f": {fault}" + (f"; it printed{last_words(printed)}" if printed.strip() else "")


def _listen(answers: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    """Hands on a worker's lines, and an empty one behind the last."""
    for line in answers:
        lines.put(line)
    lines.put(b"")


def _end(
    process: subprocess.Popen[bytes], listener: threading.Thread, folder: tempfile.TemporaryDirectory[str], owner: int
) -> None:
    if os.getpid() != owner:  # a fork of the process that started it
        return
    kill(process)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        if pipe is process.stdout:
            listener.join(timeout=5)
        with suppress(OSError):
            pipe.close()
    folder.cleanup()
