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
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
import torch

from prototxt_gen.errors import ArchitectureError, CaffeError, FormatError, TrainingError
from search.spaces.tiered import TieredSpace
from search.training.checkpoints import Kept, take_up
from search.training.dataset import Batch, Dataset, Divided, Examples, divide, on_device
from search.training.expecting import Times, latency_range
from search.training.memory import saved_bytes
from search.training.paths import Images, read_images
from search.training.pipeline import read_ahead
from search.training.processes import ALONE, Group, shared_orders
from search.training.schedule import Schedule, out_of_range, rate
from search.training.shares import Shares
from search.training.stochastic import StochasticSupernet, carry
from search.training.tiered_history import History, state_lines
from search.training.trainer import mean_of
from search.training.training import Run, layout_of, own_random_numbers

#: In the folder of a training: the supernet with what its training knows; and what it said of itself.
STOCHASTIC, HISTORY = "stochastic.pt", "history.jsonl"
_STOCHASTIC, _WARM_UP = "dongfeng stochastic supernet 1", "dongfeng stochastic supernet, warmed up 1"
_NAME = "stochastic supernet"

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
            # The slope of |log r| ^ exponent has no number at the goal itself when the exponent is less than 1.
            "exponent": (
                (self.exponent >= 1 if self.joined == "goal" else self.exponent > 0) and self.exponent < math.inf,
                "at least 1" if self.joined == "goal" else "more than 0",
            ),
            "statistics_images": (self.statistics_images >= 2, "at least 2"),
        }
        faults = out_of_range(self, rules)
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
    warm: Path | None = None,
) -> StochasticSupernet:
    """Searches a network of about `goal_ms`; gives the supernet, in eval mode, with one path left of each layer.

    `times` are the latencies of the space's blocks (see search/latency/layer_latencies.py). `structure` is as new; at
    the end its picks are the network found, in every process of the `group`. With a `folder`, which must exist, the
    training goes on from what lies there and writes it every so many seconds and at every decision that removes
    something. A training that was ended at any point so comes out as one left alone, to the last bit where the device
    computes so. HISTORY there has a line for each decision (see tiered_history.py). `report` is called after each step
    with "warm-up" or "search" and the share of all steps that is done; what it raises ends the training. From the
    images the mean of the space's family is subtracted.

    The warm-up knows neither goal nor latencies. `warm` names a file for its end: a training writes it, and others that
    differ in these alone begin there, one after another, and come out as if they had done it themselves.

    FormatError for a folder of another space, other images, settings, rule, latencies, goal or number of processes, and
    for damaged files; TrainingError as soon as a loss is no number; FileError when the disk is full; ArchitectureError
    for images that do not suit the space or are too few, and for a goal below the fastest network or above the slowest.
    """
    data = data.with_mean(mean_of(space))
    with own_random_numbers(f"{settings.schedule.seed} {_NAME}", device):
        return _Training(
            space, data, structure, times, goal_ms, settings, folder, device, report, group, readers, every, warm
        ).run()


def statistics_of(
    space: TieredSpace, data: Dataset, settings: Tiered, device: str = "cpu", readers: int | None = None
) -> Images:
    """The images that networks of a training with these settings take batch norm's statistics from."""
    schedule, data = settings.schedule, data.with_mean(mean_of(space))
    return read_images(split(data, settings).statistics, schedule.batch_size, device, layout_of(schedule), readers)


