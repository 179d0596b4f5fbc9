"""From a candidate to an accuracy: its generated network, trained in PyTorch."""

from __future__ import annotations

import hashlib
import math
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn

from converters.pytorch.module import to_torch, weights_of
from converters.weights import Weights
from prototxt_gen.errors import TrainingError, UnsupportedError
from prototxt_gen.proto import NetParameter
from search.training.augmentation import Augmentation
from search.training.averaging import MovingAverage
from search.training.dataset import Batch, Dataset, Examples, on_device
from search.training.pipeline import Order, read_ahead
from search.training.processes import ALONE, Group
from search.training.schedule import Schedule, rate

# So many batches give the batch-norm statistics of averaged weights.
STATISTICS_BATCHES = 32
# How many steps may run before somebody waits for the loss of the first: a GPU computes while the next are prepared.
UNSEEN_LOSSES = 2


def train(
    net: NetParameter,
    data: Dataset,
    schedule: Schedule,
    device: str = "cpu",
    report: Callable[[float, float | None], None] = lambda share, accuracy: None,
    *,
    seed: int | None = None,
    looks: Sequence[float] = (),
    readers: int | None = None,
    begin: Weights | None = None,
) -> tuple[Weights, float]:
    """Trains a deploy network; gives its weights and its accuracy in 0..1 on the held-out images.

    It begins with the weights `begin`, by default with new ones.

    The random numbers depend on the seed (without one, the schedule's) and the network's name alone, so that training
    a candidate again gives the same result. `report` is called once a step with the share of the training that is done
    and None, and with the accuracy at the steps that reach the shares in `looks`; what it raises ends the training.
    `readers` is how many threads read images (see pipeline.py); the result does not depend on it. TrainingError as soon
    as the loss is not a finite number. The accuracy is measured in float32.
    """
    name = f"{schedule.seed if seed is None else seed} {net.name}"
    rng = random.Random(name)
    augmentation = schedule.augmentation._replace(mirror=schedule.mirror and data.mirrored)
    layout = layout_of(schedule)
    with own_random_numbers(name, device):
        module = to_torch(net, begin).to(device=device, memory_format=layout).train()  # type: ignore[call-overload]
        run = Run(net.name, module, data.train, schedule, device, layout)
        steps = schedule.steps(len(data.train))
        looked = {min(steps, max(1, math.ceil(look * steps))) for look in looks}
        orders = _orders(len(data.train), schedule, rng)
        pinned = torch.device(device).type == "cuda"
        with closing(read_ahead(data.train, orders, augmentation, readers, pinned)) as batches:
            for done, batch in enumerate(batches, 1):
                run.step(batch, schedule.base_lr * rate((done - 1) / steps))
                accuracy = None
                if done in looked:
                    run.check()
                    with run.result(readers):
                        accuracy = evaluate(module, data.held_out, device, readers)
                    module.train()
                report(done / steps, accuracy)
        run.check()
        with run.result(readers):
            weights = weights_of(module)
    # Measured as a user of the two files would: in a new module.
    return weights, evaluate(to_torch(net, weights).to(device), data.held_out, device, readers)


def layout_of(schedule: Schedule) -> torch.memory_format:
    """How maps are laid out in a training."""
    return torch.channels_last if schedule.channels_last else torch.contiguous_format


