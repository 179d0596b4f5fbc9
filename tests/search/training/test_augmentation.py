"""Augmentation: crops of the areas and sides asked for, colours within their bounds."""

import random

import numpy as np
import pytest
from PIL import Image

from search.training.augmentation import NARROWEST, WIDEST, jittered, random_box


@pytest.mark.parametrize("least", [0.08, 0.5, 1.0])
def test_boxes_have_the_area_and_the_sides_asked_for(least):
    width, height = 400, 300
    rng = random.Random(0)
    boxes = [random_box((width, height), least, rng) for _ in range(500)]
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
        across, down = right - left, bottom - top
        # Sides are whole numbers; the largest part in the middle, where nothing fits, may be smaller.
        assert NARROWEST * 0.98 <= across / down <= WIDEST * 1.02
    shares = sorted((b[2] - b[0]) * (b[3] - b[1]) / (width * height) for b in boxes)
    assert shares[0] >= least * 0.98 and shares[-1] <= 1
    if least < 1:
        # Areas are drawn evenly, and large ones, which fit more rarely, are drawn again.
        assert least + 0.15 * (1 - least) < shares[250] < (least + 1) / 2
        assert len({box[0] for box in boxes}) > 100, "anywhere"


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 2)])
def test_images_of_any_shape_have_a_box(size):
    for seed in range(20):
        left, top, right, bottom = random_box(size, 0.9, random.Random(seed))
        assert 0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]


def test_the_largest_part_in_the_middle_is_torchvisions():
    assert random_box((1000, 30), 1.0, random.Random(0)) == (480, 0, 520, 30)
    assert random_box((30, 1000), 1.0, random.Random(0)) == (0, 480, 30, 520)


def test_jitter_stays_within_its_bounds_and_follows_the_seed():
    grey = Image.new("RGB", (4, 4), (100, 100, 100))
    # Of a plain grey, contrast and saturation change nothing.
    found = [np.asarray(jittered(grey, 0.4, random.Random(seed))) for seed in range(100)]
    assert all(np.ptp(pixels) == 0 and 58 <= pixels[0, 0, 0] <= 142 for pixels in found)
    assert min(p.min() for p in found) < 70 and max(p.max() for p in found) > 130
    coloured = Image.effect_noise((8, 8), 90).convert("RGB")
    one, again, other = (np.asarray(jittered(coloured, 0.4, random.Random(seed))) for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert np.array_equal(np.asarray(jittered(coloured, 0.0, random.Random(0))), np.asarray(coloured))
