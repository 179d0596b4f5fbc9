"""Accuracy on ImageNet and Cityscapes, as a person types it."""

from __future__ import annotations

import numpy as np
from PIL import Image

from caffe_zoo import segment
from caffe_zoo.classification import classify
from converters.cityscapes import LABELS, Scores, frames, read_ids


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
