"""Top-1 and top-5 on small folders in ImageNet's layouts."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from caffe_zoo.cards import Preprocessing
from caffe_zoo.imagenet import accuracy, examples
from prototxt_gen import CaffeError

TINY = Preprocessing(mean=(0.0, 0.0, 0.0), scale=1.0, resize_shorter=4, crop=(4, 4))
WNIDS = ("n01440764", "n01443537", "n01484850")


def save(path, red):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (red, 0, 0)).save(path)


def by_red(blob):
    """A network whose scores of ten classes are best where the red of an image says."""
    red = blob[:, 2, 0, 0][:, None]
    return -np.abs(np.arange(10, dtype=np.float32)[None] - red)[:, :, None, None]


@pytest.mark.parametrize("folder", ["val", ""])
def test_a_folder_a_class(tmp_path, folder):
    for label, wnid in enumerate(WNIDS):
        for number in range(3):
            save(tmp_path / folder / wnid / f"ILSVRC2012_val_{number}.png", label)
    (tmp_path / folder / WNIDS[0] / "notes.txt").write_text("")
    found = examples(tmp_path, 3)
    assert [example.label for example in found] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert accuracy(by_red, found, TINY, batch=4) == (1.0, 1.0, 9)


def test_a_list_beside_the_images(tmp_path):
    reds = [3, 4, 9, 0]
    for number, red in enumerate(reds):
        save(tmp_path / "val" / f"image {number}.png", red)
    labels = [3, 5, 3, 0]  # right, next to it, far off, right
    text = "".join(f"image {number}.png {label}\n" for number, label in enumerate(labels))
    (tmp_path / "val.txt").write_text(text)
    result = accuracy(by_red, examples(tmp_path, 10), TINY, batch=3)
    assert result == (0.5, 0.75, 4)
    assert str(result) == "accuracy/top-1 = 0.5\naccuracy/top-5 = 0.75"
    (tmp_path / "other.txt").write_text("image 0.png 3\n")
    assert len(examples(tmp_path, 10, tmp_path / "other.txt")) == 1


def test_equal_scores_count_against_the_label_as_in_caffe(tmp_path):
    save(tmp_path / "a" / "a.png", 0)
    found = examples(tmp_path, 1)
    assert accuracy(lambda blob: np.zeros((1, 2), np.float32), found, TINY)[:2] == (0.0, 1.0)


def test_wrong_numbers_of_classes_and_lines(tmp_path):
    for wnid in WNIDS:
        save(tmp_path / wnid / "a.png", 0)
    with pytest.raises(CaffeError, match=r"found 3 sub-folders .*, expected 1000"):
        examples(tmp_path)
    for line in ("a.png", "a.png 3", "a.png -1", "a.png x", "3"):
        (tmp_path / "val.txt").write_text(f"\n{line}\n")
        with pytest.raises(CaffeError, match=r"val\.txt: line 2: found .*, expected an image and 0 to 2"):
            examples(tmp_path, 3)
    (tmp_path / "val.txt").write_text("\n")
    with pytest.raises(CaffeError, match="found no image"):
        examples(tmp_path, 3)
    with pytest.raises(CaffeError, match="no such folder"):
        examples(tmp_path / "nowhere")
    for wnid in WNIDS:
        (tmp_path / wnid / "a.png").unlink()
    (tmp_path / "val.txt").unlink()
    with pytest.raises(CaffeError, match="found no image"):
        examples(tmp_path, 3)
