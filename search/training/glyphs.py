"""Glyphs: characters drawn with the fonts that matplotlib carries, turned, sheared, shifted, in noise.

Every image is made from a seed, so a search needs no download. Unlike the digits, which most networks get right, they
tell narrow networks from wide ones and shallow ones from deep ones after a training of seconds.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from prototxt_gen.errors import ArchitectureError, FileError, NotInstalledError
from search.training.dataset import Dataset, Split, preprocess

#: Digits and capitals without O and I, which in some font look like 0 and 1.
CHARACTERS = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
#: Those of matplotlib's fonts in which each of these characters is itself.
FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-BoldOblique", "DejaVuSans-Oblique"),
    *("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-BoldOblique", "DejaVuSansMono-Oblique"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-BoldItalic", "DejaVuSerif-Italic"),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralBolIta", "STIXGeneralItalic"),
    *("cmb10", "cmr10", "cmss10", "cmti10", "cmtt10"),
)
#: How many images there are to train on, and held out.
TRAIN, HELD_OUT = 16_000, 4_000

# What is drawn at random, evenly between these limits. Lengths are shares of the image's shorter side.
TURN = (-12.0, 12.0)  # degrees
SHEAR = (-0.15, 0.15)  # to the right, as a share of the height
HEIGHT = (0.55, 0.75)  # of a capital
SHIFT = (-0.06, 0.06)
CONTRAST = (0.5, 1.0)  # 1 is white on black; as often the other way round
# Standard deviation of the noise, in greys of 0 to 255.
NOISE = 20.0

# No character is wider than this share of the side, or a bold W would lose its ends.
WIDEST = 0.95
# Characters are drawn so much larger, and reduced at the end: edges are smooth at any angle.
ENLARGED = 2


def glyphs(size: tuple[int, int], train: int = TRAIN, held_out: int = HELD_OUT, seed: int = 0) -> Dataset:
    """Images of `size` (height, width) of 34 characters in 21 fonts: `train` to train on, `held_out` others.

    The characters are the classes, as often as each other to within one image. Fonts, angles and all else are drawn
    from `seed` (0 to 2^32 - 1), for the two parts apart, so that neither depends on the other's number. The same fonts
    give the same images; the identity tells size, seed, numbers and a digest of the font files. Images are
    preprocessed as the digits are. NotInstalledError without matplotlib; FileError names the fonts that its
    installation lacks; ArchitectureError for images of less than 8 pixels.
    """
    if min(size) < 8:
        raise ArchitectureError(f"glyphs: found images of {size[0]}x{size[1]}, expected at least 8x8")
    fonts = _font_files()
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in fonts)).hexdigest()[:16]
    masters = [_masters(path, min(size)) for path in fonts]
    to_train, others = (_split(masters, size, number, (seed, part)) for part, number in enumerate((train, held_out)))
    identity = f"glyphs {size[0]}x{size[1]}, seed {seed}, {train} and {held_out} images, fonts {digest}"
    return Dataset(identity, tuple(CHARACTERS), to_train, others)


def _font_files() -> list[Path]:
    try:
        import matplotlib
    except ImportError as fault:
        raise NotInstalledError("matplotlib", "demo", "the fonts of the glyphs") from fault
    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    missing = [name for name in FONTS if not (folder / f"{name}.ttf").is_file()]
    if missing:
        raise FileError(f"{folder}: no {', '.join(missing)} (.ttf); matplotlib's own packages on PyPI carry them")
    return [folder / f"{name}.ttf" for name in FONTS]


def _masters(font: Path, side: int) -> list[Image.Image]:
    """Each character in white on black, cut to its size, for capitals as high as they are ever shown."""
    # The basic layout is in every build of Pillow; without it, what is installed beside Pillow would decide.
    load = partial(ImageFont.truetype, str(font), layout_engine=ImageFont.Layout.BASIC)
    _, top, _, bottom = load(size=256).getbbox("H")
    sized = load(size=round(256 * HEIGHT[1] * side * ENLARGED / (bottom - top)))
    return [_master(sized, character) for character in CHARACTERS]


def _master(font: ImageFont.FreeTypeFont, character: str) -> Image.Image:
    left, top, right, bottom = (round(edge) for edge in font.getbbox(character))
    image = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(image).text((-left, -top), character, fill=255, font=font)
    return image


def _split(masters: list[list[Image.Image]], size: tuple[int, int], count: int, seed: tuple[int, int]) -> Split:
    """So many images, drawn from a seed of their own."""
    # RandomState, unlike numpy's newer generators, gives the same numbers in every release.
    rng = np.random.RandomState(seed)
    labels = rng.permutation(count) % len(CHARACTERS)
    fonts = rng.randint(len(masters), size=count)
    turns, shears, heights, *shifts, contrasts = (
        rng.uniform(*limits, count) for limits in (TURN, SHEAR, HEIGHT, SHIFT, SHIFT, CONTRAST)
    )
    contrasts *= rng.choice((-1, 1), count)
    greys = np.empty((count, *size), np.uint8)
    for index, (label, font) in enumerate(zip(labels, fonts, strict=True)):
        place = shifts[0][index], shifts[1][index]
        shape = _drawn(masters[font][label], size, turns[index], shears[index], heights[index], place)
        # Half the way up for black on white: the mean of ground and character is always the middle grey.
        bright = 127.5 + contrasts[index] * (shape - 127.5) + NOISE * rng.standard_normal(size)
        greys[index] = np.rint(bright.clip(0, 255))
    return Split(torch.from_numpy(labels.astype(np.int64)), partial(_images, greys))


def _drawn(
    master: Image.Image, size: tuple[int, int], turn: float, shear: float, height: float, shift: tuple[float, float]
) -> NDArray[np.uint8]:
    """A master sheared, turned, made smaller and put near the middle of an image: (height, width)."""
    side = min(size) * ENLARGED
    smaller = min(height / HEIGHT[1], WIDEST * side / master.width)
    cosine, sine = math.cos(math.radians(turn)) / smaller, math.sin(math.radians(turn)) / smaller
    # From a place in the image back to one in the master: its middle, x along (a, b), y along (c, d).
    a, b, c, d = cosine - shear * sine, sine + shear * cosine, -sine, cosine
    canvas = size[1] * ENLARGED, size[0] * ENLARGED
    x, y = (length / 2 + share * side for length, share in zip(canvas, shift, strict=True))
    matrix = a, b, master.width / 2 - a * x - b * y, c, d, master.height / 2 - c * x - d * y
    # Rounded, since the last bits of a sine are not the same everywhere.
    rounded = tuple(round(value, 6) for value in matrix)
    drawn = master.transform(canvas, Image.Transform.AFFINE, rounded, Image.Resampling.BILINEAR)
    return np.asarray(drawn.reduce(ENLARGED))


def _images(greys: NDArray[np.uint8], indices: Sequence[int], rng: random.Random | None) -> torch.Tensor:
    return preprocess(np.repeat(greys[list(indices)][..., None], 3, axis=-1))
