"""How much memory a step of a training holds on to between its way forward and its way back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch


@dataclass
class Saved:
    """Bytes of tensors; each counts once, however often it is kept."""

    total: int = 0


@contextmanager
def saved_bytes() -> Iterator[Saved]:
    """Counts what PyTorch keeps for gradients of what is computed inside, weights among it.

    That is the larger part of the memory that a step takes, and unlike the memory of a process it is the same each
    time. What is computed is the same to the last bit. The count is there at the end.
    """
    found = Saved()
    seen: dict[int, int] = {}

    def look(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(look, lambda tensor: tensor):
        yield found
    found.total = sum(seen.values())
