"""Files that a long training goes on from: tensors and documents, each of a format and of settings that it names."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from converters.pytorch.state_dict import read_saved, write_saved
from prototxt_gen.errors import FormatError
from prototxt_gen.files import read_bytes, write_bytes
from prototxt_gen.json_files import parse_json

# Of settings, what is longer is told by a digest.
_LONGEST = 300


class Kept:
    """A file of a training: `write` replaces it in one step, `read` gives what was written, None where there is none.

    `settings` are JSON values, all that decides what the training comes to. A name that ends in .json is a JSON
    document, any other a file of torch's, which may have tensors. FileError when the disk is full, for example.
    """

    def __init__(self, path: Path, kind: str, settings: Mapping[str, Any]) -> None:
        self.path, self.kind = path, kind
        self.settings = dict(settings)

    def write(self, **values: Any) -> None:
        document = {"format": self.kind, "settings": self.settings, **values}
        if self.path.suffix == ".json":
            write_bytes(self.path, json.dumps(document).encode())
        else:
            write_saved(document, self.path)

    def read(self) -> dict[str, Any] | None:
        """FormatError for a damaged file, and for one of other settings, which lists what differs."""
        # What a writer left behind that was killed; this one's process is the only one that writes.
        for left in self.path.parent.glob(f".{self.path.name}.*.part"):
            with suppress(OSError):
                left.unlink()
        if not self.path.exists():
            return None
        found = read_kept(self.path, self.kind)
        if told := differences(found["settings"], self.settings):
            raise FormatError(f"{self.path}: begun with other settings: {'; '.join(told)}")
        return found


def read_kept(path: str | os.PathLike[str], kind: str) -> dict[str, Any]:
    """The values in a file that `Kept` wrote, with its "settings", whatever they are. FormatError for any other."""
    source = os.fspath(path)
    if Path(path).suffix == ".json":
        found = parse_json(read_bytes(path), source, f"a {kind!r}")
    else:
        found = read_saved(path, f"a {kind!r}")
    told = found.get("format") if isinstance(found, dict) else type(found).__name__
    if told != kind or not isinstance(found.get("settings"), dict):
        raise FormatError(f"{source}: found format {told!r}, expected {kind!r} with its settings")
    return dict(found)


def take_up(module: nn.Module, found: Mapping[str, Any], path: Path, what: str) -> None:
    """Gives a module's parameters the numbers of the `weights` in a file; FormatError where they are of another."""
    weights, own = found.get("weights"), dict(module.named_parameters())
    if not isinstance(weights, dict) or {name: tensor.shape for name, tensor in weights.items()} != {
        name: own[name].shape for name in own
    }:
        raise FormatError(f"{path}: its weights are not those of {what}")
    with torch.no_grad():
        for name, tensor in weights.items():
            own[name].copy_(tensor)


def differences(begun: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """How settings differ from those that something was begun with, one line each."""
    # As they are stored: a tuple is a list there.
    asked = json.loads(json.dumps(asked))
    return [
        f"{name}: was {_short(begun.get(name))}, is {_short(asked.get(name))}"
        for name in sorted({*begun, *asked})
        if begun.get(name) != asked.get(name)
    ]


def _short(value: Any) -> str:
    """A value in words; of a long one, such as a whole table, what tells it from others."""
    words = str(value)
    if len(words) <= _LONGEST:
        return words
    return f"one of {len(words)} characters, SHA-256 {hashlib.sha256(words.encode()).hexdigest()[:16]}"