def split(data: Dataset, settings: Tiered) -> Divided:
    """The images held out are those of the architecture."""
    schedule = settings.schedule
    held = max(1, round(settings.architecture_images * len(data.train)))
    name = f"{schedule.seed} images of the architecture"
    return divide(data.train, name, held, schedule.batch_size, settings.statistics_images)


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
        warm: Path | None,
    ) -> None:
        self.structure, self.times, self.goal_ms = structure, times, float(goal_ms)
        self.settings, self.schedule = settings, settings.schedule
        self.device, self.report, self.group, self.readers, self.every = device, report, group, readers, every
        self.layout, self.split = layout_of(settings.schedule), split(data, settings)
        self.augmentation = settings.schedule.augmentation._replace(mirror=settings.schedule.mirror and data.mirrored)
        _check(space, data, self.split, settings, times, self.goal_ms, group)
        per_epoch = len(self.split.trained) // self.schedule.batch_size
        self.warm = math.ceil(settings.warm_up * per_epoch)
        self.steps = self.warm + self.schedule.epochs * per_epoch
        self.supernet = StochasticSupernet(space, self.schedule.seed)
        self.supernet.follow(structure.layers)
        begun = {
            "space": str(space),
            "data": data.identity,
            "mean": list(data.train.mean),
            "processes": group.size,
            **settings.settings(),
            **{f"rules: {name}": value for name, value in structure.rules.settings().items()},
        }
        searched = {"goal": self.goal_ms, "times": _digest(times)}
        self.kept = Kept(folder / STOCHASTIC, _STOCHASTIC, {**begun, **searched}) if folder else None
        self.warmed = Kept(warm, _WARM_UP, begun) if warm and self.warm else None
        head = {
            "space": str(space),
            "goal": self.goal_ms,
            "layers": [
                {"candidates": [str(one) for one in layer.candidates], "optional": layer.optional}
                for layer in space.layers
            ],
        }
        self.history = History(folder / HISTORY if folder and group.first else None, head)
        self.step = 0
        self.written = time.monotonic()

    def run(self) -> StochasticSupernet:
        found: tuple[dict[str, Any], Path] | None = self._by_first(self._found)
        if found is not None:
            with _read_from(found[1]):
                self._take_up(*found)
        self.supernet.to(device=self.device, memory_format=self.layout)  # type: ignore[call-overload]
        self.weights = Run(
            _NAME,
            self.supernet.train(),
            self.split.trained,
            self.schedule,
            self.device,
            self.layout,
            self.group,
        )
        self.weights.steps = self.step
        self.architecture = torch.optim.Adam(
            self.supernet.logits.parameters(), lr=self.settings.architecture_rate, betas=_BETAS
        )
        if found is not None:
            state, path = found
            with _read_from(path):
                self.weights.optimizer.load_state_dict(state["optimizer"])
                self.weights.scaler.load_state_dict(state["scaler"])
                self.architecture.load_state_dict(state["architecture"])
                self.history.restore(state["history"])
        self._by_first(lambda: self.history.begin(self.step, self._decisions()))
        if self.step < self.steps:
            self._train()
        self.supernet.eval()
        return self.supernet

    def _train(self) -> None:
        searched = range(max(self.step, self.warm), self.steps)
        with (
            closing(self._batches("weights", self.split.trained, range(self.step, self.steps))) as batches,
            closing(self._batches("architecture", self.split.held, searched)) as others,
        ):
            for batch in batches:
                begun = time.perf_counter()
                temperature = self.settings.temperature(self._progress())
                with torch.no_grad():
                    shares = self._draw("weights", temperature)
                # The first after each line of the history is looked at closely.
                with saved_bytes() if self.history.saved_bytes is None else nullcontext() as saved:
                    self.weights.step(batch, self.schedule.base_lr * rate(self.step / self.steps), shares)
                if saved is not None:
                    self.history.saved_bytes = saved.total
                searching = self.step >= self.warm
                if searching:
                    self._search(next(others), temperature)
                self.step += 1
                self.history.took(time.perf_counter() - begun)
                events = self._decide() if self._decides(self.step) else ()
                if self.step == self.warm:
                    self._write(self.warmed)
                if self.step == self.steps or time.monotonic() - self.written >= self.every or _removes(events):
                    self._write(self.kept)
                    self.written = time.monotonic()
                self.report("search" if searching else "warm-up", self.step / self.steps)

    def _progress(self) -> float:
        """That of the search, in 0..1."""
        return max(0.0, (self.step - self.warm) / (self.steps - self.warm))

    def _decides(self, step: int) -> bool:
        """Whether something is decided after so many steps."""
        done = step - self.warm
        return done > 0 and (done % self.structure.rules.every == 0 or step == self.steps)

    def _decisions(self) -> list[int]:
        """The steps up to now after which something was decided."""
        return [step for step in range(self.step + 1) if self._decides(step)]

    def _draw(self, purpose: str, temperature: float) -> Shares:
        """The same in all processes, so that all have gradients at the same parameters."""
        return self.supernet.draw(f"{self.schedule.seed} {purpose} {self.step}", temperature, self.settings.hard)

    def _search(self, batch: Batch, temperature: float) -> None:
        """One step of the architecture."""
        parameters = self.supernet.logits.parameters()
        images = on_device(batch.inputs, self.split.held.mean, self.device, self.layout)
        assert isinstance(batch.targets, torch.Tensor)  # those read to train are stacked
        targets = batch.targets.to(self.device, non_blocking=True)
        with self.weights.cast():
            outputs = self.supernet(images, self._draw("architecture", temperature))
        found = self.split.held.loss(outputs.float(), targets, self.schedule.label_smoothing)
        joined = self.settings.loss(found.cpu().double(), self._latency() / self.goal_ms)
        # Scaled as the loss of the weights is: in float16 small gradients would be lost on their way.
        scale = self.weights.scaler.get_scale()
        gradients = torch.autograd.grad(joined * scale, parameters, allow_unused=True)
        flat = torch.cat(
            [
                *(
                    (torch.zeros_like(parameter) if gradient is None else gradient).flatten()
                    for parameter, gradient in zip(parameters, gradients, strict=True)
                ),
                found.detach().cpu().double().reshape(1),
            ]
        )
        # The logits are on the CPU, where some groups exchange nothing.
        total = torch.tensor(self.group.total(flat.tolist(), self.device), dtype=torch.float64) / self.group.size
        *means, mean = total.split([*(parameter.numel() for parameter in parameters), 1])
        if not math.isfinite(loss := float(mean)):
            raise TrainingError(
                f"network {_NAME}: the loss of the architecture is {loss} at step {self.step + 1}: "
                "the training diverged"
            )
        if all(bool(one.isfinite().all()) for one in means):
            for parameter, one in zip(parameters, means, strict=True):
                parameter.grad = one.view_as(parameter) / scale
            self.architecture.step()
        elif scale == 1:
            raise TrainingError(
                f"network {_NAME}: gradients of the architecture are no numbers at step {self.step + 1}: "
                "the training diverged"
            )
        # Else the scale was too large; the steps of the weights lower it.
        self.history.losses.append(loss)
        self.structure.observe(self.supernet.probabilities())

    def _latency(self) -> torch.Tensor:
        """The expected one in ms, with its gradients."""
        return self.supernet.expected_latency(self.times)

    def _decide(self) -> Sequence[Any]:
        """What the first process decides is done by all."""
        progress = self._progress()

        def decided() -> tuple[list[Any], dict[str, Any]]:
            events = self.structure.finish() if self.step == self.steps else self.structure.decide(progress)
            return list(events), self.structure.state()

        events, state = self._by_first(decided)
        self.structure.restore(state)
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
                "latency": float(self._latency().detach()),
                "layers": state_lines(self.structure.layers),
                "events": [list(event) for event in events],
                "parameters": size.parameters,
                "multiply_adds": size.multiply_adds,
            }
        )
        return list(events)

    def _batches(self, purpose: str, examples: Examples, steps: range) -> Generator[Batch, None, None]:
        """The share of each step's batch that this process has. They follow from the seed and the step alone."""
        name = f"{self.schedule.seed} {purpose}"
        orders = shared_orders(name, len(examples), self.schedule.batch_size, steps, self.group)
        pinned = torch.device(self.device).type == "cuda"
        return read_ahead(examples, orders, self.augmentation, self.readers, pinned)

    def _by_first(self, work: Callable[[], Any]) -> Any:
        """What the first process finds, for all; a CaffeError that it meets is raised by all."""
        word: Any = None
        if self.group.first:
            try:
                word = work()
            except CaffeError as fault:
                word = fault
        return self.group.told(word)

    def _write(self, kept: Kept | None) -> None:
        """Keeps all that the training goes on from."""
        self.weights.check()
        if kept and self.group.first and not (kept is self.warmed and kept.path.exists()):
            kept.write(
                step=self.step,
                history=self.history.state(),
                structure=self.structure.state(),
                weights={name: parameter.detach() for name, parameter in self.supernet.named_parameters()},
                logits=self.supernet.logits.state_dict(),
                optimizer=self.weights.optimizer.state_dict(),
                scaler=self.weights.scaler.state_dict(),
                architecture=self.architecture.state_dict(),
            )

    def _found(self) -> tuple[dict[str, Any], Path] | None:
        """What lies in the folder, else the end of a warm-up that another training made; and from where."""
        for kept in (self.kept, self.warmed):
            state = kept.read() if kept else None
            if kept and state is not None:
                return state, kept.path
        return None

    def _take_up(self, state: Mapping[str, Any], path: Path) -> None:
        """Goes on from there: all but what optimizers know."""
        self.structure.restore(state["structure"])
        self.supernet.follow(self.structure.layers)
        self.supernet.logits.load_state_dict(state["logits"])
        take_up(self.supernet, state, path, f"a supernet of {self.supernet.space}")
        self.step = int(state["step"])
        if not 0 < self.step <= self.steps:
            raise ValueError(f"step {self.step} of {self.steps}")


