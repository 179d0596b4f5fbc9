"""Images in every mode that Pillow opens."""

import numpy as np
import pytest
from PIL import Image

from converters.images import read_image
from prototxt_gen.errors import FormatError

ORANGE = (250, 120, 30)


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def grey16(value):
    return Image.fromarray(np.full((4, 4), value, dtype=np.uint16))


@pytest.mark.parametrize(
    ("suffix", "image", "rgb"),
    [
        (".png", Image.new("RGB", (4, 4), ORANGE), ORANGE),
        (".png", Image.new("RGBA", (4, 4), (*ORANGE, 7)), ORANGE),
        (".png", Image.new("L", (4, 4), 77), (77, 77, 77)),
        (".png", Image.new("LA", (4, 4), (77, 0)), (77, 77, 77)),
        (".png", Image.new("1", (4, 4), 1), (255, 255, 255)),
        (".png", Image.new("RGB", (4, 4), ORANGE).quantize(4), ORANGE),
        (".gif", Image.new("RGB", (4, 4), ORANGE).quantize(4), ORANGE),
        (".png", grey16(0x4D00), (77, 77, 77)),
        (".tif", grey16(0xFFFF), (255, 255, 255)),
        (".tif", Image.new("CMYK", (4, 4), (0, 0, 0, 255)), (0, 0, 0)),
        (".bmp", Image.new("RGB", (4, 4), ORANGE), ORANGE),
    ],
)
def test_every_mode_becomes_rgb(tmp_path, suffix, image, rgb):
    read = read_image(save(tmp_path / f"a{suffix}", image))
    assert read.mode == "RGB" and read.getpixel((1, 1)) == rgb


def test_a_palette_with_a_transparent_colour(tmp_path):
    image = Image.new("RGB", (4, 4), ORANGE).quantize(4)
    image.save(tmp_path / "a.png", transparency=0)
    assert read_image(tmp_path / "a.png").getpixel((0, 0)) == ORANGE


def test_a_photograph_is_turned_as_its_camera_says(tmp_path):
    image = Image.new("RGB", (8, 4))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").size == (4, 8)


def test_numbers_that_are_no_greys_are_named(tmp_path):
    Image.fromarray(np.full((4, 4), 0.5, dtype=np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(FormatError, match=r"a\.tif: found floating-point"):
        read_image(tmp_path / "a.tif")
    Image.fromarray(np.full((4, 4), 70000, dtype=np.int32)).save(tmp_path / "b.tif")
    with pytest.raises(FormatError, match=r"b\.tif: found pixels of 70000"):
        read_image(tmp_path / "b.tif")
