"""Which images int8 is calibrated with, and what becomes of them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from caffe_zoo.calibration import Prepared, draw_images
from caffe_zoo.cards import Preprocessing
from caffe_zoo.preprocess import preprocess
from prototxt_gen.errors import FileError, FormatError

TINY = Preprocessing(mean=(1.0, 2.0, 3.0), scale=0.5, resize_shorter=None, crop=(4, 6))


@pytest.fixture
def folder(tmp_path):
    for number in range(12):
        path = tmp_path / "images" / f"city{number % 3}" / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 4), (number, 0, 0)).save(path)
    (tmp_path / "images" / "notes.txt").write_text("none")
    return tmp_path / "images"


def test_all_images_of_a_folder_and_those_in_it(folder):
    paths, found = draw_images(folder, 100)
    assert found == 12
    assert [path.relative_to(folder).as_posix() for path in paths[:2]] == ["city0/00.png", "city0/03.png"]
    assert paths == sorted(folder.rglob("*.png"))


def test_some_drawn_by_seed_the_same_each_time(folder):
    paths, found = draw_images(folder, 5)
    assert (len(paths), found) == (5, 12)
    assert paths == sorted(paths) == draw_images(folder, 5).paths
    assert draw_images(folder, 5, seed=1).paths != paths


def test_folders_that_are_none(tmp_path):
    with pytest.raises(FileError, match=r"none: no such folder, expected one of images to calibrate"):
        draw_images(tmp_path / "none", 5)
    with pytest.raises(FormatError, match="found no image"):
        draw_images(tmp_path, 5)


def test_they_are_preprocessed_as_for_the_network_one_at_a_time(folder):
    read = []
    paths = draw_images(folder, 3).paths
    prepared = Prepared(paths, TINY, "data", lambda: read.append(1))
    assert len(prepared) == 3 and not read
    for path, given in zip(paths, prepared, strict=True):
        np.testing.assert_array_equal(given["data"], preprocess(path, TINY))
    assert len(read) == 3