@contextmanager
def _read_from(path: Path) -> Iterator[None]:
    """FormatError, which names the file, for whatever does not fit in what was read from it."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, CaffeError) as fault:
        if isinstance(fault, FormatError) and str(fault).startswith(str(path)):
            raise
        raise FormatError(f"{path}: {type(fault).__name__}: {fault}: not what a training wrote") from fault


def _check(
    space: TieredSpace, data: Dataset, parts: Divided, settings: Tiered, times: Times, goal_ms: float, group: Group
) -> None:
    faults = []
    if space.classes != len(data.classes):
        faults.append(f"space {space}: {space.classes} classes, the images have {len(data.classes)}")
    if min(len(parts.trained), len(parts.held)) < settings.schedule.batch_size:
        faults.append(
            f"images to train on: {len(parts.trained)} for weights and {len(parts.held)} for the architecture, "
            f"expected a batch of {settings.schedule.batch_size} of each"
        )
    if settings.schedule.batch_size % group.size:
        faults.append(
            f"batch_size: found {settings.schedule.batch_size}, expected a multiple of the {group.size} processes"
        )
    least, most = latency_range(times, [layer.optional for layer in space.layers])
    if not least <= goal_ms <= most:
        faults.append(f"goal: found {goal_ms:g} ms, expected {least:g} to {most:g}, the fastest network to the slowest")
    if faults:
        raise ArchitectureError(f"tiered training: {'; '.join(faults)}")


def _digest(times: Times) -> str:
    """What tells latencies from others."""
    found = hashlib.sha256(repr((times.base, sorted(times.heads.items()), times.curve)).encode())
    for layer in times.layers:
        found.update(layer.maker.encode())
        for maker, blocks in sorted(layer.blocks.items()):
            found.update(maker.encode())
            for taken in blocks:
                found.update(np.asarray(taken, dtype=np.int64).tobytes())
    return found.hexdigest()[:16]


def _removes(events: Sequence[Any]) -> bool:
    """Whether something went, so that the supernet is another one now."""
    return any(event.kind not in ("moved", "narrowed") for event in events)
