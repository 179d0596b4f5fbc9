"""What int8 costs, by onnxruntime and by the compiler of a real NPU: networks trained here, on images held out.

Trains a backbone and a network of PONAS on the glyphs, and a decoder on street scenes that are drawn here from a seed
(no photos: eight classes of Cityscapes as plain shapes in noise), writes networks and images into a folder, and runs
`dongfeng evaluate --int8` on them by each engine. The engine rknn needs its environment (docs/engines.md).

Run with: python benchmarks/int8.py FOLDER [--engines onnxruntime rknn] [--calibration-images 100 ...] [--only NAME]
A FOLDER that has networks and images already keeps them.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image, ImageDraw

from caffe_zoo.cli import main as dongfeng
from converters import save_weights
from prototxt_gen import generate, write_prototxt
from prototxt_gen.architectures.kinds import FAMILIES, IMAGE_SCALE
from search import Schedule, cityscapes, glyphs
from search.training.dataset import Dataset
from search.training.training import train

#: By name: the network, the size of its images, the epochs of its training, the learning rate.
NETWORKS = {
    "df": ("s16_b16_b16_b64x2_c34", (32, 32), 3, 0.05),
    "ponas": ("m16_i1.16e1_i24k5e2-e2_i48e4q-e2_i64e4q-k5e1_h128_c34", (32, 32), 3, 0.05),
    "decoder": ("s8-16_b16_b32_b64_p16-64_d32-16-19_u8_c19", (64, 128), 12, 0.05),
}
TRAIN, HELD_OUT = 400, 100
SKY, BUILDING, VEGETATION, ROAD, SIDEWALK, CAR, PERSON, POLE = 23, 11, 21, 7, 8, 26, 24, 17


def scene(rng: np.random.Generator, height: int, width: int) -> tuple[Image.Image, Image.Image]:
    """A street drawn at random, and its label ids."""
    photo, labels = Image.new("RGB", (width, height)), Image.new("L", (width, height))
    pens = ImageDraw.Draw(photo), ImageDraw.Draw(labels)

    def draw(shape: str, box: object, label: int, colour: tuple[int, int, int]) -> None:
        shade = tuple(int(np.clip(value + rng.normal(0, 18), 0, 255)) for value in colour)
        getattr(pens[0], shape)(box, fill=shade)
        getattr(pens[1], shape)(box, fill=label)

    horizon = int(height * rng.uniform(0.4, 0.55))
    draw("rectangle", (0, 0, width, height), SKY, (150, 180, 210))
    x = 0
    while x < width:
        wide = int(rng.integers(width // 10, width // 4))
        top = int(horizon * rng.uniform(0.15, 0.8))
        if rng.random() < 0.7:
            draw("rectangle", (x, top, x + wide, horizon), BUILDING, (130, 105, 90))
        else:
            draw("ellipse", (x, top, x + wide, horizon + height // 10), VEGETATION, (60, 105, 55))
        x += wide
    draw("rectangle", (0, horizon, width, height), SIDEWALK, (140, 135, 140))
    middle = width * rng.uniform(0.35, 0.65)
    draw("polygon", [(middle - width / 8, horizon), (middle + width / 8, horizon), (width, height), (0, height)], ROAD,
         (85, 85, 90))  # fmt: skip
    for _ in range(rng.integers(1, 4)):
        x, y, size = rng.uniform(0.1, 0.8) * width, rng.uniform(0.45, 0.75) * height, rng.uniform(0.1, 0.22) * height
        draw("rounded_rectangle", (x, y, x + 1.8 * size, y + size), CAR, tuple(map(int, rng.integers(0, 256, 3))))
    for _ in range(rng.integers(1, 4)):
        x, y, size = rng.uniform(0, 0.95) * width, rng.uniform(0.4, 0.65) * height, rng.uniform(0.15, 0.3) * height
        draw("ellipse", (x, y, x + 0.4 * size, y + size), PERSON, (120, 60, 60))
    for _ in range(rng.integers(0, 3)):
        x = rng.uniform(0, 1) * width
        draw("rectangle", (x, horizon * 0.3, x + width / 64, horizon + height * 0.1), POLE, (100, 100, 100))
    noisy = np.asarray(photo, np.float32) + rng.normal(0, 12, (height, width, 3))
    return Image.fromarray(np.rint(noisy.clip(0, 255)).astype(np.uint8)), labels


def write_scenes(folder: Path, size: tuple[int, int]) -> None:
    """Scenes to train on and held out, in the folders of Cityscapes."""
    for seed, (split, count) in enumerate((("train", TRAIN), ("val", HELD_OUT))):
        rng = np.random.default_rng(seed)
        for part in ("leftImg8bit", "gtFine"):
            (folder / part / split / "drawn").mkdir(parents=True)
        for number in range(count):
            photo, labels = scene(rng, *size)
            stem = f"drawn_{number:06}_000000"
            photo.save(folder / "leftImg8bit" / split / "drawn" / f"{stem}_leftImg8bit.png")
            labels.save(folder / "gtFine" / split / "drawn" / f"{stem}_gtFine_labelIds.png")


def write_glyphs(folder: Path, data: Dataset) -> None:
    """Images to train on and held out, a folder for each class."""
    mean = np.array(FAMILIES["df"].mean)[:, None, None]
    for split, part in (("train", data.train), ("val", data.held_out)):
        for character in data.classes:
            (folder / split / character).mkdir(parents=True)
        for index in range(len(part)):
            blob = part.images([index], None)[0].numpy() / IMAGE_SCALE + mean
            pixels = np.rint(blob[::-1].transpose(1, 2, 0)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / split / data.classes[int(part.labels[index])] / f"{index:05}.png")


def made(name: str, folder: Path) -> tuple[list[str], Path]:
    """The arguments of `dongfeng evaluate` for a network that is trained unless its files are there, and its images."""
    code, size, epochs, rate = NETWORKS[name]
    images = folder / ("scenes" if name == "decoder" else "glyphs")
    calibration = images / "leftImg8bit" / "train" if name == "decoder" else images / "train"
    if name == "decoder" and not images.exists():
        write_scenes(images, size)
    data = None
    if name != "decoder" and not images.exists():
        data = glyphs(size)
        write_glyphs(images, data)
    net = generate(code, input_shape=(1, 3, *size))
    prototxt, weights = folder / f"{name}.prototxt", folder / f"{name}.caffemodel"
    mean = FAMILIES["df"].scene_mean if name == "decoder" else FAMILIES["df"].mean
    if not weights.exists():
        data = cityscapes(images, size) if name == "decoder" else data or glyphs(size)
        begun = perf_counter()
        found, accuracy = train(net, data, Schedule(epochs=epochs, base_lr=rate, batch_size=32 if size[0] < 64 else 8))
        print(f"{name}: {code}: trained to {accuracy:.4f} in {perf_counter() - begun:.0f} s")
        write_prototxt(net, prototxt)
        save_weights(found, weights, net)
    command = ["evaluate", str(prototxt), "--weights", str(weights), "--data", str(images)]
    return [*command, "--mean", ",".join(f"{value:g}" for value in mean), "--scale", str(IMAGE_SCALE)], calibration


def main() -> None:
    """Trains what is missing and prints each command with its output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--engines", nargs="*", default=["onnxruntime", "rknn"])
    parser.add_argument("--calibration-images", nargs="*", type=int, default=[100])
    parser.add_argument("--only", nargs="*", choices=list(NETWORKS), default=list(NETWORKS))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for name in args.only:
        command, calibration = made(name, args.folder)
        for engine in args.engines:
            for count in args.calibration_images:
                more = ["--int8", str(calibration), "--engine", engine, "--calibration-images", str(count)]
                print(f"\n$ dongfeng {shlex.join([*command, *more])}")
                dongfeng([*command, *more])


if __name__ == "__main__":
    main()
