"""From a candidate to an accuracy: its generated network, trained in PyTorch."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
import torch.nn.functional as F
from torch import nn

from converters.pytorch.module import to_torch, weights_of
from converters.weights import Weights
from prototxt_gen.errors import TrainingError, UnsupportedError
from prototxt_gen.proto import NetParameter
from search.training.dataset import Dataset, Split
from search.training.schedule import Schedule, rate

# Always the same: sums in a batch of another size may round differently.
EVALUATED_AT_ONCE = 100


def train(
    net: NetParameter,
    data: Dataset,
    schedule: Schedule,
    device: str = "cpu",
    report: Callable[[float, float | None], None] = lambda share, accuracy: None,
    *,
    seed: int | None = None,
    looks: Sequence[float] = (),
) -> tuple[Weights, float]:
    """Trains a deploy network from new weights; gives its weights and its accuracy in 0..1 on the held-out images.

    The random numbers depend on the seed (without one, the schedule's) and the network's name alone, so that training
    a candidate again gives the same result. `report` is called once a step with the share of the training that is done
    and None, and with the accuracy at the steps that reach the shares in `looks`; what it raises ends the training.
    TrainingError as soon as the loss is not a finite number.
    """
    name = f"{schedule.seed if seed is None else seed} {net.name}"
    rng = random.Random(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
        module = to_torch(net).to(device).train()
    optimizer = torch.optim.SGD(
        module.parameters(), lr=schedule.base_lr, momentum=schedule.momentum, weight_decay=schedule.weight_decay
    )
    steps = schedule.steps(len(data.train.labels))
    looked = {min(steps, max(1, math.ceil(look * steps))) for look in looks}
    for step, (images, labels) in enumerate(_batches(data.train, schedule, rng)):
        for group in optimizer.param_groups:
            group["lr"] = schedule.base_lr * rate(step / steps)
        optimizer.zero_grad()
        loss = F.cross_entropy(module(images.to(device)), labels.to(device))
        if not math.isfinite(value := loss.item()):
            raise TrainingError(
                f"network {net.name}: the loss is {value} at step {step + 1} of {steps}: the training diverged"
            )
        loss.backward()
        optimizer.step()
        done = step + 1
        report(done / steps, evaluate(module, data.held_out, device) if done in looked else None)
        module.train()
    weights = weights_of(module)
    # Measured as a user of the two files would: in a new module, on the CPU.
    return weights, evaluate(to_torch(net, weights), data.held_out)


def check_device(name: str) -> None:
    """UnsupportedError unless PyTorch can compute on the device of that name here."""
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError) as fault:
        raise UnsupportedError(f"device {name!r}: PyTorch cannot train there: {str(fault).splitlines()[0]}") from fault


def evaluate(module: nn.Module, split: Split, device: str = "cpu") -> float:
    """The share of images whose highest output is their label's, in 0..1; the module, there, is left in eval mode."""
    module.eval()
    right = 0
    with torch.inference_mode():
        for indices in _chunks(range(len(split.labels)), EVALUATED_AT_ONCE):
            outputs = module(split.images(indices, None).to(device)).cpu()
            right += int((outputs.argmax(dim=1) == split.labels[list(indices)]).sum())
    return right / len(split.labels)


def _batches(split: Split, schedule: Schedule, rng: random.Random) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Shuffled batches of all epochs; the next one is read while the last one trains."""
    count = len(split.labels)
    size = min(schedule.batch_size, count)
    orders = (rng.sample(range(count), count) for _ in range(schedule.epochs))
    chosen = (chunk for order in orders for chunk in _chunks(order, size) if len(chunk) == size)
    with ThreadPoolExecutor(max_workers=1) as reader:
        waiting = None
        for indices in chosen:
            # One generator a batch: the reading thread must not share one with the shuffling above.
            coming = reader.submit(split.images, indices, random.Random(rng.random())), split.labels[list(indices)]
            if waiting is not None:
                yield waiting[0].result(), waiting[1]
            waiting = coming
        if waiting is not None:
            yield waiting[0].result(), waiting[1]


def _chunks(items: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (items[start : start + size] for start in range(0, len(items), size))
