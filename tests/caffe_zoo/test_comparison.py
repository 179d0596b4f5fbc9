"""What is counted of two runs on the same images, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from caffe_zoo.cards import Preprocessing
from caffe_zoo.comparison import Pair, accuracy_cost, iou, iou_cost
from caffe_zoo.imagenet import Example, accuracy
from converters.cityscapes import frames
from prototxt_gen.errors import FormatError

TINY = Preprocessing(mean=(0.0, 0.0, 0.0), scale=1.0, resize_shorter=None, crop=(4, 4))


def reds(folder, *values):
    """An image for each value; its class is the value."""
    found = []
    for place, value in enumerate(values):
        found.append(Example(folder / f"{place}.png", value))
        Image.new("RGB", (4, 4), (value, 0, 0)).save(found[-1].image)
    return found


def by_red(blob):
    """Scores of ten classes, best where the red of an image says."""
    return -np.abs(np.arange(10, dtype=np.float32)[None] - blob[:, 2, 0, 0][:, None])[:, :, None, None]


def one_more(blob):
    """As `by_red`, but for reds of 3 and 7 the next class is the best."""
    red = blob[:, 2, 0, 0]
    moved = blob.copy()
    moved[:, 2] += np.isin(red, (3, 7))[:, None, None]
    return by_red(moved)


@pytest.mark.parametrize("batch", [1, 2, 32])
def test_accuracies_and_agreement(tmp_path, batch):
    found = reds(tmp_path, 0, 1, 3, 7, 8)
    found[0] = found[0]._replace(label=9)  # wrong in both
    found[3] = found[3]._replace(label=8)  # right in the second alone
    counted = []
    cost = accuracy_cost(Pair(by_red, one_more), ("a", "b"), found, TINY, batch, counted.append)
    assert cost.right.tolist() == [[1, 1], [1, 2]]
    assert cost.top1 == (0.6, 0.6) and cost.top5 == (4, 4) and cost.same == 3
    assert sum(counted) == cost.images == 5
    assert cost.by_chance == pytest.approx(2 * 2**0.5 / 5)
    assert cost.top1[0] == accuracy(by_red, found, TINY).top1
    assert "top-1 accuracy   60.00%   60.00%   +0.00 points" in str(cost)
    assert "same best class: 60.00% of the images" in str(cost)
    assert "right in a alone: 1; right in b alone: 1; a difference of 56.57 points may be chance" in str(cost)


def test_of_equal_scores_the_first_class_is_the_best(tmp_path):
    def equal(blob):
        return np.zeros((len(blob), 10), np.float32)

    cost = accuracy_cost(Pair(by_red, equal), ("a", "b"), reds(tmp_path, 0, 4, 5), TINY)
    assert cost.top1 == (1.0, pytest.approx(1 / 3)) and cost.top5 == (3, 2)


@pytest.fixture
def scenes(tmp_path):
    """Two scenes of 4x4 whose left half is class 0 and right half class 1; a pixel of each is to be ignored."""
    labels = np.repeat(np.array([[0, 0, 1, 1]], np.uint8), 4, axis=0)
    labels[0, 0] = 255
    for stem in ("aachen_000000_000000", "aachen_000001_000000"):
        for part, ending, pixels in (
            ("leftImg8bit", "leftImg8bit", np.zeros((4, 4, 3), np.uint8)),
            ("gtFine", "gtFine_labelTrainIds", labels),
        ):
            path = tmp_path / part / "val" / "aachen" / f"{stem}_{ending}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return frames(tmp_path, "val", "labelTrainIds")


def columns(*best):
    """A network of three classes that says the same of every image: the best class by column."""

    def run(blob):
        scores = np.zeros((len(blob), 3, 4, 4), np.float32)
        scores[:, list(best), :, range(4)] = 1
        return scores

    return run


def test_ious_and_agreement(scenes):
    """Of class 0 the second run finds all but a column of 4 pixels, in both scenes; ignored pixels do not count."""
    pair = Pair(columns(0, 0, 1, 1), columns(0, 1, 1, 1))
    cost = iou_cost(pair, ("a", "b"), scenes, TINY, ("left", "right", "none"), "train")
    assert cost.scores[0][:2] == [1, 1] and cost.scores[1][:2] == [pytest.approx(3 / 7), pytest.approx(8 / 12)]
    assert np.isnan(cost.scores[0][2]) and cost.images == 2
    assert cost.means == (1, pytest.approx((3 / 7 + 8 / 12) / 2))
    assert cost.same == 0.75
    lines = str(cost).splitlines()
    assert lines[0].split() == ["a", "b", "difference"]
    assert lines[1].split() == ["left", "100.00%", "42.86%", "-57.14", "points"]
    assert lines[3].split() == ["mean", "IoU", "100.00%", "54.76%", "-45.24", "points"]
    assert lines[5] == "no pixels of: none"
    assert lines[-1] == "same class: 75.00% of the pixels"


def test_the_iou_of_one_run(scenes):
    found = iou(columns(0, 1, 1, 1), scenes, TINY, ("left", "right", "none"))
    assert str(found).splitlines()[1].split() == ["left", "42.86%"]
    assert str(found).splitlines()[3].split() == ["mean", "IoU", "54.76%"]


def test_labels_of_another_size_are_named(scenes):
    Image.new("L", (5, 5)).save(scenes[1].labels)
    with pytest.raises(FormatError, match=r"aachen_000001_000000_leftImg8bit\.png: prediction: found \(4, 4\)"):
        iou(columns(0, 0, 1, 1), scenes, TINY, ("left", "right", "none"))
