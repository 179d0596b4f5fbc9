"""The training of PONAS: one supernet for a whole space, first by paths drawn at random, then row by row.

PONAS: Progressive One-shot Neural Architecture Search (arXiv 2003.05112). Meta training draws a path of the supernet
for each batch. Then, row by row from the first, the layers before are fixed to the blocks that were kept for them, the
row and what stands behind it go on being drawn and trained, and networks are evaluated on images that nothing is
trained on. Which networks, and which block is kept, is another file's question (search/strategies/ponas.py).

The paper leaves open how long both stages last, their rates, how paths are drawn, and which images. Fields of `OneShot`
say it; their defaults are our own.
"""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from converters.weights import Weights
from prototxt_gen.errors import ArchitectureError, CaffeError, FormatError
from search.spaces.ponas import PonasSpace
from search.spaces.reading import parse_space
from search.training.checkpoints import Kept, read_kept, take_up
from search.training.dataset import Dataset, Divided, divide
from search.training.paths import Images, accuracies, inherited, read_images
from search.training.pipeline import read_ahead
from search.training.processes import ALONE, Group, shared_orders
from search.training.schedule import Schedule, out_of_range, rate
from search.training.supernet import Supernet
from search.training.trainer import mean_of
from search.training.training import Run, layout_of, own_random_numbers

#: In the folder of a training: the supernet with what its training knows, and what was evaluated so far.
SUPERNET, EVALUATIONS = "supernet.pt", "evaluations.json"
_SUPERNET, _EVALUATIONS = "dongfeng supernet 1", "dongfeng evaluations 1"

# Stages before the rows, which are numbered from 0.
FIRST, META = -2, -1

#: (what is being done, which share of it is done, in 0..1)
Report = Callable[[str, float], None]


class Progressive(Protocol):
    """The rule of the second stage: which networks, as numbers of candidates (n, rows), and which block is kept."""

    @property
    def row(self) -> int:
        """The row in progress, counted from 0."""

    @property
    def prefix(self) -> tuple[int, ...]:
        """What was kept for the rows before."""

    @property
    def done(self) -> bool:
        """Whether every row is filled."""

    def ask(self) -> NDArray[np.int64]:
        """What is still to be evaluated for the row in progress."""

    def tell(self, choices: NDArray[np.int64], accuracies: Sequence[float]) -> None:
        """Enters accuracies in 0..1 of networks that were asked for."""


@dataclass(frozen=True)
class OneShot:
    """All that decides what a supernet comes to, besides the space, the images and the rule of the second stage.

    The training begins with one path, of the largest blocks, which is trained alone for `first_epochs`. Then every
    candidate begins with the part of its layer's block that it has a place for (see `Supernet.spread`). With 0 each
    begins with random numbers, as in the paper; then what the blocks of a layer make has nothing in common, and short
    trainings come to nothing.

    `schedule` is that of meta training; its epochs count batches, each of which trains one path. Every row then trains
    for `row_epochs` at a rate of up to `row_lr`; everything else is as in the schedule. Epochs of both need not be
    whole. In each of these stages the rate rises and falls as `rate` says, and momentum begins anew.

    Paths are drawn evenly. With `even`, each n batches of a stage train each of a row's n candidates once, much as
    strict fairness has it (FairNAS, arXiv 1907.01845); else each draw is by itself.

    `suffixes` networks stand behind each candidate of a row. `table_images` of the images to train on are held out from
    all training, and the table is made with these; accuracies that are reported later come from other images, those
    that the dataset holds out. `statistics_images` of the others, in
    whole batches, give batch norm its statistics before an evaluation.

    CaffeError lists all fields that are out of their range.
    """

    schedule: Schedule = field(
        default_factory=lambda: Schedule(epochs=8, batch_size=64, base_lr=0.1, channels_last=True)
    )
    first_epochs: float = 1.0
    row_epochs: float = 0.5
    row_lr: float = 0.02
    even: bool = True
    suffixes: int = 3
    table_images: int = 2000
    statistics_images: int = 1024

    def __post_init__(self) -> None:
        rules = {
            "first_epochs": (0 <= self.first_epochs < math.inf, "0 or more"),
            "row_epochs": (0 <= self.row_epochs < math.inf, "0 or more"),
            "row_lr": (0 < self.row_lr < math.inf, "more than 0"),
            "suffixes": (self.suffixes >= 1, "at least 1"),
            "table_images": (self.table_images >= 1, "at least 1"),
            "statistics_images": (self.statistics_images >= 2, "at least 2"),
        }
        faults = out_of_range(self, rules)
        if self.schedule.ema:
            # An average over all steps would mix a block's weights with those of steps in which it was not drawn.
            faults.append(f"schedule: ema: found {self.schedule.ema}, expected 0: a step trains one path alone")
        if faults:
            raise CaffeError(f"one-shot training: {'; '.join(faults)}")

    def settings(self) -> dict[str, Any]:
        """The fields by name as JSON values."""
        own = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "schedule"}
        return {**self.schedule.settings(), **own}