class Run:
    """The state of one training: the module, its optimizer, its average; and the losses that nobody has seen."""

    def __init__(
        self,
        name: str,
        module: nn.Module,
        examples: Examples,
        schedule: Schedule,
        device: str,
        layout: torch.memory_format,
        group: Group = ALONE,
    ) -> None:
        self.name, self.module, self.examples = name, module, examples
        self.schedule, self.device, self.layout, self.group = schedule, device, layout, group
        self.parameters = list(module.parameters())
        self.optimizer = torch.optim.SGD(
            self.parameters, lr=schedule.base_lr, momentum=schedule.momentum, weight_decay=schedule.weight_decay
        )
        self.average = MovingAverage(module, schedule.ema) if schedule.ema else None
        kind = torch.device(device).type
        mixed = schedule.precision == "mixed"
        # float16 ends at 6e-8: the loss is scaled so that small gradients are not lost. bfloat16 reaches further.
        half = torch.bfloat16 if kind == "cpu" else torch.float16
        self.cast = lambda: torch.autocast(kind, half) if mixed else nullcontext()
        self.scaler = torch.amp.GradScaler(kind, enabled=mixed and half is torch.float16)
        self.unseen: deque[tuple[int, torch.Tensor]] = deque()
        self.steps = 0

    def step(self, batch: Batch, lr: float, *choices: Any) -> None:
        """One step with this learning rate. TrainingError when the loss of an earlier one was no number.

        `choices` go to the module with the images. Parameters that have no part in the outputs are left alone, without
        momentum or weight decay; their momentum waits for their next step.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        images = on_device(batch.inputs, self.examples.mean, self.device, self.layout)
        assert isinstance(batch.targets, torch.Tensor)  # those read to train are stacked
        targets = batch.targets.to(self.device, non_blocking=True)
        self.optimizer.zero_grad()
        with self.cast():
            outputs = self.module(images, *choices)
        loss = self.examples.loss(outputs.float(), targets, self.schedule.label_smoothing)
        self.scaler.scale(loss).backward()
        loss = self.group.average(self.parameters, loss.detach())
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update()
        self.steps += 1
        self.unseen.append((self.steps, loss))
        self._look(UNSEEN_LOSSES)

    def check(self) -> None:
        """TrainingError when the loss of a step was no number, or a weight is none."""
        self._look(0)
        if not all(bool(parameter.isfinite().all()) for parameter in self.parameters):
            raise TrainingError(f"network {self.name}: weights are no numbers after step {self.steps}: it diverged")

    def _look(self, left: int) -> None:
        while len(self.unseen) > left:
            step, loss = self.unseen.popleft()
            if not math.isfinite(value := loss.item()):
                raise TrainingError(f"network {self.name}: the loss is {value} at step {step}: the training diverged")

    @contextmanager
    def result(self, readers: int | None) -> Iterator[None]:
        """While it lasts the module is the one that the training would hand out now."""
        if self.average is None:
            yield
            return
        count = len(self.examples)
        size = min(self.schedule.batch_size, count)
        # Drawn, since images lie class behind class; always the same, whatever the training drew.
        drawn = random.Random(0).sample(range(count), min(count, STATISTICS_BATCHES * size) // size * size)
        orders: Iterator[Order] = ((chunk, None) for chunk in chunks(drawn, size))
        with closing(read_ahead(self.examples, orders, Augmentation(), readers)) as batches:
            images = (on_device(batch.inputs, self.examples.mean, self.device, self.layout) for batch in batches)
            with self.average.in_place(images):
                yield


def check_device(name: str) -> None:
    """UnsupportedError unless PyTorch can compute on the device of that name here."""
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError) as fault:
        raise UnsupportedError(f"device {name!r}: PyTorch cannot train there: {str(fault).splitlines()[0]}") from fault


def evaluate(module: nn.Module, examples: Examples, device: str = "cpu", readers: int | None = None) -> float:
    """The accuracy in 0..1 of a module on the device; it is left in eval mode."""
    module.eval()
    orders: Iterator[Order] = ((chunk, None) for chunk in chunks(range(len(examples)), examples.at_once))
    with torch.inference_mode(), closing(read_ahead(examples, orders, Augmentation(), readers)) as batches:
        return examples.score(
            (module(on_device(inputs, examples.mean, device, torch.contiguous_format)), targets)
            for inputs, targets in batches
        )


def _orders(count: int, schedule: Schedule, rng: random.Random) -> Iterator[Order]:
    """The shuffled batches of all epochs."""
    size = min(schedule.batch_size, count)
    for _ in range(schedule.epochs):
        for chunk in chunks(rng.sample(range(count), count), size):
            if len(chunk) == size:
                yield chunk, random.Random(rng.random())


@contextmanager
def own_random_numbers(name: str, device: str) -> Iterator[None]:
    """Torch's random numbers follow from the name, and the caller's are the caller's afterwards.

    On a GPU algorithms are chosen whose sums do not depend on the order of its threads, where torch has such.
    """
    there = torch.device(device)
    gpus = [there.index or 0] if there.type == "cuda" else []
    flags = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True) if gpus else nullcontext()
    with torch.random.fork_rng(devices=gpus), flags:
        torch.manual_seed(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
        yield


def chunks(items: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (items[start : start + size] for start in range(0, len(items), size))
