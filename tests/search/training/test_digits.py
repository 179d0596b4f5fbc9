"""The digits: all of them, balanced, preprocessed."""

import random
import sys

import pytest
import torch

from prototxt_gen.errors import NotInstalledError
from search.training.digits import digits


def test_digits_are_whole_balanced_and_the_same_every_time():
    pytest.importorskip("sklearn")
    data = digits((32, 32))
    assert len(data.train.labels) + len(data.held_out.labels) == 1797
    assert len(data.held_out.labels) == 599
    assert data.classes == tuple("0123456789")
    images = data.held_out.images(range(100), None)
    assert images.shape == (100, 3, 32, 32) and images.dtype == torch.float32
    assert torch.equal(images, digits((32, 32)).held_out.images(range(100), random.Random(0)))
    assert all(data.held_out.labels.bincount() > 20)
    # Black is 0 minus the mean, white 255 minus the mean, times the scale.
    for channel, mean in enumerate((104, 117, 123)):
        assert images[:, channel].min().item() == pytest.approx(-mean * 0.008)
        assert images[:, channel].max().item() == pytest.approx((255 - mean) * 0.008)


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(NotInstalledError, match=r"digits: needs scikit-learn, .*pip install 'dongfeng\[digits\]'"):
        digits((16, 16))
