"""One training by several processes, as torchrun starts them: who takes what, and what they agree on.

Each process trains on its share of a batch, and the gradients are averaged before a step, as in PyTorch's
DistributedDataParallel. That exchanges the gradients of all parameters, though a step of a supernet uses a twelfth of
them; here only those that the step used are exchanged.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from prototxt_gen.errors import CaffeError, TrainingError, UnsupportedError
from search.training.pipeline import Order


@dataclass(frozen=True)
class Group:
    """The processes of a training: this one's number, and how many there are. One alone exchanges nothing.

    TrainingError where the others cannot be reached any more: one of them has ended, and says why itself.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files and talks."""
        return self.rank == 0

    def average(self, parameters: Sequence[nn.Parameter], loss: Tensor) -> Tensor:
        """Gives the parameters that have gradients the mean over all processes; gives the mean of the losses.

        All processes must have gradients at the same parameters.
        """
        if self.size == 1:
            return loss
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        # One message for all: what a small network's many messages would cost is mostly their number.
        flat = torch.cat([*(gradient.reshape(-1) for gradient in gradients), loss.detach().reshape(1)])
        with self._exchanging():
            dist.all_reduce(flat)
        flat /= self.size
        *means, loss = flat.split([*(gradient.numel() for gradient in gradients), 1])
        for gradient, mean in zip(gradients, means, strict=True):
            gradient.copy_(mean.view_as(gradient))
        return loss[0]

    def total(self, numbers: Sequence[float], device: str = "cpu") -> list[float]:
        """The sums over all processes."""
        if self.size == 1:
            return list(numbers)
        sums = torch.tensor(numbers, dtype=torch.float64, device=device)
        with self._exchanging():
            dist.all_reduce(sums)
        return [float(number) for number in sums.tolist()]

    def told(self, word: Any) -> Any:
        """What the first process says; a CaffeError that it says is raised by all."""
        if self.size > 1:
            said = [word]
            with self._exchanging():
                dist.broadcast_object_list(said)
            word = said[0]
        if isinstance(word, CaffeError):
            raise word
        return word

    @contextmanager
    def _exchanging(self) -> Iterator[None]:
        try:
            yield
        except torch.cuda.OutOfMemoryError:
            raise
        except RuntimeError as fault:
            raise TrainingError(
                f"process {self.rank + 1} of {self.size}: found no answer of the others, one of which has ended: "
                f"{_shortly(fault)}"
            ) from fault


ALONE = Group()


def shared_orders(name: str, count: int, batch_size: int, steps: range, group: Group) -> Iterator[Order]:
    """The share that a process has of the batches of these steps, of `count` images, drawn epoch by epoch.

    They follow from the name and the step alone, so that a training goes on anywhere.
    """
    size = min(batch_size, count)
    per_epoch = max(1, count // batch_size)
    epoch, order = -1, list[int]()
    for step in steps:
        if step // per_epoch != epoch:
            epoch = step // per_epoch
            order = random.Random(f"{name} epoch {epoch}").sample(range(count), count)
        start = step % per_epoch * size
        chunk = order[start : start + size][group.rank :: group.size]
        yield chunk, random.Random(f"{name} step {step} process {group.rank}")


def is_first() -> bool:
    """Whether this process is alone, or the first of those that torchrun started."""
    return not _started() or os.environ["RANK"] == "0"


@contextmanager
def joined(device: str = "cpu") -> Iterator[tuple[Group, str]]:
    """The processes that torchrun started this one with, and this one's device; without torchrun it is alone.

    On a GPU each process of a machine has its own, and they speak by NCCL; otherwise by gloo. A process group that
    is there already is used as it is. UnsupportedError for a process without a GPU of its own, TrainingError where the
    others do not come.
    """
    here = torch.device(device)
    if not dist.is_available() or not (dist.is_initialized() or _started()):
        yield ALONE, device
        return
    if here.type == "cuda" and here.index is None:
        number, gpus = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
        if number >= gpus:
            raise UnsupportedError(
                f"device {device!r}: found {gpus} GPUs for process {number + 1} of this machine, expected one for each"
            )
        device = f"cuda:{number}"
        torch.cuda.set_device(device)
    begun = not dist.is_initialized()
    if begun:
        try:
            dist.init_process_group("nccl" if here.type == "cuda" else "gloo")
        except (RuntimeError, ValueError) as fault:
            raise TrainingError(f"the processes of torchrun have not found each other: {_shortly(fault)}") from fault
    try:
        yield Group(dist.get_rank(), dist.get_world_size()), device
    finally:
        if begun:
            dist.destroy_process_group()


def _started() -> bool:
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def _shortly(fault: Exception) -> str:
    """The first sentence; behind it comes advice."""
    return (str(fault).splitlines() or [""])[0].partition(". ")[0]
