"""What a search by Tiered Pruning writes down of itself: one JSON line for each decision, to be drawn and compared.

The first line says what was searched: `format`, `space`, `goal` (ms), and for each layer its `candidates` and whether
it is `optional`. Each later line is of one decision:

- `step` counts steps of the weights from 1, `progress` is that of the search in 0..1, `seconds` is how long the steps
  up to there took, those before an interruption with them.
- `temperature` of the draws; `loss` of the images in architecture steps, a mean since the last line; `latency`, the
  expected one in ms, after the decision.
- `layers` has, after the decision, for each layer `gone`, the probability of its `bypass` (null where it is closed),
  and by the number of each candidate there `share`, its probability, `small` and `large`, its two inner widths (0 for
  none), and `wide`, the probability of the larger one. Probabilities are the averaged ones that decide.
- `events` are the decisions: kind, layer, candidate, and the two widths from now on.
- `parameters` and `multiply_adds` (of one image) of the supernet; `step_ms`, the median time of a step since the last
  line; `saved_bytes`, what one step of the weights keeps for its gradients: the larger part of the memory it takes.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from prototxt_gen.errors import FileError, FormatError
from prototxt_gen.files import read_bytes, reason, write_bytes
from prototxt_gen.json_files import parse_json

FORMAT = "dongfeng tiered history 1"


class History:
    """The lines, in memory and in a file; without a path in memory alone."""

    def __init__(self, path: Path | None, head: Mapping[str, Any]) -> None:
        self.path, self.head = path, {"format": FORMAT, **head}
        self.lines: list[dict[str, Any]] = []
        #: Since the last line: the losses of the architecture, and what a step kept for its gradients.
        self.losses: list[float] = []
        self.saved_bytes: int | None = None
        self._seconds = 0.0
        self._steps: list[float] = []

    def begin(self, step: int, decisions: Sequence[int]) -> None:
        """Goes on behind this many steps; `decisions` are the steps of the lines up to there.

        What the file says of later ones is dropped. FormatError for a file of something else, and for one that lacks
        lines.
        """
        if self.path is None:
            return
        # What a writer left behind that was killed.
        for left in self.path.parent.glob(f".{self.path.name}.*.part"):
            with suppress(OSError):
                left.unlink()
        lines: list[dict[str, Any]] = []
        if self.path.exists():
            head, lines = read_history(self.path)
            if head != self.head:
                raise FormatError(f"{self.path}: of another search: found {_told(head)}, expected {_told(self.head)}")
        self.lines = [line for line in lines if line["step"] <= step]
        if [line["step"] for line in self.lines] != list(decisions):
            raise FormatError(
                f"{self.path}: found {len(self.lines)} decisions up to step {step}, expected {len(decisions)}: "
                "it is not of the training beside it"
            )
        write_bytes(self.path, "".join(_line(one) for one in (self.head, *self.lines)).encode())

    def state(self) -> dict[str, Any]:
        """What is not written yet, as JSON values."""
        return {"seconds": self._seconds, "losses": list(self.losses), "saved_bytes": self.saved_bytes}

    def restore(self, values: Mapping[str, Any]) -> None:
        """Goes on from what `state` gave. KeyError, TypeError or ValueError for anything else."""
        self._seconds, self.losses = float(values["seconds"]), [float(loss) for loss in values["losses"]]
        self.saved_bytes = values["saved_bytes"]

    def took(self, seconds: float) -> None:
        """Enters the time of a step."""
        self._steps.append(seconds)
        self._seconds += seconds

    def add(self, line: Mapping[str, Any]) -> None:
        """Writes a line, with what was seen since the last one. FileError when the disk is full, for example."""
        whole = {
            **line,
            "seconds": round(self._seconds, 3),
            "loss": statistics.fmean(self.losses) if self.losses else None,
            "step_ms": round(1000 * statistics.median(self._steps), 3) if self._steps else None,
            "saved_bytes": self.saved_bytes,
        }
        self.losses, self._steps, self.saved_bytes = [], [], None
        self.lines.append(whole)
        if self.path is None:
            return
        try:
            with self.path.open("ab") as file:
                file.write(_line(whole).encode())
                file.flush()
                # A training that goes on from this step asks for the line.
                os.fsync(file.fileno())
        except OSError as fault:
            raise FileError(f"{self.path}: cannot be written: {reason(fault)}") from fault


def read_history(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The first line, and those of the decisions. A last line that was not written to its end is left out.

    FormatError for another file; FileError where it cannot be read.
    """
    found: list[dict[str, Any]] = []
    for number, line in enumerate(read_bytes(path).split(b"\n")[:-1], 1):
        value = parse_json(line, f"{path}: line {number}", "JSON")
        if not isinstance(value, dict) or (found and not isinstance(value.get("step"), int)):
            raise FormatError(f"{path}: line {number}: found {str(value)[:40]!r}, expected a decision with its step")
        if not found and value.get("format") != FORMAT:
            break
        found.append(value)
    if not found:
        raise FormatError(f"{path}: found no {FORMAT!r}")
    return found[0], found[1:]


def state_lines(layers: Sequence[Any]) -> list[dict[str, Any]]:
    """What is left of each layer (see LayerState in search/strategies/tiered.py), as the lines have it."""
    return [
        {
            "gone": layer.gone,
            "bypass": layer.bypass_probability if layer.bypass else None,
            "candidates": {
                str(number): {
                    "share": layer.probabilities[number],
                    "small": prunode.small_width,
                    "large": prunode.large_width,
                    "wide": prunode.probability,
                }
                for number, prunode in layer.prunodes.items()
            },
        }
        for layer in layers
    ]


def _told(head: Mapping[str, Any]) -> str:
    return f"{head.get('space')} at {head.get('goal')} ms"


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value) + "\n"
