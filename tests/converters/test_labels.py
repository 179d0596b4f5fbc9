"""Label maps: the label at each score's place, whatever the sizes, and never a mixture of two."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from caffe_zoo.segmentation import labels_of
from converters.cityscapes import CLASSES, LABELS
from converters.labels import IGNORED, label_map
from prototxt_gen.errors import CaffeError, FormatError


@pytest.fixture
def file(tmp_path):
    """Writes ids as a grey image; gives its path."""

    def write(ids: np.ndarray) -> str:
        Image.fromarray(np.asarray(ids, np.uint8)).save(tmp_path / "ids.png")
        return str(tmp_path / "ids.png")

    return write


def test_the_label_in_the_middle_of_each_scores_share_is_taken(file):
    path = file(np.arange(8 * 16).reshape(8, 16))
    made = label_map(path, (2, 4), classes=128, ids="train")
    rows, columns = [2, 6], [2, 6, 10, 14]  # (y + 0.5) * 4: of the two pixels in the middle the second one
    assert made.classes.tolist() == [[16 * row + column for column in columns] for row in rows]
    assert made.classes.dtype == np.uint8 and made.source_size == (8, 16)


@pytest.mark.parametrize("factor", [1, 2, 3, 8])
def test_maps_enlarged_to_the_image_come_back(file, factor):
    classes = np.random.default_rng(0).integers(0, 19, (5, 7))
    path = file(classes.repeat(factor, 0).repeat(factor, 1))
    assert (label_map(path, (5, 7), ids="train").classes == classes).all()


def test_scores_lie_where_the_decoders_deconvolutions_put_them(file):
    """The label taken for a score is the one that this score alone would give after the bilinear upsampling."""
    classes = np.random.default_rng(1).integers(0, 19, (6, 9))
    enlarged = labels_of(np.eye(19, dtype=np.float32)[classes].transpose(2, 0, 1), (48, 72))
    assert (label_map(file(enlarged), (6, 9), ids="train").classes == classes).all()


@pytest.mark.parametrize("size", [(128, 256), (100, 333), (7, 5), (1024, 2048), (1100, 2100)])
def test_classes_are_never_mixed(file, size):
    ids = np.zeros((1024, 2048))
    ids[:, 1024:] = 18
    ids[512:] = IGNORED
    made = label_map(file(ids), size, ids="train").classes
    assert made.shape == size and set(np.unique(made)) == {0, 18, IGNORED}


def test_label_ids_become_classes(file):
    made = label_map(file(np.arange(len(LABELS))[None]), (1, len(LABELS))).classes[0]
    for label, value in zip(LABELS, made, strict=True):
        assert value == (IGNORED if label.train_id is None else label.train_id), label.name
    assert label_map(file([[7, IGNORED]]), (1, 2)).classes.tolist() == [[0, IGNORED]]


@pytest.mark.parametrize(
    ("ids", "value", "expected"), [("label", 34, "a label id 0 to 33"), ("train", 19, "a class 0 to 18")]
)
def test_a_value_that_stands_for_nothing_is_named_with_its_place(file, ids, value, expected):
    values = np.full((20, 30), 7)
    values[3, 11] = values[19, 0] = value  # not in the middle of anything
    path = file(values)
    with pytest.raises(FormatError) as caught:
        label_map(path, (2, 3), ids=ids)
    place = f"{path}: found {value} at row 3, column 11, expected {expected}, or 255 for pixels to ignore"
    assert str(caught.value) == place


def test_other_classes_have_no_label_ids(file):
    with pytest.raises(CaffeError, match=r"Cityscapes'.* 19 classes; this network has 5: .*--ids train"):
        label_map(file([[0]]), (1, 1), classes=5)
    assert label_map(file([[4]]), (1, 1), classes=5, ids="train").classes.tolist() == [[4]]
    with pytest.raises(CaffeError, match="at most 255 classes, found 256"):
        label_map(file([[4]]), (1, 1), classes=256, ids="train")
    assert len(CLASSES) == 19


def test_an_image_in_colours_is_refused(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "colours.png")
    with pytest.raises(FormatError, match=r"colours\.png: found 3 channels, expected one"):
        label_map(tmp_path / "colours.png", (2, 2))
