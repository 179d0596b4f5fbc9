"""Whether reading images keeps a device busy: training from files against torch alone on random data in its memory.

python benchmarks/input_pipeline.py [--device cuda] [--network df1] [--size 224] [--batch 64] [--images FOLDER]

Without a folder, JPEG photos of noise and ramps are made, 500x375, as ImageNet's are on average. Three figures in
images a second: what the readers give when nobody trains, what the device trains when nobody reads, and both together.
The device is busy when the last is no lower than the second.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from caffe_zoo import card
from converters import to_torch
from prototxt_gen import generate
from search import Schedule, image_folder
from search.training.dataset import Batch
from search.training.pipeline import read_ahead, usable_cpus
from search.training.training import Run


def photos(folder: Path, count: int) -> Path:
    """JPEG files of 500x375 in two classes, of about 100 KB each, as photos are."""
    rng = np.random.default_rng(0)
    for number in range(count):
        target = folder / "ab"[number % 2]
        target.mkdir(exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 255, (48, 64, 3), np.uint8)).resize((500, 375))
        noisy = np.asarray(coarse).astype(int) + rng.normal(0, 12, (375, 500, 3))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(target / f"{number}.jpg", quality=90)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--network", default="df1")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--readers", type=int, default=usable_cpus())
    parser.add_argument("--float32", action="store_true", help="instead of mixed precision with channels last")
    parser.add_argument("--images", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = args.images or photos(Path(made), 512)
        data = image_folder(folder, (args.size, args.size))
        mode = {} if args.float32 else {"precision": "mixed", "channels_last": True}
        schedule = Schedule(batch_size=args.batch, least_area=0.08, **mode)
        net = generate(
            replace(card(args.network).architecture, classes=len(data.classes)), "deploy", (1, 3, args.size, args.size)
        )
        layout = torch.channels_last if schedule.channels_last else torch.contiguous_format
        module = to_torch(net).to(device=args.device, memory_format=layout).train()
        run = Run(net.name, module, data.train, schedule, args.device, layout)
        rng = random.Random(0)

        def orders():
            for _ in range(args.steps + 5):
                yield rng.choices(range(len(data.train)), k=args.batch), random.Random(rng.random())

        def rate(batches, work) -> float:
            """Images a second of all but the first five batches."""
            for number, batch in enumerate(batches):
                if number == 5:
                    _wait(args.device)
                    begun = time.perf_counter()
                work(batch)
            _wait(args.device)
            return args.steps * args.batch / (time.perf_counter() - begun)

        pinned = args.device.startswith("cuda")
        name = torch.cuda.get_device_name() if pinned else f"CPU, {torch.get_num_threads()} threads"
        print(f"{args.network} at {args.size}x{args.size}, batch {args.batch}, {mode or 'float32'}, on {name}")
        for readers in sorted({1, max(1, args.readers // 2), args.readers}):
            read = rate(read_ahead(data.train, orders(), schedule.augmentation, readers, pinned), lambda batch: None)
            print(f"reading alone, {readers} threads: {read:,.0f} images/s")
        inputs = torch.randint(0, 256, (args.batch, args.size, args.size, 3), dtype=torch.uint8, device=args.device)
        random_batch = Batch(inputs, torch.randint(0, len(data.classes), (args.batch,), device=args.device))
        alone = rate((random_batch for _ in range(args.steps + 5)), lambda batch: run.step(batch, 0.01))
        print(f"training alone, on random data: {alone:,.0f} images/s")
        both = rate(
            read_ahead(data.train, orders(), schedule.augmentation, args.readers, pinned),
            lambda batch: run.step(batch, 0.01),
        )
        print(f"training from files, {args.readers} threads read: {both:,.0f} images/s, {both / alone:.0%} of alone")


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
