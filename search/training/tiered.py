"""The training of Tiered Pruning: one supernet whose widths, blocks and layers are searched while it is trained.

Tiered Pruning (arXiv 2209.11785) trains weights and architecture together: weights by the loss of the drawn paths, the
probabilities of paths by that loss and by the latency that is expected of them. Paths are removed on the way. Which
ones is another file's question (search/strategies/tiered.py). The paper leaves open how long it lasts, its rates, how
the two losses are joined, and which images the architecture sees. Fields of `Tiered` say it; their defaults are our
own.
"""

from __future__ import annotations

import hashlib
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, get_args

import numpy as np
import torch

from prototxt_gen.errors import ArchitectureError, CaffeError, FormatError, TrainingError
from search.spaces.tiered import TieredSpace
from search.training.checkpoints import Kept, take_up
from search.training.dataset import Batch, Dataset, Examples, on_device
from search.training.expecting import Times
from search.training.pipeline import Order, read_ahead
from search.training.processes import ALONE, Group, shared_orders
from search.training.schedule import Schedule, rate
from search.training.shares import Shares
from search.training.stochastic import StochasticSupernet, carry
from search.training.tiered_history import History, state_lines
from search.training.trainer import mean_of
from search.training.training import Run, own_random_numbers

#: In the folder of a training: the supernet with what its training knows; and what it said of itself.
STOCHASTIC, HISTORY = "stochastic.pt", "history.jsonl"
_STOCHASTIC = "dongfeng stochastic supernet 1"

#: How the loss of the images, L, and the expected latency as a share of the goal, r, are joined.
#: "goal": L + weight * |log r| ^ exponent; "sum": L + weight * r ^ exponent; "product": L * r ^ exponent.
Joined = Literal["goal", "sum", "product"]

# Adam's, as differentiable searches have them: what gradients were long ago should not move probabilities.
_BETAS = (0.5, 0.999)

#: (what is being done, which share of it is done, in 0..1)
Report = Callable[[str, float], None]


class Constants(Protocol):
    """The constants of a rule."""

    @property
    def every(self) -> int:
        """How many architecture steps lie between two decisions."""

    def settings(self) -> dict[str, Any]:
        """All of them by name, as JSON values."""


class Structure(Protocol):
    """What of each layer is still searched, and the rule that decides (see search/strategies/tiered.py)."""

    @property
    def rules(self) -> Constants:
        """The constants of the rule."""

    @property
    def layers(self) -> Sequence[Any]:
        """What is left of each layer of the space."""

    def observe(self, seen: Sequence[Any]) -> None:
        """Takes in the probabilities after an architecture step."""

    def decide(self, progress: float) -> Sequence[Any]:
        """Moves widths and removes blocks and layers, at this share of the search, in 0..1; says what it did."""

    def finish(self) -> Sequence[Any]:
        """Leaves one path of each layer."""

    def state(self) -> dict[str, Any]:
        """All that it knows, as JSON values."""

    def restore(self, values: Mapping[str, Any]) -> None:
        """Goes on from what `state` gave."""


