"""examples/finetune.py on images made here: the weights move, and the pair that it writes is a network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from converters import load_weights, to_torch
from prototxt_gen import read_prototxt

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "finetune.py"


def test_two_classes_of_images(tmp_path, weights_file):
    weights = weights_file("df1")
    rng = np.random.default_rng(0)
    for name, colour in (("blue", (20, 40, 220)), ("red", (220, 40, 20))):
        folder = tmp_path / "images" / name
        folder.mkdir(parents=True)
        for number in range(5):
            pixels = rng.normal(colour, 20, (64, 80, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    command = [sys.executable, str(EXAMPLE), "images", str(weights), "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"epoch \d: [\d.]+% of the held-out images", done.stdout)) == 1
    net = read_prototxt(tmp_path / "finetuned.prototxt")
    tuned = load_weights(tmp_path / "finetuned.caffemodel")
    to_torch(net, tuned)
    assert tuned["fc"][0].shape == (2, 512)
    before = load_weights(weights)["res4.4.conv1"][0]
    moved = np.abs(tuned["res4.4.conv1"][0] - before).max()
    assert 0 < moved < 0.5 * np.abs(before).max()
