"""What a long run says of itself: how far it is in a file, in a log for people, and on a bar."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tqdm import tqdm  # type: ignore[import-untyped]

from prototxt_gen.errors import CaffeError, FileError
from prototxt_gen.files import reason
from search.progress import progress_bar
from search.training.checkpoints import Kept
from search.training.processes import Group

# Seconds between two notes of how far a run is.
_NOTES = 5.0
# Steps of the bar for each stage of the run.
_PARTS = 100


class Notes:
    """The notes of a run of so many `stages`, in the files `place` (JSON) and `log` of a folder.

    `begun` is what it was begun with, as JSON values, `words` says that in the log, `kind` is the format of the file.
    Of the processes of a group the first one takes notes.
    """

    def __init__(
        self,
        place: Path,
        log: Path,
        kind: str,
        begun: Mapping[str, Any],
        words: str,
        stages: int,
        group: Group,
        progress: bool,
    ) -> None:
        """FormatError where the file is of a run with other settings; all processes raise it."""
        self.path, self.group = log, group
        self.kept = Kept(place, kind, begun)
        self.before, self.begin = 0.0, time.monotonic()
        self.noted, self.stage, self.words, self.quarter = 0.0, "", "", 0
        found: Any = None
        if group.first:
            try:
                found = self.kept.read()
                self.before = float(found["seconds"]) if found else 0.0
                self.log(f"goes on after {self.before:.0f} s" if found else f"begins: {words}")
                self.kept.write(seconds=self.before, stage="", share=0.0)
            except CaffeError as fault:
                found = fault
        group.told(found if isinstance(found, CaffeError) else None)
        self.bar = progress_bar(_PARTS * stages, "supernet", "%", progress and group.first)
        self.done = 0.0

    def seconds(self) -> float:
        """How long this call and those before it have taken."""
        return self.before + time.monotonic() - self.begin

    def report(self, stage: str, share: float, doing: str = "") -> None:
        """Takes down how much of a stage is done, in 0..1, and, where it has parts, which of them is done now."""
        if not self.group.first:
            return
        words = f"{stage}, {doing}" if doing else stage
        new = stage != self.stage
        if new:
            self.stage, self.quarter, self.done = stage, 0, 0.0
        if words != self.words:
            self.words = words
            self.bar.set_description(words)
        self.bar.update(_PARTS * max(0.0, share - self.done))
        self.done = max(self.done, share)
        if (quarter := int(4 * share)) > self.quarter:
            self.quarter = quarter
            self.log(f"{words}: {25 * quarter} %")
        if new or time.monotonic() - self.noted >= _NOTES:
            self.kept.write(seconds=self.seconds(), stage=words, share=share)
            self.noted = time.monotonic()

    def aside(self) -> AbstractContextManager[None]:
        """A context in which others may write on the terminal: the bar is out of their way."""
        return tqdm.external_write_mode()

    def end(self) -> None:
        """Takes down that the run is at its end."""
        self.bar.close()
        self.kept.write(seconds=self.seconds(), stage="done", share=1.0)

    def log(self, words: str) -> None:
        """A line of the log. FileError when the disk is full, for example."""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} UTC  {words}\n")
        except OSError as fault:
            raise FileError(f"{self.path}: cannot be written: {reason(fault)}") from fault
