"""Training a network of a PONAS space from the weights that it has in a trained supernet."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from converters.pytorch.module import to_torch
from converters.weights import Weights
from prototxt_gen.architectures import parse_architecture
from prototxt_gen.errors import ArchitectureError, FileError, FormatError
from prototxt_gen.proto import NetParameter
from search.spaces import PonasSpace, Space
from search.training.dataset import Dataset
from search.training.one_shot import SUPERNET, OneShot, load_supernet, load_trained, statistics_of
from search.training.paths import inherited
from search.training.schedule import Schedule
from search.training.supernet import Supernet
from search.training.trainer import Report, Training, mean_of
from search.training.training import check_device, evaluate, train


class InheritingTrainer:
    """A trainer (see trainer.py) that begins with the weights of a supernet, and with batch-norm statistics of its own.

    `data` have the mean that the supernet was trained with; `one_shot` are its settings, which say what images the
    statistics are taken from. `schedule` is that of the networks taken out. UnsupportedError when PyTorch cannot train
    on the device.
    """

    def __init__(
        self,
        supernet: Supernet,
        data: Dataset,
        one_shot: OneShot,
        schedule: Schedule,
        device: str = "cpu",
        looks: Sequence[float] = (),
    ) -> None:
        check_device(device)
        self.supernet = supernet.to(device)
        self.data, self.one_shot, self.schedule, self.device, self.looks = data, one_shot, schedule, device, looks
        self.classes: int | None = len(data.classes)
        self.per_pixel: bool | None = False

    @cached_property
    def settings(self) -> dict[str, Any]:
        """As of any trainer: which supernet it is, by a digest of its weights, and its settings are among them."""
        return {
            "data": self.data.identity,
            "mean": list(self.data.train.mean),
            **self.schedule.settings(),
            "supernet": digest_of(self.supernet),
            "one-shot": self.one_shot.settings(),
        }

    @cached_property
    def _statistics(self) -> list[Tensor]:
        return statistics_of(self.supernet.space, self.data, self.one_shot, self.device).batches

    def __call__(self, net: NetParameter, seed: int, report: Report) -> Training:
        """Trains a network of the supernet's space, known by its name, which is its code.

        ArchitectureError for any other network.
        """
        begin = self.weights_of(net)
        weights, accuracy = train(
            net, self.data, self.schedule, self.device, report, seed=seed, looks=self.looks, begin=begin
        )
        return Training(accuracy, weights)

    def weights_of(self, net: NetParameter) -> Weights:
        """The weights that a network begins with. ArchitectureError for one that is not of the supernet's space."""
        choices = self.supernet.space.choices_of(parse_architecture(net.name))
        return inherited(self.supernet, choices, self._statistics)

    def untrained(self, net: NetParameter) -> Training:
        """These weights and the accuracy that the network has with them on the held-out images. Errors as there."""
        weights = self.weights_of(net)
        module = to_torch(net, weights).to(self.device)
        return Training(evaluate(module, self.data.held_out, self.device), weights)


def inheriting(
    space: Space,
    data: Dataset,
    folder: Path,
    one_shot: Mapping[str, Any],
    schedule: Schedule,
    device: str = "cpu",
    looks: Sequence[float] = (),
) -> InheritingTrainer:
    """The trainer with the supernet that lies in a folder; `one_shot` are its settings as JSON values.

    FileError where there is none, FormatError for one of another space.
    """
    if not isinstance(space, PonasSpace):
        raise ArchitectureError(f"space {space}: found no layers with candidates, expected those of a supernet")
    path = folder / SUPERNET
    if not path.is_file():
        raise FileError(f"{path}: there is none; it is the file of that name in the folder that the search began in")
    supernet = load_supernet(path)
    if str(supernet.space) != str(space):
        raise FormatError(f"{path}: a supernet of {supernet.space}, expected one of {space}")
    return InheritingTrainer(supernet, data.with_mean(mean_of(space)), settings_from(one_shot), schedule, device, looks)


def inheriting_from(path: Path, data: Dataset, schedule: Schedule, device: str = "cpu") -> InheritingTrainer:
    """The trainer with the supernet in a file of its training, which says its settings, too.

    FormatError for a file of another kind, and where the supernet was trained with other images.
    """
    supernet, begun = load_trained(path)
    if begun.get("data") != data.identity:
        raise FormatError(f"{path}: a supernet trained with {begun.get('data')}, found {data.identity}")
    return InheritingTrainer(supernet, data.with_mean(mean_of(supernet.space)), settings_from(begun), schedule, device)


def settings_from(stored: Mapping[str, Any]) -> OneShot:
    """The settings that `OneShot.settings` gave; what else is there is left alone."""
    own, schedule = (
        {name: value for name, value in stored.items() if name in kind.__dataclass_fields__}
        for kind in (OneShot, Schedule)
    )
    return OneShot(Schedule(**schedule), **own)


def digest_of(supernet: Supernet) -> str:
    """What tells the weights of a supernet from others: a part of a SHA-256, whatever device they are on."""
    found = hashlib.sha256()
    for name, parameter in supernet.named_parameters():
        found.update(name.encode())
        found.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]
