"""Accuracy on ImageNet and Cityscapes, as a person types it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from caffe_zoo import segment
from caffe_zoo.classification import classify
from converters import save_weights
from converters.cityscapes import LABELS, Scores, frames, read_ids
from prototxt_gen import NetParameter
from prototxt_gen.text import parse_text

# The score of class k is 2 k red - k^2: the nearest k is the best.
REDS = """
name: "reds"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 10 } }
"""


@pytest.fixture
def reds(tmp_path):
    """A network that tells how red an image is, from 0 to 9, its weights, and images with their classes."""
    (tmp_path / "reds.prototxt").write_text(REDS)
    k = np.arange(10, dtype=np.float32)
    weights = {"fc": [np.stack([0 * k, 0 * k, 2 * k], axis=1), -k * k]}
    save_weights(weights, tmp_path / "reds.caffemodel", parse_text(REDS, NetParameter()))
    for red in range(10):
        path = tmp_path / "data" / "val" / str(red) / "image.png"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (4, 4), (red, 0, 0)).save(path)
    return tmp_path


def test_evaluate_on_imagenet(run, fault, tmp_path, df1):
    (tmp_path / "val").mkdir()
    for number in range(3):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(tmp_path / "val" / f"{number}.png")
    labels = [classify("df1", tmp_path / "val" / f"{number}.png", df1)[4 * (number % 2)][0] for number in range(3)]
    (tmp_path / "val.txt").write_text("".join(f"{number}.png {label}\n" for number, label in enumerate(labels)))
    command = ("evaluate", "df1", "--data", tmp_path, "--weights", df1)
    assert run(*command, "--batch", "2") == "3 images\naccuracy/top-1 = 0.666667\naccuracy/top-5 = 1\n"
    assert "--split is for segmentation" in fault(*command, "--split", "test")
    (tmp_path / "val" / "1.png").write_bytes(b"")
    assert "1.png: cannot be read as an image" in fault(*command)


def test_evaluate_prints_the_scores_of_the_networks_labels(run, fault, small, tmp_path):
    root = tmp_path / "cityscapes"
    rng = np.random.default_rng(1)
    for number, city in enumerate(("aachen", "bonn", "bonn")):
        stem = f"{city}_{number:06}_000019"
        for part in ("leftImg8bit", "gtFine"):
            (root / part / "val" / city).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (64, 128, 3), np.uint8)
        Image.fromarray(pixels).save(root / "leftImg8bit" / "val" / city / f"{stem}_leftImg8bit.png")
        labels = rng.integers(0, len(LABELS), (64, 128), np.uint8)
        Image.fromarray(labels).save(root / "gtFine" / "val" / city / f"{stem}_gtFine_labelIds.png")
    scores = Scores()
    for frame in frames(root):
        scores.add(segment("small", frame.image, small), read_ids(frame.labels, 33))
    assert run("evaluate", "small", "--data", root, "--weights", small, "--batch", 2) == f"3 images\n\n{scores}\n"
    Image.new("L", (5, 5)).save(next(root.rglob("*_labelIds.png")))
    assert "expected the size of the labels, (5, 5)" in fault("evaluate", "small", "--data", root, "--weights", small)
    assert "--list is for classification" in fault(
        "evaluate", "small", "--data", root, "--weights", small, "--list", "val.txt"
    )
    assert "expected 19" in fault("evaluate", "small", "--data", root, "--weights", small, "--classes", 5)


def reds_command(reds, *more):
    return (
        *("evaluate", reds / "reds.prototxt", "--weights", reds / "reds.caffemodel", "--data", reds / "data"),
        *("--mean", "0", *more),
    )


def test_a_network_in_files(run, fault, reds):
    assert run(*reds_command(reds)) == "10 images\naccuracy/top-1 = 1\naccuracy/top-5 = 1\n"
    # A third of the pixels' values: 0, 1/3, 2/3 and so on lie nearest to 0, 0, 1, ...
    third = run(*reds_command(reds, "--scale", "0.3333333"))
    assert "accuracy/top-1 = 0.1\n" in third
    assert "expected what is subtracted from pixels" in fault(*reds_command(reds)[:-2])
    assert "--weights: found none" in fault("evaluate", reds / "reds.prototxt", "--data", reds, "--mean", "0")
    assert "--classes is for a network of the zoo" in fault(*reds_command(reds, "--classes", "5"))
    assert "--mean is for a network in a file" in fault("evaluate", "df1", "--data", reds, "--mean", "0")
    assert "no network 'df7' in the zoo" in fault("evaluate", "df7", "--data", reds)


def test_int8_beside_float32(run, fault, reds):
    pytest.importorskip("onnxruntime")
    said = run(*reds_command(reds, "--int8", reds / "data" / "val", "--calibration-images", 10))
    assert "10 images; onnxruntime" in said
    assert f"calibrated with 10 of the 10 images in {reds / 'data' / 'val'} (seed 0)" in said
    assert "int8: min-max; uint8 activations, int8 weights by channel" in said
    assert "top-1 accuracy   100.00%   100.00%   +0.00 points" in said
    assert "same best class: 100.00% of the images" in said
    assert "found the engine torch, expected one that has int8" in fault(
        *reds_command(reds, "--int8", reds / "data", "--engine", "torch")
    )
    assert "none: no such folder" in fault(*reds_command(reds, "--int8", reds / "none"))


def test_a_calibration_with_other_images_than_the_networks_costs_accuracy(run, reds):
    """A white image makes scores 25 times as large, and so the steps of 8 bits: the classes can no longer be told."""
    pytest.importorskip("onnxruntime")
    (reds / "white").mkdir()
    Image.new("RGB", (4, 4), (255, 255, 255)).save(reds / "white" / "image.png")
    said = run(*reds_command(reds, "--int8", reds / "white"))
    (line,) = (line for line in said.splitlines() if line.startswith("top-1 accuracy"))
    float32, int8, difference, _ = line.split()[2:]
    assert float32 == "100.00%" and float(int8[:-1]) < 60
    assert float(difference) == pytest.approx(float(int8[:-1]) - 100)


def test_int8_of_a_segmentation_network(run, fault, small, tmp_path):
    pytest.importorskip("onnxruntime")
    root = tmp_path / "cityscapes"
    rng = np.random.default_rng(1)
    for part, ending, pixels in (
        ("leftImg8bit", "leftImg8bit", rng.integers(0, 256, (64, 128, 3), np.uint8)),
        ("gtFine", "gtFine_labelIds", rng.integers(0, len(LABELS), (64, 128), np.uint8)),
        ("gtFine", "gtFine_labelTrainIds", rng.integers(0, 19, (64, 128), np.uint8)),
    ):
        path = root / part / "val" / "aachen" / f"aachen_000000_000019_{ending}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    command = ("evaluate", "small", "--data", root, "--weights", small)
    said = run(*command, "--int8", root / "leftImg8bit")
    scores = Scores()
    (frame,) = frames(root)
    scores.add(segment("small", frame.image, small), read_ids(frame.labels, 33))
    rows = {line[:14].strip(): line[14:].split() for line in said.splitlines()}
    assert rows["road"][0] == f"{scores.classes()['road'][0]:.2%}"
    share = float(said.rpartition("same class: ")[2].split("%")[0])
    assert 50 < share < 100
    own = run(*command, "--ids", "train")
    assert own.startswith("1 images\n\n") and "class 18" in own and "mean IoU" in own
    assert "--ids is for segmentation" in fault("evaluate", "df1", "--data", root, "--ids", "train")
