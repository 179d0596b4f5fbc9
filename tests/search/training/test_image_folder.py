"""Folders of images: what is held out, crops, and folders with faults."""

import random

import numpy as np
import pytest
import torch
from PIL import Image

from prototxt_gen.errors import ArchitectureError, FileError, FormatError
from search.training.augmentation import Augmentation
from search.training.dataset import on_device, preprocess
from search.training.image_folder import cropped, image_folder
from search.training.loading import load_data


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    """Two classes, red and blue, ten images each."""
    for name, colour in (("red", (200, 0, 0)), ("blue", (0, 0, 200))):
        for number in range(10):
            save(tmp_path / "images" / name / f"{number}.png", Image.new("RGB", (20 + number, 30), colour))
    return tmp_path / "images"


def test_a_folder_holds_out_every_fifth(folder):
    data = image_folder(folder, (16, 16))
    assert data.classes == ("blue", "red")
    assert data.train.labels.bincount().tolist() == [8, 8]
    assert data.held_out.labels.bincount().tolist() == [2, 2]
    images = data.train.images(range(16), random.Random(0))
    blue, red = preprocess(np.array([[[(0, 0, 200)]], [[(200, 0, 0)]]], dtype=np.uint8))
    assert torch.equal(images[0], blue.expand(3, 16, 16)) and torch.equal(images[15], red.expand(3, 16, 16))


def test_images_of_a_folder_are_mirrored(folder):
    assert image_folder(folder, (32, 32)).mirrored


def test_a_divided_folder(folder, tmp_path):
    base = tmp_path / "divided"
    (base / "val").mkdir(parents=True)
    folder.rename(base / "train")
    for name in ("red", "blue"):
        save(base / "val" / name / "a.JPG", Image.new("RGB", (9, 9)))
    data = image_folder(base, (16, 16))
    assert (len(data.train.labels), len(data.held_out.labels)) == (20, 2)
    assert data.identity != image_folder(base / "train", (16, 16)).identity
    for other in ("test", "validation"):
        (base / "val").rename(base / other)
        with pytest.raises(FormatError, match=r"divided: found .*train.*, expected train/ and val/"):
            image_folder(base, (16, 16))
        (base / other).rename(base / "val")
    (base / "val" / "red").rename(base / "val" / "green")
    with pytest.raises(FormatError, match="val: found classes blue, green, expected those of train: blue, red"):
        image_folder(base, (16, 16))


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_a_broken_image_is_named_when_it_is_read(folder, content):
    broken = folder / "red" / "3.png"
    whole = Image.effect_noise((64, 64), 90)
    whole.save(broken)
    broken.write_bytes(broken.read_bytes()[:600] if content is None else content)
    data = image_folder(folder, (16, 16))
    with pytest.raises(FormatError, match=r"red.3\.png: cannot be read as an image"):
        data.train.images(range(len(data.train.labels)), None)


def test_crops_stay_inside_and_keep_the_shape():
    ramp = np.tile(np.arange(200, dtype=np.uint8)[None, :, None], (50, 1, 3))
    image = Image.fromarray(ramp)
    centre = cropped(image, (28, 28), 0.5, 0.5, False)
    assert centre.shape == (28, 28, 3)
    assert centre.mean() == pytest.approx(ramp.mean(), abs=1)
    assert np.array_equal(cropped(image, (28, 28), 0.5, 0.5, True), centre[:, ::-1])
    left, right = (cropped(image, (28, 28), across, 0, False).mean() for across in (0.0, 1.0))
    assert left < 30 and right > 170
    for size in ((1, 1), (3, 500), (500, 3)):
        assert cropped(Image.new("RGB", size[::-1]), (24, 40), 1.0, 1.0, True).shape == (24, 40, 3)


def test_random_crops_follow_the_seed_alone(folder):
    Image.effect_noise((64, 64), 90).save(folder / "red" / "0.png")
    data = image_folder(folder, (16, 16))
    index = [8]
    one, again, other = (data.train.images(index * 4, random.Random(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert torch.equal(data.train.images(index, None), data.train.images(index, None))


def test_folders_with_faults(folder, tmp_path):
    with pytest.raises(FileError, match="nowhere: no such folder"):
        load_data(str(tmp_path / "nowhere"), (1, 3, 16, 16))
    with pytest.raises(FormatError, match="red: found 0 sub-folders"):
        image_folder(folder / "red", (16, 16))
    (folder / "green").mkdir()
    with pytest.raises(FormatError, match=r"no image .* in green"):
        image_folder(folder, (16, 16))
    save(folder / "green" / "a.png", Image.new("RGB", (4, 4)))
    with pytest.raises(FormatError, match="classes green have fewer than 5"):
        image_folder(folder, (16, 16))
    with pytest.raises(ArchitectureError, match="1 channels"):
        load_data("digits", (1, 1, 32, 32))


def read(data, augmentation, seed, index=0):
    return data.train.read([index] * 3, random.Random(seed), augmentation).inputs


def test_pixels_are_the_images_before_preprocessing(folder):
    Image.effect_noise((64, 64), 90).save(folder / "blue" / "0.png")
    data = image_folder(folder, (16, 16))
    pixels = read(data, Augmentation(), 1)
    assert pixels.dtype == torch.uint8 and pixels.shape == (3, 16, 16, 3)
    assert torch.equal(preprocess(pixels.numpy()), data.train.images([0] * 3, random.Random(1)))
    assert torch.equal(on_device(pixels, data.train.mean, "cpu", torch.channels_last), preprocess(pixels.numpy()))


@pytest.mark.parametrize("augmentation", [Augmentation(least_area=0.1), Augmentation(jitter=0.4)])
def test_augmentation_follows_the_seed_and_spares_what_is_measured(folder, augmentation):
    Image.effect_noise((64, 64), 90).convert("RGB").save(folder / "blue" / "0.png")
    data = image_folder(folder, (16, 16))
    one, again, other = (read(data, augmentation, seed) for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert not torch.equal(one[0], one[1]) and not torch.equal(one, read(data, Augmentation(), 1))
    held_out = (data.held_out.read([0], None, kind).inputs for kind in (augmentation, Augmentation()))
    assert torch.equal(*held_out)


def test_nothing_is_mirrored_unless_it_may_be(folder):
    half = np.zeros((32, 32, 3), np.uint8)
    half[:, :16] = 255
    Image.fromarray(half).save(folder / "blue" / "0.png")
    data = image_folder(folder, (16, 16))
    for mirror, expected in ((False, {True}), (True, {True, False})):
        for least_area in (None, 0.9):
            augmentation = Augmentation(least_area, mirror=mirror)
            seen = {bool(p[0, 0, 0] > 128) for seed in range(8) for p in read(data, augmentation, seed)}
            assert seen == expected