@dataclass(frozen=True)
class Tiered:
    """All that decides what a search comes to, besides the space, the images, the latencies, the goal and the rule.

    `warm_up` epochs train the weights of all paths, drawn with equal probabilities; then come `schedule.epochs` epochs
    of search, in which each step of the weights is followed by one of the architecture, on other images:
    `architecture_images` of those to train on (a share). The rate of the weights rises and falls over both stages
    together, as `rate` says. The architecture is trained by Adam at `architecture_rate`.

    Paths are drawn by Gumbel-Softmax; its temperature falls from the first of `temperatures` to the second, evenly by
    its logarithm. With `hard` a step runs one path of each block and layer, and gradients are those of the mixture
    (straight-through).

    `joined`, `weight` and `exponent` say how the loss of the images L and the expected latency as a share of the goal r
    make one: "goal" L + weight * |log r| ^ exponent, "sum" L + weight * r ^ exponent, "product" L * r ^ exponent.

    `statistics_images`, in whole batches, give batch norm the statistics of the network that comes out.

    CaffeError lists all fields that are out of their range.
    """

    schedule: Schedule = field(
        default_factory=lambda: Schedule(epochs=3, batch_size=64, base_lr=0.1, channels_last=True)
    )
    warm_up: float = 1.0
    architecture_images: float = 0.2
    architecture_rate: float = 0.05
    temperatures: tuple[float, float] = (5.0, 0.5)
    hard: bool = False
    joined: Joined = "goal"
    weight: float = 1.0
    exponent: float = 1.0
    statistics_images: int = 1024

    def __post_init__(self) -> None:
        object.__setattr__(self, "temperatures", tuple(self.temperatures))
        hot, cold = self.temperatures if len(self.temperatures) == 2 else (0.0, 1.0)
        rules = {
            "warm_up": (0 <= self.warm_up < math.inf, "0 or more"),
            "architecture_images": (0 < self.architecture_images < 1, "between 0 and 1"),
            "architecture_rate": (0 < self.architecture_rate < math.inf, "more than 0"),
            "temperatures": (0 < cold <= hot < math.inf, "two above 0, the second not above the first"),
            "joined": (self.joined in get_args(Joined), f"one of {', '.join(get_args(Joined))}"),
            "weight": (0 < self.weight < math.inf, "more than 0"),
            "exponent": (0 < self.exponent < math.inf, "more than 0"),
            "statistics_images": (self.statistics_images >= 2, "at least 2"),
        }
        faults = [
            f"{name}: found {getattr(self, name)}, expected {rule}" for name, (met, rule) in rules.items() if not met
        ]
        if self.schedule.ema:
            # An average over all steps would mix the weights of paths that are gone with those that stayed.
            faults.append(f"schedule: ema: found {self.schedule.ema}, expected 0: paths change while it is trained")
        if faults:
            raise CaffeError(f"tiered training: {'; '.join(faults)}")

    def settings(self) -> dict[str, Any]:
        """The fields by name as JSON values."""
        own = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "schedule"}
        return {**self.schedule.settings(), **own, "temperatures": list(self.temperatures)}

    def temperature(self, progress: float) -> float:
        """That of the draws, at this share of the search, in 0..1."""
        hot, cold = self.temperatures
        return float(hot * (cold / hot) ** progress)

    def loss(self, images: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        """The loss of the images and the expected latency as a share of the goal in one number."""
        if self.joined == "product":
            return images * share**self.exponent
        return images + self.weight * (share.log().abs() if self.joined == "goal" else share) ** self.exponent


def train_tiered(
    space: TieredSpace,
    data: Dataset,
    structure: Structure,
    times: Times,
    goal_ms: float,
    settings: Tiered,
    folder: Path | None = None,
    device: str = "cpu",
    report: Report = lambda stage, share: None,
    *,
    group: Group = ALONE,
    readers: int | None = None,
    every: float = 60.0,
) -> StochasticSupernet:
    """Searches a network of about `goal_ms`; gives the supernet, in eval mode, with one path left of each layer.

    `times` are the latencies of the space's blocks (see search/latency/layer_latencies.py). `structure` is as new; at
    the end its picks are the network found, in every process of the `group`. With a `folder`, which must exist, the
    training goes on from what lies there and writes it every so many seconds and at every decision that removes
    something. A training that was ended at any point so comes out as one left alone, to the last bit where the device
    computes so. HISTORY there has a line for each decision (see tiered_history.py). `report` is called after each step;
    what it raises ends the training. From the images the mean of the space's family is subtracted.

    FormatError for a folder of another space, other images, settings, rule, latencies, goal or number of processes, and
    for damaged files; TrainingError as soon as a loss is no number; FileError when the disk is full; ArchitectureError
    for images that do not suit the space or are too few, and for a goal that no network is near.
    """
    data = data.with_mean(mean_of(space))
    with own_random_numbers(f"{settings.schedule.seed} stochastic supernet", device):
        return _Training(
            space, data, structure, times, goal_ms, settings, folder, device, report, group, readers, every
        ).run()


class Split(NamedTuple):
    """The images to train on by purpose."""

    weights: Examples
    architecture: Examples
    statistics: Examples


def split(data: Dataset, settings: Tiered) -> Split:
    """Which images train weights, which the architecture, and which of the first give batch norm's statistics."""
    count = len(data.train)
    drawn = random.Random(f"{settings.schedule.seed} images of the architecture").sample(range(count), count)
    held = max(1, round(settings.architecture_images * count))
    architecture, weights = sorted(drawn[:held]), drawn[held:]
    # As drawn: the images of a folder lie class behind class, and batch norm should see a mixture.
    # Whole batches: a last one of a single image may have no variance.
    size = max(1, min(settings.schedule.batch_size, len(weights)))
    statistics = weights[: max(size, settings.statistics_images // size * size)]
    return Split(*(data.train.some(chosen) for chosen in (sorted(weights), architecture, statistics)))


def layout_of(schedule: Schedule) -> torch.memory_format:
    """How maps are laid out."""
    return torch.channels_last if schedule.channels_last else torch.contiguous_format


class _Training:
    def __init__(
        self,
        space: TieredSpace,
        data: Dataset,
        structure: Structure,
        times: Times,
        goal_ms: float,
        settings: Tiered,
        folder: Path | None,
        device: str,
        report: Report,
        group: Group,
        readers: int | None,
        every: float,
    ) -> None:
        self.structure, self.times, self.goal_ms = structure, times, goal_ms
        self.settings, self.schedule = settings, settings.schedule
        self.device, self.report, self.group, self.readers, self.every = device, report, group, readers, every
        self.layout, self.split = layout_of(settings.schedule), split(data, settings)
        self.augmentation = settings.schedule.augmentation._replace(mirror=settings.schedule.mirror and data.mirrored)
        _check(space, data, self.split, settings, goal_ms, group)
        per_epoch = max(1, len(self.split.weights) // self.schedule.batch_size)
        self.warm = math.ceil(settings.warm_up * per_epoch)
        self.steps = self.warm + self.schedule.epochs * per_epoch
        self.supernet = StochasticSupernet(space, self.schedule.seed)
        self.supernet.follow(structure.layers)
        begun = {
            "space": str(space),
            "data": data.identity,
            "mean": list(data.train.mean),
            "processes": group.size,
            "goal": goal_ms,
            "times": _digest(times),
            **settings.settings(),
            "rules": dict(structure.rules.settings()),
        }
        self.kept = Kept(folder / STOCHASTIC, _STOCHASTIC, begun) if folder else None
        head = {
            "space": str(space),
            "goal": goal_ms,
            "layers": [
                {"candidates": [str(one) for one in layer.candidates], "optional": layer.optional}
                for layer in space.layers
            ],
        }
        self.history = History(folder / HISTORY if folder and group.first else None, head)
        self.step = 0
        self.written = time.monotonic()
        # What optimizers know; they are made when the supernet is on its device.
        self.known: dict[str, Any] = {}

    def run(self) -> StochasticSupernet:
        self._go_on()
        self.supernet.to(device=self.device, memory_format=self.layout)  # type: ignore[call-overload]
        self.weights = Run(
            "stochastic supernet",
            self.supernet.train(),
            self.split.weights,
            self.schedule,
            self.device,
            self.layout,
            self.group,
        )
        self.weights.steps = self.step
        self.architecture = torch.optim.Adam(
            self.supernet.logits.parameters(), lr=self.settings.architecture_rate, betas=_BETAS
        )
        if self.known:
            self.weights.optimizer.load_state_dict(self.known["optimizer"])
            self.weights.scaler.load_state_dict(self.known["scaler"])
            self.architecture.load_state_dict(self.known["architecture"])
        self.history.begin(self.step, self.known.get("seconds", 0.0))
        if self.step < self.steps:
            self._train()
        self.supernet.eval()
        return self.supernet

    def _train(self) -> None:
        pinned = torch.device(self.device).type == "cuda"
        searched = range(max(self.step, self.warm), self.steps)
        one = read_ahead(
            self.split.weights,
            self._orders("weights", self.split.weights, range(self.step, self.steps)),
            self.augmentation,
            self.readers,
            pinned,
        )
        other = read_ahead(
            self.split.architecture,
            self._orders("architecture", self.split.architecture, searched),
            self.augmentation,
            self.readers,
            pinned,
        )
        with closing(one) as batches, closing(other) as others:
            for batch in batches:
                begun = time.perf_counter()
                progress = max(0.0, (self.step - self.warm) / (self.steps - self.warm))
                temperature = self.settings.temperature(progress)
                with torch.no_grad():
                    shares = self._draw("weights", temperature)
                with self.history.watched():
                    self.weights.step(batch, self.schedule.base_lr * rate(self.step / self.steps), shares)
                events: Sequence[Any] = ()
                if self.step >= self.warm:
                    self._search(next(others), temperature)
                self.step += 1
                self.history.took(time.perf_counter() - begun)
                done = self.step - self.warm
                if done > 0 and (done % self.structure.rules.every == 0 or self.step == self.steps):
                    events = self._decide(done / (self.steps - self.warm))
                if self.step == self.steps or time.monotonic() - self.written >= self.every or _removes(events):
                    self._write()
                words = "warm-up" if self.step <= self.warm else "search"
                self.report(words, self.step / self.steps)

    def _draw(self, purpose: str, temperature: float) -> Shares:
        """The same in all processes, so that all have gradients at the same parameters."""
        return self.supernet.draw(f"{self.schedule.seed} {purpose} {self.step}", temperature, self.settings.hard)

    def _search(self, batch: Batch, temperature: float) -> None:
        """One step of the architecture."""
        parameters = self.supernet.logits.parameters()
        images = on_device(batch.inputs, self.split.architecture.mean, self.device, self.layout)
        assert isinstance(batch.targets, torch.Tensor)  # those read to train are stacked
        with self.weights.cast():
            outputs = self.supernet(images, self._draw("architecture", temperature))
        targets = batch.targets.to(self.device, non_blocking=True)
        found = self.split.architecture.loss(outputs.float(), targets, self.schedule.label_smoothing)
        expected = self.supernet.expected_latency(self.times)
        joined = self.settings.loss(found.cpu().double(), expected / self.goal_ms)
        gradients = torch.autograd.grad(joined, parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = torch.zeros_like(parameter) if gradient is None else gradient
        loss = self.group.average(parameters, found.detach().cpu().double())
        if not math.isfinite(float(loss)):
            raise TrainingError(
                f"stochastic supernet: the loss of the architecture is {float(loss)} at step {self.step + 1}: "
                "the training diverged"
            )
        self.architecture.step()
        self.history.losses.append(float(loss))
        self.structure.observe(self.supernet.probabilities())

    def _decide(self, progress: float) -> Sequence[Any]:
        """What the first process decides is done by all."""
        events = self.structure.finish() if self.step == self.steps else self.structure.decide(progress)
        told = self.group.told({"state": self.structure.state()})
        self.structure.restore(told["state"])
        followed = self.supernet.follow(self.structure.layers)
        carry(self.weights.optimizer, followed)
        carry(self.architecture, followed, self.supernet.logits)
        self.weights.parameters = list(self.supernet.parameters())
        size = self.supernet.size()
        self.history.add(
            {
                "step": self.step,
                "progress": progress,
                "temperature": self.settings.temperature(progress),
                "latency": float(self.supernet.expected_latency(self.times).detach()),
                "layers": state_lines(self.structure.layers),
                "events": [list(event) for event in events],
                "parameters": size.parameters,
                "multiply_adds": size.multiply_adds,
            }
        )
        return events

    def _orders(self, purpose: str, examples: Examples, steps: range) -> Iterator[Order]:
        """The share of each step's batch that this process has. They follow from the seed and the step alone."""
        return shared_orders(
            f"{self.schedule.seed} {purpose}", len(examples), self.schedule.batch_size, steps, self.group
        )

    def _write(self) -> None:
        """Keeps all that the training goes on from."""
        self.weights.check()
        self.written = time.monotonic()
        if self.kept and self.group.first:
            self.kept.write(
                step=self.step,
                seconds=self.history.seconds,
                structure=self.structure.state(),
                weights={name: parameter.detach() for name, parameter in self.supernet.named_parameters()},
                logits=self.supernet.logits.state_dict(),
                optimizer=self.weights.optimizer.state_dict(),
                scaler=self.weights.scaler.state_dict(),
                architecture=self.architecture.state_dict(),
            )

    def _go_on(self) -> None:
        """Takes up what lies in the folder: the first process reads it, and all begin with the same."""
        found: Any = None
        if self.kept and self.group.first:
            try:
                found = self.kept.read()
            except CaffeError as fault:
                found = fault
        state = self.group.told(found)
        if state is None or self.kept is None:
            return
        try:
            self.structure.restore(state["structure"])
            self.supernet.follow(self.structure.layers)
            self.supernet.logits.load_state_dict(state["logits"])
            take_up(self.supernet, state, self.kept.path, f"a supernet of {self.supernet.space}")
            self.step = int(state["step"])
            self.known = {name: state[name] for name in ("optimizer", "scaler", "architecture", "seconds")}
        except (KeyError, TypeError, ValueError, AttributeError, ArchitectureError) as fault:
            raise FormatError(
                f"{self.kept.path}: {type(fault).__name__}: {fault}: not what a training wrote"
            ) from fault


def _check(space: TieredSpace, data: Dataset, parts: Split, settings: Tiered, goal_ms: float, group: Group) -> None:
    faults = []
    if space.classes != len(data.classes):
        faults.append(f"space {space}: {space.classes} classes, the images have {len(data.classes)}")
    if min(len(parts.weights), len(parts.architecture)) < settings.schedule.batch_size:
        faults.append(
            f"images to train on: {len(parts.weights)} for weights and {len(parts.architecture)} for the architecture, "
            f"expected a batch of {settings.schedule.batch_size} of each"
        )
    if settings.schedule.batch_size % group.size:
        faults.append(
            f"batch_size: found {settings.schedule.batch_size}, expected a multiple of the {group.size} processes"
        )
    if not 0 < goal_ms < math.inf:
        faults.append(f"goal: found {goal_ms} ms, expected more than 0")
    if faults:
        raise ArchitectureError(f"tiered training: {'; '.join(faults)}")


def _digest(times: Times) -> str:
    """What tells latencies from others."""
    found = hashlib.sha256(repr((times.base, sorted(times.heads.items()), times.curve)).encode())
    for layer in times.layers:
        for maker, blocks in sorted(layer.blocks.items()):
            found.update(maker.encode())
            for taken in blocks:
                found.update(np.asarray(taken, dtype=np.int64).tobytes())
    return found.hexdigest()[:16]


def _removes(events: Sequence[Any]) -> bool:
    """Whether something went, so that the supernet is another one now."""
    return any(event.kind not in ("moved", "narrowed") for event in events)
