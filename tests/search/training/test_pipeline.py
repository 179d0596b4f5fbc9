"""Reading ahead: in order, whatever the number of threads; nothing read that nobody takes."""

import random
import threading
import time

import pytest
import torch

from search.training.augmentation import Augmentation
from search.training.dataset import Batch
from search.training.pipeline import AHEAD, read_ahead


class Numbers:
    """Examples that say which they are, some of them slowly."""

    def __init__(self):
        self.began, self.lock = [], threading.Lock()

    def read(self, indices, rng, augmentation):
        with self.lock:
            self.began.append(indices[0])
        if indices[0] < 0:
            raise OSError("red/3.png: cannot be read")
        time.sleep(0.01 if indices[0] % 3 == 0 else 0)
        return Batch(torch.tensor(indices), torch.tensor([rng.random() if rng else 0.0]))


def orders(count):
    return [([number], random.Random(number)) for number in range(count)]


@pytest.mark.parametrize("readers", [1, 2, 7, None])
def test_batches_come_in_order_with_their_own_random_numbers(readers):
    batches = list(read_ahead(Numbers(), orders(20), Augmentation(), readers))
    assert [batch.inputs.item() for batch in batches] == list(range(20))
    expected = [random.Random(number).random() for number in range(20)]
    assert [batch.targets.item() for batch in batches] == pytest.approx(expected)


def test_no_more_is_read_than_stands_ready():
    numbers = Numbers()
    batches = read_ahead(numbers, orders(1000), Augmentation(), 2)
    assert next(batches).inputs.item() == 0
    batches.close()
    time.sleep(0.05)
    assert len(numbers.began) <= 2 + AHEAD


def test_a_fault_comes_in_its_place():
    batches = read_ahead(Numbers(), [([0], None), ([1], None), ([-1], None), ([2], None)], Augmentation(), 3)
    assert [next(batches).inputs.item(), next(batches).inputs.item()] == [0, 1]
    with pytest.raises(OSError, match=r"red/3\.png"):
        next(batches)
    assert list(batches) == []


def test_threads_end_with_the_batches():
    before = threading.active_count()
    list(read_ahead(Numbers(), orders(5), Augmentation(), 4))
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before