def train_one_shot(
    space: PonasSpace,
    data: Dataset,
    rows: Progressive,
    settings: OneShot,
    folder: Path | None = None,
    device: str = "cpu",
    report: Report = lambda stage, share: None,
    *,
    group: Group = ALONE,
    readers: int | None = None,
    every: float = 60.0,
) -> Supernet:
    """Trains a supernet and answers all that `rows` asks; gives the supernet, in eval mode, on the device.

    `rows` is as new; at the end it is done, in every process of the `group`. With a `folder`, which must exist, the
    training goes on from what lies there and writes it every so many seconds and whenever a row is trained; every
    single evaluation is kept as it comes. A training that was ended at any point so comes out as one left alone, to the
    last bit where the device computes so. `report` is called after each step and evaluation; what it raises ends the
    training. From the images the mean of the space's family is subtracted.

    FormatError for a folder of another space, other images, settings or number of processes, and for damaged files;
    TrainingError as soon as a loss is no number; FileError when the disk is full; ArchitectureError for images that do
    not suit the space or are too few.
    """
    data = data.with_mean(mean_of(space))
    _check(space, data, settings, group)
    with own_random_numbers(f"{settings.schedule.seed} supernet", device):
        return _Training(space, data, rows, settings, folder, device, report, group, readers, every).run()


def statistics_of(
    space: PonasSpace, data: Dataset, settings: OneShot, device: str = "cpu", readers: int | None = None
) -> Images:
    """The images that a training with these settings takes batch norm's statistics from."""
    schedule, data = settings.schedule, data.with_mean(mean_of(space))
    return read_images(_split(data, settings).statistics, schedule.batch_size, device, layout_of(schedule), readers)


def inherited_weights(
    supernet: Supernet, choices: Sequence[int], data: Dataset, settings: OneShot, device: str = "cpu"
) -> Weights:
    """The weights of `generate(space.of_choices(choices))` in a trained supernet, which is on the device."""
    return inherited(supernet, choices, statistics_of(supernet.space, data, settings, device).batches)


def load_supernet(path: str | os.PathLike[str]) -> Supernet:
    """The supernet in a file that `train_one_shot` wrote, on the CPU. FormatError for any other file."""
    return load_trained(path)[0]


def load_trained(path: str | os.PathLike[str]) -> tuple[Supernet, dict[str, Any]]:
    """As `load_supernet`, and what its training was begun with: space, data, mean, settings, as JSON values."""
    found = read_kept(path, _SUPERNET)
    space = parse_space(str(found["settings"].get("space")))
    if not isinstance(space, PonasSpace):
        raise FormatError(f"{os.fspath(path)}: found a supernet of {space}, expected a space of PONAS")
    supernet = Supernet(space).eval()
    take_up(supernet, found, Path(path), f"a supernet of {space}")
    return supernet, found["settings"]


def _split(data: Dataset, settings: OneShot) -> Divided:
    """The images held out are those of the table."""
    schedule = settings.schedule
    name = f"{schedule.seed} images of the table"
    return divide(data.train, name, settings.table_images, schedule.batch_size, settings.statistics_images)


