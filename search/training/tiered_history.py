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
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from prototxt_gen.errors import FileError, FormatError
from prototxt_gen.files import reason, write_bytes

FORMAT = "dongfeng tiered history 1"


class History:
    """The lines, in memory and in a file; without a path in memory alone."""

    def __init__(self, path: Path | None, head: Mapping[str, Any]) -> None:
        self.path, self.head = path, {"format": FORMAT, **head}
        self.lines: list[dict[str, Any]] = []
        self.losses: list[float] = []
        self._seconds = 0.0
        self._steps: list[float] = []
        self._saved: int | None = None

    def begin(self, step: int, seconds: float) -> None:
        """Goes on behind this many steps, which took so many seconds: what the file says of later ones is dropped.

        FormatError for a file of something else.
        """
        self._seconds = seconds
        if self.path is None:
            return
        if step and self.path.exists():
            head, lines = read_history(self.path)
            if head != self.head:
                raise FormatError(f"{self.path}: of another search: found {head.get('space')}, {head.get('goal')} ms")
            self.lines = [line for line in lines if line["step"] <= step]
        write_bytes(self.path, "".join(_line(one) for one in (self.head, *self.lines)).encode())

    @property
    def seconds(self) -> float:
        """How long all steps took."""
        return self._seconds

    @contextmanager
    def watched(self) -> Iterator[None]:
        """A step of the weights. The first after each line is looked at closely, for its memory."""
        if self._saved is not None:
            yield
            return
        seen: dict[int, int] = {}

        def look(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(look, lambda tensor: tensor):
            yield
        self._saved = sum(seen.values())

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
            "saved_bytes": self._saved,
        }
        self.losses, self._steps, self._saved = [], [], None
        self.lines.append(whole)
        if self.path is None:
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_line(whole))
        except OSError as fault:
            raise FileError(f"{self.path}: cannot be written: {reason(fault)}") from fault


def read_history(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The first line, and those of the decisions. A last line that was not written to its end is left out.

    FormatError for another file; FileError where it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as fault:
        raise FileError(f"{path}: cannot be read: {reason(fault)}") from fault
    found = []
    whole = text.split("\n")[:-1]
    for number, line in enumerate(whole, 1):
        try:
            found.append(json.loads(line))
        except ValueError:
            raise FormatError(f"{path}: line {number}: found {line[:40]!r}, expected JSON") from None
        if not isinstance(found[-1], dict) or (number > 1 and not isinstance(found[-1].get("step"), int)):
            raise FormatError(f"{path}: line {number}: found {line[:40]!r}, expected a decision with its step")
    if not found or found[0].get("format") != FORMAT:
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


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value) + "\n"
