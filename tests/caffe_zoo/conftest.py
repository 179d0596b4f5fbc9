"""Small networks, images and weights that several tests use."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from caffe_zoo import cards
from caffe_zoo.models import network
from converters import save_weights, to_torch, weights_of
from prototxt_gen import parse_architecture


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A small network in the zoo, `small`, and the path of weights for it."""
    card = cards.Card(
        name="small",
        architecture=parse_architecture("s4-8_b8_b8_b8_p8-16_d8-8-8_u8_c19"),
        preprocessing=replace(cards.WHOLE_FRAME, crop=(64, 128)),
        kind="segmentation",
    )
    monkeypatch.setattr(cards, "CARDS", {**cards.CARDS, "small": card})
    torch.manual_seed(0)
    net = network("small")
    save_weights(weights_of(to_torch(net)), tmp_path / "small.caffemodel", net)
    return str(tmp_path / "small.caffemodel")


@pytest.fixture
def frames(tmp_path):
    """Three frames in a folder: one of the network's size, two of others, one of them grey."""
    path = tmp_path / "frames"
    path.mkdir()
    rng = np.random.default_rng(0)
    for number, shape in enumerate([(64, 128, 3), (48, 100, 3), (70, 70)]):
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(path / f"frame{number}.png")
    return path


@pytest.fixture
def df1(weights_file):
    """A file of weights for DF1."""
    return weights_file("df1")


@pytest.fixture
def photo(tmp_path):
    """A photo of nothing in particular."""
    path = tmp_path / "photo.png"
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (280, 333, 3), np.uint8)).save(path)
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, not yet made."""
    monkeypatch.setenv("DONGFENG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pl1a(reference):
    """PL1A-Seg: ncnn's pair of its files, ncnn's scores and labels, and the folder of the frames."""
    folder = reference / "pl1a"
    return f"{folder}/pl1a_seg.ncnn.param.bin,{folder}/pl1a_seg.ncnn.bin", np.load(folder / "expected.npz"), folder
