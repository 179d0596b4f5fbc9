"""Batches read by several threads, some ahead of the one that trains, in their order.

Threads do: Pillow decodes and resizes without Python's lock, and what is read need not be copied between processes. On
a GPU, batches lie in pinned memory and go there as pixels, a quarter of the bytes (see dataset.on_device).
"""

from __future__ import annotations

import os
import random
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from search.training.augmentation import Augmentation
from search.training.dataset import Batch, Examples

# Which examples, and the random numbers of this batch: no two threads share a generator.
Order = tuple[Sequence[int], "random.Random | None"]

# Read, but not asked for yet, beyond the one of each reader.
AHEAD = 2


def usable_cpus() -> int:
    """How many CPUs this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_ahead(
    examples: Examples,
    orders: Iterable[Order],
    augmentation: Augmentation,
    readers: int | None = None,
    pinned: bool = False,
) -> Generator[Batch, None, None]:
    """The batches of `orders`, as they come; what reading one raises comes in its place and is the end.

    `readers` is how many threads read, by default one for each CPU. Nothing in the batches depends on it.
    """
    readers = readers or usable_cpus()

    def read(order: Order) -> Batch:
        batch = examples.read(*order, augmentation)
        return batch.pinned() if pinned else batch

    pool = ThreadPoolExecutor(max_workers=readers, thread_name_prefix="reading")
    waiting: deque[Future[Batch]] = deque()
    try:
        for order in orders:
            waiting.append(pool.submit(read, order))
            if len(waiting) >= readers + AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # Whoever stops asking does not wait for what nobody will take.
        pool.shutdown(wait=False, cancel_futures=True)
