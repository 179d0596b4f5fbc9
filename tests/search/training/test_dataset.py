"""Preprocessing, as Caffe does it."""

import numpy as np
import pytest

from search.training.dataset import preprocess

ORANGE = (250, 120, 30)


def test_preprocessing_is_caffes():
    pixels = np.array(ORANGE, dtype=np.uint8).reshape(1, 1, 1, 3)
    expected = [(30 - 104) * 0.008, (120 - 117) * 0.008, (250 - 123) * 0.008]
    assert preprocess(pixels).flatten().tolist() == pytest.approx(expected)
