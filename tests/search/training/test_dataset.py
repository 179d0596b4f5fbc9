"""Preprocessing, as Caffe does it; some of a dataset's images."""

import random

import numpy as np
import pytest
import torch

from search.training.dataset import NOTHING, Split, preprocess

ORANGE = (250, 120, 30)


def test_preprocessing_is_caffes():
    pixels = np.array(ORANGE, dtype=np.uint8).reshape(1, 1, 1, 3)
    expected = [(30 - 104) * 0.008, (120 - 117) * 0.008, (250 - 123) * 0.008]
    assert preprocess(pixels).flatten().tolist() == pytest.approx(expected)


def drawn(indices, rng, augmentation):
    """Pixels that tell which image they are of, and what was drawn for it."""
    return np.array([[[[index, rng.randrange(9) if rng else 0, 0]]] for index in indices], np.uint8)


@pytest.mark.parametrize("pixels", [None, drawn])
def test_some_images_are_those_and_no_others(pixels):
    def images(indices, rng):
        return preprocess(drawn(indices, rng, NOTHING))

    split = Split(torch.arange(10) % 3, images, pixels).with_mean((1.0, 2.0, 3.0))
    some = split.some([7, 2, 5])
    assert len(some) == 3
    assert some.labels.tolist() == [1, 2, 2]
    assert some.mean == (1.0, 2.0, 3.0)
    inputs, targets = some.read([0, 2], random.Random(4), NOTHING)
    expected, labels = split.read([7, 5], random.Random(4), NOTHING)
    assert torch.equal(inputs, expected)
    assert torch.equal(targets, labels)
    # One of the three has the most for its own class.
    outputs = torch.eye(3)
    assert some.score([(outputs, some.labels)]) == 1 / 3 == some.some([2, 1, 0]).score([(outputs, some.labels)])
