"""What a search asks of a training: a function from a network to its accuracy, ours or the user's own.

A trainer is called with a deploy network, a seed and a `report`. It gives the accuracy in 0..1 on held-out data, or a
`Training` that has the weights, too, so that the search can keep them. The simplest one is

    def train(net):
        model = to_torch(net, phase="TRAIN")
        ...
        return accuracy

Random numbers should follow from the seed and the network alone, so that a search that is stopped and gone on with ends
as one left alone. `report(share, accuracy)` tells how much of the training is done, in 0..1, and how accurate the
network is now, None where nobody has looked. It may raise `EndedEarly`, which a trainer lets through.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from converters.weights import Weights
from prototxt_gen.architectures import Decoder
from prototxt_gen.errors import ArchitectureError, TrainingError
from prototxt_gen.proto import NetParameter
from search.spaces import DecoderSpace, Space
from search.training.dataset import MEAN_BGR, Dataset
from search.training.scenes import MEAN_BGR as SCENE_MEAN_BGR
from search.training.schedule import Schedule
from search.training.training import check_device, train

#: (share of the training that is done, accuracy now or None), both in 0..1.
Report: TypeAlias = Callable[[float, "float | None"], None]

# How many words a trainer may take, and which.
ARGUMENTS = ("net", "seed", "report")


class Training(NamedTuple):
    """What a training came to: the accuracy in 0..1 on held-out data, and the weights where they shall be kept."""

    accuracy: float
    weights: Weights | None = None


class EndedEarly(Exception):  # noqa: N818 (nothing went wrong)
    """Raised by a `report`: the training need not go on."""


@runtime_checkable
class Trainer(Protocol):
    """A training, as the search calls it; made of anything that trains by `as_trainer`."""

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides what it gives besides network and seed, as JSON values: a study goes on with the same."""

    @property
    def classes(self) -> int | None:
        """How many classes its data have; None where it does not say."""

    @property
    def per_pixel(self) -> bool | None:
        """Whether it trains networks that give each pixel a class; None where it does not say."""

    def __call__(self, net: NetParameter, seed: int, report: Report) -> Training:
        """Trains the network. TrainingError when that comes to no accuracy."""


@dataclass(frozen=True)
class DatasetTrainer:
    """Our own training of a dataset by a schedule (see training.py), on a device of PyTorch's.

    `looks` are the shares of the training, in 0..1, after which the accuracy is measured and reported; this takes the
    time of running the held-out images and changes nothing in the result.
    """

    data: Dataset
    schedule: Schedule
    device: str = "cpu"
    looks: Sequence[float] = ()

    @property
    def settings(self) -> dict[str, Any]:
        # Studies begun before a family could say its own mean had these, and go on.
        usual = SCENE_MEAN_BGR if self.per_pixel else MEAN_BGR
        mean = tuple(self.data.train.mean)
        return {
            "data": self.data.identity,
            **({} if mean == usual else {"mean": list(mean)}),
            **self.schedule.settings(),
        }

    @property
    def classes(self) -> int:
        return len(self.data.classes)

    @property
    def per_pixel(self) -> bool:
        return self.data.train.per_pixel

    def __call__(self, net: NetParameter, seed: int, report: Report) -> Training:
        weights, accuracy = train(net, self.data, self.schedule, self.device, report, seed=seed, looks=self.looks)
        return Training(accuracy, weights)


class OwnTrainer:
    """A function of the user's: `train(net)`, `train(net, seed)` or `train(net, seed, report)`.

    Its attributes `identity` (a string; its module and name without one) and `classes` are taken where it has them.
    """

    def __init__(self, function: Callable[..., Training | float]) -> None:
        """TrainingError for a function that cannot be called so."""
        self._function = function
        name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__qualname__)}"
        self.identity = str(getattr(function, "identity", name))
        self.classes: int | None = _number(getattr(function, "classes", None))
        self.per_pixel: bool | None = None
        self._arguments = _taken(function, self.identity)

    @property
    def settings(self) -> dict[str, Any]:
        return {"trainer": self.identity}

    def __call__(self, net: NetParameter, seed: int, report: Report) -> Training:
        result = self._function(*(net, seed, report)[: self._arguments])
        accuracy, weights = result if isinstance(result, tuple) and len(result) == 2 else (result, None)
        try:
            number = float(accuracy)
        except (TypeError, ValueError) as fault:
            raise TrainingError(
                f"trainer {self.identity}: found {result!r:.100}, expected an accuracy in 0 to 1, or it and the weights"
            ) from fault
        if not 0 <= number <= 1:
            raise TrainingError(f"trainer {self.identity}: found accuracy {number}, expected 0 to 1")
        return Training(number, weights)


def trainer_of(data: Dataset, schedule: Schedule, device: str = "cpu", looks: Sequence[float] = ()) -> Trainer:
    """Our own training of a dataset. UnsupportedError when PyTorch cannot train on the device."""
    check_device(device)
    return DatasetTrainer(data, schedule, device, looks)


def trainer_for(
    space: Space,
    data: Dataset | Trainer | Callable[..., Training | float],
    schedule: Schedule,
    device: str = "cpu",
    looks: Sequence[float] = (),
) -> Trainer:
    """As `as_trainer`, for the networks of a space: of a dataset's images the mean is subtracted that these take.

    It is the one in their train_val prototxts. ArchitectureError when the data have other classes than the space, or
    labels of another kind.
    """
    if isinstance(data, Dataset):
        data = data.with_mean(mean_of(space))
    trainer = as_trainer(data, schedule, device, looks)
    if trainer.classes is not None and space.classes != trainer.classes:
        raise ArchitectureError(f"space {space}: {space.classes} classes, the images have {trainer.classes}")
    scenes = isinstance(space, DecoderSpace)
    if trainer.per_pixel not in (None, scenes):
        words = {True: "a class to each pixel", False: "one class to each image"}
        raise ArchitectureError(f"space {space}: its networks give {words[scenes]}, the data {words[not scenes]}")
    return trainer


def mean_of(space: Space) -> tuple[float, float, float]:
    """What is subtracted from images, B, G, R, before a network of the space takes them: its family says it."""
    first = space.at(0)
    return first.backbone.traits.scene_mean if isinstance(first, Decoder) else first.traits.mean


def as_trainer(
    data: Dataset | Trainer | Callable[..., Training | float],
    schedule: Schedule,
    device: str = "cpu",
    looks: Sequence[float] = (),
) -> Trainer:
    """A dataset as `trainer_of` makes it one; anything else is the user's own training (see `OwnTrainer`).

    A trainer that was made before is returned as it is.
    """
    if isinstance(data, Dataset):
        return trainer_of(data, schedule, device, looks)
    return data if isinstance(data, Trainer) else OwnTrainer(data)


def _taken(function: Callable[..., Any], identity: str) -> int:
    """How many of ARGUMENTS the function takes by position."""
    if not callable(function):
        raise TrainingError(f"data: found {function!r:.100}, expected a Dataset or a function train(net, seed, report)")
    signature = inspect.signature(function)
    for number in range(len(ARGUMENTS), 0, -1):
        try:
            signature.bind(*ARGUMENTS[:number])
        except TypeError:
            continue
        return number
    raise TrainingError(f"trainer {identity}: found {identity}{signature}, expected train(net, seed, report)")


def _number(classes: Any) -> int | None:
    return classes if classes is None or isinstance(classes, int) else len(classes)
