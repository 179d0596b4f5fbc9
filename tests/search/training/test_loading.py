"""Datasets by name: each with a space of its classes and a schedule, and what `dongfeng search` makes of it."""

import json

import pytest

from prototxt_gen.errors import ArchitectureError
from search import load_data, parse_space
from search.training.loading import NAMED

NEEDED = {"digits": "sklearn", "glyphs": "matplotlib"}


@pytest.mark.parametrize("name", NAMED)
def test_the_space_of_a_dataset_has_its_classes_and_its_input(name):
    pytest.importorskip(NEEDED[name])
    space = parse_space(NAMED[name].space)
    assert str(space) == NAMED[name].space
    data = load_data(name, space.input_shape)
    assert data.identity.startswith(f"{name} 32x32") and len(data.classes) == space.classes
    assert data.train.images(range(2), None).shape == (2, *space.input_shape[1:])
    assert NAMED[name].schedule.steps(len(data.train.labels)) >= 250


@pytest.mark.parametrize("name", [*NAMED, "some/folder"])
def test_caffe_gives_three_channels_of_every_image(name):
    with pytest.raises(ArchitectureError, match="found 1 channels, expected 3"):
        load_data(name, (1, 1, 32, 32))


def test_a_search_on_glyphs_trains_by_their_own_schedule(tmp_path):
    pytest.importorskip("matplotlib")
    from caffe_zoo.cli import main

    words = ["--space", "s8_b1-1_w16_c34_i3x16x16", "--trials", "1", "--seed", "3"]
    assert main(["search", "--data", "glyphs", "--out", str(tmp_path / "run"), *words]) == 0
    boundary = json.loads((tmp_path / "run" / "boundary.json").read_text())
    assert boundary["data"].startswith("glyphs 16x16, seed 0, 16000 and 4000 images")
    (network,) = boundary["networks"]
    # Guessing is right once in 34 times.
    assert network["accuracy"] > 0.1
    solver = (tmp_path / "run" / network["prototxt"]).with_name("solver.prototxt").read_text()
    assert "max_iter: 250" in solver and "base_lr: 0.05" in solver
