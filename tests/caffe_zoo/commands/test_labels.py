"""Label maps for training in Caffe, as a person types it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from caffe_zoo import card
from prototxt_gen import generate, label_size


@pytest.fixture
def folder(tmp_path):
    """Two label files of street scenes: road above sky, with a border of another label id."""
    path = tmp_path / "gtFine"
    path.mkdir()
    for name in ("aachen_000000", "bonn_000001"):
        ids = np.full((1024, 2048), 7, np.uint8)
        ids[512:] = 23
        ids[:5] = 3
        Image.fromarray(ids).save(path / f"{name}_gtFine_labelIds.png")
    return path


@pytest.mark.parametrize("network", ["df1seg_d8", "pl1a_seg", "df1seg"])
def test_the_maps_have_the_size_that_the_network_needs(run, folder, tmp_path, network):
    out = tmp_path / "labels"
    height, width = label_size(card(network).architecture)
    said = run("labels", network, *folder.iterdir(), "-o", out)
    assert said == f"{out}: 2 label maps of {height}x{width}, from 1024x2048\n"
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in folder.iterdir())
    for path in out.iterdir():
        with Image.open(path) as written:
            assert written.mode == "L" and written.size == (width, height)
            assert set(np.unique(np.asarray(written))) <= {0, 10, 255}


def test_label_files_may_be_in_folders(run, folder, tmp_path):
    one = next(folder.iterdir())
    extra = tmp_path / "extra.png"
    Image.new("L", (64, 32), 33).save(extra)
    said = run("labels", "df1seg_d8", folder, extra, "-o", f"{tmp_path}/out", "--input-shape", "1,3,64,128")
    assert said == f"{tmp_path}/out: 3 label maps of 8x16, from 32x64, 1024x2048\n"
    with Image.open(tmp_path / "out" / one.name) as written:
        assert np.asarray(written).tolist() == [[0] * 16] * 4 + [[10] * 16] * 4


def test_classes_of_a_network_of_your_own(run, fault, tmp_path):
    Image.new("L", (64, 64), 4).save(tmp_path / "four.png")
    network = ("labels", "s4-8_b8_b8_b8_p8-16_d8-8-8_u8_c5", tmp_path / "four.png", "-o", tmp_path / "out")
    assert "--ids train" in fault(*network)
    assert "1 label map of" in run(*network, "--ids", "train")
    Image.new("L", (64, 64), 5).save(tmp_path / "four.png")
    assert "four.png: found 5 at row 0, column 0, expected a class 0 to 4" in fault(*network, "--ids", "train")


def test_faults_are_one_line(fault, folder, tmp_path):
    file = next(folder.iterdir())
    out = tmp_path / "out"
    assert "df1: found a classification network, expected one for segmentation" in fault(
        "labels", "df1", file, "-o", out
    )
    assert "nowhere.png: no such file" in fault("labels", "df1seg_d8", tmp_path / "nowhere.png", "-o", out)
    assert not out.exists()
    before = file.read_bytes()
    assert "is one of the inputs" in fault("labels", "df1seg_d8", file, "-o", folder)
    assert file.read_bytes() == before
    Image.new("RGB", (4, 4)).save(file)
    assert f"{file}: found 3 channels" in fault("labels", "df1seg_d8", file, "-o", out)


def test_generate_says_which_size_label_files_have(run, capsys, tmp_path):
    net = tmp_path / "net.prototxt"
    said = run("generate", "df1seg_d8", "--form", "train_val", "-o", net).splitlines()
    assert said[0].startswith(f"{net}: train_val network of ")
    assert "label files must be grey images of 128x256" in said[1] and "dongfeng labels df1seg_d8" in said[1]
    run("generate", "df1seg_d8", "--form", "train_val")
    said = run("generate", "df1seg_d8", "--form", "train_val", "--input-shape", "2,3,64,128")
    assert "label files must be grey images of 8x16" in said and "--input-shape 2,3,64,128" in said
    assert "label files" not in run("generate", "df1seg_d8") + run("generate", "df1", "--form", "train_val")


def test_a_train_val_network_resizes_no_labels():
    """Caffe interpolates what it resizes, and between class 0 and class 18 lies class 9."""
    for network in ("df1seg", "df1seg_d8", "df-lite_seg_d8", "pl1a_seg"):
        layers = [
            layer for layer in generate(card(network).architecture, form="train_val").layer if layer.name == "label"
        ]
        assert len(layers) == 2
        for layer in layers:
            assert not layer.image_data_param.new_height and not layer.image_data_param.new_width
