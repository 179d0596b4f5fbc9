"""Training networks from weights in files: each network has its own, which another training left."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from converters.pytorch.module import to_torch
from converters.weights import Weights, load_weights
from prototxt_gen.errors import ArchitectureError, FileError
from prototxt_gen.files import read_bytes
from prototxt_gen.proto import NetParameter
from search.spaces import Space
from search.training.dataset import Dataset
from search.training.schedule import Schedule
from search.training.trainer import Report, Training, mean_of
from search.training.training import check_device, evaluate, train

#: In the folder of a search: weights that its networks begin with, a caffemodel for each, named by its code.
BEGINNINGS = "beginnings"


def beginning_file(folder: Path, code: str) -> Path:
    """Where the weights lie that a network begins with."""
    return folder / BEGINNINGS / f"{code}.caffemodel"


@dataclass(frozen=True)
class BegunTrainer:
    """A trainer (see trainer.py) that begins with the weights in a file of its own for each network's code.

    `data` have the mean that these weights were made for.
    """

    data: Dataset
    files: Mapping[str, Path]
    schedule: Schedule
    device: str = "cpu"
    looks: Sequence[float] = ()
    classes: int | None = None
    per_pixel: bool | None = False

    @cached_property
    def settings(self) -> dict[str, Any]:
        """As of any trainer; the files' digests are among them."""
        digests = {code: hashlib.sha256(read_bytes(path)).hexdigest()[:16] for code, path in self.files.items()}
        return {
            "data": self.data.identity,
            "mean": list(self.data.train.mean),
            **self.schedule.settings(),
            "begun": digests,
        }

    def __call__(self, net: NetParameter, seed: int, report: Report) -> Training:
        """Trains a network on. ArchitectureError for one that has no weights to begin with."""
        weights, accuracy = train(
            net, self.data, self.schedule, self.device, report, seed=seed, looks=self.looks, begin=self.weights_of(net)
        )
        return Training(accuracy, weights)

    def weights_of(self, net: NetParameter) -> Weights:
        """The weights that a network begins with. ArchitectureError for one that has none."""
        if net.name not in self.files:
            others = ", ".join(self.files)
            raise ArchitectureError(f"network {net.name}: has no weights to begin with, as {others} have")
        return load_weights(self.files[net.name])

    def untrained(self, net: NetParameter) -> Training:
        """These weights, and the accuracy that the network has with them on the held-out images."""
        weights = self.weights_of(net)
        return Training(evaluate(to_torch(net, weights).to(self.device), self.data.held_out, self.device), weights)


def begun_trainer(
    space: Space,
    data: Dataset,
    folder: Path,
    codes: Sequence[str],
    schedule: Schedule,
    device: str = "cpu",
    looks: Sequence[float] = (),
) -> BegunTrainer:
    """The trainer of networks by their codes whose weights lie in the folder of a search.

    FileError lists files that are not there. UnsupportedError when PyTorch cannot train on the device.
    """
    check_device(device)
    files = {code: beginning_file(folder, code) for code in codes}
    if missing := [str(path) for path in files.values() if not path.is_file()]:
        raise FileError(f"{', '.join(missing)}: not there; they are in the folder that the search began in")
    return BegunTrainer(
        data.with_mean(mean_of(space)), files, schedule, device, tuple(looks), classes=len(data.classes)
    )
