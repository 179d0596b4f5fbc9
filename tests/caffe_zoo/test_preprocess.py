"""Data blobs from images of every kind, against Caffe's arithmetic by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from caffe_zoo.cards import WHOLE_FRAME, Preprocessing
from caffe_zoo.preprocess import pixels, preprocess
from prototxt_gen import CaffeError

ORANGE = (250, 120, 30)
SMALL = Preprocessing(resize_shorter=16, crop=(14, 14))


def by_hand(colour, mean=(104.0, 117.0, 123.0)):
    red, green, blue = colour
    return [(blue - mean[0]) * 0.008, (green - mean[1]) * 0.008, (red - mean[2]) * 0.008]


def test_blue_comes_first_minus_the_mean_times_the_scale():
    blob = preprocess(np.full((224, 224, 3), ORANGE, np.uint8), Preprocessing())
    assert blob.shape == (1, 3, 224, 224) and blob.dtype == np.float32
    assert blob[0, :, 5, 7].tolist() == pytest.approx(by_hand(ORANGE))


def test_another_card_has_another_mean():
    card = Preprocessing(mean=(103.94, 116.78, 123.68), resize_shorter=None, crop=(384, 640))
    blob = preprocess(Image.new("RGB", (640, 384), ORANGE), card)
    assert blob[0, :, 0, 0].tolist() == pytest.approx(by_hand(ORANGE, card.mean))


@pytest.mark.parametrize(("height", "width"), [(256, 256), (300, 256), (256, 401), (1000, 501), (3, 900), (1, 1)])
def test_the_shorter_side_is_resized_and_the_centre_cropped(height, width):
    ramp = np.broadcast_to(np.linspace(0, 255, width).astype(np.uint8)[None, :, None], (height, width, 3))
    cut = pixels(np.ascontiguousarray(ramp), Preprocessing())
    assert cut.shape == (224, 224, 3)
    if width > 2:
        assert cut[:, [0, -1], 0].mean() == pytest.approx(127, abs=3)


def test_an_image_of_256_is_only_cropped():
    image = np.random.default_rng(0).integers(0, 256, (256, 300, 3), np.uint8)
    np.testing.assert_array_equal(pixels(image, Preprocessing()), image[16:240, 38:262])


def test_a_frame_is_taken_whole():
    assert preprocess(Image.new("RGB", (64, 48)), replace(WHOLE_FRAME, crop=(32, 96))).shape == (1, 3, 32, 96)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 120, (120, 120, 120)),
        ("1", 1, (255, 255, 255)),
        ("I;16", 120 * 256 + 9, (120, 120, 120)),
        ("LA", (120, 3), (120, 120, 120)),
        ("RGBA", (*ORANGE, 0), ORANGE),
        ("P", ORANGE, ORANGE),
        ("CMYK", (0, 0, 0, 255), (0, 0, 0)),
    ],
)
def test_every_kind_of_image_becomes_three_colours(tmp_path, mode, colour, expected):
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image = Image.new("RGB", (14, 14), colour).quantize(4) if mode == "P" else Image.new(mode, (14, 14), colour)
    image.save(path)
    for picture in (path, image):
        assert preprocess(picture, SMALL)[0, :, 3, 3].tolist() == pytest.approx(by_hand(expected), abs=1e-6)


def test_cameras_that_lie_on_their_side_are_turned(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (32, 16)).save(tmp_path / "a.jpg", exif=exif)
    assert preprocess(tmp_path / "a.jpg", replace(WHOLE_FRAME, crop=(32, 16)), resize=False).shape == (1, 3, 32, 16)


def test_another_size_is_refused_when_asked():
    with pytest.raises(CaffeError, match=r"image of 10x20, expected 14x14 \(height x width\)"):
        preprocess(Image.new("RGB", (20, 10)), SMALL, resize=False)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_named(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(CaffeError, match=r"a\.png: cannot be read as an image"):
        preprocess(tmp_path / "a.png", SMALL)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_a_cut_image_is_named(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(CaffeError, match="cannot be read as an image"):
        preprocess(path, SMALL)


def test_a_missing_file_and_wrong_arrays():
    with pytest.raises(CaffeError, match=r"nowhere\.png: cannot be read: No such file"):
        preprocess("nowhere.png", SMALL)
    for array in (np.zeros((14, 14), np.uint8), np.zeros((14, 14, 3), np.float32), np.zeros((0, 14, 3), np.uint8)):
        with pytest.raises(CaffeError, match=r"expected RGB \(H, W, 3\) of uint8"):
            preprocess(array, SMALL)
    with pytest.raises(CaffeError, match="image: found an image of 0x3, without pixels"):
        preprocess(Image.new("RGB", (3, 0)), SMALL)


def test_settings_that_cannot_be():
    with pytest.raises(CaffeError, match="interpolation: found 'lanczos', expected one of bilinear"):
        preprocess(Image.new("RGB", (20, 20)), replace(SMALL, interpolation="lanczos"))
    with pytest.raises(CaffeError, match="cannot be cut out of a shorter side of 16"):
        preprocess(Image.new("RGB", (20, 20)), replace(SMALL, crop=(17, 14)))
