"""The glyphs: repeatable, balanced, each its label's character, no image twice, and told apart by nothing but shape."""

import random
import sys

import numpy as np
import pytest
import torch

from prototxt_gen.errors import ArchitectureError, FileError, NotInstalledError
from search.training import glyphs as made
from search.training.glyphs import CHARACTERS, FONTS, glyphs

pytest.importorskip("matplotlib", reason="matplotlib (extra `demo`) carries the fonts")


def small(size=(32, 32), train=340, held_out=170, seed=0):
    return glyphs(size, train, held_out, seed)


def everything(split, rng=None):
    return split.images(range(len(split.labels)), rng)


def test_the_same_seed_gives_the_same_images_and_another_one_others():
    one, again, other = small(), small(), small(seed=1)
    for part in ("train", "held_out"):
        first, second, third = (getattr(data, part) for data in (one, again, other))
        assert torch.equal(first.labels, second.labels)
        assert torch.equal(everything(first), everything(second, random.Random(0)))
        assert not torch.equal(everything(first), everything(third))


def test_neither_part_depends_on_how_large_the_other_is():
    assert torch.equal(everything(small().held_out), everything(small(train=34).held_out))
    assert torch.equal(everything(small().train), everything(small(held_out=34).train))


def test_the_identity_tells_size_seed_numbers_and_fonts(monkeypatch):
    one = small().identity
    assert one.startswith("glyphs 32x32, seed 0, 340 and 170 images, fonts ")
    others = [small((24, 32)), small(seed=1), small(train=341), small(held_out=171)]
    monkeypatch.setattr(made, "FONTS", FONTS[:-1])
    others.append(small())
    assert len({one, *(data.identity for data in others)}) == 6


@pytest.mark.parametrize("size", [(32, 32), (20, 31), (8, 8)])
def test_they_are_balanced_and_preprocessed_as_digits_are(size):
    data = small(size, train=350)
    assert data.classes == tuple(CHARACTERS) and len(data.classes) == 34
    assert sorted(data.train.labels.bincount().tolist()) == [10] * 24 + [11] * 10
    assert data.held_out.labels.bincount().tolist() == [5] * 34
    images = everything(data.train)
    assert images.shape == (350, 3, *size) and images.dtype == torch.float32
    # Three equal channels of whole greys: black is 0 less the mean, white 255 less the mean, times the scale.
    greys = [images[:, channel] / 0.008 + mean for channel, mean in enumerate((104, 117, 123))]
    assert torch.allclose(greys[0], greys[1], atol=1e-3) and torch.allclose(greys[0], greys[2], atol=1e-3)
    assert torch.allclose(greys[0], greys[0].round(), atol=1e-3)
    assert greys[0].min().item() == pytest.approx(0, abs=1e-3) and greys[0].max().item() == pytest.approx(255)


def test_no_image_is_there_twice():
    data = small(train=1000, held_out=1000)
    images = torch.cat([everything(data.train), everything(data.held_out)]).numpy()
    assert len({image.tobytes() for image in images}) == 2000


def greys_of(split):
    """The images as greys (n, height, width) of 0 to 255."""
    return everything(split)[:, 0].numpy() / 0.008 + 104


def plain(monkeypatch, **limits):
    """The images of a seed without noise, and with nothing at random but what `limits` say."""
    still = {"TURN": (0, 0), "SHEAR": (0, 0), "SHIFT": (0, 0), "HEIGHT": (0.75, 0.75), "CONTRAST": (1, 1), "NOISE": 0}
    for name, value in (still | limits).items():
        monkeypatch.setattr(made, name, value)


def templates():
    """Every character in every font, as it is drawn alone: (34, fonts, 32, 32) in 0..1."""
    masters = [made._masters(path, 32) for path in made._font_files()]
    middle = (32, 32), 0.0, 0.0, made.HEIGHT[1], (0.0, 0.0)
    return np.array([[made._drawn(font[label], *middle) for font in masters] for label in range(34)]) / 255


def test_each_image_shows_the_character_of_its_label(monkeypatch):
    plain(monkeypatch)
    data = small()
    drawn = templates()
    for image, label in zip(greys_of(data.train), data.train.labels.tolist(), strict=True):
        # The corner is the ground: black on white as often as white on black.
        shape = np.abs(image - image[0, 0]) / 255
        distances = np.abs(drawn - shape).mean(axis=(2, 3)).min(axis=1)
        assert int(distances.argmin()) == label


def test_no_two_characters_look_alike_in_any_two_fonts():
    drawn = templates()
    shapes = drawn.reshape(34, len(FONTS), -1)
    for first in range(34):
        for second in range(first):
            distance = np.abs(shapes[first][:, None] - shapes[second][None]).mean(axis=2)
            assert distance.min() > 0.02, f"{CHARACTERS[first]} and {CHARACTERS[second]}"


def test_every_font_has_every_character_of_its_own():
    drawn = templates()
    for font, name in enumerate(FONTS):
        shapes = {drawn[label, font].tobytes() for label in range(34)}
        assert len(shapes) == 34, name
        ink = drawn[:, font].mean(axis=(1, 2))
        assert ink.min() > 0.02 and ink.max() < 0.5, name


def test_no_character_leaves_the_image(monkeypatch):
    plain(monkeypatch, TURN=made.TURN, SHEAR=made.SHEAR, SHIFT=made.SHIFT)
    images = greys_of(small(train=1700).train)
    ground = np.median(images, axis=(1, 2), keepdims=True)
    shapes = np.abs(images - ground)
    edges = np.concatenate([shapes[:, 0], shapes[:, -1], shapes[:, :, 0], shapes[:, :, -1]], axis=1)
    # A serif may touch an edge.
    assert (edges > 64).mean() < 0.01


def test_the_mean_grey_tells_nothing_of_the_class():
    data = small(train=3400)
    greys = everything(data.train)[:, 0].mean(dim=(1, 2))
    means = torch.stack([greys[data.train.labels == label].mean() for label in range(34)])
    assert means.std() < 0.25 * greys.std()


@pytest.mark.parametrize("size", [(7, 32), (32, 7), (1, 1)])
def test_images_too_small_to_tell_are_refused(size):
    with pytest.raises(ArchitectureError, match=f"glyphs: found images of {size[0]}x{size[1]}, expected at least 8x8"):
        glyphs(size)


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(NotInstalledError, match=r"glyphs: needs matplotlib, .*pip install 'dongfeng\[demo\]'"):
        small()


def test_all_fonts_that_an_installation_lacks_are_named(monkeypatch, tmp_path):
    import matplotlib

    folder = tmp_path / "fonts" / "ttf"
    folder.mkdir(parents=True)
    for name in FONTS:
        if name not in ("cmb10", "DejaVuSans"):
            (folder / f"{name}.ttf").write_bytes(b"")
    monkeypatch.setattr(matplotlib, "get_data_path", lambda: str(tmp_path))
    with pytest.raises(FileError, match=r"ttf: no DejaVuSans, cmb10 \(\.ttf\)"):
        small()
