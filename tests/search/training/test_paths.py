"""Paths of a supernet: judged together as they are alone, with batch-norm statistics of their own."""

from __future__ import annotations

import pytest
import torch

from converters.pytorch.module import to_torch
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.networks import generate
from search.training.averaging import take_statistics
from search.training.paths import accuracies, inherited, read_images
from search.training.supernet import Supernet
from search.training.training import evaluate
from tests.search.training.small_ponas import SHAPE, SPACE, bars

NET = Supernet(SPACE)
EXAMPLES = bars(50, 3)
IMAGES = read_images(EXAMPLES, 16, "cpu", torch.contiguous_format)
STATISTICS = read_images(bars(32, 4), 16, "cpu", torch.contiguous_format).batches


def test_images_are_all_there_in_their_order():
    assert [len(batch) for batch in IMAGES.batches] == [16, 16, 16, 2]
    assert torch.equal(torch.cat(IMAGES.batches), EXAMPLES.images(range(50), None))
    assert torch.equal(torch.cat(IMAGES.targets), EXAMPLES.labels)


@pytest.mark.parametrize(
    ("row", "choices"),
    [(0, [(0, 0, 0), (1, 0, 0), (1, 1, 1)]), (1, [(1, 0, 0), (1, 1, 0)]), (2, [(0, 1, 1), (0, 1, 0)])],
)
def test_what_is_computed_once_changes_no_accuracy(row, choices):
    """As each network has it alone, in its own module, with the weights that it inherits."""
    found = list(accuracies(NET, row, choices, STATISTICS, IMAGES, EXAMPLES))
    for choice, accuracy in zip(choices, found, strict=True):
        net = generate(SPACE.of_choices(choice), input_shape=SHAPE)
        module = to_torch(net, inherited(NET, choice, STATISTICS))
        assert evaluate(module, EXAMPLES) == accuracy
        batch = IMAGES.batches[0]
        take_statistics(module, STATISTICS)
        with torch.inference_mode():
            assert torch.equal(module(batch), NET.eval()(batch, choice)), "the statistics that a network of its own has"


def test_networks_that_differ_before_the_row_are_refused():
    with pytest.raises(ArchitectureError, match="expected the same in the rows before row 1"):
        list(accuracies(NET, 1, [(0, 0, 0), (1, 0, 0)], STATISTICS, IMAGES, EXAMPLES))


def test_nothing_asked_is_nothing_told():
    assert list(accuracies(NET, 0, [], STATISTICS, IMAGES, EXAMPLES)) == []
