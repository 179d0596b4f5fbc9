"""A moving average of a network's weights, and the batch-norm statistics that belong to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn


class MovingAverage:
    """The exponential moving average of a module's parameters over the steps of a training.

    The decay grows from 0.1 to the one asked for, as min(decay, (1 + t) / (10 + t)) at step t, so that the first steps
    are forgotten in short trainings too (TensorFlow, train.ExponentialMovingAverage). Statistics of batch norm are not
    averaged: those of the steps belong to other weights. They are taken anew, for the averaged weights, from images.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self._module = module
        self._live = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self._average = [parameter.detach().clone() for parameter in self._live]
        self._steps = 0

    @torch.no_grad()
    def update(self) -> None:
        """Takes in the weights after a step."""
        decay = min(self.decay, (1 + self._steps) / (10 + self._steps))
        self._steps += 1
        torch._foreach_lerp_(self._average, [parameter.detach() for parameter in self._live], 1 - decay)

    @contextmanager
    def in_place(self, images: Iterable[torch.Tensor]) -> Iterator[None]:
        """While it lasts the module has the averaged weights, and the statistics of `images` with them.

        `images` are batches, preprocessed, on the module's device.
        """
        buffers = [(buffer, buffer.clone()) for buffer in self._module.buffers()]
        kept = [parameter.detach().clone() for parameter in self._live]
        with torch.no_grad():
            torch._foreach_copy_([parameter.detach() for parameter in self._live], self._average)
        try:
            take_statistics(self._module, images)
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_([parameter.detach() for parameter in self._live], kept)
                for buffer, before in buffers:
                    buffer.copy_(before)


@torch.no_grad()
def take_statistics(module: nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """Gives each batch norm the mean over the batches of their means and variances; the module is left in eval mode."""
    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    module.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
    try:
        for number, images in enumerate(batches, 1):
            for norm in norms:
                norm.momentum = 1 / number  # a plain mean over all batches so far
            module(images)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        module.eval()