def _check(space: PonasSpace, data: Dataset, settings: OneShot, group: Group) -> None:
    faults = []
    if space.classes != len(data.classes):
        faults.append(f"space {space}: {space.classes} classes, the images have {len(data.classes)}")
    if settings.table_images >= len(data.train):
        faults.append(
            f"table_images: found {settings.table_images}, expected less than the {len(data.train)} images to train on"
        )
    if settings.schedule.batch_size % group.size:
        faults.append(
            f"batch_size: found {settings.schedule.batch_size}, expected a multiple of the {group.size} processes"
        )
    if faults:
        raise ArchitectureError(f"one-shot training: {'; '.join(faults)}")


@dataclass
class _Place:
    """How far a training is: the stage (FIRST, META or the row), its steps, what the optimizer knows."""

    stage: int = FIRST
    step: int = 0
    optimizer: dict[str, Any] | None = None
    scaler: dict[str, Any] | None = None


class _Training:
    def __init__(
        self,
        space: PonasSpace,
        data: Dataset,
        rows: Progressive,
        settings: OneShot,
        folder: Path | None,
        device: str,
        report: Report,
        group: Group,
        readers: int | None,
        every: float,
    ) -> None:
        self.space, self.rows, self.settings, self.schedule = space, rows, settings, settings.schedule
        self.device, self.report, self.group, self.readers, self.every = device, report, group, readers, every
        self.layout, self.split = layout_of(settings.schedule), _split(data, settings)
        self.counts = [len(space.layers[layer].candidates) for layer in space.rows]
        self.mirrored = data.mirrored
        begun = {
            "space": str(space),
            "data": data.identity,
            "mean": list(data.train.mean),
            "processes": group.size,
            **settings.settings(),
        }
        self.kept = folder and Kept(folder / SUPERNET, _SUPERNET, begun)
        self.evaluations = folder and Kept(folder / EVALUATIONS, _EVALUATIONS, begun)
        self.told: list[tuple[list[int], float]] = []
        self.place = _Place()
        self.supernet = Supernet(space, self.schedule.seed)
        self.written = time.monotonic()

    def run(self) -> Supernet:
        self._go_on()
        self.supernet.to(device=self.device, memory_format=self.layout)  # type: ignore[call-overload]
        per_epoch = max(1, len(self.split.trained) // self.schedule.batch_size)
        if self.place.stage == FIRST:
            steps = math.ceil(self.settings.first_epochs * per_epoch)
            if steps:
                self._train(FIRST, "first path", self.supernet.largest(), steps, self.schedule.base_lr)
                self.supernet.spread(self.supernet.largest())
            self.place = _Place(META)
            self._write()
        if self.place.stage == META:
            self._train(META, "meta training", (), self.schedule.steps(len(self.split.trained)), self.schedule.base_lr)
        steps = math.ceil(self.settings.row_epochs * per_epoch)
        images: tuple[Images, Images] | None = None
        while not self.rows.done:
            row = self.rows.row
            words = f"row {row + 1} of {len(self.counts)}"
            self._train(row, words, self.rows.prefix, steps, self.settings.row_lr)
            images = images or self._images()
            self._evaluate(row, words, *images)
        self.supernet.forget_statistics()
        if self.place.stage < len(self.counts):
            self.place = _Place(len(self.counts))
            self._write()
        return self.supernet.eval()

    def _train(self, stage: int, words: str, prefix: Sequence[int], steps: int, lr: float) -> None:
        """The rest of a stage."""
        if self.place.stage != stage:
            self.place = _Place(stage)
            if not steps:
                self._write()
        if self.place.step >= steps:
            return
        name = f"supernet, {words}"
        run = Run(name, self.supernet.train(), self.split.trained, self.schedule, self.device, self.layout, self.group)
        run.steps = self.place.step
        if self.place.optimizer is not None:
            run.optimizer.load_state_dict(self.place.optimizer)
            run.scaler.load_state_dict(self.place.scaler or {})
        augmentation = self.schedule.augmentation._replace(mirror=self.schedule.mirror and self.mirrored)
        pinned = torch.device(self.device).type == "cuda"
        orders = shared_orders(
            f"{self.schedule.seed} {stage}",
            len(self.split.trained),
            self.schedule.batch_size,
            range(self.place.step, steps),
            self.group,
        )
        with closing(read_ahead(self.split.trained, orders, augmentation, self.readers, pinned)) as batches:
            for step, batch in enumerate(batches, self.place.step):
                path = [*prefix, *self._drawn(stage, step)[len(prefix) :]]
                run.step(batch, lr * rate(step / steps), path)
                last = step + 1 == steps
                if last or time.monotonic() - self.written >= self.every:
                    run.check()
                    state = {} if last else {"optimizer": run.optimizer.state_dict(), "scaler": run.scaler.state_dict()}
                    self.place = _Place(stage, step + 1, **state)
                    self._write()
                self.report(words, (step + 1) / steps)

    def _evaluate(self, row: int, words: str, statistics: Images, images: Images) -> None:
        """Answers what is asked for the row."""
        size = self.group.size
        asked = self.rows.ask()
        if not len(asked):
            raise ArchitectureError(f"row {row + 1}: found nothing to evaluate, expected a network at least")
        own = accuracies(
            self.supernet,
            row,
            asked[self.group.rank :: size].tolist(),
            statistics.batches,
            images,
            self.split.held,
        )
        for start in range(0, len(asked), size):
            # One for each process; all are told of all.
            answers = [0.0] * size
            answers[self.group.rank] = next(own, 0.0)
            for choice, accuracy in zip(
                asked[start : start + size], self.group.total(answers, self.device), strict=False
            ):
                self.rows.tell(choice[None], [accuracy])
                self.told.append((choice.tolist(), accuracy))
            if self.evaluations and self.group.first:
                self.evaluations.write(told=self.told)
            self.report(f"{words}, networks evaluated", min(1.0, (start + size) / len(asked)))

    def _images(self) -> tuple[Images, Images]:
        statistics, table = (
            read_images(examples, self.schedule.batch_size, self.device, self.layout, self.readers)
            for examples in (self.split.statistics, self.split.held)
        )
        return statistics, table

    def _drawn(self, stage: int, step: int) -> list[int]:
        """The path of a step; it follows from the seed and the step alone."""
        name = f"{self.schedule.seed} {stage} path"
        if not self.settings.even:
            rng = random.Random(f"{name} {step}")
            return [rng.randrange(count) for count in self.counts]
        return [
            random.Random(f"{name} {row} {step // count}").sample(range(count), count)[step % count]
            for row, count in enumerate(self.counts)
        ]

    def _write(self) -> None:
        """Keeps the place and the weights."""
        if self.kept and self.group.first:
            weights = {name: parameter.detach() for name, parameter in self.supernet.named_parameters()}
            self.kept.write(weights=weights, **vars(self.place))
        self.written = time.monotonic()

    def _go_on(self) -> None:
        """Takes up what lies in the folder: the first process reads it, and all begin with the same."""
        found: Any = (None, None)
        if self.kept and self.evaluations and self.group.first:
            try:
                found = (self.kept.read(), self.evaluations.read())
            except CaffeError as fault:
                found = fault
        state, told = self.group.told(found)
        if self.kept and self.evaluations:
            if state is not None:
                self._take_up(state, self.kept.path)
            if told is not None:
                self._take_in(told, self.evaluations.path)

    def _take_up(self, state: dict[str, Any], path: Path) -> None:
        try:
            take_up(self.supernet, state, path, f"a supernet of {self.space}")
            self.place = _Place(**{name: state[name] for name in vars(_Place())})
        except (KeyError, TypeError, AttributeError) as fault:
            raise FormatError(f"{path}: {type(fault).__name__}: {fault}: not what a training wrote") from fault

    def _take_in(self, told: dict[str, Any], path: Path) -> None:
        try:
            for choice, accuracy in told["told"]:
                self.rows.tell(np.array([choice], dtype=np.int64), [accuracy])
                self.told.append((choice, accuracy))
        except (KeyError, TypeError, ValueError) as fault:
            raise FormatError(f"{path}: {fault}: not what is asked for now") from fault
        if self.rows.row < self.place.stage or (self.told and self.place.stage < 0):
            raise FormatError(
                f"{path}: found {len(self.told)} evaluations, up to row {self.rows.row}, beside a supernet at row "
                f"{self.place.stage}: the two are not of one training"
            )
